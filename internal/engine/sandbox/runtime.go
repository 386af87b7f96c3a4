package sandbox

import "context"

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
