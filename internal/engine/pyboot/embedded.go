package pyboot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kluctl/go-embed-python/python"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// The runtime that comes inside the binary, and the module version that it comes
// from: a new one is unpacked beside the old.
const (
	embeddedID      = "python3.14"
	embeddedRelease = "3.14.6-20260610"
)

// embedded unpacks the interpreter of the binary once and returns it. Bytecode
// is compiled then, because environments see the tree read-only and the first
// import without it costs hundreds of milliseconds.
func embedded(ctx context.Context, parent string) (sandbox.Runtime, error) {
	found := sandbox.Runtime{ID: embeddedID, Prefix: filepath.Join(parent, embeddedID+"-"+embeddedRelease), Python: filepath.Join("bin", embeddedID)}
	site := filepath.Join("lib", embeddedID, "site-packages")
	if _, err := os.Stat(found.Prefix); err == nil {
		return found, os.MkdirAll(filepath.Join(found.Prefix, site), 0o755)
	}
	return found, build(found.Prefix, func(temporary string) error {
		if _, err := python.NewEmbeddedPythonWithTmpDir(temporary, false); err != nil {
			return fmt.Errorf("unpack the interpreter: %w", err)
		}
		os.Remove(temporary + ".lock")                                             // the library leaves it behind
		if err := os.MkdirAll(filepath.Join(temporary, site), 0o755); err != nil { // where packages are shown
			return err
		}
		interpreter := filepath.Join(temporary, found.Python)
		return compileTree(ctx, interpreter, filepath.Join(temporary, "lib", embeddedID))
	})
}
