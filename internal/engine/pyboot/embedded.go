package pyboot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
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
	if _, err := os.Stat(found.Prefix); err == nil {
		return found, nil
	}
	temporary, err := os.MkdirTemp(parent, embeddedID+"-*.tmp")
	if err != nil {
		return found, err
	}
	defer os.RemoveAll(temporary)
	tree := filepath.Join(temporary, "tree")
	if _, err := python.NewEmbeddedPythonWithTmpDir(tree, false); err != nil {
		return found, fmt.Errorf("unpack the interpreter: %w", err)
	}
	compile := exec.CommandContext(ctx, filepath.Join(tree, found.Python), "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
		filepath.Join(tree, "lib", embeddedID))
	compile.Env = []string{"LANG=C.UTF-8"}
	// The standard library's tests hold files that are meant not to compile.
	if out, err := compile.CombinedOutput(); err != nil && len(out) == 0 {
		return found, fmt.Errorf("compile the standard library: %w", err)
	}
	if err := os.Chmod(tree, 0o755); err != nil {
		return found, err
	}
	if err := os.Rename(tree, found.Prefix); err != nil && !errors.Is(err, fs.ErrExist) {
		return found, err
	}
	return found, nil
}
