package bytecode

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// fake answers like the compiler in its environment: for each file of answers.
type fake struct {
	answer []byte
	err    error
	calls  int
}

func (f *fake) Start(context.Context, *sandbox.Spec) (sandbox.Environment, sandbox.Init, error) {
	return f, sandbox.Init{}, nil
}

func (f *fake) Invoke(context.Context, *sandbox.Event) (*sandbox.Result, error) {
	f.calls++
	return &sandbox.Result{Payload: f.answer}, f.err
}

func (f *fake) Done() <-chan struct{} { return nil }
func (f *fake) Close() error          { return nil }

func frame(parts ...string) []byte {
	var out []byte
	for _, part := range parts {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(part))), part...)
	}
	return out
}

// tree makes a package of two sources; the compiler asks for them by name order.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"a.py", "b.py"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x = 1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func compileWith(t *testing.T, f *fake, dir string) {
	t.Helper()
	c, err := New(f, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Compile(t.Context(), "python3.14", dir); err != nil {
		t.Fatal(err)
	}
}

func TestBytecodeStandsBesideItsSource(t *testing.T) {
	dir := tree(t)
	compileWith(t, &fake{answer: frame("code of a", "")}, dir)
	code, err := os.ReadFile(filepath.Join(dir, "__pycache__", "a.cpython-314.pyc"))
	if err != nil || string(code) != "code of a" {
		t.Errorf("%q, %v", code, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "__pycache__", "b.cpython-314.pyc")); err == nil {
		t.Error("a file that does not compile has bytecode")
	}
	again := &fake{answer: frame("other")}
	compileWith(t, again, dir)
	if code, _ := os.ReadFile(filepath.Join(dir, "__pycache__", "a.cpython-314.pyc")); string(code) != "code of a" || again.calls != 1 {
		t.Errorf("bytecode that was there was compiled again: %q, %d calls", code, again.calls)
	}
}

// What comes from the environment is hostile: it must not write elsewhere, and
// lies about lengths are the package's own loss.
func TestALyingAnswerHurtsNobody(t *testing.T) {
	for name, answer := range map[string][]byte{"short": {0, 0}, "endless": {255, 255, 255, 255, 1}, "empty": nil} {
		dir := tree(t)
		compileWith(t, &fake{answer: answer}, dir)
		if _, err := os.Stat(filepath.Join(dir, "__pycache__")); err == nil {
			t.Errorf("%s: something was written", name)
		}
	}
	compileWith(t, &fake{err: errors.New("killed")}, tree(t))
}

func TestALinkInThePlaceOfTheCacheIsNotFollowed(t *testing.T) {
	dir, outside := tree(t), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "__pycache__")); err != nil {
		t.Fatal(err)
	}
	compileWith(t, &fake{answer: frame("code", "code")}, dir)
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("written through a link: %v, %v", entries, err)
	}
}

func TestCustomRuntimesAreLeftAlone(t *testing.T) {
	f := &fake{}
	c, err := New(f, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Compile(t.Context(), "provided.al2023", tree(t)); err != nil || f.calls != 0 {
		t.Errorf("%v, %d calls", err, f.calls)
	}
}

func FuzzWrite(f *testing.F) {
	f.Add(frame("a", "b"))
	f.Add([]byte{0, 0, 0, 9, 1})
	f.Fuzz(func(t *testing.T, answer []byte) {
		dir := t.TempDir()
		if err := write(dir, ".cpython-314.pyc", []file{{name: "a.py"}, {name: "p/b.py"}}, answer); err != nil {
			t.Fatal(err)
		}
	})
}
