package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
)

func TestMain(m *testing.M) {
	Child()
	if os.Getenv(userVariable) != "" {
		status, again, err := EnterUserNamespace()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if again {
			os.Exit(status)
		}
	}
	os.Exit(m.Run())
}

// hostPython shows the machine's own interpreter as every runtime.
type hostPython struct{}

func (hostPython) Resolve(ctx context.Context, id string) (Runtime, error) {
	out, err := exec.CommandContext(ctx, "python3", "-c", "import sys; print(sys.prefix); print('bin/python%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		return Runtime{}, fmt.Errorf("%w: %w", ErrRuntimeMissing, err)
	}
	prefix, python, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	bootstrap, err := filepath.Abs(cmp.Or(os.Getenv(bootstrapVariable), "../pyboot/python"))
	return Runtime{ID: id, Prefix: prefix, Python: python, BootstrapDir: bootstrap}, err
}

func newHost(t testing.TB, config Config) *Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the sandbox needs root; run the tests as root to test isolation")
	}
	h, err := New(config, hostPython{}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close the host: %v", err)
		}
	})
	return h
}

// logs collects the records of an environment.
type logs struct {
	mu      sync.Mutex
	records []string
}

func (l *logs) add(r LogRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, string(r.Data))
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.records, "")
}

func specOf(t testing.TB, source string) (*Spec, *logs) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "app.py"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	collected := &logs{}
	return &Spec{Account: "000000000000", Runtime: "python3.11", Handler: "app.handler", TaskDir: folder, MemoryMB: 256, EphemeralMB: 512,
		Environ: []string{"AWS_LAMBDA_FUNCTION_NAME=f"}, InitTimeout: 10 * time.Second, Log: collected.add}, collected
}

func invoke(t testing.TB, e Environment, payload string, limit time.Duration) (*Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	deadline, _ := ctx.Deadline()
	return e.Invoke(ctx, &Event{RequestID: "id-1", Deadline: deadline, InvokedARN: "arn:f", Payload: []byte(payload)})
}

// run starts an environment for source and calls it once.
func run(t testing.TB, h *Host, source string) (*Result, *logs, error) {
	t.Helper()
	spec, collected := specOf(t, source)
	e, init, err := h.Start(t.Context(), spec)
	if err != nil {
		return nil, collected, err
	}
	defer e.Close()
	if init.ErrorType != "" {
		t.Fatalf("init: %s %s", init.ErrorType, init.ErrorBody)
	}
	r, err := invoke(t, e, `{"n": 1}`, 10*time.Second)
	return r, collected, err
}

func TestAHandlerAnswersAndItsLogIsComplete(t *testing.T) {
	h := newHost(t, Config{})
	r, collected, err := run(t, h, "import os\ndef handler(event, context):\n    print('seen', event)\n    os.write(1, b'half a line')\n    return {'n': event['n'] + 1, 'uid': os.getuid()}\n")
	if err != nil {
		t.Fatalf("%v; log %s", err, collected.text())
	}
	if got := string(r.Payload); !strings.HasPrefix(got, `{"n": 2, "uid": 70`) {
		t.Errorf("payload %s", got)
	}
	if got := collected.text(); got != "seen {'n': 1}\nhalf a line" {
		t.Errorf("log %q", got)
	}
}

func TestTimeoutExitAndProtocolViolationKill(t *testing.T) {
	h := newHost(t, Config{})
	tests := []struct {
		name, body string
		limit      time.Duration
		want       string
	}{
		{"timeout", "import time; time.sleep(60)", time.Second, ErrTimeout.Error()},
		{"exit", "import sys; sys.exit(3)", 20 * time.Second, "Runtime exited with error: exit status 3"},
		{"exit zero", "import os; os._exit(0)", 20 * time.Second, "Runtime exited without providing a reason"},
		{"segfault", "import ctypes; ctypes.string_at(0)", 20 * time.Second, "Runtime exited with error: signal: segmentation fault"},
		{"memory", "return len(b'x' * (1 << 30))", 20 * time.Second, "Runtime exited with error: signal: killed"},
		{"forged frame", "import os; os.write(3, b'\\x13' + bytes(11))", 20 * time.Second, frame.ErrProtocol.Error()},
		{"frame over the limit", "import os; os.write(3, b'\\x13' + bytes(7) + b'\\xff' * 4)", 20 * time.Second, frame.ErrProtocol.Error()},
		{"another request's answer", "import os; os.write(3, b'\\x13' + bytes(6) + b'\\x03' + bytes(3) + b'\\x02' + b'x\\x00y{}')", 20 * time.Second, frame.ErrProtocol.Error()},
		{"closed socket", "import os; os.close(3)", 20 * time.Second, "Runtime exited"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec, _ := specOf(t, "def handler(event, context):\n    "+test.body+"\n")
			e, _, err := h.Start(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if r, err := invoke(t, e, "{}", test.limit); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v; want %s", r, err, test.want)
			}
			select {
			case <-e.Done():
			case <-time.After(30 * time.Second):
				t.Error("the environment lives on")
			}
		})
	}
}

