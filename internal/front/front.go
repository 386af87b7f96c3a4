// Package front is the door for the HTTP clients of users' applications: it takes
// requests for function URLs and for the APIs of API Gateway, by host name
// (ID.lambda-url.REGION.localhost, API.execute-api.REGION.localhost) or by path
// (/_aws/lambda-url/ID/..., /_aws/execute-api/API/STAGE/..., and for scripts
// /restapis/API/STAGE/_user_request_/...), and hands each to what serves it.
//
// It promises: what serves an API is found by one look into a map, whatever the
// kinds of APIs; an unknown id is answered as AWS does; a panic below ends one
// request only; bodies are read within the bounds that all clients of the server
// share. It knows no kind of API: those are in the packages below (httpapi, …),
// the shapes that they share in proxy.
//
// Directory.mu guards the map. No goroutines: all work is done on the
// connection's. Start reading at Door.URLs and Door.APIs.
package front

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/domain"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

// Request is a request at the door.
type Request struct {
	*http.Request
	ID        string // of the function URL or API
	Region    string // as the host names it, or ""
	Path      string // escaped, begins with a slash: what comes after the id. Of an API its first segment may be a stage
	ByPath    bool   // the path form named the id: the host says nothing
	Domain    string // the host without its port
	RequestID string // a UUID
	Received  time.Time
	SourceIP  string
	room      *intake.Room
	trace     string
}

// TraceID is the X-Amzn-Trace-Id of the request, completed.
func (r *Request) TraceID() string {
	if r.trace == "" {
		r.trace = invoke.TraceHeader(r.Header.Get("X-Amzn-Trace-Id"), r.Received)
	}
	return r.trace
}

// Read reads the body, of at most limit bytes; errors are those of intake.
func (r *Request) Read(w http.ResponseWriter, limit int64) ([]byte, error) {
	return r.room.Read(w, r.Request, limit)
}

// Answer sends an answer, unless clients that do not take theirs hold all the room that
// there is for answers.
func (r *Request) Answer(w http.ResponseWriter, a *proxy.Answer) {
	release, ok := r.room.Hold(len(a.Body))
	if !ok {
		Refuse(w, http.StatusServiceUnavailable, "ServiceUnavailableException", "Service Unavailable")
		return
	}
	defer release()
	a.Write(w)
}

// Handler serves what an id names.
type Handler interface {
	ServeFront(w http.ResponseWriter, r *Request)
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(w http.ResponseWriter, r *Request)

// ServeFront calls the function.
func (f HandlerFunc) ServeFront(w http.ResponseWriter, r *Request) { f(w, r) }

// Mapped serves an API that a domain name of a user leads to.
type Mapped interface {
	ServeMapped(w http.ResponseWriter, r *Request, lead *domain.Lead)
}

// Names knows the domain names of users; *domain.Names is one.
type Names interface {
	Serves(host string) bool
	Lead(host, path string) *domain.Lead
}

// Directory knows what serves each API. The kinds of APIs enter their ids when
// they start and when an API is made, and take them out when it is deleted.
type Directory struct {
	mu   sync.RWMutex
	apis map[string]Handler
}

// NewDirectory is an empty one.
func NewDirectory() *Directory {
	return &Directory{apis: map[string]Handler{}}
}

// Enter makes h serve the API.
func (d *Directory) Enter(id string, h Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.apis[id] = h
}

// Remove takes an API out.
func (d *Directory) Remove(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.apis, id)
}

// Find is what serves the API, or nil.
func (d *Directory) Find(id string) Handler {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.apis[id]
}

// Config is what a Door is made of; Clock and Logger may be missing.
type Config struct {
	URLs   Handler // serves all function URLs, whether an id exists or not
	APIs   *Directory
	Names  Names // nil: there are none
	Room   *intake.Room
	Clock  clock.Clock
	Logger *slog.Logger
}

// Door takes requests.
type Door struct{ config Config }

// New only builds.
func New(c Config) *Door {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Room == nil {
		c.Room = intake.NewRoom()
	}
	return &Door{config: c}
}

// URLs serves function URLs: hosts with hosts.URLLabel, and paths below hosts.URLPath.
func (d *Door) URLs() http.Handler {
	return d.handler(hosts.URLPath, func(w http.ResponseWriter, r *Request) { d.config.URLs.ServeFront(w, r) })
}

// APIs serves the APIs: hosts with hosts.APILabel, and paths below hosts.APIPath.
func (d *Door) APIs() http.Handler { return d.handler(hosts.APIPath, d.serveAPI) }

