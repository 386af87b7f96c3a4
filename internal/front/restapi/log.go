package restapi

import (
	"fmt"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/internal/front"
)

// streamName is the stream of a stage's logs. AWS: has one for each of its machines.
const streamName = "00000000000000000000000000000000"

// maxLogLine bounds what of a body is logged. AWS: 1,024 bytes.
const maxLogLine = 1024

// log writes the lines that the stage wants of a request.
func (e *exchange) log() {
	if e.server.config.Logs == nil || e.api == nil {
		return
	}
	if a := e.stage.AccessLogSettings; a != nil {
		if group, err := restapi.LogGroupOf(a.DestinationArn); err == nil {
			e.append(group, strings.TrimSpace(e.accessLine(a.Format)))
		}
	}
	if e.resource == nil || e.method == nil {
		return
	}
	setting := e.stage.SettingFor(e.resource.Path, e.method.HttpMethod)
	if setting == nil || setting.LoggingLevel != restapi.LogInfo && (setting.LoggingLevel != restapi.LogError || e.status < 500) {
		return
	}
	// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
	e.append("API-Gateway-Execution-Logs_"+e.id.ID+"/"+e.stage.StageName, e.executionLines(setting.DataTraceEnabled)...)
}

// accessLine is the format with its variables; what is not known is a dash.
func (e *exchange) accessLine(format string) string {
	return reference.ReplaceAllStringFunc(format, func(found string) string {
		if value, known := e.value(found[1:]); known && value != "" {
			return front.LogValue(format, strings.TrimPrefix(found, "$context."), value)
		}
		return "-"
	})
}

// executionLines tell how a request was served.
func (e *exchange) executionLines(data bool) []string {
	lines := []string{
		fmt.Sprintf("Extended Request Id: %s", e.extendedID),
		fmt.Sprintf("Starting execution for request: %s", e.r.RequestID),
		fmt.Sprintf("HTTP Method: %s, Resource Path: %s", e.r.Method, e.path),
	}
	if data {
		lines = append(lines, "Method request body before transformations: "+clip(string(e.body)))
	}
	lines = append(lines, e.notes...)
	if e.failed != nil {
		lines = append(lines, "Gateway response type: "+e.failed.kind+" with status code: "+fmt.Sprint(e.status))
	}
	lines = append(lines, "Method completed with status: "+fmt.Sprint(e.status))
	for i := range lines {
		lines[i] = "(" + e.r.RequestID + ") " + lines[i]
	}
	return lines
}

func clip(text string) string {
	if len(text) > maxLogLine {
		return text[:maxLogLine] + " [TRUNCATED]"
	}
	return text
}

func (e *exchange) append(group string, lines ...string) {
	now := e.server.config.Clock.Now()
	events := make([]telemetry.LogEvent, len(lines))
	for i, line := range lines {
		events[i] = telemetry.LogEvent{Time: now, Message: line + "\n"}
	}
	e.server.config.Logs.Append(telemetry.LogStream{Account: e.id.Account, Region: e.id.Region, Group: group, Stream: streamName}, events)
}
