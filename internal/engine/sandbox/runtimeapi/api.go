// Package runtimeapi serves the AWS Lambda Runtime API to the runtime process of
// one environment: the HTTP interface that custom runtimes and the official
// runtime interface clients speak.
//
// It promises: the states, texts and status codes of AWS's own emulator; one
// event at a time, and an answer is taken once, only for the event that is under
// way, so a late answer reaches nobody; bodies are bounded and at most one is
// read at a time; heads are bounded over all environments.
//
// Heads.Serve starts the goroutine of an http.Server, which ends when the caller
// closes it. API.mu guards the state, headConn.mu a connection's; leaves both.
// Start reading at API.Invoke.
package runtimeapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// Event is one invocation as the runtime sees it.
type Event struct {
	RequestID     string
	Deadline      time.Time
	InvokedARN    string
	TraceID       string
	ClientContext []byte
	Identity      []byte
	ContentType   string // empty means application/json
	TenantID      string
	Payload       []byte

	// Stream takes a response that the runtime streams, piece by piece; see
	// sandbox.Event. Nil: the Answer has it whole.
	Stream func(chunk []byte)
}

// Answer is what the runtime posted for an event, or for its initialisation.
type Answer struct {
	Payload     []byte // empty after a response that was streamed
	ContentType string
	ErrorType   string // empty for success
	Truncated   bool   // the runtime hung up in the middle of a streamed response
	TooLarge    bool   // the response was over the limit and not kept, or not all of it streamed
}

// State of the runtime; the names are those of AWS's emulator and part of the
// error texts.
type state string

const (
	started       state = "Started"
	initError     state = "InitError"
	ready         state = "Ready"
	response      state = "InvocationResponse"
	errorResponse state = "InvocationErrorResponse"
	responseSent  state = "RuntimeResponseSentState"
)

// version begins the paths of the API.
const version = "/2018-06-01"

// drainBytes bounds what is read and thrown away of a body over the limit, so
// that a client gets to see the refusal.
const drainBytes = 16 << 20

// API is the state of one environment's runtime.
type API struct {
	mux        *http.ServeMux
	events     chan *Event   // to one waiting /next
	asked      chan struct{} // signalled when /next is called after an answer
	initDone   chan struct{}
	initClosed sync.Once

	mu        sync.Mutex
	state     state
	current   *Event       // the event under way, or the last one
	waiting   bool         // the runtime waits for an event
	answers   chan *Answer // of the event under way
	pieces    *pieces      // of the event under way, nil unless it takes a stream
	initFault *Answer      // of /init/error; set before initDone is closed
}

// New makes an API whose runtime has not called yet.
func New() *API {
	a := &API{mux: http.NewServeMux(), events: make(chan *Event), asked: make(chan struct{}, 1), initDone: make(chan struct{}), state: started}
	a.mux.HandleFunc("GET "+version+"/ping", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "pong") })
	a.mux.HandleFunc("GET "+version+"/runtime/invocation/next", a.next)
	a.mux.HandleFunc("POST "+version+"/runtime/invocation/{id}/response", a.response)
	a.mux.HandleFunc("POST "+version+"/runtime/invocation/{id}/error", a.error)
	a.mux.HandleFunc("POST "+version+"/runtime/init/error", a.initError)
	return a
}

// ServeHTTP answers the runtime.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Mux is where the APIs of extensions are added.
func (a *API) Mux() *http.ServeMux { return a.mux }

// AwaitNext waits until the runtime has asked for the event after the one that
// was answered last.
func (a *API) AwaitNext(ctx context.Context) error {
	select {
	case <-a.asked:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Waiting tells whether the runtime has asked for an event that has not come yet.
func (a *API) Waiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting
}

func (a *API) setWaiting(waiting bool) {
	a.mu.Lock()
	a.waiting = waiting
	a.mu.Unlock()
}

// InitDone is closed when the runtime asked for its first event or reported
// that it cannot; InitFault then tells which.
func (a *API) InitDone() <-chan struct{} { return a.initDone }

// InitFault is what the runtime reported instead of asking for an event, nil if
// it did ask. Valid after InitDone.
func (a *API) InitFault() *Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.initFault
}

