package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// followTimeout bounds the wait for a change to arrive.
const followTimeout = 2 * time.Minute

// output collects what a process writes, readable meanwhile.
type output struct {
	wrote chan struct{} // holds a token when there is something new

	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// developer is a user at two terminals: one watches, the other calls.
type developer struct {
	t        *testing.T
	binary   string
	endpoint string
	folder   string
	output   output
}

func (d *developer) command(args ...string) *exec.Cmd {
	cmd := exec.Command(d.binary, args...)
	cmd.Env = append(os.Environ(), "LAMBKIN_ENDPOINT="+d.endpoint)
	return cmd
}

func (d *developer) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// calls calls until the answer is as wanted: a change takes a moment to arrive.
func (d *developer) calls(want string) {
	d.t.Helper()
	got := ""
	for deadline := time.Now().Add(followTimeout); time.Now().Before(deadline); {
		answer, _ := d.command("invoke", "watched").Output() // a failed function is an answer, too
		if got = string(answer); strings.Contains(got, want) {
			return
		}
	}
	d.t.Fatalf("the function answers %s, never %s; the watch said:\n%s", got, want, &d.output)
}

// until waits for a condition.
func (d *developer) until(what string, condition func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(followTimeout); !condition(); {
		if time.Now().After(deadline) {
			d.t.Fatalf("never: %s\n%s", what, &d.output)
		}
	}
}

func (d *developer) shows(want string) {
	d.t.Helper()
	late := time.After(followTimeout)
	for !strings.Contains(d.output.String(), want) {
		select {
		case <-d.output.wrote:
		case <-late:
			d.t.Fatalf("it never said %q:\n%s", want, &d.output)
		}
	}
}

// TestWatch edits a function as a developer does, while lambkin watches it.
func TestWatch(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root for its sandbox; run the tests as root")
	}
	endpoint, data := serveForScripts(t)
	d := &developer{t: t, binary: filepath.Join(filepath.Dir(data), "lambkin"), endpoint: endpoint, folder: filepath.Join(t.TempDir(), "watched"), output: output{wrote: make(chan struct{}, 1)}}
	d.write("app.py", "def handler(event, context):\n    return 'first'\n")
	watch := d.command("deploy", d.folder, "--watch")
	watch.Stdout, watch.Stderr = io.Discard, &d.output
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- watch.Wait() }()
	t.Cleanup(func() { watch.Process.Kill() })
	d.shows("watching")
	d.calls(`"first"`)

	d.write("app.py", "def handler(event, context):\n    return 'written in place'\n")
	d.calls(`"written in place"`)

	d.write("app.py~", "what editors do: a new file takes the place of the old one")
	d.write(".app.py.new", "import parts.more\n\ndef handler(event, context):\n    return parts.more.answer()\n")
	d.write("parts/more.py", "def answer():\n    return 'by rename, with a new folder'\n")
	if err := os.Rename(filepath.Join(d.folder, ".app.py.new"), filepath.Join(d.folder, "app.py")); err != nil {
		t.Fatal(err)
	}
	d.calls("by rename, with a new folder")

	d.write("parts/more.py", "def answer(:\n") // a mistake is the next call's error, and the watch goes on
	d.calls("Runtime.UserCodeSyntaxError")
	d.write("parts/more.py", "import os\n\ndef answer():\n    return 'mended ' + os.environ.get('STAGE', '')\n")
	d.calls(`"mended "`)

	d.write("lambkin.toml", "memroy = 1\n")
	d.shows(`unknown key "memroy"`)
	d.write("lambkin.toml", "[environment]\nSTAGE = 'set'\n")
	d.calls(`"mended set"`)

	d.write("requirements.txt", "six==1.17.0\n")
	d.write("parts/more.py", "import os, six\n\ndef answer():\n    return six.__version__ + os.environ['STAGE']\n")
	d.calls(`"1.17.0set"`)
	d.write("lambkin.toml", "[environment]\nSTAGE = 'again'\n")
	d.calls(`"1.17.0again"`)
	if n := strings.Count(d.output.String(), "installing"); n != 1 {
		t.Errorf("the requirements were installed %d times:\n%s", n, &d.output)
	}

	if err := os.RemoveAll(filepath.Join(d.folder, "parts")); err != nil {
		t.Fatal(err)
	}
	d.calls("No module named 'parts'")
	d.write("app.py", "def handler(event, context):\n    return 'last'\n")
	d.calls(`"last"`)
	if strings.Contains(d.output.String(), "~") {
		t.Errorf("the file of an editor was sent:\n%s", &d.output)
	}

	watch.Process.Signal(os.Interrupt)
	d.endsWell(watch, ended)
	d.calls(`"last"`)
}

// endsWell waits for the end of the watch, which deploys what was watched: it is
// the function's code from then on.
func (d *developer) endsWell(watch *exec.Cmd, ended <-chan error) {
	d.t.Helper()
	select {
	case err := <-ended:
		if err != nil {
			d.t.Errorf("the watch ended badly: %v\n%s", err, &d.output)
		}
	case <-time.After(followTimeout):
		watch.Process.Signal(syscall.SIGQUIT)
		d.t.Fatalf("the watch does not end:\n%s", &d.output)
	}
	d.shows("deploying the last state of watched")
}
