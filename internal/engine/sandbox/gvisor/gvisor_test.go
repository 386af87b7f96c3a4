package gvisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// newHost makes a host, where runsc is installed.
func newHost(t testing.TB, config Config) *Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: environments need root; run the tests as root")
	}
	var err error
	if config.Runsc, err = Find(t.Context()); errors.Is(err, ErrMissing) {
		t.Skipf("SKIPPED, the second tier is NOT TESTED: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	// Unpacking Python takes seconds; all tests of the repository share it.
	folder, err := filepath.Abs("../../../../.cache/runtimes")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	runtimes, err := pyboot.New(pyboot.Config{Folder: folder, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(config, runtimes, logger)
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

func (l *logs) add(r sandbox.LogRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, string(r.Data))
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.records, "")
}

// patience bounds a start or a call that is to succeed.
const patience = time.Minute

// specOf is a Python function.
func specOf(t testing.TB, source string) (*sandbox.Spec, *logs) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "app.py"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	collected := &logs{}
	return &sandbox.Spec{Runtime: "python3.14", Handler: "app.handler", TaskDir: folder, MemoryMB: 256, EphemeralMB: 512, InitTimeout: patience, Log: collected.add,
		Environ: []string{"AWS_LAMBDA_RUNTIME_API=" + sandbox.RuntimeAPIAddress, "_HANDLER=app.handler", "LAMBDA_TASK_ROOT=/var/task", "PATH=/var/lang/bin:/usr/bin:/bin", "LD_LIBRARY_PATH=/var/lang/lib",
			"LANG=C.UTF-8"}}, collected
}

// started is an environment of the function.
func started(t testing.TB, h *Host, spec *sandbox.Spec, collected *logs) sandbox.Environment {
	t.Helper()
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v; init %s %s; log %s", err, init.ErrorType, init.ErrorBody, collected.text())
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func invoke(t testing.TB, e sandbox.Environment, payload string, limit time.Duration) (*sandbox.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	deadline, _ := ctx.Deadline()
	return e.Invoke(ctx, &sandbox.Event{RequestID: ids.UUID(), Deadline: deadline, Payload: []byte(payload), InvokedARN: "arn"})
}

// hostRelease is the version of the host's kernel.
func hostRelease(t testing.TB) string {
	t.Helper()
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(release))
}

func TestAFunctionAnswersAndIsWarm(t *testing.T) {
	h := newHost(t, Config{})
	spec, collected := specOf(t, `
import os, sys
count = 0
def handler(event, context):
    global count
    count += 1
    print("seen", event["n"])
    print("complains", file=sys.stderr)
    return [count, os.getuid(), os.getpid(), os.uname().release != event["host"], context.aws_request_id != ""]
`)
	begin := time.Now()
	e := started(t, h, spec, collected)
	t.Logf("cold %v", time.Since(begin))
	for n := 1; n <= 3; n++ {
		begin = time.Now()
		result, err := invoke(t, e, fmt.Sprintf(`{"n": %d, "host": %q}`, n, hostRelease(t)), patience)
		t.Logf("warm %v", time.Since(begin))
		if err != nil || result.ErrorType != "" {
			t.Fatalf("%v %+v; log %s", err, result, collected.text())
		}
		if want := fmt.Sprintf(`[%d, 1051, 1, true, true]`, n); string(result.Payload) != want {
			t.Errorf("got %s, want %s", result.Payload, want)
		}
	}
	if got, want := collected.text(), "seen 1\ncomplains\nseen 2\ncomplains\nseen 3\ncomplains\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}
