package sandbox

import (
	"context"
	"io"
	"net"
	"time"
)

// Debug opens one environment to a debugger. The function's initialisation and
// its event wait for as long as the developer does.
type Debug struct {
	// Listener takes the debugger's connections; it must be on the loopback
	// interface. Each is led to DebugPort inside the environment, which nothing
	// else reaches. The environment closes it.
	Listener net.Listener
	// Life ends with the developer's session: the environment is killed then.
	Life context.Context
}

// DebugPort is where the debugger listens inside an environment.
const DebugPort = 5678

// debugRetry is the pause between two tries to reach a debugger that is starting.
const debugRetry = 20 * time.Millisecond

// openDebug leads connections into the environment until it ends.
func (e *env) openDebug(debug *Debug) {
	go func() { // ends when the session or the environment does
		select {
		case <-debug.Life.Done():
			e.kill()
		case <-e.done:
		}
		debug.Listener.Close()
	}()
	go func() { // ends when the listener is closed
		for {
			conn, err := debug.Listener.Accept()
			if err != nil {
				return
			}
			go e.leadIn(conn) // ends with either connection, or with the environment
		}
	}()
}

// leadIn joins the developer's connection with one inside the environment.
func (e *env) leadIn(outside net.Conn) {
	defer outside.Close()
	for {
		inside, err := e.network.Dial(DebugPort)
		if err == nil {
			defer inside.Close()
			e.join(outside, inside)
			return
		}
		retry := time.NewTimer(debugRetry)
		select {
		case <-e.done:
			retry.Stop()
			return
		case <-retry.C:
		}
	}
}

// join copies both ways until one side ends.
func (e *env) join(outside, inside net.Conn) {
	ended := make(chan struct{}, 2)
	relay := func(to, from net.Conn) {
		io.Copy(to, from)
		ended <- struct{}{}
	}
	go relay(inside, outside) // ends when either connection is closed
	go relay(outside, inside) // ends when either connection is closed
	select {
	case <-ended:
	case <-e.done:
	}
}
