package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// startTimeout bounds the wait for a server: the first one unpacks Python.
const startTimeout = 2 * time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lambkin": main})
}

// TestScripts runs each file of testdata/script as a user would: the real
// binary against the one server of the test, whose endpoint is in
// LAMBKIN_ENDPOINT and whose data folder is in SERVED. A PATH of BARE_PATH has no other program. Scripts whose name begins with "offline" have no server.
func TestScripts(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root for its sandbox; run the tests as root")
	}
	endpoint, data := serveForScripts(t)
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			name := filepath.Base(env.WorkDir)
			env.Setenv("LAMBKIN_ENDPOINT", endpoint)
			env.Setenv("ADDRESS", strings.TrimPrefix(endpoint, "http://"))
			env.Setenv("SERVED", data)
			env.Setenv("BARE_PATH", filepath.SplitList(env.Getenv("PATH"))[0]) // lambkin and nothing else
			if strings.Contains(name, "offline") {
				env.Setenv("LAMBKIN_ENDPOINT", "http://127.0.0.1:1")
			}
			return nil
		},
	})
}

// serveForScripts starts the binary over a new data folder and returns its
// endpoint and its data folder, beside which the binary is; the server ends with
// the test.
func serveForScripts(t *testing.T, flags ...string) (endpoint, data string) {
	t.Helper()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil { // environments read below it
		t.Fatal(err)
	}
	binary, err := platform.Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	var output bytes.Buffer
	data = filepath.Join(folder, "data")
	if err := platform.Prepare(data); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(binary, append([]string{"serve", "--data", data, "--listen", address}, flags...)...)
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("the server ended badly: %v\n%s", err, &output)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/_lambkin/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := http.DefaultClient.Do(request); err == nil {
			reply.Body.Close()
			return "http://" + address, data
		}
		if ctx.Err() != nil {
			t.Fatal("the server did not answer in time")
		}
	}
}

// TestHelpHasExamples keeps the promise that each command shows how it is used.
func TestHelpHasExamples(t *testing.T) {
	for _, command := range root().Commands() {
		if command.Name() == "version" || command.Name() == "completion" || command.Name() == "help" {
			continue
		}
		if command.Short == "" || command.Example == "" {
			t.Errorf("%s has no short description or no example", fmt.Sprint(command.CommandPath()))
		}
	}
}
