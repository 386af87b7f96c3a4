package function

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// Source is a change of the files of a function that is being developed.
type Source struct {
	CodeSHA256 string // of the package over which it is laid: what GetFunction tells
	Revision   string // of the change before it; "" begins anew, at the package
	Files      []SourceFile
	Removed    []string // slash-separated paths
}

// SourceFile is a new or changed file.
type SourceFile struct {
	Path       string // slash-separated, below /var/task
	Data       []byte
	Executable bool
}

// sources are the folders that stand in for the code of $LATEST; see PutSource.
type sources struct {
	mu        sync.Mutex
	functions map[functionKey]*source
}

// source is the newest state of one function. It is never changed.
type source struct {
	codeSHA256 string
	revision   string
	folder     string
	former     []string // folders, for calls that still run in them; the oldest first
}

// formerSources is how many states before the newest one stay on disk.
const formerSources = 8

// sourcesFolder holds all of them; nothing in it outlives the process.
const sourcesFolder = "sources"

// PutSource changes files of $LATEST without a deployment: calls that begin from
// now on see them. It does not last: a deployment of other code, a deletion of
// the function, EndSource and the end of the process undo it; what Get tells is
// the deployed package all the time. A Source that does not follow the deployed
// package and the change before it is a *ConflictError.
func (r *Registry) PutSource(ctx context.Context, t Target, s *Source) (revision string, err error) {
	v, err := r.serving(ctx, t)
	if err != nil {
		return "", err
	}
	key := functionKey{t.Scope, t.Name}
	before := r.sourceOf(v)
	folder := v.TaskDir
	next := &source{codeSHA256: v.CodeSHA256, revision: ids.Hex(16)}
	follows := s.Revision == ""
	if before != nil {
		if !follows {
			folder, follows = before.folder, s.Revision == before.revision
		}
		next.former = append(append([]string{}, before.former...), before.folder)
	}
	if s.CodeSHA256 != v.CodeSHA256 || !follows {
		return "", &ConflictError{Message: "The source of " + t.Name + " was changed by somebody else; deploy it again."}
	}
	release := r.trees.Use(treesOf(v))
	defer release()
	next.folder = filepath.Join(r.config.Folder, sourcesFolder, next.revision)
	if err := s.lay(folder, next.folder); err != nil {
		return "", errors.Join(err, os.RemoveAll(next.folder))
	}
	if !r.sources.swap(key, before, next) {
		return "", errors.Join(&ConflictError{Message: "The source of " + t.Name + " is being changed by somebody else."}, os.RemoveAll(next.folder))
	}
	r.forget(t.Scope, t.Name)
	r.changed(t.Scope, t.Name, Latest)
	return next.revision, next.prune()
}

