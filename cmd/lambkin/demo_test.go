package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// pipelineTimeout bounds the whole demo, boto3's installation included.
const pipelineTimeout = 5 * time.Minute

// TestDemoOfThePipeline runs the command as a user does who has no boto3.
func TestDemoOfThePipeline(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root for its sandbox; run the tests as root")
	}
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil { // environments read below it
		t.Fatal(err)
	}
	binary, err := platform.Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), pipelineTimeout)
	defer cancel()
	demo := exec.CommandContext(ctx, binary, "demo", "pipeline", "--once", "--data", filepath.Join(folder, "data"), "--listen", "127.0.0.1:0")
	demo.Env = append(os.Environ(), "LAMBKIN_ACCESS_KEY=", "LAMBKIN_SECRET_KEY=")
	out, err := demo.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"[parse] --> |rows| --> [price]", "uploaded 27 orders, 2 of them wrong\n", "25 orders were priced", "in the dead-letter queue: orders 26, 27\n", "the report: 25 orders, 155.00\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not show %q:\n%s", want, out)
		}
	}
}
