package front

import "testing"

func TestValuesOfAccessLogsStayInTheirPlace(t *testing.T) {
	const agent = "curl\", \"status\": \"200\r\nforged"
	for _, c := range []struct{ format, variable, value, want string }{
		{`{"agent": "$context.identity.userAgent"}`, "identity.userAgent", agent, `curl\", \"status\": \"200\r\nforged`},
		{` {"error": $context.error.messageString}`, "error.messageString", "\"no\"\n", `"no" `},
		{`$context.identity.userAgent`, "identity.userAgent", agent, `curl", "status": "200  forged`},
	} {
		if got := LogValue(c.format, c.variable, c.value); got != c.want {
			t.Errorf("%s in %s is %s, want %s", c.value, c.format, got, c.want)
		}
	}
}
