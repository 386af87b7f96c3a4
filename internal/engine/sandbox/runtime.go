package sandbox

import (
	"context"
	"strings"
)

// Runtime is an installed language runtime: where its files are on the host.
type Runtime struct {
	ID           string // "python3.13"
	Prefix       string // host folder shown read-only as /var/lang
	Python       string // interpreter below /var/lang, "bin/python3.13"
	BootstrapDir string // host folder shown read-only as /var/runtime; holds zygote.py (and boto3, before Python 3.11)
	SiteDir      string // host folder shown read-only in place of the interpreter's site-packages; empty for none
}

// Runtimes finds installed runtimes. Resolve returns an error that wraps
// ErrRuntimeMissing and says how to install it when there is none.
type Runtimes interface {
	Resolve(ctx context.Context, id string) (Runtime, error)
}

// IsCustom tells whether a runtime id means that the function brings its own
// runtime, an executable that speaks the Runtime API.
func IsCustom(runtime string) bool { return strings.HasPrefix(runtime, "provided") }

// executed marks the zygote of a Python version for functions whose runtime must
// be executed instead of forked: it brings extensions or a wrapper.
const executed = "+executed"

// executes tells whether environments of a zygote are executed, and so speak the
// Runtime API.
func executes(zygote string) bool { return IsCustom(zygote) || strings.HasSuffix(zygote, executed) }
