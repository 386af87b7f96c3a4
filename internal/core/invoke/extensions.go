package invoke

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/extension"
	listeners "github.com/lambkin-dev/lambkin/internal/engine/sandbox/relay"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// extension is the line that tells of an extension when the initialisation is
// over: EXTENSION, Name, State, Events, and what went wrong.
func (f *lineFormat) extension(b []byte, at time.Time, told *extension.Info) []byte {
	if !f.json {
		b = fmt.Appendf(b, "EXTENSION\tName: %s\tState: %s\tEvents: [%s]", told.Name, told.State, strings.Join(told.Events, ", "))
		if told.ErrorType != "" {
			b = append(append(b, "\tError Type: "...), told.ErrorType...)
		}
		return append(b, '\n')
	}
	if f.least > info && told.ErrorType == "" {
		return nil
	}
	return appendJSON(appendTyped(b, at, "platform.extension"), struct {
		Name      string          `json:"name"`
		State     extension.State `json:"state"`
		Events    []string        `json:"events"`
		ErrorType string          `json:"errorType,omitempty"`
	}{told.Name, told.State, told.Events, told.ErrorType})
}

// subscription is the line that tells of a subscription to telemetry.
func (f *lineFormat) subscription(b []byte, told *listeners.Info) []byte {
	name, of := "TELEMETRY", "platform.telemetrySubscription"
	if told.Logs {
		name, of = "LOGS", "platform.logsSubscription"
	}
	if !f.json {
		types := make([]string, len(told.Types))
		for i, kind := range told.Types {
			types[i] = strings.ToUpper(kind[:1]) + kind[1:]
		}
		return fmt.Appendf(b, "%s\tName: %s\tState: %s\tTypes: [%s]\n", name, told.Name, told.State, strings.Join(types, ", "))
	}
	if f.least > info {
		return nil
	}
	return appendJSON(appendTyped(b, told.Time, of), struct {
		Name  string   `json:"name"`
		State string   `json:"state"`
		Types []string `json:"types"`
	}{told.Name, told.State, told.Types})
}

// appendTyped begins a record whose content is JSON made elsewhere.
func appendTyped(b []byte, at time.Time, kind string) []byte {
	b = appendRecord(b, at, kind)
	return b[:len(b)-1] // without the brace
}

// appendJSON ends such a record. The names in it are the function's own.
func appendJSON(b []byte, record any) []byte {
	text, err := json.Marshal(record)
	if err != nil {
		panic(err) // strings always marshal
	}
	return append(append(b, text...), "}\n"...)
}

// initialised writes what an initialisation made known of extensions.
func (l *logWriter) initialised(now time.Time, init *sandbox.Init) {
	if len(init.Extensions) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range init.Subscriptions {
		l.add(init.Subscriptions[i].Time, l.format.subscription(l.scratch[:0], &init.Subscriptions[i]))
		l.flush()
	}
	for i := range init.Extensions {
		l.add(now, l.format.extension(l.scratch[:0], now, &init.Extensions[i]))
		l.flush()
	}
}

// events words what extensions are told: everything, whatever the log shows.
func (c *call) events() lineFormat {
	return lineFormat{version: c.version, json: true, least: debug}
}

// audience is the environment if extensions of it listen, else nil.
func audience(environment sandbox.Environment) sandbox.Audience {
	if a, ok := environment.(sandbox.Audience); ok && a.Listening() {
		return a
	}
	return nil
}

// tellInit tells extensions how an initialisation went, in AWS's order.
func (c *call) tellInit(environment sandbox.Environment, now time.Time, init *sandbox.Init, report initReport) {
	a := audience(environment)
	if a == nil {
		return
	}
	words := c.events()
	a.Tell("platform.initRuntimeDone", words.initRuntimeDone(nil, now, report))
	for i := range init.Extensions {
		a.Tell("platform.extension", words.extension(nil, now, &init.Extensions[i]))
	}
	a.Tell("platform.initReport", words.initReport(nil, now, report))
}

// tellStart tells extensions that the call begins.
func (c *call) tellStart() {
	if a := audience(c.environment.sandbox); a != nil {
		words := c.events()
		a.Tell("platform.start", words.start(nil, c.begin, c.request.RequestID))
	}
}

// tellRuntimeDone tells extensions that the runtime is done with the call, which
// is what many of them wait for before they ask for the next event.
func (c *call) tellRuntimeDone(result *sandbox.Result) {
	if a := audience(c.environment.sandbox); a != nil {
		now, words := c.invoker.config.Clock.Now(), c.events()
		report := telemetry.Report{RequestID: c.request.RequestID, Duration: now.Sub(c.begin)}
		a.Tell("platform.runtimeDone", words.end(nil, now, &report, len(result.Payload)))
	}
}

// tellReport tells extensions how the call ended; they get it with the next event.
// A call that failed before the runtime was done has not been told of.
func (c *call) tellReport(now time.Time, report *telemetry.Report, producedBytes int, answered bool) {
	a := audience(c.environment.sandbox)
	if a == nil {
		return
	}
	words := c.events()
	if !answered {
		a.Tell("platform.runtimeDone", words.end(nil, now, report, producedBytes))
	}
	a.Tell("platform.end", appendJSON(appendTyped(nil, now, "platform.end"), struct {
		RequestID string `json:"requestId"`
	}{report.RequestID}))
	a.Tell("platform.report", words.report(nil, now, report))
}
