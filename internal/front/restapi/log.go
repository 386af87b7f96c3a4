package restapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
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
	lines := e.executionLines()
	for i := range lines {
		lines[i] = "(" + e.r.RequestID + ") " + lines[i]
	}
	e.append("API-Gateway-Execution-Logs_"+e.id.ID+"/"+e.stage.StageName, lines...)
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

// executionLines tell how a request was served, as AWS words it.
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html,
// and what its users report (anomalyco/guide#112, elastic/integrations#4266).
func (e *exchange) executionLines() []string {
	lines := []string{fmt.Sprintf("Extended Request Id: %s", e.extendedID)}
	if e.test {
		lines = nil
	} else if e.method != nil {
		stage, method := e.id.ID+"/"+e.stage.StageName, e.method.HttpMethod+" "+e.resource.Path
		key := mask(e.identity.APIKey)
		lines = append(lines, fmt.Sprintf("Verifying Usage Plan for request: %s. API Key: %s API Stage: %s", e.r.RequestID, key, stage))
		if !e.method.ApiKeyRequired {
			lines = append(lines, fmt.Sprintf("API Key %s authorized because method '%s' does not require API Key. Request will not contribute to throttle or quota limits", key, method))
		}
		if e.metered {
			lines = append(lines, fmt.Sprintf("Usage Plan check succeeded for API Key %s and API Stage %s", key, stage))
		}
	}
	lines = append(lines, "Starting execution for request: "+e.r.RequestID, fmt.Sprintf("HTTP Method: %s, Resource Path: %s", e.r.Method, e.path))
	lines = append(lines, e.notes...)
	if e.failed != nil {
		lines = append(lines, "Gateway response type: "+e.failed.kind+" with status code: "+fmt.Sprint(e.status))
	} else if e.status != 0 {
		lines = append(lines, "Successfully completed execution")
	}
	if e.status != 0 {
		lines = append(lines, "Method completed with status: "+fmt.Sprint(e.status))
	}
	return lines
}

// trace notes what only full logs have: of tests, and of methods whose stage traces data.
func (e *exchange) trace() {
	if e.traced = e.test; !e.traced && e.server.config.Logs != nil && e.api != nil {
		setting := e.stage.SettingFor(e.resource.Path, e.method.HttpMethod)
		e.traced = setting != nil && setting.DataTraceEnabled && (setting.LoggingLevel == restapi.LogInfo || setting.LoggingLevel == restapi.LogError)
	}
	if !e.traced {
		return
	}
	query := map[string][]string(e.r.URL.Query())
	e.note("Method request path: " + printed(single(e.parameters)))
	e.note("Method request query string: " + printed(query))
	e.note("Method request headers: " + printed(e.r.Header))
	e.note("Method request body before transformations: " + clip(e.body))
}

// sending notes the request of an integration, of an exchange that is traced.
func (e *exchange) sending(address string, header map[string][]string, body []byte) {
	e.sent = e.server.config.Clock.Now()
	e.note("Endpoint request URI: " + address)
	e.note("Endpoint request headers: " + printed(header))
	e.note("Endpoint request body after transformations: " + clip(body))
	e.note("Sending request to " + address)
}

// heard notes what an integration answered.
func (e *exchange) heard(status int, header map[string][]string, body []byte) {
	e.note(fmt.Sprintf("Received response. Status: %d, Integration latency: %d ms", status, e.server.config.Clock.Now().Sub(e.sent).Milliseconds()))
	e.note("Endpoint response headers: " + printed(header))
	e.note("Endpoint response body before transformations: " + clip(body))
}

// single are values that are no lists.
func single(values map[string]string) map[string][]string {
	made := map[string][]string{}
	for name, value := range values {
		made[name] = []string{value}
	}
	return made
}

// printed is a map as Java prints it, without what is secret.
func printed(values map[string][]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := strings.Join(values[name], ",")
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "X-Api-Key", "X-Amz-Security-Token", "Cookie":
			value = mask(value)
		}
		parts = append(parts, name+"="+clip([]byte(value)))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// shown is how many characters of a secret are logged. AWS: the last six.
const shown = 6

func mask(secret string) string {
	if len(secret) <= shown {
		return strings.Repeat("*", len(secret))
	}
	return strings.Repeat("*", min(len(secret)-shown, maxMask)) + secret[len(secret)-shown:]
}

// maxMask bounds the stars.
const maxMask = 70

func clip(text []byte) string {
	if len(text) > maxLogLine {
		return string(text[:maxLogLine]) + " [TRUNCATED]"
	}
	return string(text)
}

func (e *exchange) append(group string, lines ...string) {
	now := e.server.config.Clock.Now()
	events := make([]telemetry.LogEvent, len(lines))
	for i, line := range lines {
		events[i] = telemetry.LogEvent{Time: now, Message: line + "\n"}
	}
	e.server.config.Logs.Append(telemetry.LogStream{Account: e.id.Account, Region: e.id.Region, Group: group, Stream: streamName}, events)
}
