// Package intake reads the bodies of HTTP requests into memory.
//
// It promises: a body is bounded before it is read, in size and in time, and so is
// all that is read at once on a server; what a client says about a length is
// believed only as far as it costs nothing. Functions have a smaller share of the
// room than other clients.
//
// A Room is shared by all that read bodies on one server; it is safe for
// concurrent use. No goroutines. Start reading at Room.Read.
package intake

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// ErrTooLarge tells of a body over its limit.
var ErrTooLarge = errors.New("the request body is too large")

// firstBuffer bounds what is allocated on a client's word about its length.
const firstBuffer = 1 << 20

// drainTimeout is how long the rest of a refused request is read so that the
// client sees our reply instead of a closed connection.
const drainTimeout = 30 * time.Second

// ReadAll reads at most limit bytes. It allocates what the client announces only
// up to firstBuffer.
func ReadAll(in io.Reader, announced, limit int64) ([]byte, error) {
	if announced > limit {
		return nil, ErrTooLarge
	}
	size := min(max(announced, 0), firstBuffer) + 1 // one more, so that the end is seen without growing
	body := make([]byte, 0, size)
	for {
		n, err := in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, ErrTooLarge
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		case len(body) == cap(body):
			body = append(body, 0)[:len(body)]
		}
	}
}

// Read reads the whole body of a request within its time, when there is room.
func (m *Room) Read(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	release, err := m.take(r, limit)
	if err != nil {
		return nil, err
	}
	defer release()
	paced := &pacedBody{in: r.Body, control: http.NewResponseController(w), begun: time.Now(), most: timeout(r)}
	if paced.extend() {
		defer paced.control.SetReadDeadline(time.Time{})
		return ReadAll(paced, r.ContentLength, limit)
	}
	// Only a connection of net/http's own server has deadlines; tests call the
	// handler directly.
	return ReadAll(r.Body, r.ContentLength, limit)
}

// pacedBody is a body whose client must keep a pace: while it is read it holds room that
// others wait for.
type pacedBody struct {
	in       io.Reader
	control  *http.ResponseController
	begun    time.Time
	most     time.Duration // that all of it may take
	received int64
	counted  int64 // what of received the deadline knows
}

// extend moves the deadline by what was received; false if there can be none.
func (p *pacedBody) extend() bool {
	p.counted = p.received
	earned := grace + time.Duration(p.received/slowest)*time.Second
	return p.control.SetReadDeadline(p.begun.Add(min(earned, p.most))) == nil
}

// Read reads, and gives the client time for more.
func (p *pacedBody) Read(into []byte) (int, error) {
	n, err := p.in.Read(into)
	if p.received += int64(n); p.received-p.counted >= slowest {
		p.extend()
	}
	return n, err
}

// Slow tells that reading a body ran into its deadline.
func Slow(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// Drain reads what is left of a refused body: many clients send all of it before
// they look for a reply, and would only see a closed connection. A client that
// waits for "100 Continue" sees the reply first.
func Drain(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.ContentLength == 0 || r.ContentLength > limit.CreateBodyBytes || r.Header.Get("Expect") != "" {
		return
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(drainTimeout)); err != nil {
		return
	}
	defer control.SetReadDeadline(time.Time{})
	// An error here means that the client is gone or slow: the reply is tried anyway.
	_, _ = io.CopyN(io.Discard, r.Body, limit.CreateBodyBytes)
}
