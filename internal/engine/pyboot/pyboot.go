// Package pyboot brings Python runtimes to the machine: it holds the bootstrap
// that runs inside every environment and finds interpreters for it.
//
// It promises: a runtime id is served by an interpreter of exactly that version
// or not at all, and the error then names the command that installs it. What it
// unpacks is written to a temporary folder and renamed, so a crash leaves either
// all of it or nothing. No goroutines; Runtimes.mu guards the table of what was
// found. Start reading at Runtimes.Resolve. PROTOCOL.md is what the bootstrap
// speaks.
package pyboot

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

//go:embed python/bootstrap.py python/zygote.py
var bootstrapFiles embed.FS

// Versions are the runtime ids that the platform knows, oldest first.
var Versions = []string{"python3.8", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14"}

// probeTimeout bounds asking an interpreter who it is.
const probeTimeout = 20 * time.Second

// Config says where runtimes come from.
type Config struct {
	Folder       string            // for what is unpacked; must exist
	Interpreters map[string]string // runtime id -> path of an interpreter; first in the order
	Search       []string          // folders with interpreters, tried in order; see SearchPath
}

// Runtimes finds interpreters; safe for concurrent use.
type Runtimes struct {
	config    Config
	bootstrap string

	mu    sync.Mutex
	found map[string]sandbox.Runtime
}

var _ sandbox.Runtimes = (*Runtimes)(nil)

// New unpacks the bootstrap, if it is not there already.
func New(config Config) (*Runtimes, error) {
	r := &Runtimes{config: config, found: map[string]sandbox.Runtime{}}
	var err error
	r.bootstrap, err = unpack(config.Folder)
	if err != nil {
		return nil, fmt.Errorf("unpack the bootstrap: %w", err)
	}
	return r, nil
}

// SearchPath is where interpreters usually are: the folders of path (the PATH
// variable), the system's, and those of the common version managers below home.
func SearchPath(path, home string) []string {
	folders := append(filepath.SplitList(path), "/usr/local/bin", "/usr/bin")
	for _, pattern := range []string{"/opt/*/bin", home + "/.pyenv/versions/*/bin", home + "/.local/share/uv/python/*/bin",
		home + "/.local/share/mise/installs/python/*/bin", home + "/.asdf/installs/python/*/bin"} {
		matches, _ := filepath.Glob(pattern) // the only error is a malformed pattern
		folders = append(folders, matches...)
	}
	return folders
}

// Resolve finds the interpreter of a runtime; see sandbox.Runtimes.
func (r *Runtimes) Resolve(ctx context.Context, id string) (sandbox.Runtime, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, ok := r.found[id]; ok {
		return found, nil
	}
	version, ok := strings.CutPrefix(id, "python")
	if !ok || !slices.Contains(Versions, id) {
		return sandbox.Runtime{}, fmt.Errorf("%w: %s is no Python runtime (known: %s)", sandbox.ErrRuntimeMissing, id, strings.Join(Versions, ", "))
	}
	if id == embeddedID && r.config.Interpreters[id] == "" {
		found, err := embedded(ctx, r.config.Folder)
		if err != nil {
			return sandbox.Runtime{}, fmt.Errorf("unpack %s: %w", id, err)
		}
		found.BootstrapDir = r.bootstrap
		r.found[id] = found
		return found, nil
	}
	candidates := []string{}
	if path := r.config.Interpreters[id]; path != "" {
		candidates = append(candidates, path)
	} else {
		for _, folder := range r.config.Search {
			candidates = append(candidates, filepath.Join(folder, id))
		}
	}
	for _, path := range candidates {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		if found, err := probe(ctx, path, id); err == nil {
			found.BootstrapDir = r.bootstrap
			r.found[id] = found
			return found, nil
		}
	}
	return sandbox.Runtime{}, fmt.Errorf("%w: no %s on this machine; install it with: uv python install %s (or: apt-get install python%s)", sandbox.ErrRuntimeMissing, id, version, version)
}

// probe asks the interpreter for its version and the tree it lives in.
func probe(ctx context.Context, path, id string) (sandbox.Runtime, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	const question = "import sys; print('python%d.%d' % sys.version_info[:2]); print(sys.base_prefix); print(sys.base_exec_prefix)"
	out, err := exec.CommandContext(ctx, path, "-I", "-S", "-c", question).Output()
	if err != nil {
		return sandbox.Runtime{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 3 || lines[0] != id || lines[1] != lines[2] {
		return sandbox.Runtime{}, fmt.Errorf("%s is not %s", path, id)
	}
	interpreter := filepath.Join("bin", id)
	if _, err := os.Stat(filepath.Join(lines[1], interpreter)); err != nil {
		return sandbox.Runtime{}, err
	}
	return sandbox.Runtime{ID: id, Prefix: lines[1], Python: interpreter}, nil
}

// unpack writes the bootstrap to a folder named by its content and returns it.
func unpack(parent string) (string, error) {
	files := map[string][]byte{}
	sum := sha256.New()
	err := fs.WalkDir(bootstrapFiles, "python", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := bootstrapFiles.ReadFile(path)
		files[filepath.Base(path)] = data
		fmt.Fprintf(sum, "%s %d\n", path, len(data))
		sum.Write(data)
		return err
	})
	if err != nil {
		return "", err
	}
	folder := filepath.Join(parent, "bootstrap-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	temporary, err := os.MkdirTemp(parent, "bootstrap-*.tmp")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(temporary, name), data, 0o644); err != nil {
			return "", err
		}
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(temporary, folder); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return folder, nil
}
