// Package accesslog makes the lines of the access logs of HTTP and WebSocket APIs.
//
// It promises: a value cannot leave its place in a line (front.LogValue).
//
// No goroutines, no locks. Start reading at New.
package accesslog

import (
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/internal/front"
)

// Log is where a stage logs its requests: one line each, made of a format
// with $context variables. Stream is where to.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
type Log struct {
	Stream telemetry.LogStream
	format []piece
	text   string // the format as a whole
}

// piece is a text of the format or a variable.
type piece struct{ text, variable string }

var contextVariable = regexp.MustCompile(`\$context\.[A-Za-z0-9_]+(?:\.[A-Za-z0-9_-]+)*`)

// New reads the settings; nil for none.
func New(settings *httpapi.AccessLog) *Log {
	if settings == nil {
		return nil
	}
	a, err := arn.Parse(settings.DestinationARN)
	group, isGroup := strings.CutPrefix(a.Resource, "log-group:")
	if err != nil || a.Service != "logs" || !isGroup {
		return nil // refused when it was configured
	}
	l := &Log{text: settings.Format, Stream: telemetry.LogStream{
		Account: a.Account, Region: a.Region, Group: strings.TrimSuffix(group, ":*"), Stream: ids.Hex(streamNameBytes)}}
	at := 0
	for _, m := range contextVariable.FindAllStringIndex(settings.Format, -1) {
		l.format = append(l.format, piece{text: settings.Format[at:m[0]]}, piece{variable: settings.Format[m[0]+len("$context.") : m[1]]})
		at = m[1]
	}
	l.format = append(l.format, piece{text: settings.Format[at:]})
	return l
}

// streamNameBytes gives 32 hex digits, as AWS's names of streams.
const streamNameBytes = 16

// Line is the line of a request; value is that of a $context variable, "" for none.
func (l *Log) Line(value func(name string) string) string {
	var out strings.Builder
	for _, p := range l.format {
		out.WriteString(p.text)
		if p.variable == "" {
			continue
		}
		text := value(p.variable)
		if text == "" {
			text = "-"
		}
		out.WriteString(front.LogValue(l.text, p.variable, text))
	}
	return out.String()
}
