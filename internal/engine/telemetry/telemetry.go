// Package telemetry holds the records that an invocation leaves behind: log
// events and reports. It has types only; services subscribe to them in server.
//
// Telemetry may be buffered and the last second of it may be lost with power;
// nothing else may depend on it. No goroutines, no locks. Start at Report.
package telemetry

import "time"

// LogEvent is one event of a log stream, as CloudWatch Logs keeps it.
type LogEvent struct {
	Time    time.Time
	Message string // text with its trailing newline, as the function wrote it
}

// LogStream names where the log events of one environment go.
type LogStream struct {
	Account, Region string
	Group           string // "/aws/lambda/NAME" unless LoggingConfig says otherwise
	Stream          string // "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef"
}

// LogSink takes log events. Append must not block on the disk and must not keep
// the slice.
type LogSink interface {
	Append(stream LogStream, events []LogEvent)
}

// Report is the account of one invocation, the source of the REPORT line,
// metrics, traces and the usage ledger.
type Report struct {
	Account, Region string
	Function        string // name
	Version         string
	RequestID       string
	TraceID         string
	Start           time.Time
	Duration        time.Duration // handler time, exact limit for a timeout
	Init            time.Duration // 0 unless this call started the environment
	Restore         time.Duration // 0 unless the environment was restored from a snapshot for this call
	BilledRestore   time.Duration // the part of it that is billed, whole milliseconds
	Billed          time.Duration // whole milliseconds
	MemoryMB        int
	MaxMemoryMB     int
	Status          string // "" success, "timeout", "error"
	ErrorType       string // of Status error
	FunctionError   bool   // the payload is an error body
}

// Metric is one value of a metric of CloudWatch's namespace AWS/Lambda.
type Metric struct {
	Account, Region string
	Function        string // name
	Name            string
	Value           float64 // a count, or milliseconds
}

// The metrics of asynchronous invocations.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
const (
	AsyncEventsReceived         = "AsyncEventsReceived"
	AsyncEventAge               = "AsyncEventAge" // milliseconds from the acceptance to the try
	AsyncEventsDropped          = "AsyncEventsDropped"
	DestinationDeliveryFailures = "DestinationDeliveryFailures"
	DeadLetterErrors            = "DeadLetterErrors"
)