// serving reads the $LATEST that calls run now.
func (r *Registry) serving(ctx context.Context, t Target) (*Version, error) {
	var v *Version
	err := r.view(ctx, func(rd reader) error {
		row, err := rd.version(Target{Scope: t.Scope, Name: t.Name, Qualifier: Latest})
		if err != nil {
			return err
		}
		if v = row.serving(); v == nil {
			return &ConflictError{Message: "The function is currently in the following state: " + string(row.State)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.finish(v), nil
}

// EndSource undoes PutSource.
func (r *Registry) EndSource(s Scope, name string) error {
	ended := r.sources.take(functionKey{s, name})
	if ended == nil {
		return nil
	}
	r.forget(s, name)
	r.changed(s, name, Latest)
	return ended.remove()
}

// sourceOf is what stands in for the code of v, nil if nothing does.
func (r *Registry) sourceOf(v *Version) *source {
	if v.Version != Latest {
		return nil
	}
	r.sources.mu.Lock()
	defer r.sources.mu.Unlock()
	s := r.sources.functions[functionKey{Scope{v.Account, v.Region}, v.Name}]
	if s == nil || s.codeSHA256 != v.CodeSHA256 {
		return nil
	}
	return s
}

// overlaid is the version as calls run it.
func (r *Registry) overlaid(v *Version) *Version {
	s := r.sourceOf(v)
	if s == nil {
		return v
	}
	overlaid := *v
	overlaid.TaskDir, overlaid.Generation = s.folder, v.Generation+"+"+s.revision
	return &overlaid
}

// swap sets the function's source unless somebody else did meanwhile. What
// before is not about the deployed code any more gives way.
func (all *sources) swap(key functionKey, before, next *source) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	current := all.functions[key]
	if current != before && (before != nil || current.codeSHA256 == next.codeSHA256) {
		return false
	}
	if before == nil && current != nil {
		next.former = append(append(next.former, current.former...), current.folder)
	}
	all.functions[key] = next
	return true
}

func (all *sources) take(key functionKey) *source {
	all.mu.Lock()
	defer all.mu.Unlock()
	s := all.functions[key]
	delete(all.functions, key)
	return s
}

// prune removes the folders that no call can still need, as far as one can know.
func (s *source) prune() error {
	var all error
	for i := range len(s.former) - formerSources {
		all = errors.Join(all, os.RemoveAll(s.former[i])) // gone already, but for the last of them
	}
	return all
}

func (s *source) remove() error {
	all := os.RemoveAll(s.folder)
	for _, folder := range s.former {
		all = errors.Join(all, os.RemoveAll(folder))
	}
	return all
}

// lay makes the tree that s makes of the one in from. Files that stay are linked:
// neither tree ever changes.
func (s *Source) lay(from, to string) error {
	changed := map[string]bool{}
	for _, name := range s.Removed {
		changed[path.Clean(name)] = true
	}
	for _, file := range s.Files {
		if !fs.ValidPath(file.Path) || file.Path == "." {
			return &InvalidError{Message: fmt.Sprintf("%q is no path of a source file", file.Path)}
		}
		changed[file.Path] = true
	}
	if err := os.MkdirAll(to, sourceFolderMode); err != nil {
		return err
	}
	total, err := link(from, to, func(name string) bool { return changed[name] || changed[sourceOfBytecode(name)] })
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(to) // a link in the package must not lead us out
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range s.Removed {
		removeEmpty(root, path.Dir(path.Clean(name)))
	}
	for _, file := range s.Files {
		if total += int64(len(file.Data)); total > limit.UnzippedCodeBytes {
			return &InvalidError{Message: fmt.Sprintf("Unzipped size must be smaller than %d bytes", limit.UnzippedCodeBytes)}
		}
		if err := file.write(root); err != nil {
			return &InvalidError{Message: fmt.Sprintf("%s cannot be written: %v", file.Path, err)}
		}
	}
	return nil
}

// removeEmpty removes a folder and those above it as far as they hold nothing:
// Python would import an empty one.
func removeEmpty(root *os.Root, folder string) {
	for ; folder != "." && folder != "/"; folder = path.Dir(folder) {
		_ = root.Remove(path.Join(folder, "__pycache__")) // not empty, or not there
		if root.Remove(folder) != nil {
			return
		}
	}
}

const (
	sourceFolderMode     = 0o755
	sourceFileMode       = 0o644
	sourceExecutableMode = 0o755
)

func (f *SourceFile) write(root *os.Root) error {
	mode := fs.FileMode(sourceFileMode)
	if f.Executable {
		mode = sourceExecutableMode
	}
	if err := root.MkdirAll(path.Dir(f.Path), sourceFolderMode); err != nil {
		return err
	}
	file, err := root.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) // exclusive: a linked file is also the other tree's
	if err != nil {
		return err
	}
	_, err = file.Write(f.Data)
	return errors.Join(err, file.Close())
}

// link makes the folders and links of a tree again and links its files, but for
// those that are left out, and returns the size of the files.
func link(from, to string, leftOut func(name string) bool) (total int64, err error) {
	err = filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == from {
			return err
		}
		name, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case entry.IsDir():
			return os.Mkdir(target, sourceFolderMode)
		case leftOut(filepath.ToSlash(name)):
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			destination, err := os.Readlink(file)
			if err != nil {
				return err
			}
			return os.Symlink(destination, target)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		return os.Link(file, target)
	})
	return total, err
}

// sourceOfBytecode is the source of a file of bytecode, "" of any other file.
// Bytecode that was compiled when the package was deployed does not look whether
// its source has changed.
func sourceOfBytecode(name string) string {
	folder, base := path.Split(name)
	module, _, found := strings.Cut(base, ".")
	if parent, ok := strings.CutSuffix(folder, "__pycache__/"); ok && found && strings.HasSuffix(base, ".pyc") {
		return parent + module + ".py"
	}
	return ""
}
