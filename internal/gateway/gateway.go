// Package gateway is the HTTP edge of the platform: it finds the service, the
// operation and the protocol of a request, checks who signed it, and turns
// results and errors into replies.
//
// It promises: dispatch is by maps and one walk down a path, never by trying
// services in turn; an unknown service or operation, and one that is in the API
// model but not implemented, is answered at once by a 4xx of the client's own
// protocol that names it (clients retry a 5xx for minutes); every body is bounded
// by its operation before it is read, and so are all that are read at once; nothing is decoded before the signature
// is verified; every reply has a request id. An error that is no *fault.Fault is
// logged once and answered as the service's own internal error without its text.
// Panics are recovered here, logged and counted. Secrets are never logged.
//
// A Gateway is immutable after New but for its counters and the room for bodies:
// no locks of its own, no goroutines, all work is done on the connection's. Start reading at
// Gateway.ServeHTTP and exchange.serve; route.go has dispatch.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// HealthPath answers 200 as soon as the gateway serves.
const HealthPath = "/_lambkin/health"

// S3XML is the key in Config.Codecs of the rest-xml codec that words errors as
// S3 does; it is no protocol of a model. Without it S3 gets the usual one.
const S3XML shape.Protocol = "rest-xml-s3"

// Config is what New needs.
type Config struct {
	Services []*wire.Service
	Codecs   map[shape.Protocol]wire.Codec // the protocols that are spoken; each service needs one of its own here
	Identity *identity.Keys
	// Used is told of each request that a stored key has signed; nil: nobody is.
	Used   func(accessKeyID, service, region string) error
	Clock  clock.Clock  // nil means clock.System
	Logger *slog.Logger // nil means slog.Default()
	Mounts []Mount
	// Named serves hosts that users chose for their applications; nil, or nil of it,
	// for hosts that are not such.
	Named func(host string) http.Handler
	Room  *intake.Room // for bodies that are read; nil: one of its own

	// Enforced tells that the operations check permissions: requests without a
	// signature reach those of services whose resources may be anybody's, and
	// functions cannot call with keys that nothing proves.
	Enforced bool
	// AllowedOrigins are browser origins ("https://console.example.org") that
	// may call the API besides those on the loopback interface.
	AllowedOrigins []string
	// AllowedHosts are host names by which unverified callers (development mode)
	// may reach us, besides IP addresses and local names.
	AllowedHosts []string
	// BucketOrigins answers for S3's buckets what a request from a web origin gets:
	// the headers of CORS, or a fault; nil: AllowedOrigins decide there too.
	BucketOrigins func(ctx context.Context, bucket string, r *http.Request) (http.Header, error)
}

// Mount is something beside the AWS APIs: an API of our own, or a raw handler,
// which sees the request as it came: no signature was checked, the body is not
// bounded and CORS is its own business.
type Mount struct {
	Path    string // "/_lambkin/console/" takes the subtree, "/_lambkin/x" only itself
	Segment string // with Path: only of the subtree what has this as its third segment; the rest is an API of AWS
	Label   string // instead of Path: the second label of the host, "lambda-url" in id.lambda-url.us-east-1.localhost
	Handler http.Handler
	API     *API // instead of Handler
}

// Stats are counters since the start.
type Stats struct {
	Requests uint64 // of AWS APIs
	Faults   uint64 // answered with an error of the caller or the service
	Internal uint64 // answered with an internal error, panics included
	Panics   uint64
}

// Gateway is the HTTP handler of the platform.
type Gateway struct {
	tables   *tables
	codecs   map[shape.Protocol]wire.Codec
	identity *identity.Keys
	used     func(accessKeyID, service, region string) error
	verifier *sigv4.Verifier
	enforced bool
	log      *slog.Logger
	paths    map[string]http.Handler // mounts; subtrees end with a slash
	scripts  []Mount                 // with a segment
	labels   map[string]http.Handler // mounts by host label
	origins  map[string]bool
	hosts    map[string]bool
	buckets  func(ctx context.Context, bucket string, r *http.Request) (http.Header, error)
	named    func(host string) http.Handler
	room     *intake.Room

	disk atomic.Int64 // when a full disk was logged, in seconds: not with each request

	requests, faults, internal, panics atomic.Uint64
}

