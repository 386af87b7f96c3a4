package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// editor is the client side of the debug adapter protocol, as far as attaching
// to a process needs it. https://microsoft.github.io/debug-adapter-protocol/
type editor struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
	sent   int
	events []message // that nobody has waited for
}

// message is what the adapter sends.
type message struct {
	Type, Command, Event, Message string
	RequestSeq                    int `json:"request_seq"`
	Success                       bool
	Body                          json.RawMessage
}

func attach(t *testing.T, address, localRoot string) *editor {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(followTimeout)); err != nil {
		t.Fatal(err)
	}
	e := &editor{t: t, conn: conn, reader: bufio.NewReader(conn)}
	e.request("initialize", map[string]any{"clientID": "test", "adapterID": "debugpy", "linesStartAt1": true, "columnsStartAt1": true, "pathFormat": "path"})
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	// The settings are those that VS Code documents; its answer comes last.
	// https://code.visualstudio.com/docs/python/debugging
	e.send("attach", map[string]any{"name": "lambkin", "type": "debugpy", "request": "attach", "connect": map[string]any{"host": host, "port": number},
		"pathMappings": []map[string]string{{"localRoot": localRoot, "remoteRoot": "/var/task"}}})
	e.event("initialized")
	return e
}

func (e *editor) send(command string, arguments any) int {
	e.t.Helper()
	e.sent++
	body, err := json.Marshal(map[string]any{"seq": e.sent, "type": "request", "command": command, "arguments": arguments})
	if err == nil {
		_, err = fmt.Fprintf(e.conn, "Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	if err != nil {
		e.t.Fatalf("%s: %v", command, err)
	}
	return e.sent
}

func (e *editor) read() message {
	e.t.Helper()
	header, err := textproto.NewReader(e.reader).ReadMIMEHeader()
	if err != nil {
		e.t.Fatalf("read from the debugger: %v", err)
	}
	length, _ := strconv.Atoi(header.Get("Content-Length"))
	body := make([]byte, length)
	if _, err := io.ReadFull(e.reader, body); err != nil {
		e.t.Fatalf("read from the debugger: %v", err)
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		e.t.Fatalf("%v: %s", err, body)
	}
	return m
}

// request sends and waits for the answer, whose body it returns.
func (e *editor) request(command string, arguments any) json.RawMessage {
	e.t.Helper()
	seq := e.send(command, arguments)
	for {
		m := e.read()
		switch {
		case m.Type == "event":
			e.events = append(e.events, m)
		case m.Type == "response" && m.RequestSeq == seq && !m.Success:
			e.t.Fatalf("%s: %s", command, m.Message)
		case m.Type == "response" && m.RequestSeq == seq:
			return m.Body
		}
	}
}

// event waits for an event and returns its body.
func (e *editor) event(name string) json.RawMessage {
	e.t.Helper()
	for {
		for i, m := range e.events {
			if m.Event == name {
				e.events = append(e.events[:i], e.events[i+1:]...)
				return m.Body
			}
		}
		if m := e.read(); m.Type == "event" {
			e.events = append(e.events, m)
		}
	}
}

// variables reads the local variables of the place where the thread stands.
func (e *editor) variables(thread int) (place string, values map[string]string) {
	e.t.Helper()
	var stack struct {
		StackFrames []struct {
			ID     int
			Line   int
			Source struct{ Path string }
		}
	}
	into(e.t, e.request("stackTrace", map[string]any{"threadId": thread}), &stack)
	var scopes struct {
		Scopes []struct{ VariablesReference int }
	}
	into(e.t, e.request("scopes", map[string]any{"frameId": stack.StackFrames[0].ID}), &scopes)
	var variables struct {
		Variables []struct{ Name, Value string }
	}
	into(e.t, e.request("variables", map[string]any{"variablesReference": scopes.Scopes[0].VariablesReference}), &variables)
	values = map[string]string{}
	for _, v := range variables.Variables {
		values[v.Name] = v.Value
	}
	return fmt.Sprintf("%s:%d", stack.StackFrames[0].Source.Path, stack.StackFrames[0].Line), values
}

func into(t *testing.T, body []byte, value any) {
	t.Helper()
	if err := json.Unmarshal(body, value); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
}

// debugged is what the test calls.
const debugged = `import time

STARTED = time.time()

def handler(event, context):
    doubled = event['number'] * 2
    return {'doubled': doubled, 'left': context.get_remaining_time_in_millis()}
`

// debugs starts a call that waits for a debugger and returns where. The output of
// the developer is that of the call.
func (d *developer) debugs(answer io.Writer, port string) (call *exec.Cmd, address string) {
	d.t.Helper()
	d.output.text.Reset()
	call = d.command("invoke", "debugged", `{"number": 21}`, "--debug", "--debug-port", port, "--log")
	call.Stdout, call.Stderr = answer, &d.output
	if err := call.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { call.Process.Kill() })
	d.shows("pathMappings")
	_, rest, _ := strings.Cut(d.output.String(), "waiting for a debugger at ")
	address, _, _ = strings.Cut(rest, ";")
	if host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {
		d.t.Fatalf("the debugger is awaited at %s, which is not of the loopback interface", address)
	}
	return call, address
}

