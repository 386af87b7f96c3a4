package runtimeapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// What the heads of requests may take of the supervisor's memory.
const (
	// maxHeadBytes leaves room for the error cause of 1 MB that a runtime may send
	// in a header.
	maxHeadBytes = 1<<20 + 64<<10
	smallHead    = 32 << 10 // every connection may hold so much
	maxLarge     = 32       // connections that hold more, of all environments
	headTimeout  = 30 * time.Second
)

// errNoRoom tells of a head that was large when too many were.
var errNoRoom = errors.New("too many large request heads at once")

// Heads bounds the memory for request heads of all environments together: each
// could else hold its connections' number times maxHeadBytes.
type Heads struct{ large chan struct{} }

// NewHeads makes room for a whole host.
func NewHeads() *Heads { return &Heads{large: make(chan struct{}, maxLarge)} }

// Serve serves the handler to one environment until the server is closed, which
// the caller does.
func (h *Heads) Serve(handler http.Handler, listener net.Listener) *http.Server {
	server := &http.Server{MaxHeaderBytes: maxHeadBytes, ReadHeaderTimeout: headTimeout,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, headConn{}, conn)
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _ := r.Context().Value(headConn{}).(*headConn)
			conn.await(false)
			defer conn.await(true)
			handler.ServeHTTP(w, r)
		})}
	go server.Serve(&headListener{listener, h}) // ends when the server is closed
	return server
}

type headListener struct {
	net.Listener
	heads *Heads
}

// Accept waits for the next connection.
func (l *headListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &headConn{Conn: conn, heads: l.heads, awaited: true}, nil
}

// headConn counts what is read of a head.
type headConn struct {
	net.Conn
	heads *Heads

	mu      sync.Mutex
	awaited bool // a head is; else a body is read, which its handler bounds
	read    int
	large   bool // it holds a place of Heads.large
}

// Read reads; a head that grows large needs a place first.
func (c *headConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.awaited {
		return n, err
	}
	if c.read += n; c.read <= smallHead || c.large {
		return n, err
	}
	select {
	case c.heads.large <- struct{}{}:
		c.large = true
		return n, err
	default:
		return 0, errNoRoom // the runtime sees a closed connection
	}
}

// await begins a head, or ends it.
func (c *headConn) await(head bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaited, c.read = head, 0
	c.leaveLocked()
}

func (c *headConn) leaveLocked() {
	if c.large {
		<-c.heads.large
		c.large = false
	}
}

// Close closes the connection.
func (c *headConn) Close() error {
	c.mu.Lock()
	c.leaveLocked()
	c.awaited = false // what is still read counts no more
	c.mu.Unlock()
	return c.Conn.Close()
}
