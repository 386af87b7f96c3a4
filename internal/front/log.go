package front

import (
	"encoding/json"
	"strings"
)

// lineEnds would begin a line of their own.
var lineEnds = strings.NewReplacer("\n", " ", "\r", " ")

// LogValue is the value of a $context variable as an access log has it: it cannot
// leave its place, neither by a line end nor, where the format is JSON, by a quote.
// The one variable that is a JSON text already keeps its quotes.
func LogValue(format, variable, value string) string {
	if !strings.HasPrefix(strings.TrimSpace(format), "{") || variable == "error.messageString" {
		return lineEnds.Replace(value)
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		return "-"
	}
	return string(quoted[1 : len(quoted)-1])
}
