package gateway

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// errTooLarge tells of a body over its limit.
var errTooLarge = errors.New("the request body is too large")

// readAll reads at most limit bytes. It allocates what the client announces only
// up to firstBuffer.
func readAll(in io.Reader, announced, limit int64) ([]byte, error) {
	if announced > limit {
		return nil, errTooLarge
	}
	size := min(max(announced, 0), firstBuffer) + 1 // one more, so that the end is seen without growing
	body := make([]byte, 0, size)
	for {
		n, err := in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		case len(body) == cap(body):
			body = append(body, 0)[:len(body)]
		}
	}
}

// readBody reads the whole body of a request within its time, when there is room.
func (g *Gateway) readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	release, err := g.room.take(r, limit)
	if err != nil {
		return nil, err
	}
	defer release()
	control := http.NewResponseController(w)
	// Only a connection of net/http's own server has deadlines; tests call the
	// handler directly.
	if err := control.SetReadDeadline(time.Now().Add(bodyTimeout(r))); err == nil {
		defer control.SetReadDeadline(time.Time{})
	}
	return readAll(r.Body, r.ContentLength, limit)
}

// patient reads a streamed body as long as something comes: one of 5 GiB takes
// longer than BodyTimeout.
type patient struct {
	body    io.ReadCloser
	control *http.ResponseController
}

// Read waits for at most streamIdle.
func (p *patient) Read(b []byte) (int, error) {
	// Tests call the handler without a connection, which has no deadlines.
	if err := p.control.SetReadDeadline(time.Now().Add(streamIdle)); err == nil {
		defer p.control.SetReadDeadline(time.Time{})
	}
	return p.body.Read(b)
}

func (p *patient) Close() error { return p.body.Close() }

// trailed hands the trailer of a body in chunks to the request when it was read to its end.
type trailed struct {
	in *sigv4.Body
	r  *http.Request
}

func (t *trailed) Read(b []byte) (int, error) {
	n, err := t.in.Read(b)
	if errors.Is(err, io.EOF) {
		t.r.Trailer = t.in.Trailer()
	}
	return n, err
}

// drain reads what is left of a refused body: many clients send all of it before
// they look for a reply, and would only see a closed connection. A client that
// waits for "100 Continue" sees the reply first.
func drain(w http.ResponseWriter, r *http.Request) {
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

// unzip undoes Content-Encoding: gzip, as SDKs send it for operations with the
// requestCompression trait. The result is bounded like the body itself.
func unzip(r *http.Request, body []byte, limit int64) ([]byte, error) {
	if len(body) == 0 || !strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		return body, nil
	}
	in, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, errNotGzip
	}
	plain, err := readAll(in, int64(len(body)), limit)
	if err != nil && !errors.Is(err, errTooLarge) {
		return nil, errNotGzip
	}
	r.Header.Del("Content-Encoding")
	return plain, err
}

var errNotGzip = &sigv4.Error{Kind: sigv4.PayloadNotReadable, Message: "The request body is not valid gzip content."}

// slow tells that reading a body ran into its deadline.
func slow(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// parameter is the decoded value of the first parameter of that name in a
// query or form.
func parameter(query, name string) (string, bool) {
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(part, "=")
		if key != name {
			continue
		}
		if decoded, err := url.QueryUnescape(value); err == nil {
			value = decoded
		}
		return value, true
	}
	return "", false
}
