package intake

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/semaphore"
)

// Bounds of the bodies that are being read at once. Without them a few hundred
// connections that each send a large body slowly would hold gigabytes.
const (
	smallBody         = 64 << 10 // waits for nothing: the number of connections bounds them
	maxBodies         = 1 << 30
	maxFunctionBodies = 128 << 20 // of those, what functions may hold
	maxAnswers        = 512 << 20 // of answers that clients have not taken yet
	// functionTimeout is Timeout for functions, which are on this machine.
	functionTimeout = 30 * time.Second
)

// Timeout is how long a client may take to send a request body.
const Timeout = 5 * time.Minute

// The slowest that a client may be within that time: those that send nothing must not
// keep the room from others.
const (
	grace   = 30 * time.Second
	slowest = 8 << 10 // bytes for each second more
)

// fromFunctions marks contexts of requests that functions send.
type fromFunctions struct{}

// FromFunctions marks what comes by the listener that environments reach, for
// http.Server.BaseContext: its bodies have less room, so that functions cannot
// keep others from being heard.
func FromFunctions(ctx context.Context) context.Context {
	return context.WithValue(ctx, fromFunctions{}, true)
}

// FromFunction tells whether a request was sent by a function.
func FromFunction(ctx context.Context) bool { return ctx.Value(fromFunctions{}) != nil }

// Room is the memory for bodies that are being read, and for answers.
type Room struct {
	all, functions, answers *semaphore.Weighted
}

// NewRoom makes the room of one server.
func NewRoom() *Room {
	return &Room{all: semaphore.NewWeighted(maxBodies), functions: semaphore.NewWeighted(maxFunctionBodies), answers: semaphore.NewWeighted(maxAnswers)}
}

// Hold takes the room of an answer that is to be sent; false if others hold it all.
// There is no waiting: the answer is in memory already.
func (m *Room) Hold(size int) (release func(), ok bool) {
	if size <= smallBody {
		return func() {}, true
	}
	if !m.answers.TryAcquire(int64(size)) {
		return nil, false
	}
	return func() { m.answers.Release(int64(size)) }, true
}

// take waits until a body of at most limit bytes may be read, and returns what
// gives the room back.
func (m *Room) take(r *http.Request, limit int64) (release func(), err error) {
	size := r.ContentLength
	if size < 0 || size > limit {
		size = limit // not announced; or refused before it is read
	}
	if size <= smallBody {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout(r))
	defer cancel()
	if FromFunction(ctx) {
		if err := m.functions.Acquire(ctx, size); err != nil {
			return nil, noRoom(err)
		}
	}
	if err := m.all.Acquire(ctx, size); err != nil {
		if FromFunction(ctx) {
			m.functions.Release(size)
		}
		return nil, noRoom(err)
	}
	return func() {
		m.all.Release(size)
		if FromFunction(r.Context()) {
			m.functions.Release(size)
		}
	}, nil
}

// noRoom is answered as a body that took too long to read.
func noRoom(err error) error {
	return fmt.Errorf("%w: other bodies are being read: %w", os.ErrDeadlineExceeded, err)
}

func timeout(r *http.Request) time.Duration {
	if FromFunction(r.Context()) {
		return functionTimeout
	}
	return Timeout
}
