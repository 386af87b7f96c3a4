// Package archive unpacks deployment packages: zip files made by strangers.
//
// It promises that nothing is written outside the folder given, whatever the
// archive says; that no more is written than the limits allow, whatever sizes
// the archive declares; and that the tree that results holds only directories
// (0755), files (0644, or 0755 where the archive sets an execute bit) and
// symbolic links that cannot lead out of it. Ownership, set-id bits, times and
// special files of the archive are never taken over.
//
// An archive is refused as a whole: what Unpack leaves behind after an error is
// for the caller to remove. No goroutines, no locks; the caller must be the only
// one who writes to the folder. Start reading at Unpack; plan.go holds the rules.
package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// The reasons why an archive is refused; compare with errors.Is.
var (
	ErrFormat   = errors.New("not a zip archive that can be unpacked")
	ErrEmpty    = errors.New("the archive is empty")
	ErrTooLarge = errors.New("the unpacked archive is over the limit")
)

// Limits bound what an archive may become.
type Limits struct {
	UnpackedBytes int64 // of all files together
	Entries       int   // files, directories and links together
}

// Limits of a single name. Linux allows 255 bytes in an element and 4,096 in a
// path; the tree will lie below a folder of its own.
const (
	maxNameBytes    = 2048
	maxElementBytes = 255
	maxLinkBytes    = 1024
)

const (
	folderMode     fs.FileMode = 0o755
	fileMode       fs.FileMode = 0o644
	executableMode fs.FileMode = 0o755
	anyExecute     fs.FileMode = 0o111
)

// Summary tells what an archive claims to hold.
type Summary struct {
	UnpackedBytes int64
	Entries       int
}

// Check reads the directory of the archive, not its contents, and refuses what
// Unpack would refuse, except damaged or lying contents.
func Check(r io.ReaderAt, size int64, limits Limits) (Summary, error) {
	p, err := newPlan(r, size, limits)
	if err != nil {
		return Summary{}, err
	}
	return Summary{UnpackedBytes: p.bytes, Entries: len(p.entries)}, nil
}

// Unpack writes the archive into dir, which must exist and be empty.
func Unpack(r io.ReaderAt, size int64, dir string, limits Limits) error {
	p, err := newPlan(r, size, limits)
	if err != nil {
		return err
	}
	// The plan has refused every name that leads outside; Root refuses them again.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the folder to unpack into: %w", err)
	}
	defer root.Close()
	for _, folder := range p.folders() {
		if err := makeFolder(root, folder); err != nil {
			return err
		}
	}
	remaining := limits.UnpackedBytes
	for _, e := range p.entries {
		if e.kind != file {
			continue
		}
		n, err := writeFile(root, e, remaining)
		if err != nil {
			return err
		}
		remaining -= n
	}
	// Links come last, so that nothing is ever written through one.
	for _, e := range p.entries {
		if e.kind == link {
			if err := root.Symlink(e.target, e.name); err != nil {
				return fmt.Errorf("make link %q: %w", e.name, err)
			}
		}
	}
	return nil
}

func makeFolder(root *os.Root, name string) error {
	if err := root.Mkdir(name, folderMode); err != nil {
		return fmt.Errorf("make folder %q: %w", name, err)
	}
	// The mode given to Mkdir passes through the process's umask.
	return root.Chmod(name, folderMode)
}

func writeFile(root *os.Root, e *entry, remaining int64) (written int64, err error) {
	in, err := e.zip.Open()
	if err != nil {
		return 0, fmt.Errorf("%w: entry %q: %w", ErrFormat, e.name, err)
	}
	defer in.Close()
	out, err := root.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fmt.Errorf("make file %q: %w", e.name, err)
	}
	defer func() {
		if closeErr := out.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close file %q: %w", e.name, closeErr)
		}
	}()
	// One byte more than allowed tells that the declared size was a lie.
	source := &sourceReader{r: in}
	written, err = io.Copy(out, io.LimitReader(source, min(e.size, remaining)+1))
	switch {
	case source.err != nil:
		return written, fmt.Errorf("%w: entry %q: %w", ErrFormat, e.name, source.err)
	case err != nil:
		return written, fmt.Errorf("write file %q: %w", e.name, err)
	case written > remaining:
		return written, ErrTooLarge
	case written != e.size:
		return written, fmt.Errorf("%w: entry %q does not have the size it declares", ErrFormat, e.name)
	}
	return written, out.Chmod(e.mode)
}

// sourceReader keeps the errors of the archive apart from those of the disk.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// folders lists every folder that the entries need, parents first.
func (p *plan) folders() []string {
	seen := map[string]bool{}
	for _, e := range p.entries {
		name := e.name
		if e.kind != folder {
			name = path.Dir(name)
		}
		for ; name != "." && !seen[name]; name = path.Dir(name) {
			seen[name] = true
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare) // "a" sorts before "a/b"
	return names
}

// kind of an entry.
type kind int

const (
	file kind = iota
	folder
	link
)

// entry is one thing to make.
type entry struct {
	kind   kind
	name   string // clean, relative, with slashes
	mode   fs.FileMode
	size   int64
	target string // of a link
	zip    *zip.File
}
