// Package scratch copies what a function left in its /tmp to another's.
//
// It promises that neither side leads out of its root, whatever links a hostile
// function made; pipes, sockets and devices are left out. No goroutines, no
// locks. Start reading at Copy.
package scratch

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Copy copies files, folders and links for a new owner.
func Copy(into, from *os.Root, owner int) error {
	return fs.WalkDir(from.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			err = into.Mkdir(name, 0o700)
		case entry.Type()&fs.ModeSymlink != 0:
			var target string
			if target, err = from.Readlink(name); err == nil {
				err = into.Symlink(target, name)
			}
		case entry.Type().IsRegular():
			err = copyFile(into, from, name)
		default:
			return nil // a pipe or a socket: nobody is at its other end
		}
		if err == nil {
			err = into.Lchown(name, owner, owner)
		}
		if err == nil && entry.Type()&fs.ModeSymlink == 0 {
			err = into.Chmod(name, info.Mode().Perm())
		}
		return err
	})
}

func copyFile(into, from *os.Root, name string) error {
	source, err := from.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := into.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
