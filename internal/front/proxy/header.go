package proxy

import (
	"net/http"
	"strings"
)

// dropped are headers of answers that API Gateway and function URLs do not pass
// on: they are about the connection, or we set them.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
var dropped = map[string]bool{
	"Content-Length": true, "Expect": true, "Host": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// remapped come to the client as X-Amzn-Remapped-NAME.
var remapped = map[string]bool{
	"Authorization": true, "Connection": true, "Content-Md5": true, "Date": true, "Max-Forwards": true, "Server": true, "User-Agent": true, "Www-Authenticate": true,
}

// rename is the name under which a header of an answer reaches the client, and
// false if it does not.
func rename(form Form, name string) (string, bool) {
	name = http.CanonicalHeaderKey(name)
	switch {
	case dropped[name]:
		return name, false
	case form == REST || form == URL:
		if remapped[name] {
			name = "X-Amzn-Remapped-" + name
		}
	case name == "Connection" || name == "Date" || name == "Server":
		// HTTP APIs set these themselves.
		return name, false
	}
	return name, true
}

// validName tells a header name of RFC 9110: a token.
func validName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// validValue tells a header value: no control characters but the tab.
func validValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
