package scratch

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFilesFoldersAndLinksAreCopiedAndNothingIsFollowed(t *testing.T) {
	from, into, outside := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "secret")
	for _, err := range []error{
		os.WriteFile(outside, []byte("secret"), 0o600),
		os.MkdirAll(filepath.Join(from, "a", "b"), 0o750),
		os.WriteFile(filepath.Join(from, "a", "b", "run"), []byte("text"), 0o755),
		os.Symlink(outside, filepath.Join(from, "link")),
		os.Symlink(filepath.Dir(outside), filepath.Join(from, "folder")),
		unix.Mkfifo(filepath.Join(from, "pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	source, err := os.OpenRoot(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.OpenRoot(into)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if err := Copy(target, source, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(into, "a", "b", "run"))
	info, statErr := os.Stat(filepath.Join(into, "a", "b", "run"))
	if err != nil || statErr != nil || string(text) != "text" || info.Mode().Perm() != 0o755 {
		t.Errorf("%q, %v, %v", text, err, info)
	}
	for name, want := range map[string]string{"link": outside, "folder": filepath.Dir(outside)} {
		if got, err := os.Readlink(filepath.Join(into, name)); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(into, "pipe")); err == nil {
		t.Error("a pipe was copied")
	}
}
