package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Waiting between tries to deliver, doubled each time.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// maxAnswerBytes bounds what a listener may answer, its head included.
const maxAnswerBytes = 64 << 10

// droppedReason is AWS's text.
const droppedReason = "Some logs were dropped because the downstream consumer is slower than the logs production rate"

// subscription is one extension's stream of events.
type subscription struct {
	name     string
	request  *request
	objects  bool // records of structured logs are objects
	life     context.Context
	dial     Dial
	conn     net.Conn // of a TCP destination; the goroutine's own
	items    int
	maxBytes int
	timeout  time.Duration
	somewhat chan struct{} // signalled when the first event came
	full     chan struct{} // signalled when there is enough for a batch

	mu         sync.Mutex
	events     [][]byte
	size       int // of events
	sending    bool
	dropped    int
	droppedSum int
	empty      chan struct{} // closed and replaced when all is delivered
}

func newSubscription(r *Relay, name string, wanted *request) *subscription {
	s := &subscription{name: name, request: wanted, objects: wanted.SchemaVersion >= "2022-12-13", life: r.life, dial: r.dial,
		full: make(chan struct{}, 1), somewhat: make(chan struct{}, 1), empty: make(chan struct{})}
	s.items, s.maxBytes, s.timeout = wanted.buffer()
	return s
}

// take collects an event if the subscription is for it. What does not fit, beside
// a batch that is on its way, is dropped and counted.
func (s *subscription) take(e event) {
	if !slices.Contains(s.request.Types, e.kind) || !s.knows(e) {
		return
	}
	text := e.text
	if s.objects && e.json != nil {
		text = e.json
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) >= s.items || (s.size+len(text) > s.maxBytes && s.size > 0) {
		s.dropped++
		s.droppedSum += len(text)
		return
	}
	s.add(text)
}

// add is called with mu held.
func (s *subscription) add(text []byte) {
	s.events = append(s.events, text)
	s.size += len(text)
	if len(s.events) == 1 {
		signal(s.somewhat)
	}
	if len(s.events) >= s.items/2 || s.size >= s.maxBytes/2 {
		signal(s.full)
	}
}

// knows tells whether the schema of the subscription has such events.
func (s *subscription) knows(e event) bool {
	switch e.of {
	case "platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.telemetrySubscription":
		return !s.request.logs
	case "platform.runtimeDone":
		return !s.request.logs || s.request.SchemaVersion == "2021-03-18"
	case "platform.end", "platform.fault", "platform.logsSubscription":
		return s.request.logs
	default:
		return true
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// flush has what is buffered sent at once.
func (s *subscription) flush() { signal(s.full) }

// awaitEmpty waits until everything is delivered or ctx ends.
func (s *subscription) awaitEmpty(ctx context.Context) {
	for {
		s.mu.Lock()
		done, empty := len(s.events) == 0 && !s.sending, s.empty
		s.mu.Unlock()
		if done {
			return
		}
		signal(s.full)
		select {
		case <-empty:
		case <-ctx.Done():
			return
		}
	}
}

// run delivers batches until the environment ends.
func (s *subscription) run() {
	defer func() {
		if s.conn != nil {
			s.conn.Close()
		}
	}()
	for s.awaitBatch() {
		batch := s.cut()
		if len(batch) > 0 && !s.deliver(batch) {
			return
		}
		s.delivered()
	}
}

// awaitBatch waits until there is something to send and the time to collect more
// is over; false means that the environment ends.
func (s *subscription) awaitBatch() bool {
	select {
	case <-s.somewhat:
	case <-s.life.Done():
		return false
	}
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.full:
	case <-s.life.Done():
		return false
	}
	return true
}

// cut takes what is buffered.
func (s *subscription) cut() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.events
	s.events, s.size, s.sending = nil, 0, true
	return batch
}

// delivered ends a batch and tells of what was dropped meanwhile.
func (s *subscription) delivered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = false
	close(s.empty)
	s.empty = make(chan struct{})
	if s.dropped == 0 {
		return
	}
	const of = "platform.logsDropped"
	told := wrap(time.Now(), of, struct {
		Bytes   int    `json:"droppedBytes"`
		Records int    `json:"droppedRecords"`
		Reason  string `json:"reason"`
	}{s.droppedSum, s.dropped, droppedReason})
	s.dropped, s.droppedSum = 0, 0
	if slices.Contains(s.request.Types, Platform) {
		s.add(told)
	}
}

// deliver sends a batch, again and again until it arrives; false means that the
// environment ends.
//
// AWS: "Lambda retries to send telemetry (with backoff) in the absence of a
// listener, or if the POST request encounters an error."
func (s *subscription) deliver(batch [][]byte) bool {
	send := s.post
	if s.request.uri == nil {
		send = s.write
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		if send(batch) == nil {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.life.Done():
			timer.Stop()
			return false
		}
	}
}

// post sends a batch as one JSON array.
func (s *subscription) post(batch [][]byte) error {
	body := append([]byte{'['}, bytes.Join(batch, []byte{','})...)
	request, err := http.NewRequestWithContext(s.life, s.request.Destination.Method, s.request.uri.String(), bytes.NewReader(append(body, ']')))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	conn, err := s.dial(s.life, s.request.port)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(s.life, func() { conn.SetDeadline(time.Now()) })()
	if err := request.Write(conn); err != nil {
		return err
	}
	// By hand: package http's transport writes what it does not expect into the server's own log.
	answer := &io.LimitedReader{R: conn, N: maxAnswerBytes}
	reply, err := http.ReadResponse(bufio.NewReader(answer), request)
	if err == nil {
		_, err = io.Copy(io.Discard, reply.Body)
	}
	if answer.N <= 0 {
		return errors.New("the listener answers without end")
	}
	if err != nil {
		return err
	}
	if reply.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the listener answered %s", reply.Status)
	}
	return nil
}

// write sends a batch as lines of JSON.
func (s *subscription) write(batch [][]byte) error {
	if s.conn == nil {
		conn, err := s.dial(s.life, s.request.port)
		if err != nil {
			return err
		}
		s.conn = conn
	}
	conn := s.conn
	defer context.AfterFunc(s.life, func() { conn.SetDeadline(time.Now()) })()
	if _, err := conn.Write(append(bytes.Join(batch, []byte{'\n'}), '\n')); err != nil {
		conn.Close()
		s.conn = nil
		return err
	}
	return nil
}
