package intake

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

func TestReadAllKeepsItsBounds(t *testing.T) {
	for _, test := range []struct {
		size      int
		announced int64
		ok        bool
	}{{0, 0, true}, {10, 10, true}, {10, -1, true}, {100, 100, true}, {101, -1, false}, {101, 101, false}, {100, 5, true}, {101, 5, false}} {
		body, err := ReadAll(bytes.NewReader(make([]byte, test.size)), test.announced, 100)
		if test.ok != (err == nil) || err == nil && len(body) != test.size || err != nil && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%+v: %d bytes, %v", test, len(body), err)
		}
	}
	// The announced length is not believed.
	body, err := ReadAll(strings.NewReader("x"), limit.CreateBodyBytes, limit.CreateBodyBytes)
	if err != nil || cap(body) > firstBuffer+1 {
		t.Errorf("allocated %d bytes for one, %v", cap(body), err)
	}
}

// deadlines is a connection that remembers its deadlines.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
	err error // of writing
}

// Write is what a client does not take, with an error.
func (d *deadlines) Write(data []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	return d.ResponseRecorder.Write(data)
}

// SetWriteDeadline is what http.ResponseController looks for.
func (d *deadlines) SetWriteDeadline(at time.Time) error { return d.SetReadDeadline(at) }

// SetReadDeadline is what http.ResponseController looks for.
func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

// TestClientsKeepAPace: who sends nothing has little time, who sends has more, up to
// Timeout.
func TestClientsKeepAPace(t *testing.T) {
	read := func(body io.Reader) []time.Time {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://127.0.0.1/", body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = -1
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		if _, err := NewRoom().Read(w, r, limit.CreateBodyBytes); err != nil {
			t.Fatal(err)
		}
		return w.set
	}
	idle := read(strings.NewReader("x"))
	if len(idle) != 2 || !idle[1].IsZero() {
		t.Errorf("a small body: %v", idle)
	}
	busy := read(iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 3*slowest+1))))
	if len(busy) != 5 || busy[3].Sub(busy[0]) != 3*time.Second {
		t.Errorf("a body of three seconds: %v", busy)
	}
	large := read(bytes.NewReader(make([]byte, 10*int(Timeout/time.Second)*slowest)))
	if last := large[len(large)-2]; last.Sub(large[0]) != Timeout-grace {
		t.Errorf("a large body: %v", last.Sub(large[0]))
	}
}

// TestAnswersAreTakenAtAPace: a client that takes has more time than one that does not.
func TestAnswersAreTakenAtAPace(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 3*piece)
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	if err := Send(w, body); err != nil || !bytes.Equal(w.Body.Bytes(), body) {
		t.Errorf("%d bytes, %v", w.Body.Len(), err)
	}
	if len(w.set) != 4 || w.set[2].Sub(w.set[0]) != 2*piece/slowest*time.Second || !w.set[3].IsZero() {
		t.Errorf("deadlines %v", w.set)
	}
	gone := &deadlines{ResponseRecorder: httptest.NewRecorder(), err: io.ErrClosedPipe}
	if err := Send(gone, body); !errors.Is(err, io.ErrClosedPipe) || len(gone.set) != 2 {
		t.Errorf("%v, deadlines %v", err, gone.set)
	}
}

// TestAnswersThatNobodyTakesAreBounded: the last finds no room, and then there is again.
func TestAnswersThatNobodyTakesAreBounded(t *testing.T) {
	m := NewRoom()
	release, ok := m.Hold(maxAnswers)
	if _, more := m.Hold(smallBody + 1); !ok || more {
		t.Errorf("%v, and one more: %v", ok, more)
	}
	if _, small := m.Hold(smallBody); !small {
		t.Error("no room for a small answer")
	}
	release()
	if _, again := m.Hold(smallBody + 1); !again {
		t.Error("the room was not given back")
	}
}
