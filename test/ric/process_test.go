package ric

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// patience bounds the wait for a handler on a loaded machine.
const patience = 60 * time.Second

// call is one event and what comes with it.
type call struct {
	name                                                       string
	event, contentType, clientContext, identity, tenant, trace string
}

// outcome is what a runtime did about one event, or about its start.
type outcome struct {
	what        string // "result", "error", "init error", "exit", "ready"
	contentType string
	errorType   string
	body        string
	log         string
}

// session is one process of a runtime that serves a few events.
type session struct {
	handler string
	environ map[string]string
	calls   []call
}

const requestID = "8a6ab5f9-1ee5-4a4a-a9c9-0f3c1de7f5a4"
const functionARN = "arn:aws:lambda:eu-west-1:123456789012:function:f:live"

// logReader collects what the process writes to its log.
type logReader struct{ fd int }

func newLogPipe(t *testing.T) (*logReader, *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	writer := os.NewFile(uintptr(fds[1]), "log")
	t.Cleanup(func() { unix.Close(fds[0]); writer.Close() })
	if _, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, 1<<20); err != nil { // nobody reads while a handler runs
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	return &logReader{fds[0]}, writer
}

// taken returns what has been written since the last time.
func (l *logReader) taken() string {
	var all []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := unix.Read(l.fd, buffer)
		if n <= 0 || err != nil {
			return describeLog(all)
		}
		all = append(all, buffer[:n]...)
	}
}

// describeLog shows frames with their type, and without the time that they bear.
func describeLog(data []byte) string {
	var text strings.Builder
	for len(data) > 0 {
		if len(data) >= 16 && data[0] == 0xa5 && data[1] == 0x5a {
			size := int(binary.BigEndian.Uint32(data[4:]))
			end := min(len(data), 16+size)
			fmt.Fprintf(&text, "<%x %q>\n", data[:4], data[16:end])
			data = data[end:]
			continue
		}
		end := strings.IndexByte(string(data), 0xa5)
		if end <= 0 {
			end = len(data)
		}
		fmt.Fprintf(&text, "%q\n", data[:end])
		data = data[end:]
	}
	return text.String()
}

// environment is what both runtimes give the function.
func (s *session) environment(runtime sandbox.Runtime, task string) map[string]string {
	environ := map[string]string{
		"AWS_EXECUTION_ENV": "AWS_Lambda_" + runtime.ID, "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"AWS_LAMBDA_FUNCTION_VERSION": "7", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f", "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/27/[7]0123456789abcdef0123456789abcdef",
		"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_REGION": "eu-west-1", "LAMBDA_TASK_ROOT": task, "LANG": "en_US.UTF-8", "LC_CTYPE": "C.UTF-8",
		"TZ": ":UTC", "PATH": "/usr/bin:/bin", "_HANDLER": s.handler,
	}
	for name, value := range s.environ {
		environ[name] = value
	}
	return environ
}

func start(t *testing.T, runtime sandbox.Runtime, environ []string, log *os.File, extra []*os.File, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(runtime.Prefix, runtime.Python), arguments...)
	command.Env, command.Stdout, command.Stderr, command.ExtraFiles = environ, log, log, extra
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	log.Close()
	return command
}

func exited(command *exec.Cmd) outcome {
	command.Wait()
	status := command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return outcome{what: "exit by " + status.Signal().String()}
	}
	return outcome{what: "exit " + strconv.Itoa(status.ExitStatus())}
}

// ---- our bootstrap, spoken to in its frames

func (s *session) ours(t *testing.T, runtime sandbox.Runtime, task, library string) []outcome {
	log, writer := newLogPipe(t)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "data")
	file := os.NewFile(uintptr(fds[0]), "data")
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	command := start(t, runtime, []string{"LANG=C.UTF-8"}, writer, []*os.File{theirs, writer}, "-I", "-S", "-B", "testdata/ours.py", runtime.BootstrapDir)
	theirs.Close()
	environ := s.environment(runtime, task)
	environ["PYTHONPATH"] = library // for simplejson; our package of the other name is loaded already
	bind, err := json.Marshal(map[string]any{"handler": s.handler, "environ": environ})
	if err != nil {
		t.Fatal(err)
	}
	readFrame(conn) // PARKED
	writeFrame(conn, 1, string(bind), "")
	outcomes := []outcome{s.reply(conn, command, log)}
	for _, c := range s.calls {
		if outcomes[len(outcomes)-1].what == "ready" || len(outcomes) > 1 && !strings.HasPrefix(outcomes[len(outcomes)-1].what, "exit") {
			deadline := strconv.FormatInt(time.Now().Add(patience).UnixMilli(), 10)
			contentType := c.contentType
			if contentType == "application/json" {
				contentType = ""
			}
			meta := strings.Join([]string{requestID, deadline, functionARN, c.trace, c.clientContext, c.identity, contentType, c.tenant, ""}, "\x00")
			writeFrame(conn, 2, meta, c.event)
			outcomes = append(outcomes, s.reply(conn, command, log))
		}
	}
	conn.Close()
	if command.ProcessState == nil {
		command.Wait()
	}
	return outcomes
}

