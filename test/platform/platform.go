// Package platform runs the real lambkin binary for the tests and benchmarks
// below test/ and speaks to it as any AWS client does: by signed HTTP.
//
// It promises that the server it started has ended when Stop returns, and that
// a server that never answers is reported with its log. It owns no goroutines
// beyond those of net/http; a Platform is for one goroutine, its Call method for
// many. Start reading at Start.
package platform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/sys/unix"
)

// ReadyTimeout bounds the wait for a server to answer or a function to become active.
const ReadyTimeout = 60 * time.Second

// stopTimeout is how long a server may take to drain before it is killed.
const stopTimeout = 20 * time.Second

// Region is the region of every call.
const Region = "us-east-1"

// Key is the access key that the server is configured with, so that each
// signature is really verified.
var Key = aws.Credentials{AccessKeyID: "AKIATESTTESTTESTTEST", SecretAccessKey: "test-secret-key"}

// Platform is a running lambkin.
type Platform struct {
	Address string        // host:port
	Data    string        // data folder
	Startup time.Duration // from exec to the first answered request
	binary  string
	args    []string
	log     string
	cmd     *exec.Cmd
}

// What ./check has made ready for all suites. A suite that runs alone does without.
const (
	builtVariable    = "LAMBKIN_BUILT"    // the binary of this tree
	preparedVariable = "LAMBKIN_PREPARED" // the folder runtimes of a server that ran: Python unpacked and compiled, boto3 installed
)

// Build compiles the binary of this tree into folder, or takes the one that is built.
func Build(ctx context.Context, folder string) (string, error) {
	binary := filepath.Join(folder, "lambkin")
	if built := os.Getenv(builtVariable); built != "" {
		return binary, place(built, binary)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/lambkin-dev/lambkin/cmd/lambkin")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0") // as the README builds it: one static file
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build lambkin: %w\n%s", err, out)
	}
	return binary, nil
}

// place makes a second name for a file, or a copy on another file system.
func place(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// Start runs binary over folder/data on a free port and waits until it answers.
// The extra arguments go to `lambkin serve`.
func Start(ctx context.Context, binary, folder string, args ...string) (*Platform, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	p := &Platform{Address: listener.Addr().String(), Data: filepath.Join(folder, "data"), binary: binary, args: args, log: filepath.Join(folder, "serve.log")}
	listener.Close()
	if err := Prepare(p.Data); err != nil {
		return nil, err
	}
	return p, p.Restart(ctx)
}

// Prepare gives a new data folder the runtimes that are prepared, if any are: a
// server needs seconds to make them. It uses those of its own release only.
func Prepare(data string) error {
	prepared := os.Getenv(preparedVariable)
	target := filepath.Join(data, "runtimes")
	if _, err := os.Stat(target); prepared == "" || err == nil {
		return nil
	}
	return filepath.WalkDir(prepared, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(prepared, path)
		if err != nil {
			return err
		}
		switch name = filepath.Join(target, name); {
		case entry.IsDir():
			return os.MkdirAll(name, 0o755)
		case entry.Type() == fs.ModeSymlink:
			link, err := os.Readlink(path)
			return errors.Join(err, os.Symlink(link, name))
		default:
			return place(path, name)
		}
	})
}

// Restart runs the server again over the same data folder and address, and
// waits until it answers.
func (p *Platform) Restart(ctx context.Context) error {
	begin := time.Now()
	if err := p.Launch(ctx); err != nil {
		return err
	}
	for time.Since(begin) < ReadyTimeout && ctx.Err() == nil {
		reply, err := http.Get("http://" + p.Address + "/_lambkin/health")
		if err == nil {
			reply.Body.Close()
			p.Startup = time.Since(begin)
			return nil
		}
		// A connection that is refused costs microseconds: give the core away
		// between tries, for less than what is measured.
		unix.Nanosleep(&unix.Timespec{Nsec: int64(500 * time.Microsecond)}, nil)
	}
	p.Kill()
	return fmt.Errorf("the server did not answer within %s; its log:\n%s", ReadyTimeout, p.Log())
}

// Launch is Restart without the wait.
func (p *Platform) Launch(ctx context.Context) error {
	logFile, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	p.cmd = exec.CommandContext(ctx, p.binary, append([]string{"serve", "--data", p.Data, "--listen", p.Address}, p.args...)...)
	p.cmd.Env = append(os.Environ(), "LAMBKIN_ACCESS_KEY="+Key.AccessKeyID, "LAMBKIN_SECRET_KEY="+Key.SecretAccessKey)
	p.cmd.Stdout, p.cmd.Stderr = logFile, logFile
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopTimeout
	return p.cmd.Start()
}

// PID is the supervisor's process id.
func (p *Platform) PID() int { return p.cmd.Process.Pid }

