package websocket

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// executionStream is the stream of a stage's execution log. AWS: has many.
const executionStream = "00000000000000000000000000000000"

// maxLogged bounds what of a body is logged. AWS: 1,024 bytes.
const maxLogged = 1024

// note keeps a line for the execution log.
func (x *exchange) note(line string) { x.notes = append(x.notes, line) }

// log writes the lines that the stage wants of an event that has ended.
func (x *exchange) log() {
	logs := x.server.config.Logs
	if logs == nil {
		return
	}
	if l := x.stage.log; l != nil {
		logs.Append(l.Stream, []telemetry.LogEvent{{Time: x.server.config.Clock.Now(), Message: l.Line(x.variable) + "\n"}})
	}
	lines := x.execution()
	if len(lines) == 0 {
		return
	}
	events := make([]telemetry.LogEvent, len(lines))
	for i, line := range lines {
		events[i] = telemetry.LogEvent{Time: x.server.config.Clock.Now(), Message: "(" + x.event.RequestID + ") " + line + "\n"}
	}
	scope := x.stage.api.Scope
	logs.Append(telemetry.LogStream{Account: scope.Account, Region: scope.Region, Group: "/aws/apigateway/" + x.stage.api.ID + "/" + x.stage.stage.Name, Stream: executionStream}, events)
}

// execution are the lines of the execution log; none unless the route's settings want
// them.
//
// AWS: the group is AWS's, https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html;
// the lines are in the words of REST APIs.
func (x *exchange) execution() []string {
	settings := x.stage.settings(x.event.RouteKey)
	level := ""
	if settings.LoggingLevel != nil {
		level = *settings.LoggingLevel
	}
	if level != httpapi.LogInfo && (level != httpapi.LogError || x.status < 500) {
		return nil
	}
	lines := []string{
		"Extended Request Id: " + x.event.RequestID,
		fmt.Sprintf("Starting execution for request: %s", x.event.RequestID),
		fmt.Sprintf("Event Type: %s, Route: %s, Connection Id: %s", x.event.Kind, x.event.RouteKey, x.event.ConnectionID),
	}
	if settings.DataTraceEnabled != nil && *settings.DataTraceEnabled && x.event.Body != "" {
		lines = append(lines, "Route request body before transformations: "+clip(x.event.Body))
	}
	lines = append(lines, x.notes...)
	if x.refused != nil {
		lines = append(lines, "Gateway response type: "+x.refused.response()+" with status code: "+strconv.Itoa(x.status))
	}
	return append(lines, "Method completed with status: "+strconv.Itoa(x.status))
}

func clip(text string) string {
	if len(text) > maxLogged {
		return text[:maxLogged] + " [TRUNCATED]"
	}
	return text
}

// response is the kind of a refusal, as logs name it.
func (n *refusal) response() string {
	switch n.kind {
	case "ForbiddenException", "AccessDeniedException":
		return "ACCESS_DENIED"
	case "UnauthorizedException":
		return "UNAUTHORIZED"
	case "AuthorizerConfigurationException":
		return "AUTHORIZER_CONFIGURATION_ERROR"
	case "InternalServerErrorException":
		return "INTEGRATION_FAILURE"
	case "LimitExceededException":
		return "THROTTLED"
	}
	return "BAD_REQUEST_BODY"
}

// variable is a $context variable; "" for none.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html
func (x *exchange) variable(name string) string {
	switch name {
	case "accountId":
		return x.stage.api.Scope.Account
	case "status":
		return strconv.Itoa(x.status)
	case "integrationStatus", "integration.status", "integration.integrationStatus":
		if x.integrated.status == 0 {
			return ""
		}
		return strconv.Itoa(x.integrated.status)
	case "integrationLatency", "integration.latency":
		return strconv.FormatInt(x.integrated.latency.Milliseconds(), 10)
	case "integrationErrorMessage", "integration.error":
		return x.integrated.err
	}
	if rest, ok := strings.CutPrefix(name, "error."); ok {
		return x.failure(rest)
	}
	return contextValue(x.event.Values(), name)
}

// failure are the variables of a refusal.
func (x *exchange) failure(name string) string {
	if x.refused == nil {
		return ""
	}
	switch name {
	case "message":
		return x.refused.text
	case "messageString":
		return strconv.Quote(x.refused.text)
	case "responseType":
		return x.refused.response()
	case "validationErrorString":
		return x.refused.detail
	}
	return ""
}

// contextValue is a member of requestContext as a text.
func contextValue(value any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	switch v := value.(type) {
	case nil:
		return ""
	case float64: // of JSON
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}