// reply reads one frame, or the end of the process.
func (s *session) reply(conn net.Conn, command *exec.Cmd, log *logReader) outcome {
	kind, meta, payload, err := readFrame(conn)
	if err != nil {
		end := exited(command)
		end.log = log.taken()
		return end
	}
	_, rest, _ := strings.Cut(meta, "\x00")
	o := outcome{log: log.taken(), body: payload}
	switch kind {
	case 17:
		o.what = "ready"
	case 18:
		o.what, o.errorType = "init error", meta
	case 19:
		o.what, o.contentType = "result", rest
	case 20:
		o.what, o.errorType = "error", rest
	default:
		o.what = fmt.Sprintf("frame %d", kind)
	}
	return o
}

func writeFrame(w io.Writer, kind byte, meta, payload string) {
	header := make([]byte, 12)
	header[0] = kind
	binary.BigEndian.PutUint32(header[4:], uint32(len(meta)))
	binary.BigEndian.PutUint32(header[8:], uint32(len(payload)))
	w.Write(append(append(header, meta...), payload...)) // a dead peer shows at the next read
}

func readFrame(r io.Reader) (kind byte, meta, payload string, err error) {
	var header [12]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, "", "", err
	}
	size := binary.BigEndian.Uint32(header[4:])
	body := make([]byte, size+binary.BigEndian.Uint32(header[8:]))
	_, err = io.ReadFull(r, body)
	return header[0], string(body[:size]), string(body[size:]), err
}

// ---- AWS's client, spoken to by the Runtime API

// runtimeAPI hands out one event at a time and notes the answers.
type runtimeAPI struct {
	next    chan call
	answers chan outcome
	log     *logReader
	server  *httptest.Server
}

func newRuntimeAPI(t *testing.T, log *logReader) *runtimeAPI {
	api := &runtimeAPI{next: make(chan call), answers: make(chan outcome, 1), log: log}
	api.server = httptest.NewServer(api)
	t.Cleanup(func() { api.server.CloseClientConnections(); api.server.Close() })
	return api
}

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/invocation/next") {
		a.serveNext(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body) // the client's end of the connection is gone: its own failure shows
	o := outcome{body: string(body), log: a.log.taken(), errorType: r.Header.Get("Lambda-Runtime-Function-Error-Type")}
	switch {
	case strings.HasSuffix(r.URL.Path, "/init/error"):
		o.what = "init error"
	case strings.HasSuffix(r.URL.Path, "/response"):
		o.what, o.contentType = "result", r.Header.Get("Content-Type")
	default:
		// The client sends its own kind of header here; the platform takes the type from the body.
		o.what, o.errorType = "error", errorTypeOf(body)
	}
	a.answers <- o
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`)
}

func errorTypeOf(body []byte) string {
	var document struct {
		ErrorType string `json:"errorType"`
	}
	json.Unmarshal(body, &document) // no type then
	return document.ErrorType
}

func (a *runtimeAPI) serveNext(w http.ResponseWriter, r *http.Request) {
	a.answers <- outcome{what: "ready", log: a.log.taken()}
	select {
	case c := <-a.next:
		header := w.Header()
		for name, value := range map[string]string{"Aws-Request-Id": requestID, "Invoked-Function-Arn": functionARN, "Trace-Id": c.trace,
			"Client-Context": c.clientContext, "Cognito-Identity": c.identity, "Aws-Tenant-Id": c.tenant,
			"Deadline-Ms": strconv.FormatInt(time.Now().Add(patience).UnixMilli(), 10)} {
			if value != "" {
				header.Set("Lambda-Runtime-"+name, value)
			}
		}
		header.Set("Content-Type", c.contentType)
		io.WriteString(w, c.event)
	case <-r.Context().Done():
	}
}

func (s *session) theirs(t *testing.T, runtime sandbox.Runtime, task, library string) []outcome {
	log, writer := newLogPipe(t)
	api := newRuntimeAPI(t, log)
	environ := s.environment(runtime, task)
	environ["AWS_LAMBDA_RUNTIME_API"] = api.server.Listener.Addr().String()
	environ["_LAMBDA_TELEMETRY_LOG_FD"] = "3"
	environ["PYTHONPATH"] = library
	var list []string
	for name, value := range environ {
		list = append(list, name+"="+value)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(runtime.Prefix, runtime.Python), "-B", "-m", "awslambdaric", s.handler)
	command.Env, command.Dir, command.Stdout, command.Stderr, command.ExtraFiles = list, task, writer, writer, []*os.File{writer}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	ended := make(chan struct{})
	go func() { command.Wait(); close(ended) }() // ends with the process, which theirs waits for
	defer func() { command.Process.Kill(); <-ended }()
	outcomes := []outcome{}
	take := func() outcome {
		select {
		case o := <-api.answers:
			return o
		case <-ended:
			select {
			case o := <-api.answers: // the answer was its last deed
				return o
			default:
			}
			o := exited(command)
			o.log = log.taken()
			return o
		case <-time.After(patience):
			return outcome{what: "silence"}
		}
	}
	outcomes = append(outcomes, take())
	for _, c := range s.calls {
		if outcomes[len(outcomes)-1].what == "init error" || strings.HasPrefix(outcomes[len(outcomes)-1].what, "exit") {
			break
		}
		api.next <- c
		o := take()
		outcomes = append(outcomes, o)
		if !strings.HasPrefix(o.what, "exit") {
			if then := take(); then.what != "ready" {
				return append(outcomes, then) // it died after the answer
			}
		}
	}
	return outcomes
}