// Log is everything that the server wrote to its output.
func (p *Platform) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop asks the server to end and waits for it; a server that does not drain in
// time is killed and reported.
func (p *Platform) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return nil // it has ended already
	}
	timer := time.AfterFunc(stopTimeout, func() { p.cmd.Process.Kill() })
	err := p.cmd.Wait()
	if !timer.Stop() {
		return fmt.Errorf("the server did not end within %s of SIGTERM; its log:\n%s", stopTimeout, p.Log())
	}
	return err
}

// Kill ends the server with SIGKILL and waits for the process.
func (p *Platform) Kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// Sign makes a signed request of the service ("lambda", "logs").
func Sign(ctx context.Context, service, method, url string, header http.Header, body []byte) (*http.Request, error) {
	return SignAs(ctx, Key, service, method, url, header, body)
}

// SignAs is Sign with another key.
func SignAs(ctx context.Context, key aws.Credentials, service, method, url string, header http.Header, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	sum := sha256.Sum256(body)
	return request, v4.NewSigner().SignHTTP(ctx, key, request, hex.EncodeToString(sum[:]), service, Region, time.Now())
}

// Reply is an answered call.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call sends one signed Lambda request and reads the whole reply.
func (p *Platform) Call(ctx context.Context, method, path string, body []byte) (*Reply, error) {
	return p.CallService(ctx, "lambda", method, path, http.Header{"Content-Type": {"application/json"}}, body)
}

// CallService is Call for any service and headers.
func (p *Platform) CallService(ctx context.Context, service, method, path string, header http.Header, body []byte) (*Reply, error) {
	request, err := Sign(ctx, service, method, "http://"+p.Address+path, header, body)
	if err != nil {
		return nil, err
	}
	return Send(request)
}

// Send sends a prepared request and reads the whole reply.
func Send(request *http.Request) (*Reply, error) {
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return &Reply{Status: reply.StatusCode, Header: reply.Header, Body: body}, err
}

// InvokePath is the path of Invoke.
func InvokePath(name string) string { return "/2015-03-31/functions/" + name + "/invocations" }

// Function is what Deploy needs to know; zero values take a small default.
type Function struct {
	Name     string
	Files    map[string]string // path in the package -> text
	Runtime  string            // default python3.14
	Handler  string            // default app.handler
	MemoryMB int               // default 256
	Timeout  int               // seconds, default 30
	Environ  map[string]string
}

// Deploy creates the function and waits until it is active.
func (p *Platform) Deploy(ctx context.Context, f Function) error {
	archive, err := Zip(f.Files)
	if err != nil {
		return err
	}
	request := map[string]any{
		"FunctionName": f.Name, "Runtime": or(f.Runtime, "python3.14"), "Handler": or(f.Handler, "app.handler"),
		"Role": "arn:aws:iam::000000000000:role/test", "MemorySize": or(f.MemoryMB, 256), "Timeout": or(f.Timeout, 30),
		"Code": map[string]any{"ZipFile": archive},
	}
	if f.Environ != nil {
		request["Environment"] = map[string]any{"Variables": f.Environ}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	reply, err := p.Call(ctx, "POST", "/2015-03-31/functions", body)
	if err != nil {
		return fmt.Errorf("create %s: %w", f.Name, err)
	}
	if reply.Status != http.StatusCreated {
		return fmt.Errorf("create %s: status %d: %s", f.Name, reply.Status, reply.Body)
	}
	return p.WaitActive(ctx, f.Name)
}

// WaitActive waits until the function is active and its last update is done.
func (p *Platform) WaitActive(ctx context.Context, name string) error {
	for deadline := time.Now().Add(ReadyTimeout); time.Now().Before(deadline); {
		reply, err := p.Call(ctx, "GET", "/2015-03-31/functions/"+name+"/configuration", nil)
		if err != nil {
			return err
		}
		var configuration struct{ State, StateReason, LastUpdateStatus string }
		if err := json.Unmarshal(reply.Body, &configuration); err != nil {
			return fmt.Errorf("configuration of %s: %w: %s", name, err, reply.Body)
		}
		switch {
		case configuration.State == "Failed":
			return fmt.Errorf("function %s failed: %s", name, configuration.StateReason)
		case configuration.State == "Active" && configuration.LastUpdateStatus != "InProgress":
			return nil
		}
		unix.Nanosleep(&unix.Timespec{Nsec: int64(5 * time.Millisecond)}, nil) // the server needs the core
	}
	return fmt.Errorf("function %s did not become active within %s", name, ReadyTimeout)
}

// ErrFunction tells that the function itself failed; its text is the error body.
var ErrFunction = errors.New("function error")

// Invoke calls the function and returns its answer.
func (p *Platform) Invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	reply, err := p.Call(ctx, "POST", InvokePath(name), event)
	switch {
	case err != nil:
		return nil, err
	case reply.Status != http.StatusOK:
		return nil, fmt.Errorf("invoke %s: status %d: %s", name, reply.Status, reply.Body)
	case reply.Header.Get("X-Amz-Function-Error") != "":
		return reply.Body, fmt.Errorf("%w: %s", ErrFunction, reply.Body)
	}
	return reply.Body, nil
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
