package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// With userVariable this test program runs as an ordinary user does; the user
// may not read the repository, so its part of it is where bootstrapVariable says.
const (
	userVariable      = "LAMBKIN_TEST_USER"
	bootstrapVariable = "LAMBKIN_TEST_BOOTSTRAP"
	ordinaryUser      = 712_345 // not of the range of environments
)

// notKept are the attempts that nothing keeps for an ordinary user. Each is told
// by Host.Isolation as weak or off, under the name here.
var notKept = map[string]string{
	"become root":                                      "users", // it is root of the user namespace, without a right
	"gain rights by a setuid file":                     "users", // the file's owner is the environment's user
	"hold more memory than allowed in /tmp":            "memory",
	"hold more memory than allowed in an unnamed file": "memory",
	"hold more memory than allowed in shared memory":   "memory",
	"hold more memory than allowed in many processes":  "memory",
	"use more CPU than the memory size buys":           "cpu",
}

// TestEscapeOfAnOrdinaryUser runs the escape suite once more, as a user without
// rights and in user namespaces.
func TestEscapeOfAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: becomes an ordinary user, which only root can")
	}
	folder, err := os.MkdirTemp("", "lambkin-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	bootstrap, temporary := filepath.Join(folder, "python"), filepath.Join(folder, "tmp")
	if err := os.CopyFS(bootstrap, os.DirFS("../pyboot/python")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(temporary, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(temporary, ordinaryUser, ordinaryUser); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^TestAsAnOrdinaryUser$", "-test.v", "-test.timeout", "10m")
	cmd.Dir = folder
	cmd.Env = []string{userVariable + "=1", bootstrapVariable + "=" + bootstrap, "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + temporary, "TMPDIR=" + temporary}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinaryUser, Gid: ordinaryUser}}
	out, err := cmd.CombinedOutput()
	switch text := string(out); {
	case strings.Contains(text, ErrNoUserNamespaces.Error()):
		t.Skipf("SKIPPED: %s", text)
	case err != nil || !strings.Contains(text, "--- PASS: TestAsAnOrdinaryUser"):
		t.Errorf("%v\n%s", err, text)
	default:
		for line := range strings.Lines(text) {
			if strings.Contains(line, "attempts as an ordinary user") {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
}

// TestAsAnOrdinaryUser is the part of TestEscapeOfAnOrdinaryUser that runs as one.
func TestAsAnOrdinaryUser(t *testing.T) {
	if os.Getenv(userVariable) == "" {
		t.Skip("part of TestEscapeOfAnOrdinaryUser")
	}
	h := newHost(t, Config{})
	off := map[string]bool{}
	for _, p := range h.Isolation().Protections {
		off[p.Name] = !p.On
	}
	if !off["users"] || len(h.Isolation().Weak()) == 0 {
		t.Errorf("told %+v of a host whose environments have one user", h.Isolation())
	}
	t.Run("a custom runtime has no rights either", func(t *testing.T) { customWithoutRights(t, h) })
	// The keeper is this program. Built with the race detector it maps more than
	// RLIMIT_DATA, an ordinary user's bound of memory, may ever allow.
	t.Run("a keeper has none either", func(t *testing.T) { keeperWithoutRights(t, newHost(t, Config{off: protections{memory: true}})) })
	victim, tried := newVictim(t), 0
	t.Run("attempts", func(t *testing.T) {
		for _, a := range attempts {
			if told, known := notKept[a.name]; known {
				if !off[told] {
					t.Errorf("%q is not kept, and that is not told", a.name)
				}
				continue
			}
			tried++
			t.Run(strings.ReplaceAll(a.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				if escaped(t, h, a, victim.facts+escapeProlog+"    "+a.body+"\n", victim.folder) {
					t.Error("ESCAPED")
				}
			})
		}
	})
	t.Logf("%d attempts as an ordinary user", tried)
}

// customWithoutRights runs a custom runtime, whose rights package confine takes.
func customWithoutRights(t *testing.T, h *Host) {
	spec, collected := customSpec(t, customLoop+`
def handle(id, event):
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    call("POST", "invocation/%s/response" % id, " ".join(status[name] for name in ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")).encode())
serve()
`)
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v; init %s %s; log %s", err, init.ErrorType, init.ErrorBody, collected.text())
	}
	defer e.Close()
	r, err := invoke(t, e, "{}", escapeTimeout)
	const none = "0000000000000000"
	if err != nil || string(r.Payload) != none+" "+none+" "+none+" 1 2" {
		t.Errorf("%+v, %v; log %s", r, err, collected.text())
	}
}

// keeperWithoutRights runs an extension, whose environment begins with our own
// program.
func keeperWithoutRights(t *testing.T, h *Host) {
	spec, collected := extended(t, "import os\ndef handler(event, context): return [os.getppid(), os.path.exists('/proc/1')]\n", map[string]string{"outer": everyEvent})
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v; init %s %s; log %s", err, init.ErrorType, init.ErrorBody, collected.text())
	}
	defer e.Close()
	r, err := invoke(t, e, "{}", escapeTimeout)
	if err != nil || string(r.Payload) != "[1, false]" {
		t.Errorf("%+v, %v; log %s", r, err, collected.text())
	}
	if err := e.(*env).checkStatus(); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil || !strings.Contains(collected.text(), "SHUTDOWN None None spindown") {
		t.Errorf("%v; log %s", err, collected.text())
	}
}
