// Package pyboot brings Python runtimes to the machine: it holds the bootstrap
// that runs inside every environment and finds interpreters for it.
//
// It promises: a runtime id is served by an interpreter of exactly that version
// or not at all, and the error then names the command that installs it. A
// runtime is complete, boto3 included, before the first function runs in it. What
// is unpacked or installed is written to a temporary folder and renamed, so a
// crash leaves either all of it or nothing, and processes may share the folder. No
// goroutines; a slot is taken by one caller at a time, so that different runtimes
// are prepared side by side; Runtimes.writing is a leaf. Start reading at Runtimes.Resolve, then packages.go.
// PROTOCOL.md is what the bootstrap speaks.
package pyboot

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

//go:embed python/*.py python/awslambdaric/*.py
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
	Packages     *Packages         // boto3 and its like; nil means that functions get the standard library only
	Logger       *slog.Logger      // nil is silent
}

// Runtimes finds interpreters; safe for concurrent use.
type Runtimes struct {
	config    Config
	logger    *slog.Logger
	bootstrap string
	slots     map[string]*slot // by runtime id; fixed

	writing sync.Mutex // over the files of bootstrap: bytecode is added while other versions are prepared
}

// slot is what is known of one runtime.
type slot struct {
	free  chan struct{} // holds one token: who has it may read and write found
	found *sandbox.Runtime
}

var _ sandbox.Runtimes = (*Runtimes)(nil)

// New unpacks the bootstrap, if it is not there already.
func New(config Config) (*Runtimes, error) {
	r := &Runtimes{config: config, logger: config.Logger, slots: map[string]*slot{}}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	for _, id := range Versions {
		r.slots[id] = &slot{free: make(chan struct{}, 1)}
		r.slots[id].free <- struct{}{}
	}
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

// Prepare makes a runtime ready: its interpreter is found and its packages are
// installed, or cannot be (which is logged, and no error: a function may do
// without boto3). It is idempotent; runtimes are prepared side by side. The
// error wraps sandbox.ErrRuntimeMissing when there is no interpreter.
func (r *Runtimes) Prepare(ctx context.Context, id string) error {
	_, err := r.Resolve(ctx, id)
	return err
}

// Resolve returns a runtime after preparing it; see sandbox.Runtimes.
func (r *Runtimes) Resolve(ctx context.Context, id string) (sandbox.Runtime, error) {
	s := r.slots[id]
	if s == nil {
		return sandbox.Runtime{}, fmt.Errorf("%w: %s is no Python runtime (known: %s)", sandbox.ErrRuntimeMissing, id, strings.Join(Versions, ", "))
	}
	select {
	case <-s.free:
		defer func() { s.free <- struct{}{} }()
	case <-ctx.Done():
		return sandbox.Runtime{}, ctx.Err()
	}
	if s.found != nil {
		return *s.found, nil
	}
	found, err := r.interpreter(ctx, id)
	if err != nil {
		return sandbox.Runtime{}, err
	}
	if err := r.compileBootstrap(ctx, &found); err != nil {
		return sandbox.Runtime{}, fmt.Errorf("prepare %s: %w", id, err)
	}
	if err := r.addSite(ctx, &found); err != nil {
		return sandbox.Runtime{}, fmt.Errorf("prepare %s: %w", id, err)
	}
	s.found = &found
	return found, nil
}

// compileBootstrap writes the bytecode of the bootstrap for a version: an
// interpreter that is executed would else compile it at each start.
func (r *Runtimes) compileBootstrap(ctx context.Context, found *sandbox.Runtime) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	tag := strings.ReplaceAll(strings.TrimPrefix(found.ID, "python"), ".", "")
	if _, err := os.Stat(filepath.Join(r.bootstrap, "__pycache__", "zygote.cpython-"+tag+".pyc")); err == nil {
		return nil // the last that is written
	}
	return compileTree(ctx, filepath.Join(found.Prefix, found.Python), r.bootstrap)
}

// interpreter finds the interpreter of a runtime.
func (r *Runtimes) interpreter(ctx context.Context, id string) (sandbox.Runtime, error) {
	if id == embeddedID && r.config.Interpreters[id] == "" {
		found, err := embedded(ctx, r.config.Folder)
		if err != nil {
			return found, fmt.Errorf("unpack %s: %w", id, err)
		}
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
			return found, nil
		}
	}
	version := strings.TrimPrefix(id, "python")
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
		files[strings.TrimPrefix(path, "python/")] = data
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
	return folder, build(folder, func(temporary string) error {
		for name, data := range files {
			path := filepath.Join(temporary, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
				return err
			}
		}
		return makeReadable(temporary)
	})
}
