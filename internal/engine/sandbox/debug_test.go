package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fakeDebugger stands for debugpy: it waits for a client, answers one line and
// goes on to the function.
const fakeDebugger = `import socket
listener = socket.create_server(("127.0.0.1", 5678))
client, _ = listener.accept()
client.sendall(b"debugger heard " + client.recv(100))
`

// debugged makes a spec whose environment waits for a debugger.
func debugged(t *testing.T, source string) (*Spec, net.Listener, context.CancelFunc) {
	t.Helper()
	spec, _ := specOf(t, source)
	spec.OptDir = t.TempDir()
	modules := filepath.Join(spec.OptDir, "python")
	if err := errors.Join(os.Chmod(spec.OptDir, 0o755), os.Mkdir(modules, 0o755), os.WriteFile(filepath.Join(modules, "lambkin_debug.py"), []byte(fakeDebugger), 0o644)); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(t.Context())
	t.Cleanup(end)
	spec.InitTimeout = time.Hour
	spec.Debug = &Debug{Listener: listener, Life: life}
	return spec, listener, end
}

// started is what Start returned.
type started struct {
	environment Environment
	init        Init
	err         error
}

func startBeside(t *testing.T, h *Host, spec *Spec) <-chan started {
	t.Helper()
	done := make(chan started, 1)
	go func() {
		e, init, err := h.Start(t.Context(), spec)
		done <- started{e, init, err}
	}()
	return done
}

func TestADebuggerIsLedIn(t *testing.T) {
	h := newHost(t, Config{})
	spec, listener, _ := debugged(t, `import socket
def handler(event, context):
    try:
        socket.create_connection(("127.0.0.1", event["port"]), 5)
        return "reached the supervisor's listener"
    except OSError:
        return "alone"
`)
	address := listener.Addr().(*net.TCPAddr)
	done := startBeside(t, h, spec)
	client, err := net.Dial("tcp", address.String()) // before the debugger listens
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	io.WriteString(client, "me\n")
	if line, err := bufio.NewReader(client).ReadString('\n'); line != "debugger heard me\n" {
		t.Errorf("the debugger says %q, %v", line, err)
	}
	s := <-done
	if s.err != nil || s.init.ErrorType != "" {
		t.Fatalf("start: %+v %s", s.err, s.init.ErrorBody)
	}
	r, err := invoke(t, s.environment, fmt.Sprintf(`{"port": %d}`, address.Port), time.Minute)
	if err != nil || string(r.Payload) != `"alone"` {
		t.Errorf("the function says %s, %v", r.Payload, err)
	}
	if err := s.environment.Close(); err != nil {
		t.Error(err)
	}
	if n, err := client.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("the debugger's connection outlives the environment")
	}
	wantClosed(t, listener)
}

func TestTheEndOfTheSessionKills(t *testing.T) {
	h := newHost(t, Config{})
	spec, listener, end := debugged(t, "def handler(event, context): pass\n")
	done := startBeside(t, h, spec)
	end() // nobody has attached, and the function's time limit is far away
	s := <-done
	var exit *ExitError
	if !errors.As(s.err, &exit) {
		t.Errorf("start: %v", s.err)
	}
	wantClosed(t, listener)
}

// wantClosed waits until the environment has closed the listener.
func wantClosed(t *testing.T, listener net.Listener) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Error("the listener outlives the environment")
}
