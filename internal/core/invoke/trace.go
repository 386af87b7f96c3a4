package invoke

import (
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
)

// Lengths of the parts of a trace header, in hex digits.
const (
	traceTimeDigits  = 8
	traceIDDigits    = 24
	traceParentDigit = 16
)

// maxTraceHeader bounds what of a client's header is passed on.
const maxTraceHeader = 1024

// TraceHeader completes a call's X-Amzn-Trace-Id; a complete one stays as it is. What the client sent stays;
// what is missing or malformed is made new. Without a sampling decision nothing
// is sampled, since nobody is there to take the segments.
func TraceHeader(given string, now time.Time) string {
	var root, parent, lineage string
	sampled := "0"
	if len(given) <= maxTraceHeader {
		for field := range strings.SplitSeq(given, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			switch {
			case name == "Root" && isTraceRoot(value):
				root = value
			case name == "Parent" && isHex(value, traceParentDigit):
				parent = value
			case name == "Sampled" && (value == "0" || value == "1"):
				sampled = value
			case name == "Lineage" && isLineage(value):
				lineage = value
			}
		}
	}
	if root == "" || parent == "" {
		fresh := ids.Hex((traceIDDigits + traceParentDigit) / 2)
		if root == "" {
			root = "1-" + strconv.FormatInt(now.Unix(), 16) + "-" + fresh[:traceIDDigits]
		}
		if parent == "" {
			parent = fresh[traceIDDigits:]
		}
	}
	header := "Root=" + root + ";Parent=" + parent + ";Sampled=" + sampled
	if lineage != "" {
		header += ";Lineage=" + lineage
	}
	return header
}

// isTraceRoot recognises "1-<8 hex>-<24 hex>".
func isTraceRoot(s string) bool {
	version, rest, _ := strings.Cut(s, "-")
	stamp, id, _ := strings.Cut(rest, "-")
	return version == "1" && isHex(stamp, traceTimeDigits) && isHex(id, traceIDDigits)
}

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// isLineage admits the characters of AWS's hop counter ("1:a1b2c3d4:0").
func isLineage(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef:|") == ""
}
