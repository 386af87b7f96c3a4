package invoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// Values of LoggingConfig.LogFormat and the levels of SystemLogLevel.
const (
	logFormatJSON = "JSON"
	levelDebug    = "DEBUG"
	levelWarn     = "WARN"
)

// Values of status in reports; a success has none in text.
const (
	statusSuccess = "success"
	statusTimeout = "timeout"
	statusError   = "error"
)

// Phases of an initialisation: ahead of the call, or again inside it.
const (
	phaseInit   = "init"
	phaseInvoke = "invoke"
)

// Error types that the platform itself gives.
const (
	errorTimeout     = "Sandbox.Timedout"
	errorExit        = "Runtime.ExitError"
	errorOutOfMemory = "Runtime.OutOfMemory"
	errorUnknown     = "Runtime.Unknown"
)

// systemLevel orders the levels of platform lines.
type systemLevel int

const (
	debug systemLevel = iota
	info
	warn
)

// lineFormat words the platform's log lines for one version.
//
// AWS: text lines as CloudWatch shows them; JSON records as in the telemetry
// schema reference, in the member order of recorded logs of 2024 and 2026. Which
// record has which level is the table "System log level event mapping" of
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
type lineFormat struct {
	version *function.Version
	json    bool
	least   systemLevel // JSON only: lines below it are dropped
}

func formatOf(v *function.Version) lineFormat {
	f := lineFormat{version: v, json: v.LogFormat == logFormatJSON, least: info}
	switch v.SystemLogLevel {
	case levelDebug:
		f.least = debug
	case levelWarn:
		f.least = warn
	}
	return f
}

// initReport is how an initialisation went.
type initReport struct {
	phase     string
	duration  time.Duration
	status    string // statusSuccess, statusTimeout, statusError
	errorType string // of statusError
}

func (r initReport) level(success systemLevel) systemLevel {
	if r.status == statusSuccess {
		return success
	}
	return warn
}

func (f *lineFormat) initStart(b []byte, at time.Time, stream, phase string) []byte {
	v := f.version
	name, arn := RuntimeVersion(v.Runtime, v.Region)
	if !f.json {
		return fmt.Appendf(b, "INIT_START Runtime Version: %s\tRuntime Version ARN: %s\n", name, arn)
	}
	if f.least > info {
		return nil
	}
	b = appendRecord(b, at, "platform.initStart")
	return fmt.Appendf(b, `"initializationType":"%s","phase":"%s","runtimeVersion":"%s","runtimeVersionArn":"%s","functionName":"%s","functionVersion":"%s","instanceId":"%s","instanceMaxMemory":%d}}`+"\n",
		f.initialization(), phase, name, arn, v.Name, v.Version, stream, v.MemoryMB<<20)
}

func (f *lineFormat) initRuntimeDone(b []byte, at time.Time, r initReport) []byte {
	if !f.json || f.least > r.level(debug) {
		return nil
	}
	b = appendRecord(b, at, "platform.initRuntimeDone")
	b = fmt.Appendf(b, `"initializationType":"%s","phase":"%s","status":"%s"`, f.initialization(), r.phase, r.status)
	b = appendErrorType(b, r.errorType)
	return append(b, "}}\n"...)
}

// initialization is why the version's environments are initialised.
func (f *lineFormat) initialization() InitializationType {
	if f.version.SnapStarts() {
		return SnapStart
	}
	return OnDemand
}

// initReport words an initialisation; in text a success on demand is told by the
// REPORT line alone.
//
// AWS: "SnapStart and provisioned concurrency functions always emit INIT_REPORT",
// lambda-runtime-environment.html; a recorded one of a success (2026-09) ends
// with the duration.
func (f *lineFormat) initReport(b []byte, at time.Time, r initReport) []byte {
	if !f.json {
		if r.status == statusSuccess && !f.version.SnapStarts() {
			return nil
		}
		b = append(b, "INIT_REPORT Init Duration: "...)
		b = appendMilliseconds(b, r.duration)
		if r.status == statusSuccess {
			return append(b, " ms\n"...)
		}
		b = append(append(b, " ms\tPhase: "...), r.phase...)
		return appendStatus(b, r.status, r.errorType)
	}
	success := debug
	if f.version.SnapStarts() {
		success = info
	}
	if f.least > r.level(success) {
		return nil
	}
	b = appendRecord(b, at, "platform.initReport")
	b = fmt.Appendf(b, `"initializationType":"%s","phase":"%s","status":"%s"`, f.initialization(), r.phase, r.status)
	b = appendErrorType(b, r.errorType)
	b = append(b, `,"metrics":{"durationMs":`...)
	b = appendExact(b, r.duration)
	return append(b, "}}}\n"...)
}

