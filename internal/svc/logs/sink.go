package logs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// sink holds what functions logged until the next flush.
type sink struct {
	mu      sync.Mutex
	streams map[telemetry.LogStream]*buffer
	bytes   int           // of all streams
	full    chan struct{} // a hint to flush before the time

	flushing sync.Mutex // one flush at a time; held over the writes
}

// buffer is what one stream has waiting.
type buffer struct {
	events        []event
	bytes         int
	dropped       int // events over the bound since the last flush
	droppedBytes  int
	droppedLatest int64 // ms
}

// Append takes log events. It never waits: what is over the bounds is dropped,
// and a line in the stream tells how much. It implements telemetry.LogSink.
func (l *Logs) Append(stream telemetry.LogStream, events []telemetry.LogEvent) {
	if len(events) == 0 {
		return
	}
	k := &l.sink
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.streams[stream]
	if b == nil {
		b = &buffer{}
		k.streams[stream] = b
	}
	for _, e := range events {
		cost := len(e.Message) + bufferedEventCost
		if len(e.Message) > maxSinkMessage || b.bytes+cost > maxStreamBuffer || k.bytes+cost > maxTotalBuffer {
			b.dropped++
			b.droppedBytes += len(e.Message)
			b.droppedLatest = max(b.droppedLatest, e.Time.UnixMilli())
			continue
		}
		b.events = append(b.events, event{time: e.Time.UnixMilli(), message: e.Message})
		b.bytes += cost
		k.bytes += cost
	}
	if b.bytes >= blockTargetBytes {
		select {
		case k.full <- struct{}{}:
		default:
		}
	}
}

// takeAll takes what is waiting of the streams that match.
func (k *sink) takeAll(match func(telemetry.LogStream) bool) map[telemetry.LogStream]*buffer {
	k.mu.Lock()
	defer k.mu.Unlock()
	taken := map[telemetry.LogStream]*buffer{}
	for stream, b := range k.streams {
		if match(stream) {
			taken[stream] = b
			k.bytes -= b.bytes
			delete(k.streams, stream)
		}
	}
	return taken
}

// flush writes what is waiting of the streams that match. A stream that cannot
// be written is logged and its events are lost: telemetry must not fill the
// memory while the disk is full. What was taken is written even when the reader
// goes away or the server ends meanwhile.
func (l *Logs) flush(ctx context.Context, match func(telemetry.LogStream) bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	l.sink.flushing.Lock()
	defer l.sink.flushing.Unlock()
	for stream, b := range l.sink.takeAll(match) {
		if err := l.flushStream(ctx, stream, b); err != nil {
			l.logger.Error("write function log", "group", stream.Group, "stream", stream.Stream, "events", len(b.events), "err", err)
		}
	}
}

func (l *Logs) flushStream(ctx context.Context, stream telemetry.LogStream, b *buffer) error {
	if b.dropped > 0 {
		b.events = append(b.events, event{time: b.droppedLatest, message: fmt.Sprintf(
			"LAMBKIN dropped %d log events (%d bytes): the function logs faster than they are stored\n", b.dropped, b.droppedBytes)})
	}
	g, err := l.ensure(ctx, scope{stream.Account, stream.Region}, stream.Group, stream.Stream)
	if err != nil {
		return err
	}
	for rest := b.events; len(rest) > 0; {
		n, bytes := 0, 0
		for n < len(rest) && (n == 0 || bytes+len(rest[n].message) <= blockTargetBytes) {
			bytes += len(rest[n].message)
			n++
		}
		if err := l.keep(ctx, g, stream.Stream, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// flushGroup makes what the functions of a group have logged visible to the reader.
func (l *Logs) flushGroup(ctx context.Context, s scope, group string) {
	l.flush(ctx, func(stream telemetry.LogStream) bool {
		return stream.Account == s.account && stream.Region == s.region && (group == "" || stream.Group == group)
	})
}

// flushTimeout bounds a flush, which nobody may be waiting for any more.
const flushTimeout = 30 * time.Second

func everything(telemetry.LogStream) bool { return true }
