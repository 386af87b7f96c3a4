package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/runtimeapi"
)

// maxAPIHeaderBytes leaves room for the error cause of 1 MB that a runtime may
// send in a header.
const maxAPIHeaderBytes = 1<<20 + 64<<10

// custom is what an environment of a custom runtime has besides: it is spoken to
// by the Runtime API, served inside its network namespace.
type custom struct {
	api    *runtimeapi.API
	server *http.Server
	alive  context.Context // ends with the processes
	ended  context.CancelFunc
}

// start binds the parked child, after opening what a custom runtime calls.
func (e *env) start(spec *Spec) (Init, error) {
	if IsCustom(spec.Runtime) {
		if err := e.serveAPI(); err != nil {
			return Init{}, fmt.Errorf("serve the Runtime API: %w", err)
		}
	}
	return e.bind(spec)
}

func (e *env) serveAPI() error {
	listener, err := e.network.Listen(netns.RuntimeAPIPort)
	if err != nil {
		return err
	}
	e.custom.server = &http.Server{Handler: e.custom.api, MaxHeaderBytes: maxAPIHeaderBytes}
	go e.custom.server.Serve(limitConnections(listener, maxAPIConnections)) // ends when the server is closed
	return nil
}

func newCustom() *custom {
	c := &custom{api: runtimeapi.New()}
	c.alive, c.ended = context.WithCancel(context.Background())
	return c
}

// init waits until the runtime asks for its first event or says that it cannot.
func (c *custom) init(e *env, deadline time.Time) (frame, error) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-c.api.InitDone():
	case <-e.done:
		return frame{}, io.EOF
	case <-timer.C:
		return frame{}, os.ErrDeadlineExceeded
	}
	if fault := c.api.InitFault(); fault != nil {
		return frame{kind: frameInitError, meta: []byte(fault.ErrorType), payload: fault.Payload}, nil
	}
	// Its rights were examined when it parked; what it executed since has no more.
	if err := e.checkStatus(); err != nil {
		return frame{}, errors.Join(errProtocol, err)
	}
	return frame{kind: frameReady}, nil
}

// invoke runs one event; see Environment.Invoke.
func (c *custom) invoke(ctx context.Context, e *env, event *Event) (_ *Result, err error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.alive, cancel)()
	if event.Stream != nil {
		stop := e.killAtEnd(ctx)
		defer func() {
			if stop() && err == nil {
				err = e.broken(os.ErrDeadlineExceeded)
			}
		}()
	}
	answer, err := c.api.Invoke(waiting, &runtimeapi.Event{RequestID: event.RequestID, Deadline: event.Deadline, InvokedARN: event.InvokedARN, TraceID: event.TraceID,
		ClientContext: event.ClientContext, Identity: event.Identity, ContentType: event.ContentType, TenantID: event.TenantID, Payload: event.Payload, Stream: event.Stream})
	if err != nil {
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded): // first: it may have been killed for that
			err = os.ErrDeadlineExceeded
		case c.alive.Err() != nil:
			err = io.EOF
		default:
			e.kill() // the caller gave up: nobody may get what the runtime still answers
		}
		return nil, e.broken(err)
	}
	if answer.Truncated && e.endsSoon() {
		return nil, e.broken(io.EOF)
	}
	e.log.drain()
	result := &Result{Payload: answer.Payload, ContentType: answer.ContentType, ErrorType: answer.ErrorType, MaxMemoryBytes: e.peakBytes()}
	if answer.TooLarge {
		result.ErrorType = ResponseTooLarge
	}
	if result.ContentType == "" {
		result.ContentType = "application/json"
	}
	return result, nil
}

// endsSoon tells whether a runtime that hung up in the middle of its response
// did so because it ended.
func (e *env) endsSoon() bool {
	select {
	case <-e.done:
		return true
	case <-time.After(closedSocketGrace):
		return false
	}
}

func (c *custom) close() error {
	c.ended()
	if c.server == nil {
		return nil
	}
	return c.server.Close()
}

// maxAPIConnections bounds what one environment may hold open to its Runtime API.
const maxAPIConnections = 64

// limitedListener refuses connections over a bound.
type limitedListener struct {
	net.Listener
	slots chan struct{}
}

func limitConnections(listener net.Listener, most int) net.Listener {
	return &limitedListener{Listener: listener, slots: make(chan struct{}, most)}
}

// Accept waits for a connection within the bound; those over it are closed.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if limited := netns.Limit(conn, l.slots); limited != nil {
			return limited, nil
		}
		conn.Close()
	}
}
