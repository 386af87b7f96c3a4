package jsonevent

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire/eventstream"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// model has one union with one event of one payload member.
var model = &shape.Service{Shapes: []shape.Shape{
	{Name: "Events", Kind: shape.Structure, EventStream: true, Members: []shape.Member{{Name: "Chunk", Shape: 1}}},
	{Name: "Chunk", Kind: shape.Structure, Event: true, Members: []shape.Member{{Name: "Payload", Shape: 2, EventPayload: true}}},
	{Name: "Blob", Kind: shape.Blob},
}}

type chunk struct{ Payload []byte }

type events struct{ Chunk *chunk }

func event(data []byte) *events { return &events{Chunk: &chunk{Payload: data}} }

var gone = &fault.Fault{Code: "Gone", Message: "it is gone", Status: http.StatusGone}

func TestAFaultBeforeTheFirstEventIsForTheCaller(t *testing.T) {
	for _, want := range []error{gone, errors.New("other")} {
		w := httptest.NewRecorder()
		begin := func() { t.Error("the reply began") }
		if err := Send(w, begin, model, 0, func(func(any) error) error { return want }, nil); !errors.Is(err, want) || w.Body.Len() > 0 {
			t.Errorf("got %v and %q", err, w.Body)
		}
	}
}

func TestAFaultAfterTheFirstEventIsAMessage(t *testing.T) {
	w, begun := httptest.NewRecorder(), 0
	err := Send(w, func() { begun++ }, model, 0, func(send func(any) error) error {
		return errors.Join(send(event([]byte("one"))), send(event([]byte("two"))), gone)
	}, nil)
	if err != nil || begun != 1 {
		t.Errorf("%v, begun %d times", err, begun)
	}
	rest := w.Body.Bytes()
	for _, want := range []string{"event one", "event two", "error "} {
		var m eventstream.Message
		if m, rest, err = eventstream.Parse(rest); err != nil || m.Text(messageType)+" "+string(m.Payload) != want {
			t.Errorf("got %+v, %v; want %s", m, err, want)
		}
	}
}

func TestAStreamWithoutEventsBegins(t *testing.T) {
	begun := false
	if err := Send(httptest.NewRecorder(), func() { begun = true }, model, 0, nil, nil); err != nil || !begun {
		t.Errorf("%v, begun %t", err, begun)
	}
}

// TestAClientThatTakesNothingIsCutOff: the sender neither keeps what the client
// does not take nor waits for it for ever.
func TestAClientThatTakesNothingIsCutOff(t *testing.T) {
	sent := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s := sender{w: w, begin: func() {}, connection: http.NewResponseController(w), stall: 200 * time.Millisecond, model: model, union: &model.Shapes[0]}
		sent <- s.run(func(send func(any) error) error {
			for data := make([]byte, 256<<10); ; {
				if err := send(event(data)); err != nil {
					return err
				}
			}
		}, nil)
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
