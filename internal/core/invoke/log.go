package invoke

import (
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// logWriter is the log of one environment: what its function writes and the
// platform's own lines, in one order.
type logWriter struct {
	sink   telemetry.LogSink
	stream telemetry.LogStream
	format lineFormat

	mu      sync.Mutex
	tailing bool
	tail    []byte // at most 2*limit.LogTailBytes; the end of it counts
	scratch []byte
	pending int
	events  [2]telemetry.LogEvent // the sink does not keep them
}

func newLogWriter(sink telemetry.LogSink, v *function.Version, now time.Time) *logWriter {
	return &logWriter{sink: sink, stream: logStream(v, now), format: formatOf(v)}
}

// begin starts a call's log; with tail its end is kept for finish.
func (l *logWriter) begin(tail bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tailing, l.tail = tail, l.tail[:0]
}

// finish returns the last 4 KB of the call's log, if begin asked for it.
func (l *logWriter) finish() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tailing {
		return nil
	}
	l.tailing = false
	tail := append([]byte{}, l.tail[max(0, len(l.tail)-limit.LogTailBytes):]...)
	l.tail = nil
	return tail
}

// record takes what the function wrote; it is sandbox.Spec.Log.
func (l *logWriter) record(r sandbox.LogRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events[0] = telemetry.LogEvent{Time: r.Time, Message: string(r.Data)}
	l.pending = 1
	l.flush()
}

// initStarted writes the line that opens an environment's log.
func (l *logWriter) initStarted(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(now, l.format.initStart(l.scratch[:0], now, l.stream.Stream, phaseInit))
	l.flush()
}

// initEnded writes how an initialisation went.
func (l *logWriter) initEnded(now time.Time, r initReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(now, l.format.initRuntimeDone(l.scratch[:0], now, r))
	l.add(now, l.format.initReport(l.scratch[:0], now, r))
	l.flush()
}

// started writes the line that opens a call.
func (l *logWriter) started(now time.Time, requestID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(now, l.format.start(l.scratch[:0], now, requestID))
	l.flush()
}

// ended writes the lines that close a call.
func (l *logWriter) ended(now time.Time, r *telemetry.Report, producedBytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(now, l.format.end(l.scratch[:0], now, r, producedBytes))
	l.add(now, l.format.report(l.scratch[:0], now, r))
	l.flush()
}

// add collects one event, mu held; an empty line was filtered out.
func (l *logWriter) add(at time.Time, line []byte) {
	if len(line) == 0 {
		return
	}
	l.scratch = line
	l.events[l.pending] = telemetry.LogEvent{Time: at, Message: string(line)}
	l.pending++
}

// flush hands the collected events on; mu is held, so their order stays.
func (l *logWriter) flush() {
	if l.pending == 0 {
		return
	}
	events := l.events[:l.pending]
	l.pending = 0
	l.sink.Append(l.stream, events)
	if l.tailing {
		for _, event := range events {
			l.keep(event.Message)
		}
	}
	clear(events)
}

// keep appends to the tail and drops its beginning when it has grown to twice
// of what is needed.
func (l *logWriter) keep(message string) {
	if cut := len(message) - limit.LogTailBytes; cut > 0 {
		message = message[cut:]
	}
	if len(l.tail)+len(message) > 2*limit.LogTailBytes {
		kept := copy(l.tail, l.tail[len(l.tail)-limit.LogTailBytes:])
		l.tail = l.tail[:kept]
	}
	l.tail = append(l.tail, message...)
	if !strings.HasSuffix(message, "\n") {
		l.tail = append(l.tail, '\n') // a record is a line to those who read the tail
	}
}
