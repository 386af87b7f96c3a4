package functionurl

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// A function that streams may begin with a prelude: an object with statusCode,
// headers and cookies, then preludeEnd, then the body.
//
// AWS: the content type application/vnd.awslambda.http-integration-response says
// that there is one. It does not reach us, so the prelude is known by its form: a
// stream that begins with an object which eight zero bytes follow.
// https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html
const preludeEnd = "\x00\x00\x00\x00\x00\x00\x00\x00"

// maxPrelude bounds what is held back to see whether it is a prelude.
const maxPrelude = 64 << 10

// streamIdle is how long a client may take to take a piece.
const streamIdle = time.Minute

// stream writes what a function streams to its client. Its methods may be called
// on nil, for a call that does not stream.
type stream struct {
	w     http.ResponseWriter
	held  []byte // the beginning, until it is known whether it is a prelude
	scan  scan   // of held
	open  bool   // the answer has begun
	ended error  // of the client, or of the prelude
}

func (s *stream) begun() bool { return s != nil && s.open }
func (s *stream) gone() bool  { return s != nil && s.ended != nil }

// write takes a piece while the function runs.
func (s *stream) write(_ context.Context, chunk []byte) error {
	if s.ended == nil {
		s.ended = s.take(chunk)
	}
	return s.ended
}

func (s *stream) take(chunk []byte) error {
	if s.open {
		return s.send(chunk)
	}
	s.held = append(s.held, chunk...)
	switch state := s.scan.look(s.held); {
	case state == undecided && len(s.held) < maxPrelude:
		return nil
	case state == isPrelude:
		return s.begin(s.held[:s.scan.at], s.held[s.scan.at+len(preludeEnd):])
	}
	return s.raw("application/octet-stream")
}

// raw begins an answer without a prelude with what was held.
func (s *stream) raw(contentType string) error {
	s.open = true
	s.w.Header().Set("Content-Type", contentType)
	s.w.WriteHeader(http.StatusOK)
	return s.send(s.held)
}

// begin begins an answer as its prelude says.
func (s *stream) begin(head, body []byte) error {
	var known struct {
		StatusCode json.RawMessage `json:"statusCode"`
	}
	if err := json.Unmarshal(head, &known); err == nil && known.StatusCode == nil {
		head = append([]byte(`{"statusCode":200,`), bytes.TrimSpace(head)[1:]...) // AWS: the default
		head = bytes.Replace(head, []byte(",}"), []byte("}"), 1)
	}
	answer, err := proxy.Parse(proxy.URL, head)
	s.open = true
	if err != nil {
		badGateway(s.w)
		return err
	}
	for name, values := range answer.Header {
		s.w.Header()[name] = values
	}
	s.w.WriteHeader(answer.Status)
	return s.send(body)
}

// send writes a piece and lets it go at once.
func (s *stream) send(piece []byte) error {
	control := http.NewResponseController(s.w)
	// Only connections have deadlines; tests call the handler directly.
	if err := control.SetWriteDeadline(time.Now().Add(streamIdle)); err == nil {
		defer control.SetWriteDeadline(time.Time{})
	}
	if len(piece) > 0 {
		if _, err := s.w.Write(piece); err != nil {
			return err
		}
	}
	return control.Flush()
}

// end ends the answer of a function that did not fail. One that did not stream
// has its whole result in payload.
func (s *stream) end(payload []byte) {
	if s.open {
		return
	}
	contentType := "application/octet-stream"
	if len(payload) > 0 {
		contentType = "application/json"
	}
	s.held = append(s.held, payload...)
	if s.scan.look(s.held) == isPrelude {
		s.ended = s.begin(s.held[:s.scan.at], s.held[s.scan.at+len(preludeEnd):])
		return
	}
	s.ended = s.raw(contentType)
}

// Whether a stream begins with a prelude.
const (
	undecided = iota
	isPrelude
	noPrelude
)

// scan looks for an object that preludeEnd follows. It goes on where it stopped
// when there was less to see.
type scan struct {
	at, depth     int
	quoted, ended bool // ended: at is behind the object
}

// look tells whether what is held begins with a prelude, which then ends at s.at.
func (s *scan) look(held []byte) (state int) {
	if len(held) > 0 && held[0] != '{' {
		return noPrelude
	}
	for ; s.at < len(held) && !s.ended; s.at++ {
		switch c := held[s.at]; {
		case s.quoted && c == '\\':
			s.at++
		case c == '"':
			s.quoted = !s.quoted
		case s.quoted:
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			s.depth--
		}
		s.ended = s.depth == 0
	}
	if !s.ended {
		return undecided
	}
	rest := held[s.at:]
	n := min(len(rest), len(preludeEnd))
	switch {
	case string(rest[:n]) != preludeEnd[:n]:
		return noPrelude
	case n < len(preludeEnd):
		return undecided
	}
	return isPrelude
}