// New builds the tables of dispatch. It returns an error for models that
// contradict each other.
func New(c Config) (*Gateway, error) {
	if c.Identity == nil {
		return nil, errors.New("the gateway needs an identity")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Room == nil {
		c.Room = intake.NewRoom()
	}
	for _, s := range c.Services {
		if !speaks(c.Codecs, s.Model) {
			return nil, fmt.Errorf("no codec for any protocol of service %s (%v)", s.Model.ID, s.Model.Protocols)
		}
	}
	t, err := newTables(c.Services)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		tables: t, codecs: c.Codecs, identity: c.Identity, used: c.Used, verifier: sigv4.NewVerifier(c.Clock), enforced: c.Enforced, log: c.Logger,
		paths: map[string]http.Handler{HealthPath: http.HandlerFunc(health)}, labels: map[string]http.Handler{},
		origins: map[string]bool{}, hosts: map[string]bool{}, buckets: c.BucketOrigins, room: c.Room, named: c.Named,
	}
	for _, origin := range c.AllowedOrigins {
		g.origins[strings.ToLower(strings.TrimSuffix(origin, "/"))] = true
	}
	for _, host := range c.AllowedHosts {
		g.hosts[hostname(host)] = true
	}
	return g, g.mount(c.Mounts)
}

func speaks(codecs map[shape.Protocol]wire.Codec, model *shape.Service) bool {
	for _, p := range model.Protocols {
		if codecs[p] != nil {
			return true
		}
	}
	return false
}

func (g *Gateway) mount(mounts []Mount) error {
	for _, m := range mounts {
		table, key := g.paths, m.Path
		if m.Label != "" {
			table, key = g.labels, strings.ToLower(m.Label)
		}
		if m.API != nil && m.Handler == nil {
			m.Handler = m.API.handler(g)
		}
		if m.Label == "" && !strings.HasPrefix(m.Path, "/") || m.Label != "" && m.Path != "" || m.Handler == nil {
			return fmt.Errorf("mount %+v needs a handler and either a path or a label", m)
		}
		if m.Segment != "" {
			g.scripts = append(g.scripts, m)
			continue
		}
		if table[key] != nil {
			return fmt.Errorf("%q is mounted twice", key)
		}
		table[key] = m.Handler
	}
	return nil
}

// Stats reads the counters.
func (g *Gateway) Stats() Stats {
	return Stats{Requests: g.requests.Load(), Faults: g.faults.Load(), Internal: g.internal.Load(), Panics: g.panics.Load()}
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := g.mounted(r); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	g.requests.Add(1)
	e := g.newExchange(w, r)
	defer e.recover()
	e.serve()
}

// mounted finds the raw handler of a request, or nil.
func (g *Gateway) mounted(r *http.Request) http.Handler {
	if g.named != nil && !g.own(r.Host) {
		if h := g.named(r.Host); h != nil {
			return h
		}
	}
	if len(g.labels) > 0 {
		if h := g.labels[hostLabel(r.Host)]; h != nil {
			return h
		}
	}
	for i := range g.scripts {
		if g.scripts[i].takes(r.URL.Path) {
			return g.scripts[i].Handler
		}
	}
	if h := g.paths[r.URL.Path]; h != nil {
		return h
	}
	if len(g.paths) == 1 || len(r.URL.Path) < 2 {
		return nil // only the health check
	}
	for path := r.URL.Path; ; {
		slash := strings.LastIndexByte(path, '/')
		if slash < 0 {
			return nil
		}
		if h := g.paths[path[:slash+1]]; h != nil {
			return h
		}
		path = path[:slash]
	}
}

// takes tells whether a path has the segment of a mount in its place.
func (m *Mount) takes(path string) bool {
	rest, below := strings.CutPrefix(path, m.Path)
	if !below {
		return false
	}
	segments := strings.SplitN(rest, "/", 4)
	return len(segments) > 2 && segments[2] == m.Segment
}

// own tells whether a host is one of the platform's, so that no user's domain name
// takes the requests for it.
func (g *Gateway) own(host string) bool {
	name := hostname(host)
	if hosts.Platform(name) || g.hosts[name] || g.labels[hostLabel(host)] != nil {
		return true
	}
	if name, below := strings.CutSuffix(name, ".localhost"); below {
		for label := range strings.SplitSeq(name, ".") {
			if g.tables.hosts[label] != nil {
				return true
			}
		}
	}
	return false
}

func health(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// A client that does not wait for the answer needs none.
	_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
}

// endpoint is the URL by which the client reached us.
func endpoint(r *http.Request) string {
	host := r.Host
	if host == "" { // HTTP/1.0
		if address, ok := r.Context().Value(http.LocalAddrContextKey).(interface{ String() string }); ok {
			host = address.String()
		}
	}
	if r.TLS != nil {
		return "https://" + host
	}
	return "http://" + host
}

// writer remembers whether the reply has begun.
type writer struct {
	http.ResponseWriter
	status int
}

// WriteHeader begins the reply.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the connection.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
