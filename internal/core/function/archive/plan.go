package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// plan is what an archive will become, decided before anything is written.
type plan struct {
	entries []*entry
	bytes   int64
}

// newPlan reads the directory of the archive and applies every rule that does
// not need the contents.
func newPlan(r io.ReaderAt, size int64, limits Limits) (*plan, error) {
	if err := checkEntries(r, size, limits.Entries); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(z.File) > limits.Entries {
		return nil, fmt.Errorf("%w: %d entries", ErrTooLarge, len(z.File))
	}
	p := &plan{}
	byName := map[string]int{}
	for _, f := range z.File {
		e, err := newEntry(f)
		if err != nil {
			return nil, err
		}
		if e == nil {
			continue
		}
		if e.size > limits.UnpackedBytes-p.bytes {
			return nil, ErrTooLarge
		}
		// Counted for every entry, also for one that a later entry replaces.
		p.bytes += e.size
		if i, ok := byName[e.name]; ok {
			if p.entries[i].kind != e.kind {
				return nil, fmt.Errorf("%w: %q is there twice, as different things", ErrFormat, e.name)
			}
			p.entries[i] = e // the last one counts, as with unzip
			continue
		}
		byName[e.name] = len(p.entries)
		p.entries = append(p.entries, e)
	}
	if len(p.entries) == 0 {
		return nil, ErrEmpty
	}
	return p, p.checkParents(byName)
}

// checkParents refuses an entry that lies below a file or a link. Without links
// as parents, the folder of a link is a real one, on which checkTarget relies.
func (p *plan) checkParents(byName map[string]int) error {
	for _, e := range p.entries {
		for dir := path.Dir(e.name); dir != "."; dir = path.Dir(dir) {
			if i, ok := byName[dir]; ok && p.entries[i].kind != folder {
				return fmt.Errorf("%w: %q lies below %q, which is not a folder", ErrFormat, e.name, dir)
			}
		}
	}
	return nil
}

// newEntry applies the rules for one entry; nil means that it is the folder
// itself, which needs nothing.
func newEntry(f *zip.File) (*entry, error) {
	name, isFolder, err := cleanName(f.Name)
	if err != nil {
		return nil, err
	}
	mode := f.Mode()
	e := &entry{name: name, mode: fileMode, zip: f}
	switch {
	case isFolder || mode.IsDir():
		if f.UncompressedSize64 != 0 {
			return nil, fmt.Errorf("%w: folder %q has contents", ErrFormat, f.Name)
		}
		if name == "." {
			return nil, nil
		}
		e.kind = folder
		return e, nil
	case name == ".":
		return nil, fmt.Errorf("%w: a file without a name", ErrFormat)
	case mode&fs.ModeSymlink != 0:
		e.kind = link
	case mode.Type() != 0:
		return nil, fmt.Errorf("%w: %q is a special file", ErrFormat, f.Name)
	}
	const encrypted = 0x1
	if f.Flags&encrypted != 0 {
		return nil, fmt.Errorf("%w: %q is encrypted", ErrFormat, f.Name)
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return nil, fmt.Errorf("%w: %q is compressed with method %d", ErrFormat, f.Name, f.Method)
	}
	if f.UncompressedSize64 > 1<<62 {
		return nil, ErrTooLarge
	}
	e.size = int64(f.UncompressedSize64)
	if mode&anyExecute != 0 {
		e.mode = executableMode
	}
	if e.kind == link {
		e.target, err = readTarget(f)
	}
	return e, err
}

// cleanName makes a name relative and clean, or refuses it. A backslash is an
// ordinary character here, as it is on Lambda's Linux.
func cleanName(name string) (clean string, isFolder bool, err error) {
	switch {
	case name == "":
		return "", false, fmt.Errorf("%w: an entry without a name", ErrFormat)
	case len(name) > maxNameBytes:
		return "", false, fmt.Errorf("%w: a name of %d bytes", ErrFormat, len(name))
	case strings.IndexByte(name, 0) >= 0:
		return "", false, fmt.Errorf("%w: the name %q holds a zero byte", ErrFormat, name)
	case name[0] == '/':
		return "", false, fmt.Errorf("%w: the absolute name %q", ErrFormat, name)
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return "", false, fmt.Errorf("%w: the name %q leads out", ErrFormat, name)
		}
		if len(element) > maxElementBytes {
			return "", false, fmt.Errorf("%w: a name with an element of %d bytes", ErrFormat, len(element))
		}
	}
	return path.Clean(name), strings.HasSuffix(name, "/"), nil
}

func readTarget(f *zip.File) (string, error) {
	if f.UncompressedSize64 == 0 || f.UncompressedSize64 > maxLinkBytes {
		return "", fmt.Errorf("%w: link %q has a target of %d bytes", ErrFormat, f.Name, f.UncompressedSize64)
	}
	in, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("%w: link %q: %w", ErrFormat, f.Name, err)
	}
	defer in.Close()
	target, err := io.ReadAll(io.LimitReader(in, maxLinkBytes+1))
	if err != nil {
		return "", fmt.Errorf("%w: link %q: %w", ErrFormat, f.Name, err)
	}
	return string(target), checkTarget(path.Clean(f.Name), string(target))
}

// checkTarget refuses a target that may lead out of the tree. Going up is
// allowed only at the beginning, where it starts from the link's own folder;
// after a name it would start from wherever that name, itself perhaps a link,
// leads to.
func checkTarget(name, target string) error {
	if len(target) > maxLinkBytes || target == "" || target[0] == '/' || strings.IndexByte(target, 0) >= 0 {
		return fmt.Errorf("%w: link %q to %q leads out", ErrFormat, name, target)
	}
	depth, descended := strings.Count(name, "/"), false
	for element := range strings.SplitSeq(target, "/") {
		switch element {
		case "", ".":
		case "..":
			if depth--; descended || depth < 0 {
				return fmt.Errorf("%w: link %q to %q leads out", ErrFormat, name, target)
			}
		default:
			descended = true
		}
	}
	return nil
}

// checkEntries counts the entries before the standard library makes an object
// of each: 50 MB of directory would become ten times that in memory.
func checkEntries(r io.ReaderAt, size int64, limit int) error {
	signature := []byte("PK\x01\x02") // of an entry in the central directory
	// Contents may hold the signature by chance or because they are zip files
	// themselves (wheels, eggs), hence the room; the exact count follows.
	const room, chunk = 4, 1 << 20
	overlap := len(signature) - 1
	buffer := make([]byte, min(size, chunk)+int64(overlap))
	count := 0
	for offset := int64(0); offset < size; offset += chunk {
		n, err := r.ReadAt(buffer[:min(int64(len(buffer)), size-offset)], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the archive: %w", err)
		}
		count += bytes.Count(buffer[:n], signature)
		if count > limit*room {
			return fmt.Errorf("%w: more than %d entries", ErrTooLarge, limit)
		}
	}
	return nil
}