func (f *lineFormat) start(b []byte, at time.Time, requestID string) []byte {
	v := f.version
	if !f.json {
		b = append(append(b, "START RequestId: "...), requestID...)
		b = append(append(b, " Version: "...), v.Version...)
		return append(b, '\n')
	}
	if f.least > info {
		return nil
	}
	b = appendRecord(b, at, "platform.start")
	b = append(append(b, `"requestId":"`...), requestID...)
	b = append(append(b, `","functionArn":"`...), v.FunctionARN()...)
	b = append(append(b, `","version":"`...), v.Version...)
	return append(b, "\"}}\n"...)
}

// end is the END line; in JSON the runtimeDone record stands in its place.
func (f *lineFormat) end(b []byte, at time.Time, r *telemetry.Report, producedBytes int) []byte {
	if !f.json {
		b = append(append(b, "END RequestId: "...), r.RequestID...)
		return append(b, '\n')
	}
	if f.least > reportLevel(r, debug) {
		return nil
	}
	b = appendRecord(b, at, "platform.runtimeDone")
	b = append(append(b, `"requestId":"`...), r.RequestID...)
	b = append(append(b, `","status":"`...), statusOf(r)...)
	b = append(b, '"')
	b = appendErrorType(b, r.ErrorType)
	b = append(b, `,"metrics":{"durationMs":`...)
	b = appendExact(b, r.Duration)
	if r.Status == "" {
		b = append(b, `,"producedBytes":`...)
		b = strconv.AppendInt(b, int64(producedBytes), 10)
	}
	return append(b, "}}}\n"...)
}

func (f *lineFormat) report(b []byte, at time.Time, r *telemetry.Report) []byte {
	if !f.json {
		return appendTextReport(b, r)
	}
	if f.least > reportLevel(r, info) {
		return nil
	}
	b = appendRecord(b, at, "platform.report")
	b = append(append(b, `"requestId":"`...), r.RequestID...)
	b = append(b, `","metrics":{"durationMs":`...)
	b = appendExact(b, r.Duration)
	b = append(b, `,"billedDurationMs":`...)
	b = strconv.AppendInt(b, r.Billed.Milliseconds(), 10)
	b = append(b, `,"memorySizeMB":`...)
	b = strconv.AppendInt(b, int64(r.MemoryMB), 10)
	b = append(b, `,"maxMemoryUsedMB":`...)
	b = strconv.AppendInt(b, int64(r.MaxMemoryMB), 10)
	if r.Init > 0 {
		b = append(b, `,"initDurationMs":`...)
		b = appendExact(b, r.Init)
	}
	if r.Restore > 0 {
		b = append(b, `,"restoreDurationMs":`...)
		b = appendExact(b, r.Restore)
		b = append(b, `,"billedRestoreDurationMs":`...)
		b = strconv.AppendInt(b, r.BilledRestore.Milliseconds(), 10)
	}
	b = append(append(b, `},"status":"`...), statusOf(r)...)
	b = append(b, '"')
	b = appendErrorType(b, r.ErrorType)
	return append(b, "}}\n"...)
}

func appendTextReport(b []byte, r *telemetry.Report) []byte {
	b = append(append(b, "REPORT RequestId: "...), r.RequestID...)
	b = append(b, "\tDuration: "...)
	b = appendMilliseconds(b, r.Duration)
	b = append(b, " ms\tBilled Duration: "...)
	b = strconv.AppendInt(b, r.Billed.Milliseconds(), 10)
	b = append(b, " ms\tMemory Size: "...)
	b = strconv.AppendInt(b, int64(r.MemoryMB), 10)
	b = append(b, " MB\tMax Memory Used: "...)
	b = strconv.AppendInt(b, int64(r.MaxMemoryMB), 10)
	b = append(b, " MB"...)
	if r.Init > 0 {
		b = append(b, "\tInit Duration: "...)
		b = appendMilliseconds(b, r.Init)
		b = append(b, " ms"...)
	}
	if r.Restore > 0 {
		b = appendMilliseconds(append(b, "\tRestore Duration: "...), r.Restore)
		b = strconv.AppendInt(append(b, " ms\tBilled Restore Duration: "...), r.BilledRestore.Milliseconds(), 10)
		b = append(b, " ms"...)
	}
	if r.Status == "" {
		return append(b, "\t\n"...)
	}
	return appendStatus(b, r.Status, r.ErrorType)
}

func appendStatus(b []byte, status, errorType string) []byte {
	b = append(append(b, "\tStatus: "...), status...)
	if errorType != "" {
		b = append(append(b, "\tError Type: "...), errorType...)
	}
	return append(b, '\n')
}

