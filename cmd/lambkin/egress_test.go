package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/neighbour"
)

// TestEgressOfAServer: a function of the real binary reaches the one server that
// --egress-allow names, at its port, until its own LAMBKIN_EGRESS says less.
func TestEgressOfAServer(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root for its sandbox; run the tests as root")
	}
	own := neighbour.Address(t)
	listed, other := neighbour.Serve(t, own, neighbour.Say("hi")), neighbour.Serve(t, own, neighbour.Say("hi"))
	endpoint, data := serveForScripts(t, "--egress", "list", "--egress-allow", listed)
	folder := t.TempDir()
	source := `
import socket
def handler(event, context):
    host, port = event.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), 20) as s: return s.recv(2).decode()
    except OSError: return "closed"
`
	if err := os.WriteFile(filepath.Join(folder, "app.py"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	lambkin := func(args ...string) (string, error) {
		command := exec.Command(filepath.Join(filepath.Dir(data), "lambkin"), args...)
		command.Env = append(os.Environ(), "LAMBKIN_ENDPOINT="+endpoint)
		out, err := command.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	for _, step := range []struct{ narrowed, listed, other string }{
		{"", `"hi"`, `"closed"`}, {"deny", `"closed"`, `"closed"`}, {other, `"closed"`, `"closed"`}, {listed + "," + other, `"hi"`, `"closed"`},
	} {
		if out, err := lambkin("deploy", folder, "--name", "caller", "--env", "LAMBKIN_EGRESS="+step.narrowed); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for target, want := range map[string]string{listed: step.listed, other: step.other} {
			if got, err := lambkin("invoke", "caller", fmt.Sprintf("%q", target)); err != nil || got != want {
				t.Errorf("LAMBKIN_EGRESS=%q: %s (listed: %s): %s, want %s (%v)", step.narrowed, target, listed, got, want, err)
			}
		}
	}
	if out, err := lambkin("deploy", folder, "--name", "caller", "--env", "LAMBKIN_EGRESS=a b"); err == nil || !strings.Contains(out, `LAMBKIN_EGRESS is not valid: egress list: "a b" cannot be read`) {
		t.Errorf("a list that cannot be read: %v: %s", err, out)
	}
}