// TestALateAnswerReachesNoOtherCaller has a thread of the function answer the
// first event again while the second is under way, in many alignments in time.
func TestALateAnswerReachesNoOtherCaller(t *testing.T) {
	h := newHost(t, Config{})
	for delay := range 8 {
		spec, _ := specOf(t, fmt.Sprintf(`
import os, struct, threading, time
def handler(event, context):
    def late(id):
        time.sleep(%d / 500)
        os.write(3, struct.pack(">B3xII", 19, len(id) + 1, 6) + id + b"\0" + b'"late"')
    if context.aws_request_id == "id-1":
        threading.Thread(target=late, args=(b"id-1",)).start()
        return "first"
    time.sleep(0.2)
    return "second"
`, delay))
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		// On a busy machine the thread may be the first; then the other answer is the late one.
		if r, err := e.Invoke(ctx, &Event{RequestID: "id-1", Payload: []byte("1")}); err != nil || string(r.Payload) != `"first"` && string(r.Payload) != `"late"` {
			t.Fatalf("%+v, %v", r, err)
		}
		if r, err := e.Invoke(ctx, &Event{RequestID: "id-2", Payload: []byte("1")}); !errors.Is(err, frame.ErrProtocol) {
			t.Errorf("delay %d: the second caller got %+v, %v", delay, r, err)
		}
		cancel()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAFloodOfLogIsCutAndBounded(t *testing.T) {
	h := newHost(t, Config{})
	spec, _ := specOf(t, "import os\ndef handler(event, context):\n    for _ in range(640): os.write(1, b'x' * 65536)\n")
	total, longest := 0, 0
	spec.Log = func(r LogRecord) { total, longest = total+len(r.Data), max(longest, len(r.Data)) }
	e, _, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := invoke(t, e, "1", 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if total != 640<<16 || longest > MaxLogRecordBytes {
		t.Errorf("%d bytes in records of up to %d", total, longest)
	}
}

func TestInitErrorIsData(t *testing.T) {
	h := newHost(t, Config{})
	spec, _ := specOf(t, "import nothing_of_that_name\n")
	e, init, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const want = `{"errorMessage": "Unable to import module 'app': No module named 'nothing_of_that_name'", "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": []}`
	if string(init.ErrorBody) != want {
		t.Errorf("body %s\nwant %s", init.ErrorBody, want)
	}
}

func TestInitTimeoutKills(t *testing.T) {
	h := newHost(t, Config{})
	spec, _ := specOf(t, "import time\ntime.sleep(60)\n")
	spec.InitTimeout = 200 * time.Millisecond
	if _, _, err := h.Start(t.Context(), spec); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want %v", err, ErrTimeout)
	}
}

func BenchmarkColdStartParked(b *testing.B) { benchmarkColdStart(b, Config{}) }
func BenchmarkColdStart(b *testing.B)       { benchmarkColdStart(b, Config{Parked: -1}) }

func benchmarkColdStart(b *testing.B, config Config) {
	h := newHost(b, config)
	spec, _ := specOf(b, "def handler(event, context):\n    return event\n")
	if err := h.Warm(b.Context(), spec.Runtime, ""); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, _, err := h.Start(b.Context(), spec)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := invoke(b, e, "{}", time.Second); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		e.Close()
		if config.Parked >= 0 {
			waitParked(b, h, spec.Runtime, 1)
		}
		b.StartTimer()
	}
}

func BenchmarkWarmInvoke(b *testing.B) {
	h := newHost(b, Config{})
	spec, _ := specOf(b, "def handler(event, context):\n    return event\n")
	e, _, err := h.Start(b.Context(), spec)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for b.Loop() {
		if _, err := invoke(b, e, `{"message": "hello"}`, time.Second); err != nil {
			b.Fatal(err)
		}
	}
}
