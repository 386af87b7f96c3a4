package bytecode

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/test/realhost"
)

func TestMain(m *testing.M) {
	sandbox.Child()
	os.Exit(m.Run())
}

// onHost is a compiler in real environments of the Python of the binary.
func onHost(t *testing.T) *Compiler {
	t.Helper()
	host, _ := realhost.New(t, sandbox.Config{Parked: -1})
	task := t.TempDir()
	if err := os.Chmod(task, 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := New(host, task)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// compiled lists the sources of dir that have unchecked bytecode.
func compiled(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		name, ok := strings.CutSuffix(path, ".cpython-314.pyc")
		if err != nil || !ok {
			return err
		}
		code, err := os.ReadFile(path)
		if err == nil && (len(code) < 16 || binary.LittleEndian.Uint32(code[4:]) != 1) {
			t.Errorf("%s is no unchecked bytecode", path)
		}
		names = append(names, filepath.Base(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func packageOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What a source does to the compiler is its own loss: the sources beside it have
// bytecode, and the supervisor goes on.
func TestHostileSourcesDoNoHarm(t *testing.T) {
	c := onHost(t)
	for name, source := range map[string]string{
		"does not compile":     "def (:\n",
		"null byte":            "x = 1\x00\n",
		"wrong encoding":       "# coding: klingon\nx = '\xff'\n",
		"a million lines":      strings.Repeat("\n", 1<<20),
		"over the limit":       strings.Repeat("x = 1\n", batchBytes/6+1),
		"deep parentheses":     "x = " + strings.Repeat("(", 100_000) + strings.Repeat(")", 100_000) + "\n",
		"deep unary operators": "x = " + strings.Repeat("-", 500_000) + "1\n",
		"deep blocks":          deepBlocks(500),
		"long sum":             "x = 1" + strings.Repeat(" + y", 200_000) + "\n",
		"huge number":          "x = " + strings.Repeat("9", 1<<19) + "\n",
		"power tower":          "x = 9 ** 9 ** 9 ** 9\n",
		"large constants":      "x = " + strings.Repeat("'a' * 4096, ", 50_000) + "\n",
		"tuple bomb":           "x = " + strings.Repeat("((((0,) * 20) * 20) * 20) * 20, ", 10_000) + "\n",
		"warns":                "x = 1 is 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := packageOf(t, map[string]string{"good.py": "x = 1\n", "zzz/bad.py": source})
			if err := c.Compile(t.Context(), "python3.14", dir); err != nil {
				t.Fatal(err)
			}
			got := compiled(t, dir)
			if !strings.HasPrefix(got, "good") || name == "warns" && got != "good" {
				t.Errorf("compiled: %q", got)
			}
			var total int64
			err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
				if info, infoErr := entry.Info(); infoErr == nil && strings.HasSuffix(entry.Name(), ".pyc") {
					total += info.Size()
				}
				return err
			})
			if limit := int64(growth*(len(source)+6) + 2*smallBytes); err != nil || total > limit {
				t.Errorf("%d bytes of bytecode for %d of source, %v", total, len(source), err)
			}
		})
	}
}

func deepBlocks(depth int) string {
	var source strings.Builder
	for i := range depth {
		fmt.Fprintf(&source, "%sif x:\n", strings.Repeat(" ", i))
	}
	return source.String() + strings.Repeat(" ", depth) + "pass\n"
}

// Nothing of the package runs while it is compiled, whatever its modules are called.
func TestThePackageIsNotImported(t *testing.T) {
	c := onHost(t)
	files := map[string]string{"lambkin_compile.py": "raise SystemExit(1)\n", "good.py": "x = 1\n"}
	for _, name := range []string{"py_compile", "struct", "warnings", "os", "sitecustomize", "usercustomize", "importlib/__init__", "encodings/klingon"} {
		files[name+".py"] = "import os\nos._exit(1)\n"
		files["python/"+name+".py"] = files[name+".py"]
	}
	dir := packageOf(t, files)
	if err := c.Compile(t.Context(), "python3.14", dir); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(compiled(t, dir)); len(got) != len(files) {
		t.Errorf("compiled %d of %d: %v", len(got), len(files), got)
	}
}

func TestSomethingElseInThePlaceOfTheCache(t *testing.T) {
	c := onHost(t)
	dir := packageOf(t, map[string]string{"good/a.py": "x = 1\n", "file/__pycache__": "mine", "file/b.py": "x = 1\n", "link/c.py": "x = 1\n"})
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link", "__pycache__")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "good", "d.py")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(dir, "good", "loop")); err != nil {
		t.Fatal(err)
	}
	if err := c.Compile(t.Context(), "python3.14", dir); err != nil {
		t.Fatal(err)
	}
	if got := compiled(t, dir); got != "a" {
		t.Errorf("compiled: %s", got)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("written through a link: %v, %v", entries, err)
	}
}
