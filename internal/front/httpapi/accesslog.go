package httpapi

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/internal/front"
)

// accessLog is where a stage logs its requests: one line each, made of a format
// with $context variables.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
type accessLog struct {
	stream telemetry.LogStream
	format []piece
	text   string // the format as a whole
}

// piece is a text of the format or a variable.
type piece struct{ text, variable string }

var contextVariable = regexp.MustCompile(`\$context\.[A-Za-z0-9_]+(?:\.[A-Za-z0-9_-]+)*`)

// newAccessLog reads the settings; nil for none.
func newAccessLog(settings *httpapi.AccessLog) *accessLog {
	if settings == nil {
		return nil
	}
	a, err := arn.Parse(settings.DestinationARN)
	group, isGroup := strings.CutPrefix(a.Resource, "log-group:")
	if err != nil || a.Service != "logs" || !isGroup {
		return nil // refused when it was configured
	}
	l := &accessLog{text: settings.Format, stream: telemetry.LogStream{
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

// line is the line of a request.
func (l *accessLog) line(value func(name string) string) string {
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

// log writes the line of a request that has ended.
func (x *exchange) log(status, length int) {
	l := x.stage.log
	if l == nil || x.server.config.Logs == nil {
		return
	}
	now := x.server.config.Clock.Now()
	line := l.line(func(name string) string {
		switch name {
		case "status":
			return strconv.Itoa(status)
		case "responseLength":
			return strconv.Itoa(length)
		case "responseLatency":
			return milliseconds(now.Sub(x.r.Received))
		}
		return x.variable(name)
	})
	x.server.config.Logs.Append(l.stream, []telemetry.LogEvent{{Time: now, Message: line + "\n"}})
}
