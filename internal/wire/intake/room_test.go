package intake

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// TestBodiesThatAreReadAtOnceAreBounded fills the room of functions: the next
// large body of a function waits, a small one and those of others do not.
func TestBodiesThatAreReadAtOnceAreBounded(t *testing.T) {
	m := NewRoom()
	request := func(ctx context.Context, length int64) *http.Request {
		r, err := http.NewRequestWithContext(ctx, "PUT", "http://127.0.0.1/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		return r
	}
	take := func(ctx context.Context, length int64) func() {
		t.Helper()
		release, err := m.take(request(ctx, length), limit.CreateBodyBytes)
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	function := FromFunctions(t.Context())
	var held []func()
	for room := int64(maxFunctionBodies); room > 0; room -= 32 << 20 {
		held = append(held, take(function, 32<<20))
	}
	take(function, smallBody)()
	take(t.Context(), limit.CreateBodyBytes)()
	gone, cancel := context.WithCancel(function)
	cancel()
	if _, err := m.take(request(gone, -1), limit.CreateBodyBytes); !Slow(err) {
		t.Errorf("a large body in a full room: %v", err)
	}
	waited := make(chan error, 1)
	ctx, end := context.WithTimeout(function, time.Minute)
	defer end()
	go func() { // ends when there is room
		release, err := m.take(request(ctx, 32<<20), limit.CreateBodyBytes)
		if err == nil {
			release()
		}
		waited <- err
	}()
	for _, release := range held {
		release()
	}
	if err := <-waited; err != nil {
		t.Errorf("room was made, but: %v", err)
	}
	if !m.all.TryAcquire(maxBodies) || !m.functions.TryAcquire(maxFunctionBodies) {
		t.Error("not all room was given back")
	}
}
