package function

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// trees are the unpacked, read-only folders that environments see. A tree is
// named by what is in it, appears complete or not at all, and is shared by every
// version that needs the same. Anything of it can be made again from the blobs.
type trees struct {
	folder string

	mu    sync.Mutex
	users map[string]int           // trees that must not be collected now
	busy  map[string]chan struct{} // trees that are being built or collected; closed after
}

// The folders of trees.
const (
	codeTrees   = "trees"  // one zip, of a function or a layer
	layerTrees  = "layers" // several zips laid over each other
	unfinished  = "tmp"
	treeMode    = 0o755
	syncedFiles = 64 // so many files are synced one by one; more by the file system
)

// treeName is the tree of one zip. The runtime belongs to it because of the
// bytecode that is compiled into it.
func treeName(code, runtime string) string { return codeTrees + "/" + code + "-" + runtime }

func codeTree(v *Version) string { return treeName(v.Code, v.Runtime) }

// layersTree is the tree that a version sees as /opt; "" without layers.
func layersTree(v *Version) string {
	if len(v.Layers) == 0 {
		return ""
	}
	digest := sha256.New()
	fmt.Fprintln(digest, v.Runtime)
	for _, l := range v.Layers {
		fmt.Fprintln(digest, l.Code)
	}
	return layerTrees + "/" + hex.EncodeToString(digest.Sum(nil))
}

// treesOf lists every tree that a version needs, those of single layers too.
func treesOf(v *Version) []string {
	names := []string{codeTree(v)}
	for _, l := range v.Layers {
		names = append(names, treeName(l.Code, v.Runtime))
	}
	if id := layersTree(v); id != "" {
		names = append(names, id)
	}
	return names
}

func newTrees(folder string) *trees {
	return &trees{folder: folder, users: map[string]int{}, busy: map[string]chan struct{}{}}
}

// prepare makes the folders and removes what a crash left unfinished.
func (t *trees) prepare() error {
	if err := os.RemoveAll(t.path(unfinished)); err != nil {
		return fmt.Errorf("remove unfinished trees: %w", err)
	}
	for _, name := range []string{codeTrees, layerTrees, unfinished} {
		if err := os.MkdirAll(t.path(name), treeMode); err != nil {
			return fmt.Errorf("make the folder of trees: %w", err)
		}
	}
	return nil
}

func (t *trees) path(name string) string { return filepath.Join(t.folder, filepath.FromSlash(name)) }

func (t *trees) exists(name string) bool {
	_, err := os.Lstat(t.path(name))
	return err == nil
}

// use keeps trees from being collected until release is called.
func (t *trees) use(names []string) (release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range names {
		t.users[name]++
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, name := range names {
			if t.users[name]--; t.users[name] == 0 {
				delete(t.users, name)
			}
		}
	}
}

// occupy makes the caller the only one who builds or collects the tree.
func (t *trees) occupy(ctx context.Context, name string) (leave func(), err error) {
	for {
		t.mu.Lock()
		other, taken := t.busy[name]
		if !taken {
			mine := make(chan struct{})
			t.busy[name] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				delete(t.busy, name)
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ensure has build fill a new folder unless the tree is there. The caller uses
// the tree.
func (t *trees) ensure(ctx context.Context, name string, build func(dir string) error) error {
	leave, err := t.occupy(ctx, name)
	if err != nil {
		return err
	}
	defer leave()
	if t.exists(name) {
		return nil
	}
	dir, err := os.MkdirTemp(t.path(unfinished), "")
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
	if err := os.Rename(dir, t.path(name)); err != nil {
		return fmt.Errorf("put a tree in its place: %w", err)
	}
	return syncFile(filepath.Dir(t.path(name)))
}

// collect removes a tree that nobody uses, after still has said so once more,
// and tells whether it did.
func (t *trees) collect(ctx context.Context, name string, orphan func() (bool, error)) (bool, error) {
	leave, err := t.occupy(ctx, name)
	if err != nil {
		return false, err
	}
	defer leave()
	// A version that commits its need from now on finds the tree occupied, waits
	// in ensure and builds it again; one that has committed is seen by orphan.
	t.mu.Lock()
	used := t.users[name] > 0
	t.mu.Unlock()
	if used {
		return false, nil
	}
	if sure, err := orphan(); err != nil || !sure {
		return false, err
	}
	dir, err := os.MkdirTemp(t.path(unfinished), "")
	if err != nil {
		return false, fmt.Errorf("make a folder for a dead tree: %w", err)
	}
	defer os.RemoveAll(dir)
	// First out of sight as a whole, then gone.
	if err := os.Rename(t.path(name), filepath.Join(dir, "tree")); err != nil {
		return false, fmt.Errorf("take a tree away: %w", err)
	}
	return true, nil
}

// all lists the trees that are there.
func (t *trees) all() ([]string, error) {
	var names []string
	for _, kind := range []string{codeTrees, layerTrees} {
		entries, err := os.ReadDir(t.path(kind))
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
