package gvisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// plan is what an environment is made of.
type plan struct {
	problem fault    // why there is nothing to start
	program []string // empty: there is none
	environ []string
	shows   []showing // what of the host
}

// showing is a path of the host and where it is shown, in the root of runsc.
type showing struct{ path, target string }

// wrapperVariable names a program that starts the runtime.
//
// AWS: "Wrapper scripts are not supported on OS-only runtimes."
const wrapperVariable = "AWS_LAMBDA_EXEC_WRAPPER"

// fault is an initialisation that failed before it began; no kind: it did not.
type fault struct{ kind, message string }

// Error types: of what this tier cannot do, and AWS's of a runtime that cannot be
// executed.
const (
	notSupported      = "Runtime.NotSupported"
	invalidEntrypoint = "Runtime.InvalidEntrypoint"
)

// plan finds what a function needs, or says what this tier cannot do for it.
func (h *Host) plan(ctx context.Context, spec *sandbox.Spec) (*plan, error) {
	if spec.Debug != nil {
		return refusal("a debugger"), nil
	}
	p := &plan{shows: []showing{{h.config.Runsc.Path, runscPlace}, {spec.TaskDir, functionRoot + "/var/task"}}}
	if spec.OptDir != "" {
		if external, err := hasExtensions(spec); err != nil {
			return nil, err
		} else if external {
			return refusal("an external extension (a file in the folder extensions of a layer)"), nil
		}
		p.shows = append(p.shows, showing{spec.OptDir, functionRoot + "/opt"})
	}
	if h.config.TrustDir != "" {
		p.shows = append(p.shows, showing{h.config.TrustDir, functionRoot + sandbox.TrustPlace})
	}
	p.environ = spec.Environ
	for _, must := range []string{"AWS_LAMBDA_RUNTIME_API=" + sandbox.RuntimeAPIAddress, "_HANDLER=" + spec.Handler, "LD_LIBRARY_PATH=/var/lang/lib"} {
		// What a runtime that is forked needs nobody to tell.
		if name, _, _ := strings.Cut(must, "="); variable(spec.Environ, name) == "" {
			p.environ = append(p.environ[:len(p.environ):len(p.environ)], must)
		}
	}
	if sandbox.IsCustom(spec.Runtime) {
		if p.program = bootstrapOf(spec); p.program == nil {
			p.problem = fault{invalidEntrypoint, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}
		}
		return p, nil
	}
	runtime, err := h.runtimes.Resolve(ctx, spec.Runtime)
	if err != nil {
		return nil, err
	}
	p.shows = append(p.shows, showing{runtime.Prefix, functionRoot + "/var/lang"}, showing{runtime.BootstrapDir, functionRoot + "/var/runtime"})
	if runtime.SiteDir != "" {
		p.shows = append(p.shows, showing{runtime.SiteDir, filepath.Join(functionRoot, "var/lang/lib", runtime.ID, "site-packages")})
	}
	p.program = []string{filepath.Join("/var/lang", runtime.Python), "/var/runtime/bootstrap.py"}
	if wrapper := variable(spec.Environ, wrapperVariable); wrapper != "" {
		p.program = append([]string{wrapper}, p.program...)
	}
	return p, nil
}

func refusal(what string) *plan {
	return &plan{problem: fault{notSupported, fmt.Sprintf("%s does not work with --isolation=%s: remove it, or serve without that flag", what, Isolation)}}
}

// hasExtensions tells whether the layers bring programs to start beside the runtime.
func hasExtensions(spec *sandbox.Spec) (bool, error) {
	if !spec.Extensions {
		return false, nil
	}
	layers, err := os.OpenRoot(spec.OptDir) // so that a link of the layer's leads nowhere else
	if err != nil {
		return false, err
	}
	defer layers.Close()
	entries, err := fs.ReadDir(layers.FS(), "extensions")
	if err != nil {
		return false, nil // there is none, or it is no folder
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			return true, nil
		}
	}
	return false, nil
}

// bootstrapOf finds a custom runtime's program, in AWS's order; nil: there is none.
func bootstrapOf(spec *sandbox.Spec) []string {
	for _, place := range []struct{ folder, shown string }{{spec.TaskDir, "/var/task/bootstrap"}, {spec.OptDir, "/opt/bootstrap"}} {
		if place.folder == "" {
			continue
		}
		root, err := os.OpenRoot(place.folder)
		if err != nil {
			continue
		}
		info, err := root.Stat("bootstrap")
		root.Close()
		// A link that leads out of the folder may lead into another one inside.
		if err == nil && !info.IsDir() || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return []string{place.shown}
		}
	}
	return nil
}
