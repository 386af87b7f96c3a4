package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, content string) Ref {
	t.Helper()
	ref, err := s.Put(t.Context(), strings.NewReader(content), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func ids(t *testing.T, s *Store) (all []string) {
	t.Helper()
	for id, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	return all
}

func unfinished(t *testing.T, s *Store) int {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(s.folder, temporary))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestPutAndOpen(t *testing.T) {
	s := open(t)
	ref := put(t, s, "hello")
	const sha256OfHello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	if ref != (Ref{ID: sha256OfHello, Size: 5}) {
		t.Errorf("got %+v", ref)
	}
	file, err := s.Open(ref.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if content, err := io.ReadAll(file); err != nil || string(content) != "hello" {
		t.Errorf("got %q, %v", content, err)
	}
	if unfinished(t, s) != 0 {
		t.Error("a temporary file was left")
	}
}

func TestEqualContentIsKeptOnceAndAgain(t *testing.T) {
	s := open(t)
	a, b, c := put(t, s, "a"), put(t, s, "b"), put(t, s, "a")
	if a != c {
		t.Errorf("%v != %v", a, c)
	}
	want := []string{a.ID, b.ID}
	slices.Sort(want)
	if got := ids(t, s); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPutTakesExactlyTheLimit(t *testing.T) {
	s := open(t)
	if _, err := s.Put(t.Context(), strings.NewReader("12345"), 5); err != nil {
		t.Error(err)
	}
	if _, err := s.Put(t.Context(), strings.NewReader("123456"), 5); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if got := ids(t, s); len(got) != 1 || unfinished(t, s) != 0 {
		t.Errorf("blobs %v, %d unfinished", got, unfinished(t, s))
	}
}

func TestFailedPutLeavesNothing(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, strings.NewReader("x"), 5); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	broken := io.MultiReader(strings.NewReader("x"), errorReader{})
	if _, err := s.Put(t.Context(), broken, 5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if got := ids(t, s); len(got) != 0 || unfinished(t, s) != 0 {
		t.Errorf("blobs %v, %d unfinished", got, unfinished(t, s))
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestUnknownAndHostileIDs(t *testing.T) {
	s := open(t)
	for _, id := range []string{"", "..", "../../etc/passwd", strings.Repeat("a", 64), strings.Repeat("A", 64), strings.Repeat("/", 64)} {
		if _, err := s.Open(id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open %q: %v", id, err)
		}
		if err := s.Delete(id); err != nil {
			t.Errorf("delete %q: %v", id, err)
		}
	}
}

func TestDeleteOlderSparesWhatWasJustPut(t *testing.T) {
	s := open(t)
	ref := put(t, s, "x")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(s.path(ref.ID), old, old); err != nil {
		t.Fatal(err)
	}
	if age, err := s.Age(ref.ID); err != nil || age < 50*time.Minute {
		t.Errorf("age %v, %v", age, err)
	}
	put(t, s, "x") // somebody deploys the same code again
	if gone, err := s.DeleteOlder(ref.ID, 30*time.Minute); gone || err != nil {
		t.Errorf("deleted %v, %v", gone, err)
	}
	if err := os.Chtimes(s.path(ref.ID), old, old); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.DeleteOlder(ref.ID, 30*time.Minute); !gone || err != nil {
		t.Errorf("deleted %v, %v", gone, err)
	}
	if _, err := s.Open(ref.ID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestOpenRemovesWhatACrashLeft(t *testing.T) {
	s := open(t)
	ref := put(t, s, "kept")
	if err := os.WriteFile(filepath.Join(s.folder, temporary, "put-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(s.folder)
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s); !slices.Equal(got, []string{ref.ID}) || unfinished(t, s) != 0 {
		t.Errorf("blobs %v, %d unfinished", got, unfinished(t, s))
	}
}

func TestConcurrentPutsOfEqualContent(t *testing.T) {
	s := open(t)
	content := bytes.Repeat([]byte("x"), 300_000)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if _, err := s.Put(t.Context(), bytes.NewReader(content), 1<<20); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := ids(t, s); len(got) != 1 {
		t.Errorf("blobs %v", got)
	}
}

func TestStagedContentHasNoNameBeforeKeep(t *testing.T) {
	s := open(t)
	stage := func() *Staged {
		staged, err := s.Stage(t.Context(), strings.NewReader("x"), 5)
		if err != nil {
			t.Fatal(err)
		}
		return staged
	}
	dropped, kept := stage(), stage()
	if got := ids(t, s); len(got) != 0 || unfinished(t, s) != 2 {
		t.Errorf("blobs %v, %d unfinished", got, unfinished(t, s))
	}
	dropped.Drop()
	if err := kept.Keep(); err != nil {
		t.Fatal(err)
	}
	kept.Drop()
	if got := ids(t, s); !slices.Equal(got, []string{kept.ID}) || unfinished(t, s) != 0 {
		t.Errorf("blobs %v, %d unfinished", got, unfinished(t, s))
	}
}
