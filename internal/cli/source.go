package cli

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Source is a change of the files of a function, for lambkin's own API for
// development (docs/api.md).
type Source struct {
	CodeSha256 string       // of the deployed package over which it is laid
	Revision   string       // of the change before it; "" begins anew
	Files      []SourceFile // new and changed
	Removed    []string
}

// SourceFile is one file of a Source.
type SourceFile struct {
	Path       string // slash-separated
	Data       []byte
	Executable bool
}

// PutSource changes the files that calls of the function run from now on, and
// returns the revision that the next change follows.
func (c *Client) PutSource(ctx context.Context, name string, s *Source) (revision string, err error) {
	var out struct{ Revision string }
	err = c.call(ctx, request{service: "lambda", method: http.MethodPut, path: developmentPath(name, "source")}, s, &out)
	return out.Revision, err
}

// EndSource undoes PutSource.
func (c *Client) EndSource(ctx context.Context, name string) error {
	return c.call(ctx, request{service: "lambda", method: http.MethodDelete, path: developmentPath(name, "source")}, nil, nil)
}

func developmentPath(name, what string) string {
	return "/_lambkin/functions/" + url.PathEscape(name) + "/" + what
}

// IsStale tells whether err says that the function is not in the state that a
// change follows.
func IsStale(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == "ResourceConflictException" || e.Code == "ResourceNotFoundException")
}

// Snapshot is what a source folder held at a time.
type Snapshot struct {
	Files   map[string]FileState // by slash-separated path
	Folders []string             // on disk, the source folder first
}

// FileState tells whether a file was changed.
type FileState struct {
	size       int64
	modified   time.Time
	executable bool
}

// ReadSnapshot looks at the files of the folder that belong into a package, and
// at its project file.
func ReadSnapshot(folder string) (*Snapshot, error) {
	s := &Snapshot{Files: map[string]FileState{}}
	err := walkSource(folder, func(path, name string, entry fs.DirEntry) error {
		if entry.IsDir() {
			s.Folders = append(s.Folders, path)
			return nil
		}
		return s.add(path, name)
	})
	if err == nil {
		err = s.add(filepath.Join(folder, ProjectFile), ProjectFile)
	}
	return s, err
}

func (s *Snapshot) add(path, name string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone meanwhile, or a link to nowhere
	}
	if err == nil && info.Mode().IsRegular() {
		s.Files[name] = FileState{info.Size(), info.ModTime(), info.Mode()&0o111 != 0}
	}
	return err
}

// Since lists the paths that were changed or removed after the other snapshot.
func (s *Snapshot) Since(other *Snapshot) (changed, removed []string) {
	for name, state := range s.Files {
		if before, known := other.Files[name]; !known || before != state {
			changed = append(changed, name)
		}
	}
	for name := range other.Files {
		if _, still := s.Files[name]; !still {
			removed = append(removed, name)
		}
	}
	slices.Sort(changed)
	slices.Sort(removed)
	return changed, removed
}

// ReadSource reads the changed files; one that has gone meanwhile is left out:
// the next snapshot will tell.
func (s *Snapshot) ReadSource(folder string, changed, removed []string) (*Source, error) {
	source := &Source{Removed: removed}
	for _, name := range changed {
		data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		source.Files = append(source.Files, SourceFile{Path: name, Data: data, Executable: s.Files[name].executable})
	}
	return source, nil
}