// Scripts serves the APIs by paths below hosts.ScriptPath.
func (d *Door) Scripts() http.Handler {
	return d.handler(hosts.ScriptPath, func(w http.ResponseWriter, r *Request) {
		segments := strings.SplitN(r.Path, "/", 4) // "", the stage, hosts.ScriptSegment, the path
		if len(segments) < 3 || segments[2] != hosts.ScriptSegment {
			r.ID = "" // it was written with escapes
		} else {
			r.Path = "/" + segments[1] + "/" + strings.Join(segments[3:], "")
		}
		d.serveAPI(w, r)
	})
}

func (d *Door) serveAPI(w http.ResponseWriter, r *Request) {
	h := d.config.APIs.Find(r.ID)
	if h == nil {
		// AWS: the answer for a host name of no API.
		Refuse(w, http.StatusForbidden, "ForbiddenException", "Forbidden")
		return
	}
	h.ServeFront(w, r)
}

// Named serves the domain names of users; nil for a host that is none.
func (d *Door) Named(host string) http.Handler {
	if d.config.Names == nil || !d.config.Names.Serves(hostname(host)) {
		return nil
	}
	return d.handler("", d.serveNamed)
}

// serveNamed serves a request for a domain name.
func (d *Door) serveNamed(w http.ResponseWriter, r *Request) {
	lead := d.config.Names.Lead(r.Domain, r.Path)
	if lead == nil {
		Refuse(w, http.StatusForbidden, "ForbiddenException", "Forbidden") // AWS: a path without a mapping
		return
	}
	r.ID, r.Region = lead.Mapping.API, lead.Scope.Region
	api, found := d.config.APIs.Find(r.ID).(Mapped)
	if !found {
		Refuse(w, http.StatusForbidden, "ForbiddenException", "Forbidden")
		return
	}
	api.ServeMapped(w, r, lead)
}

func (d *Door) handler(prefix string, serve func(w http.ResponseWriter, r *Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		r := d.request(in, prefix)
		defer d.recover(w, r)
		serve(w, r)
	})
}

// request reads which id is meant.
func (d *Door) request(in *http.Request, prefix string) *Request {
	r := &Request{Request: in, Domain: hostname(in.Host), RequestID: ids.UUID(), Received: d.config.Clock.Now(), SourceIP: source(in), room: d.config.Room}
	path := in.URL.EscapedPath()
	if rest, ok := strings.CutPrefix(path, prefix); ok && prefix != "" {
		r.ByPath = true
		r.ID, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	} else {
		labels := strings.Split(r.Domain, ".")
		r.ID = labels[0]
		if len(labels) > 2 {
			r.Region = labels[2]
		}
	}
	if !strings.HasPrefix(path, "/") { // "OPTIONS *"
		path = "/" + path
	}
	r.Path = path
	return r
}

// hostname is a host without its port, in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// source is the address of the client.
func source(r *http.Request) string {
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return at.Addr().Unmap().WithZone("").String()
	}
	return "127.0.0.1" // a listener without addresses is on this machine
}

// HeadSize is about what the head of a request took.
func HeadSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value) + len(": \r\n")
		}
	}
	return n
}

// recover turns a panic into an answer, and cuts the connection when one has begun.
func (d *Door) recover(w http.ResponseWriter, r *Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	d.config.Logger.Error("panic", "request_id", r.RequestID, "api", r.ID, "err", p, "stack", string(debug.Stack()))
	Refuse(w, http.StatusInternalServerError, "InternalServerErrorException", "Internal Server Error")
	panic(http.ErrAbortHandler)
}

// Refuse answers with {"message": …} as API Gateway does; errorType is
// x-amzn-ErrorType, "" for none.
func Refuse(w http.ResponseWriter, status int, errorType, message string) {
	w.Header().Set("Content-Type", "application/json")
	if errorType != "" {
		w.Header().Set("X-Amzn-Errortype", errorType)
	}
	w.WriteHeader(status)
	// A client that does not wait for the answer needs none.
	_, _ = w.Write(Message(message))
}

// Message is {"message": text}.
func Message(text string) []byte {
	body, err := json.Marshal(struct {
		Message string `json:"message"`
	}{text})
	if err != nil {
		panic("a text must be writable as JSON: " + err.Error())
	}
	return body
}

// extendedIDBytes gives 16 characters, the last of which is "=".
const extendedIDBytes = 11

// ExtendedID is a request id of the form that HTTP and WebSocket APIs use.
func ExtendedID() string {
	var id [extendedIDBytes]byte
	rand.Read(id[:])
	return base64.StdEncoding.EncodeToString(id[:])
}
