// Package tree keeps the unpacked, read-only folders that environments see.
//
// It promises that a tree appears complete or not at all, also after power loss;
// that it is built once, however many ask for it at the same time; and that it is
// not collected while somebody uses it. Trees are named by what is in them, so
// they are shared and never change; all of them can be made again.
//
// No goroutines. mu guards the two maps and is never held over I/O. Start
// reading at Store.Ensure.
package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Store is a folder of trees. All methods are safe for concurrent use.
type Store struct {
	folder string

	mu    sync.Mutex
	users map[string]int           // trees that must not be collected now
	busy  map[string]chan struct{} // trees that are being built or collected; closed after
}

// The kinds of trees; a name is a kind, a slash and an id.
const (
	Code   = "trees"  // one zip, of a function or a layer
	Layers = "layers" // several zips laid over each other
)

const (
	unfinished  = "tmp"
	treeMode    = 0o755
	syncedFiles = 64 // so many files are synced one by one; more by the file system
)

// New only names the folder: Prepare makes it.
func New(folder string) *Store {
	return &Store{folder: folder, users: map[string]int{}, busy: map[string]chan struct{}{}}
}

// Prepare makes the folders and removes what a crash left unfinished.
func (s *Store) Prepare() error {
	if err := os.RemoveAll(s.Path(unfinished)); err != nil {
		return fmt.Errorf("remove unfinished trees: %w", err)
	}
	for _, name := range []string{Code, Layers, unfinished} {
		if err := os.MkdirAll(s.Path(name), treeMode); err != nil {
			return fmt.Errorf("make the folder of trees: %w", err)
		}
	}
	return nil
}

// Path is where a tree is, or would be.
func (s *Store) Path(name string) string { return filepath.Join(s.folder, filepath.FromSlash(name)) }

// Exists tells whether the tree is there.
func (s *Store) Exists(name string) bool {
	_, err := os.Lstat(s.Path(name))
	return err == nil
}

// Use keeps trees from being collected until release is called.
func (s *Store) Use(names []string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		s.users[name]++
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, name := range names {
			if s.users[name]--; s.users[name] == 0 {
				delete(s.users, name)
			}
		}
	}
}

// occupy makes the caller the only one who builds or collects the tree.
func (s *Store) occupy(ctx context.Context, name string) (leave func(), err error) {
	for {
		s.mu.Lock()
		other, taken := s.busy[name]
		if !taken {
			mine := make(chan struct{})
			s.busy[name] = mine
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.busy, name)
				close(mine)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Ensure has build fill a new folder unless the tree is there. The caller uses
// the tree.
func (s *Store) Ensure(ctx context.Context, name string, build func(dir string) error) error {
	leave, err := s.occupy(ctx, name)
	if err != nil {
		return err
	}
	defer leave()
	if s.Exists(name) {
		return nil
	}
	dir, err := os.MkdirTemp(s.Path(unfinished), "")
	if err != nil {
		return fmt.Errorf("make a folder for a tree: %w", err)
	}
	defer os.RemoveAll(dir) // nothing to do after the rename
	if err := os.Chmod(dir, treeMode); err != nil {
		return fmt.Errorf("open a tree to readers: %w", err)
	}
	if err := build(dir); err != nil {
		return err
	}
	if err := syncTree(dir); err != nil {
		return fmt.Errorf("sync a tree: %w", err)
	}
	if err := os.Rename(dir, s.Path(name)); err != nil {
		return fmt.Errorf("put a tree in its place: %w", err)
	}
	return syncFile(filepath.Dir(s.Path(name)))
}

// Collect removes a tree that nobody uses, after orphan has said so once more,
// and tells whether it did.
func (s *Store) Collect(ctx context.Context, name string, orphan func() (bool, error)) (bool, error) {
	leave, err := s.occupy(ctx, name)
	if err != nil {
		return false, err
	}
	defer leave()
	// A version that commits its need from now on finds the tree occupied, waits
	// in Ensure and builds it again; one that has committed is seen by orphan.
	s.mu.Lock()
	used := s.users[name] > 0
	s.mu.Unlock()
	if used {
		return false, nil
	}
	if sure, err := orphan(); err != nil || !sure {
		return false, err
	}
	dir, err := os.MkdirTemp(s.Path(unfinished), "")
	if err != nil {
		return false, fmt.Errorf("make a folder for a dead tree: %w", err)
	}
	defer os.RemoveAll(dir)
	// First out of sight as a whole, then gone.
	if err := os.Rename(s.Path(name), filepath.Join(dir, "tree")); err != nil {
		return false, fmt.Errorf("take a tree away: %w", err)
	}
	return true, nil
}

// All lists the trees that are there.
func (s *Store) All() ([]string, error) {
	var names []string
	for _, kind := range []string{Code, Layers} {
		entries, err := os.ReadDir(s.Path(kind))
		if err != nil {
			return nil, fmt.Errorf("list trees: %w", err)
		}
		for _, e := range entries {
			names = append(names, kind+"/"+e.Name())
		}
	}
	return names, nil
}

// syncTree makes a tree survive power loss: few files one by one, which leaves
// everybody else's writes alone, many with one call for the file system.
func syncTree(dir string) error {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && (d.IsDir() || d.Type().IsRegular()) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(names) > syncedFiles {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Syncfs(int(f.Fd()))
	}
	for _, name := range names {
		if err := syncFile(name); err != nil {
			return err
		}
	}
	return nil
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