// Invoke hands the event to the runtime and waits for its answer. Only one may
// run at a time. After an error the environment must not be used again.
func (a *API) Invoke(ctx context.Context, event *Event) (*Answer, error) {
	answers := make(chan *Answer, 1)
	streamed := newPieces(event.Stream)
	defer streamed.end()
	a.mu.Lock()
	a.answers, a.pieces = answers, streamed
	a.mu.Unlock()
	select {
	case <-a.asked: // asked again after a lost reply
	default:
	}
	select {
	case a.events <- event:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return streamed.relay(ctx, answers)
}

// next gives the next event to the runtime; it waits for as long as it takes.
func (a *API) next(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	from, event := a.state, a.current
	a.mu.Unlock()
	switch from {
	case ready: // it lost the reply: the same event again
		writeEvent(w, event)
		return
	case started, responseSent:
	default:
		writeTransition(w, from, ready)
		return
	}
	a.initClosed.Do(func() { close(a.initDone) })
	if from == responseSent {
		select {
		case a.asked <- struct{}{}:
		default:
		}
	}
	a.setWaiting(true)
	select {
	case event = <-a.events:
	case <-r.Context().Done():
		a.setWaiting(false)
		return
	}
	a.mu.Lock()
	a.state, a.current, a.waiting = ready, event, false
	a.mu.Unlock()
	writeEvent(w, event)
}

// begin moves to the state of an answer to the event with the id, or refuses.
func (a *API) begin(w http.ResponseWriter, id string, to state) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil || id != a.current.RequestID {
		writeError(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return false
	}
	if a.state != ready {
		writeTransition(w, a.state, to)
		return false
	}
	a.state = to
	return true
}

// finish passes the answer on and closes the event.
func (a *API) finish(answer *Answer) {
	a.mu.Lock()
	a.state = responseSent
	answers := a.answers
	a.mu.Unlock()
	answers <- answer // has room: begin lets one answer through
}

// read takes a body of at most limit.ResponseBytes. On failure it has answered.
func (a *API) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, limit.ResponseBytes+1))
	if err != nil {
		writeError(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request detected as truncated")
		return nil, err
	}
	if len(body) > limit.ResponseBytes {
		io.CopyN(io.Discard, r.Body, drainBytes)
		return nil, errTooLarge
	}
	return body, nil
}

var errTooLarge = errors.New("body over the limit")

// Error types of answers that the runtime could not give whole.
const (
	responseTooLarge  = "Function.ResponseSizeTooLarge"
	responseTruncated = "Runtime.TruncatedResponse"
)

func writeTooLarge(w http.ResponseWriter, most int) {
	writeError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", most))
}

func (a *API) response(w http.ResponseWriter, r *http.Request) {
	if mode := r.Header.Get(responseMode); mode != "" && mode != "streaming" {
		writeError(w, http.StatusBadRequest, "InvalidFunctionResponseMode", "Invalid function response mode")
		return
	}
	if !a.begin(w, r.PathValue("id"), response) {
		return
	}
	if streamed := a.streaming(r); streamed != nil {
		a.stream(w, r, streamed)
		return
	}
	body, err := a.read(w, r)
	switch {
	case errors.Is(err, errTooLarge):
		a.finish(&Answer{TooLarge: true, ErrorType: responseTooLarge})
		writeTooLarge(w, limit.ResponseBytes)
	case err != nil:
		a.retry()
	default:
		a.finish(streamed(r, &Answer{Payload: body, ContentType: r.Header.Get("Content-Type")}))
		writeAccepted(w)
	}
}

// retry reopens the event after a body that did not arrive whole.
func (a *API) retry() {
	a.mu.Lock()
	a.state = ready
	a.mu.Unlock()
}

