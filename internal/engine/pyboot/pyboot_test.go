package pyboot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

func TestUnpackIsRepeatable(t *testing.T) {
	folder := t.TempDir()
	first, err := unpack(folder)
	if err != nil {
		t.Fatal(err)
	}
	second, err := unpack(folder)
	if err != nil || second != first {
		t.Fatalf("second unpack gave %q, %v; want %q", second, err, first)
	}
	for _, name := range []string{"bootstrap.py", "zygote.py", "awslambdaric/__init__.py"} {
		if _, err := os.Stat(filepath.Join(first, name)); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(folder + "/*.tmp"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAMissingRuntimeNamesTheFix(t *testing.T) {
	r, err := New(Config{Folder: t.TempDir(), Search: []string{t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Resolve(t.Context(), "python3.12")
	if !errors.Is(err, sandbox.ErrRuntimeMissing) || !strings.Contains(err.Error(), "uv python install 3.12") {
		t.Errorf("got %v", err)
	}
	if _, err := r.Resolve(t.Context(), "python2.7"); !errors.Is(err, sandbox.ErrRuntimeMissing) {
		t.Errorf("python2.7: got %v", err)
	}
}

// A link named python3.12 to another version must not be taken: never a silent
// substitute.
func TestAnotherVersionIsNeverASubstitute(t *testing.T) {
	folder := t.TempDir()
	script := "#!/bin/sh\nprintf 'python3.9\\n/usr\\n/usr\\n'\n"
	if err := os.WriteFile(filepath.Join(folder, "python3.12"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{Folder: t.TempDir(), Search: []string{folder}})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := r.Resolve(t.Context(), "python3.12"); !errors.Is(err, sandbox.ErrRuntimeMissing) {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestTheEmbeddedInterpreterRuns(t *testing.T) {
	r, err := New(Config{Folder: t.TempDir(), Search: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	found, err := r.Resolve(t.Context(), embeddedID)
	if err != nil {
		t.Fatal(err)
	}
	again, err := probe(t.Context(), filepath.Join(found.Prefix, found.Python), embeddedID)
	if err != nil || again.Prefix != found.Prefix {
		t.Errorf("the interpreter says %+v, %v; want prefix %s", again, err, found.Prefix)
	}
	if compiled, err := filepath.Glob(filepath.Join(found.BootstrapDir, "awslambdaric", "__pycache__", "bootstrap.cpython-314.pyc")); err != nil || len(compiled) != 1 {
		t.Errorf("%v: the bootstrap has no bytecode", err)
	}
}