func reportLevel(r *telemetry.Report, success systemLevel) systemLevel {
	if r.Status == "" {
		return success
	}
	return warn
}

func statusOf(r *telemetry.Report) string {
	if r.Status == "" {
		return statusSuccess
	}
	return r.Status
}

// recordTime is the time of a JSON record, in UTC.
const recordTime = "2006-01-02T15:04:05.000Z"

func appendRecord(b []byte, at time.Time, kind string) []byte {
	b = append(b, `{"time":"`...)
	b = at.UTC().AppendFormat(b, recordTime)
	b = append(append(b, `","type":"`...), kind...)
	return append(b, `","record":{`...)
}

// appendErrorType adds the member unless it is empty; the type is one of ours
// or passed publicErrorType, so it needs no escaping.
func appendErrorType(b []byte, errorType string) []byte {
	if errorType == "" {
		return b
	}
	b = append(append(b, `,"errorType":"`...), errorType...)
	return append(b, '"')
}

// appendMilliseconds writes "3.01".
func appendMilliseconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d.Microseconds())/1e3, 'f', 2, 64)
}

// appendExact writes milliseconds with up to three decimals, "463.512".
func appendExact(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d.Microseconds())/1e3, 'f', -1, 64)
}

// runtimeErrorType matches the error types that a runtime may give for an
// initialisation that failed.
var runtimeErrorType = regexp.MustCompile(`^(Runtime|Function)\.[A-Z][A-Za-z]*$`)

// publicErrorType is the error type of a failed initialisation in the log.
//
// AWS: the platform passes on types of its own two families; the class name of
// an exception of the user's becomes Runtime.Unknown (RIE, fatalerror).
func publicErrorType(errorType string) string {
	if runtimeErrorType.MatchString(errorType) {
		return errorType
	}
	return errorUnknown
}

// failure is why an environment is unusable, in the words of the contract.
type failure struct {
	status    string // statusTimeout or statusError
	errorType string // of the REPORT line; empty for a timeout
	body      []byte // the error body, the response's payload
	maxMemory int64
}

// failureOf words an error of the sandbox; expected is false for one that is
// neither a timeout nor an exit.
func failureOf(err error, requestID string, timeout time.Duration) (_ *failure, expected bool) {
	if errors.Is(err, sandbox.ErrTimeout) {
		message := fmt.Sprintf("Task timed out after %.2f seconds", timeout.Seconds())
		f := &failure{status: statusTimeout, body: errorBody(errorTimeout, requestID, message)}
		var late *sandbox.TimeoutError
		if errors.As(err, &late) {
			f.maxMemory = late.MaxMemoryBytes
		}
		return f, true
	}
	var extension *sandbox.ExtensionError
	if errors.As(err, &extension) {
		return &failure{status: statusError, errorType: extension.Type, body: errorBody(extension.Type, requestID, extension.Message), maxMemory: extension.MaxMemoryBytes}, true
	}
	var exit *sandbox.ExitError
	if expected = errors.As(err, &exit); !expected {
		// It broke the protocol and was killed for it: that is how it ended.
		exit = &sandbox.ExitError{Signal: int(syscall.SIGKILL)}
	}
	kind := errorExit
	if exit.OutOfMemory {
		kind = errorOutOfMemory
	}
	return &failure{status: statusError, errorType: kind, body: errorBody(kind, requestID, exit.Error()), maxMemory: exit.MaxMemoryBytes}, expected
}

// errorBody is the payload of a call that the platform had to end.
func errorBody(kind, requestID, message string) []byte {
	body, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, "RequestId: " + requestID + " Error: " + message})
	if err != nil {
		panic(err) // two strings always marshal
	}
	return body
}

// responseTooLarge is the payload in place of a response over the limit, and
// streamTooLarge what follows a streamed one.
var (
	responseTooLarge = tooLarge(limit.ResponseBytes)
	streamTooLarge   = tooLarge(limit.StreamBytes)
)

func tooLarge(most int) []byte {
	return fmt.Appendf(nil, `{"errorMessage":"Response payload size exceeded maximum allowed payload size (%d bytes).","errorType":"%s"}`, most, sandbox.ResponseTooLarge)
}

// megabytes rounds up, as REPORT does.
func megabytes(n int64) int { return int((n + 1<<20 - 1) >> 20) }

// billed is what a call costs: its duration and the initialisation that ran for
// it, in whole milliseconds (initialisation is billed since 2025-08-01).
func billed(duration, init time.Duration) time.Duration {
	total := duration + init
	if rest := total % time.Millisecond; rest > 0 {
		total += time.Millisecond - rest
	}
	return total
}
