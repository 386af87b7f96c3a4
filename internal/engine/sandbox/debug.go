package sandbox

import (
	"context"
	"io"
	"net"
	"sync"
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

// debugSession is the way into one environment.
type debugSession struct {
	env      *env
	listener net.Listener
	life     context.Context // ends with the environment, too
	end      context.CancelFunc
	running  sync.WaitGroup
}

// openDebug leads connections into the environment until it ends.
func (e *env) openDebug(debug *Debug) {
	s := &debugSession{env: e, listener: debug.Listener}
	s.life, s.end = context.WithCancel(debug.Life)
	e.debug = s
	s.running.Add(2)
	go s.watch()  // ends with the session or the environment
	go s.accept() // ends when the listener is closed
}

// close ends the session. Afterwards nothing of it uses the environment's network
// any more, which may become another's.
func (s *debugSession) close() {
	s.end()
	s.listener.Close()
	s.running.Wait()
}

func (s *debugSession) watch() {
	defer s.running.Done()
	select {
	case <-s.life.Done():
		s.env.kill()
	case <-s.env.done:
		s.end()
	}
	s.listener.Close()
}

func (s *debugSession) accept() {
	defer s.running.Done()
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.running.Add(1)
		go s.leadIn(conn) // ends with either connection, or with the session
	}
}

// leadIn joins the developer's connection with one inside the environment, as
// soon as the debugger listens there.
func (s *debugSession) leadIn(outside net.Conn) {
	defer s.running.Done()
	defer outside.Close()
	for {
		inside, err := s.env.network.Dial(s.life, DebugPort)
		if err == nil {
			defer inside.Close()
			s.join(outside, inside)
			return
		}
		retry := time.NewTimer(debugRetry)
		select {
		case <-s.life.Done():
			retry.Stop()
			return
		case <-retry.C:
		}
	}
}

// join copies both ways until one side ends.
func (s *debugSession) join(outside, inside net.Conn) {
	ended := make(chan struct{}, 2)
	relay := func(to, from net.Conn) {
		io.Copy(to, from)
		ended <- struct{}{}
	}
	go relay(inside, outside) // ends when either connection is closed
	go relay(outside, inside) // ends when either connection is closed
	select {
	case <-ended:
	case <-s.life.Done():
	}
}
