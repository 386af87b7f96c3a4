package gateway

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// patient reads a streamed body as long as something comes: one of 5 GiB takes
// longer than intake.Timeout.
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
	plain, err := intake.ReadAll(in, int64(len(body)), limit)
	if err != nil && !errors.Is(err, intake.ErrTooLarge) {
		return nil, errNotGzip
	}
	r.Header.Del("Content-Encoding")
	return plain, err
}

var errNotGzip = &sigv4.Error{Kind: sigv4.PayloadNotReadable, Message: "The request body is not valid gzip content."}

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
