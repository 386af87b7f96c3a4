package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/test/platform"
)

// ordinary runs the real binary as a user without rights.
type ordinary struct{ binary, home string }

func newOrdinary(t *testing.T) ordinary {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: becomes an ordinary user, which only root can")
	}
	folder, err := os.MkdirTemp("", "lambkin-user-") // every folder above must be open to the user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	binary, err := platform.Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	o := ordinary{binary: binary, home: filepath.Join(folder, "home")}
	for _, err := range []error{os.Chmod(folder, 0o755), os.Mkdir(o.home, 0o700), os.Chown(o.home, ordinaryUser, ordinaryUser)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// ordinaryUser has no account and owns nothing.
const ordinaryUser = 712_346

func (o ordinary) command(arguments ...string) *exec.Cmd {
	cmd := exec.Command(o.binary, arguments...)
	cmd.Dir, cmd.Env = o.home, []string{"HOME=" + o.home, "TMPDIR=" + o.home, "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinaryUser, Gid: ordinaryUser}}
	return cmd
}

// serve starts a weak server and waits until it answers.
func (o ordinary) serve(t *testing.T) (server *exec.Cmd, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	listener.Close()
	var output bytes.Buffer
	server = o.command("serve", "--listen", address, "--isolation", "weak")
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill() })
	await(t, func() bool {
		reply, err := http.Get("http://" + address + "/_lambkin/health")
		if err == nil {
			reply.Body.Close()
		}
		return err == nil
	})
	return server, address
}

// await looks until it is so.
func await(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(startTimeout); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to be so")
		}
	}
}

func TestAnOrdinaryUserMustAcceptWeakIsolation(t *testing.T) {
	t.Parallel()
	o := newOrdinary(t)
	out, err := o.command("serve", "--listen", "127.0.0.1:0").CombinedOutput()
	if strings.Contains(string(out), sandbox.ErrNoUserNamespaces.Error()) {
		t.Skipf("SKIPPED: %s", out)
	}
	for _, want := range []string{"isolation is weak", "users: ", "sudo lambkin serve", "--isolation=weak"} {
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v; the refusal lacks %q: %s", err, want, out)
		}
	}
	if out, err := o.command("serve", "--isolation", "gvisor").CombinedOutput(); err == nil || !strings.Contains(string(out), "isolation by gVisor needs root") && !strings.Contains(string(out), "is not installed") {
		t.Errorf("gVisor for an ordinary user: %v: %s", err, out)
	}
	if out, err := o.command("serve", "--isolation", "strong").CombinedOutput(); err == nil || !strings.Contains(string(out), `the values are "weak"`) {
		t.Errorf("%v: %s", err, out)
	}
	server, address := o.serve(t)
	server.Process.Signal(syscall.SIGTERM)
	if err := server.Wait(); err != nil {
		t.Errorf("SIGTERM did not end it well: %v", err)
	}
	server, address = o.serve(t)
	server.Process.Kill()
	server.Wait()
	await(t, func() bool { // what ran inside the namespace ends, too
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

func TestDoctorTellsAnOrdinaryUserWhatIsWeak(t *testing.T) {
	t.Parallel()
	o := newOrdinary(t)
	out, err := o.command("doctor", "--output", "json").Output()
	if exit, ok := err.(*exec.ExitError); ok && strings.Contains(string(exit.Stderr), sandbox.ErrNoUserNamespaces.Error()) {
		t.Skipf("SKIPPED: %s", exit.Stderr)
	}
	var d diagnosis
	if err != nil || json.Unmarshal(out, &d) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !d.Sandbox.Works || d.Sandbox.Complete || len(d.Sandbox.Weak()) == 0 || d.Sandbox.Weak()[0].Name != "users" {
		t.Errorf("told %s", out)
	}
	if degree := d.Sandbox.degree(); !strings.Contains(degree, "WEAK") {
		t.Errorf("told %s", degree)
	}
}
