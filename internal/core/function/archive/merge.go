package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Merge lays the trees over each other into dir, which must exist and be empty:
// where two hold the same name, the later one wins, as with layers on Lambda.
// Folders that both hold become one. Files are hard links to those of the trees,
// so a merged tree costs no space; the trees must never be written to.
func Merge(dir string, trees ...string) error {
	into, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the folder to merge into: %w", err)
	}
	defer into.Close()
	for _, tree := range trees {
		if err := merge(into, dir, tree); err != nil {
			return fmt.Errorf("merge a layer: %w", err)
		}
	}
	return nil
}

func merge(into *os.Root, dir, tree string) error {
	return filepath.WalkDir(tree, func(from string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(tree, from)
		if err != nil || name == "." {
			return err
		}
		// WalkDir follows no links, and a folder is only walked after it has been
		// made here as a real one: dir/name never passes through a link.
		old, err := into.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case old.IsDir() && d.IsDir():
			return nil
		default:
			if err := into.RemoveAll(name); err != nil {
				return err
			}
		}
		switch {
		case d.IsDir():
			return makeFolder(into, name)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(from)
			if err != nil {
				return err
			}
			return into.Symlink(target, name)
		}
		err = os.Link(from, filepath.Join(dir, name))
		if errors.Is(err, syscall.EMLINK) || errors.Is(err, syscall.EXDEV) {
			// The file system allows no more names for this file.
			return copyFile(into, name, from)
		}
		return err
	})
}

func copyFile(into *os.Root, name, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := into.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Chmod(info.Mode().Perm())
}
