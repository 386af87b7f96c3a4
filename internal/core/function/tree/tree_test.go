package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	s := New(filepath.Join(t.TempDir(), "trees"))
	if err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	return s
}

func fill(files int) func(string) error {
	return func(dir string) error {
		for i := range files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte("x"), 0o644); err != nil {
				return err
			}
		}
		return os.Symlink("0", filepath.Join(dir, "link"))
	}
}

func TestEnsureBuildsOnceForAll(t *testing.T) {
	s := newStore(t)
	var built atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := s.Ensure(context.Background(), Code+"/a", func(dir string) error {
				built.Add(1)
				return fill(3)(dir)
			})
			if err != nil || !s.Exists(Code+"/a") {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if n := built.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
	if info, err := os.Stat(s.Path(Code + "/a")); err != nil || info.Mode().Perm() != treeMode {
		t.Errorf("%v, %v", info, err)
	}
}

func TestEnsureSyncsLargeTrees(t *testing.T) {
	s := newStore(t)
	if err := s.Ensure(t.Context(), Layers+"/big", fill(syncedFiles+1)); err != nil {
		t.Fatal(err)
	}
	if names, err := s.All(); err != nil || len(names) != 1 || names[0] != Layers+"/big" {
		t.Errorf("%v, %v", names, err)
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	s := newStore(t)
	broken := errors.New("broken")
	err := s.Ensure(t.Context(), Code+"/a", func(dir string) error { return errors.Join(fill(2)(dir), broken) })
	if !errors.Is(err, broken) || s.Exists(Code+"/a") {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(s.Path(unfinished)); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	if err := s.Ensure(t.Context(), Code+"/a", fill(2)); err != nil || !s.Exists(Code+"/a") {
		t.Errorf("the next try: %v", err)
	}
}

func TestEnsureEndsWithItsContextWhileAnotherBuilds(t *testing.T) {
	s := newStore(t)
	building, finish, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- s.Ensure(context.Background(), Code+"/a", func(dir string) error {
			close(building)
			<-finish
			return fill(1)(dir)
		})
	}()
	<-building
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ensure(ctx, Code+"/a", fill(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(finish)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCollectAsksAgainAndSparesUsers(t *testing.T) {
	s := newStore(t)
	name := Code + "/a"
	if err := s.Ensure(t.Context(), name, fill(1)); err != nil {
		t.Fatal(err)
	}
	collect := func(orphan bool, failure error) (bool, error) {
		return s.Collect(t.Context(), name, func() (bool, error) { return orphan, failure })
	}
	broken := errors.New("broken")
	release := s.Use([]string{name, name})
	if gone, err := collect(true, nil); gone || err != nil {
		t.Errorf("in use: %v, %v", gone, err)
	}
	release()
	if gone, err := collect(false, nil); gone || err != nil {
		t.Errorf("needed: %v, %v", gone, err)
	}
	if gone, err := collect(false, broken); gone || !errors.Is(err, broken) {
		t.Errorf("not known: %v, %v", gone, err)
	}
	if gone, err := collect(true, nil); !gone || err != nil || s.Exists(name) {
		t.Errorf("orphan: %v, %v", gone, err)
	}
}
