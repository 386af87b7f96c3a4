// Package inside is what this binary does as a process of a sandbox: the zygote,
// which builds the root file system that the environments of one runtime share;
// the environment of a runtime that is executed; and the keeper, the first process
// of an environment with extensions.
//
// It promises: a process executes nothing of a function before it has given up
// its rights. Nothing here runs in the supervisor, which takes its word for
// nothing; what the two have in common is in control.go, package frame and the
// JSON of Zygote and Binding. Goroutines: one an environment of a forker (waits
// for its end), one a keeper (reaps). Locks: keeper.mu over its table of processes,
// forker.sending and writing over a socket; each is a leaf. Start reading at Main.
package inside

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/confine"
)

// ZygoteName is argv[0] by which the binary knows that it is to build a zygote's
// root and become the interpreter.
const ZygoteName = "lambkin-zygote"

// failedChild is the exit status of a process that could not be sandboxed.
const failedChild = 70

// Zygote is what the supervisor tells a zygote, as JSON in argv[1].
type Zygote struct {
	Prefix       string // empty for custom runtimes
	Python       string // empty for those whose environments are executed
	BootstrapDir string
	SiteDir      string // shown in place of the interpreter's site-packages, unless empty
	TrustDir     string // shown at TrustPlace, unless empty
	ID           string
	Preload      string // for zygote.py
	OneUser      bool   // of a user namespace, in which devices cannot be made
	Filter       []byte // seccomp program, for zygote.py
	Landlock     confine.FileRules
	// The same for templates of clones.
	TemplateFilter   []byte
	TemplateLandlock confine.FileRules
	Off              []string // protections that the escape suite switched off
}

func (z *Zygote) off(protection string) bool { return slices.Contains(z.Off, protection) }

// Environ is the environment of the interpreter until a function is bound.
// An interpreter with a shared library looks for it where it was installed,
// unless it is told.
var Environ = []string{"LANG=C.UTF-8", "PATH=/var/lang/bin:/usr/bin:/bin", "LD_LIBRARY_PATH=/var/lang/lib"}

// controlFD is where the zygote finds its control socket.
const controlFD = 3

// Main must be the first call of main: in a process that is to become a zygote
// or an environment it does so and never returns.
func Main() {
	if len(os.Args) != 2 {
		return
	}
	var err error
	switch os.Args[0] {
	case ZygoteName:
		err = becomeZygote(os.Args[1])
	case environmentName:
		err = becomeEnvironment(os.Args[1])
	case keeperName:
		err = becomeKeeper()
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lambkin: prepare an environment:", err)
		os.Exit(failedChild)
	}
	os.Exit(0)
}

func becomeZygote(configuration string) error {
	var config Zygote
	if err := json.Unmarshal([]byte(configuration), &config); err != nil {
		return err
	}
	if err := config.buildRoot(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("localhost")); err != nil {
		return err
	}
	if config.Python == "" {
		return (&forker{control: controlFD, config: config}).run()
	}
	argument, err := json.Marshal(map[string]any{"control": controlFD, "filter": config.Filter, "landlock": config.Landlock, "off": config.Off,
		"preload": config.Preload, "template_filter": config.TemplateFilter, "template_landlock": config.TemplateLandlock})
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(controlFD, unix.F_SETFD, 0); err != nil {
		return err
	}
	python := filepath.Join("/var/lang", config.Python)
	return fmt.Errorf("exec %s: %w", python, unix.Exec(python, []string{python, "-I", "-S", "-B", "/var/runtime/zygote.py", string(argument)}, Environ))
}