func (a *API) error(w http.ResponseWriter, r *http.Request) {
	if !a.begin(w, r.PathValue("id"), errorResponse) {
		return
	}
	body, err := a.read(w, r)
	kind, contentType := errorType(r.Header.Get("Lambda-Runtime-Function-Error-Type")), r.Header.Get("Content-Type")
	switch {
	case errors.Is(err, errTooLarge):
		a.finish(&Answer{TooLarge: true, ErrorType: responseTooLarge})
		writeTooLarge(w, limit.ResponseBytes)
		return
	case err != nil:
		a.retry()
		return
	case contentType == causeContentType:
		body, contentType = withoutCause(body)
	}
	a.finish(&Answer{Payload: body, ContentType: contentType, ErrorType: kind})
	writeAccepted(w)
}

// causeContentType marks an error body that also holds the cause for X-Ray.
const causeContentType = "application/vnd.aws.lambda.error.cause+json"

func withoutCause(body []byte) ([]byte, string) {
	var parsed struct {
		ErrorMessage string   `json:"errorMessage"`
		ErrorType    string   `json:"errorType"`
		StackTrace   []string `json:"stackTrace"`
	}
	if err := json.Unmarshal(body, &parsed); err != nil {
		return []byte(`"Invalid error body"`), "application/octet-stream"
	}
	plain, err := json.Marshal(parsed)
	if err != nil {
		return []byte(`"Invalid error body"`), "application/octet-stream"
	}
	return plain, "application/json"
}

func (a *API) initError(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	if a.state != started {
		defer a.mu.Unlock()
		writeTransition(w, a.state, initError)
		return
	}
	a.state = initError
	a.mu.Unlock()
	body, err := a.read(w, r)
	if errors.Is(err, errTooLarge) {
		writeTooLarge(w, limit.ResponseBytes)
		body = nil
	} else if err == nil {
		writeAccepted(w)
	}
	contentType := "application/octet-stream"
	if json.Valid(body) {
		contentType = "application/json"
	}
	a.mu.Lock()
	a.initFault = &Answer{Payload: body, ContentType: contentType, ErrorType: errorType(r.Header.Get("Lambda-Runtime-Function-Error-Type"))}
	a.mu.Unlock()
	a.initClosed.Do(func() { close(a.initDone) })
}

// validErrorType is what AWS's emulator lets through.
var validErrorType = regexp.MustCompile(`(Runtime|Function)\.[A-Z][a-zA-Z]+`)

// errorType is the type that a runtime gave, made valid as AWS does. It is
// never empty.
func errorType(given string) string {
	switch {
	case validErrorType.MatchString(given):
		return given
	case strings.HasPrefix(given, "Function."):
		return "Function.Unknown"
	default:
		return "Runtime.Unknown"
	}
}

func writeEvent(w http.ResponseWriter, event *Event) {
	contentType := event.ContentType
	if contentType == "" {
		contentType = "application/json"
	}
	for _, header := range [][2]string{
		{"Lambda-Runtime-Aws-Request-Id", event.RequestID},
		{"Lambda-Runtime-Trace-Id", event.TraceID},
		{"Lambda-Runtime-Client-Context", string(event.ClientContext)},
		{"Lambda-Runtime-Cognito-Identity", string(event.Identity)},
		{"Lambda-Runtime-Invoked-Function-Arn", event.InvokedARN},
		{"Lambda-Runtime-Deadline-Ms", strconv.FormatInt(event.Deadline.UnixMilli(), 10)},
		{"Lambda-Runtime-Aws-Tenant-Id", event.TenantID},
		{"Content-Type", contentType},
		{"Content-Length", strconv.Itoa(len(event.Payload))},
	} {
		if header[1] != "" {
			w.Header().Set(header[0], header[1])
		}
	}
	w.Write(event.Payload) // a runtime that went away asks again, or ends
}

func writeAccepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`+"\n")
}

func writeTransition(w http.ResponseWriter, from, to state) {
	writeError(w, http.StatusForbidden, "InvalidStateTransition", fmt.Sprintf("State transition from %s to %s failed for runtime. Error: State transition is not allowed", from, to))
}

func writeError(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errorMessage":%q,"errorType":%q}`+"\n", message, kind)
}