// stops waits until the function stands at a breakpoint of the line and returns
// the thread and its variables.
func (e *editor) stops(source string, line int) (thread int, values map[string]string) {
	e.t.Helper()
	var stopped struct {
		Reason   string
		ThreadID int `json:"threadId"`
	}
	into(e.t, e.event("stopped"), &stopped)
	place, values := e.variables(stopped.ThreadID)
	if place != fmt.Sprintf("%s:%d", source, line) || stopped.Reason != "breakpoint" {
		e.t.Fatalf("stopped at %s because of %s, not at line %d", place, stopped.Reason, line)
	}
	return stopped.ThreadID, values
}

// TestDebug steps into a function as a developer does: breakpoint, variable, on.
func TestDebug(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root for its sandbox; run the tests as root")
	}
	endpoint, data := serveForScripts(t)
	d := &developer{t: t, binary: filepath.Join(filepath.Dir(data), "lambkin"), endpoint: endpoint, folder: filepath.Join(t.TempDir(), "debugged"), output: output{wrote: make(chan struct{}, 1)}}
	d.write("app.py", debugged)
	d.write("lambkin.toml", "timeout = 1\nmemory = 128\n")
	if out, err := d.command("deploy", d.folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var answer bytes.Buffer
	call, address := d.debugs(&answer, "0")
	_, port, _ := net.SplitHostPort(address)
	if out, err := d.command("invoke", "debugged", "--debug", "--debug-port", port).CombinedOutput(); err == nil || !strings.Contains(string(out), "Port "+port+" is in use") {
		t.Errorf("a second call at the same port: %v: %s", err, out)
	}

	e := attach(t, address, d.folder)
	source := filepath.Join(d.folder, "app.py")
	// Line 3 is module code: the debugger is there before the function is imported.
	e.request("setBreakpoints", map[string]any{"source": map[string]string{"path": source}, "breakpoints": []map[string]int{{"line": 3}, {"line": 7}}})
	e.request("configurationDone", nil)
	thread, _ := e.stops(source, 3)
	e.request("continue", map[string]any{"threadId": thread})
	thread, values := e.stops(source, 7)
	if values["doubled"] != "42" || values["event"] != "{'number': 21}" {
		t.Errorf("the variables are %v", values)
	}
	// The function has a timeout of one second, which is suspended.
	e.request("evaluate", map[string]any{"expression": "time.sleep(1.5)"})
	e.send("continue", map[string]any{"threadId": thread}) // the call may end before the answer comes
	if err := call.Wait(); err != nil {
		t.Fatalf("%v: %s %s", err, &answer, &d.output)
	}
	wantAnswer(t, answer.Bytes(), 42, 60_000, 24*60*60*1000)
	d.shows("REPORT RequestId: ")
	d.ends(address)

	// The next call is an ordinary one, with the function's timeout.
	out, err := d.command("invoke", "debugged", `{"number": 2}`).Output()
	if err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, out, 4, 0, 1000)

	// Who gives up waiting takes the call along.
	call, address = d.debugs(io.Discard, port)
	call.Process.Signal(os.Interrupt)
	if err := call.Wait(); err == nil {
		t.Error("a call that was given up succeeded")
	}
	d.ends(address)
}

// ends waits until nothing listens at the address.
func (d *developer) ends(address string) {
	d.t.Helper()
	d.until("the port is free again", func() bool {
		listener, err := net.Listen("tcp", address)
		if err == nil {
			listener.Close()
		}
		return err == nil
	})
}

// wantAnswer compares what the function answered, within bounds of the time left.
func wantAnswer(t *testing.T, answer []byte, doubled, least, most int) {
	t.Helper()
	var got struct{ Doubled, Left int }
	into(t, answer, &got)
	if got.Doubled != doubled || got.Left < least || got.Left > most {
		t.Errorf("the answer is %s", answer)
	}
}
