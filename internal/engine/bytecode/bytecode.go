// Package bytecode compiles the Python sources of an unpacked package, so that
// no cold start has to. The sources are hostile, so the compiler runs where
// functions run: in an execution environment that sees the package read-only.
//
// It promises that Compile never fails because of what is in the package: what
// does not compile, warns, or takes too long, is imported from its source as before.
// The names of what is written are the supervisor's own; only bytes come from
// the environment. The bytecode is marked as unchecked: the tree never changes.
//
// No goroutines, no locks. Start reading at Compiler.Compile.
package bytecode

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

//go:embed lambkin_compile.py
var source []byte

// Bounds of the work on one package.
const (
	budget      = time.Minute // for all files; the rest stays source
	batchBytes  = 1 << 20     // of source a call; the answer holds limit.ResponseBytes
	batchFiles  = 500
	growth      = 4       // times its source is the most that bytecode may take, beside
	smallBytes  = 4 << 10 // of any file: disks are not filled by what the source does not show
	memoryMB    = 1769    // one vCPU
	ephemeralMB = 512
)

// Compiler compiles packages.
type Compiler struct {
	starter sandbox.Starter
	task    string // folder with the compiler itself
}

// New writes the compiler into folder, which environments must be able to read.
func New(starter sandbox.Starter, folder string) (*Compiler, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "lambkin_compile.py")
	if err := os.WriteFile(path, source, 0o644); err != nil {
		return nil, fmt.Errorf("write the compiler: %w", err)
	}
	return &Compiler{starter: starter, task: folder}, nil
}

// Compile writes the bytecode for the runtime beside each source file of dir
// that has none. An error is the machine's: a full disk, no environment.
func (c *Compiler) Compile(ctx context.Context, runtime, dir string) error {
	tag, ok := strings.CutPrefix(runtime, "python")
	if !ok {
		return nil // a custom runtime compiles for itself
	}
	tag = ".cpython-" + strings.ReplaceAll(tag, ".", "") + ".pyc"
	files, err := sources(dir, tag)
	if err != nil || len(files) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	environment, init, err := c.starter.Start(ctx, &sandbox.Spec{
		Runtime: runtime, Handler: "lambkin_compile.handler", TaskDir: c.task, OptDir: dir, MemoryMB: memoryMB, EphemeralMB: ephemeralMB,
		Environ: []string{"LAMBDA_TASK_ROOT=/var/task", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=:UTC", "AWS_EXECUTION_ENV=AWS_Lambda_" + runtime},
		Log:     func(sandbox.LogRecord) {}, InitTimeout: limit.InitTimeout, Background: true,
	})
	if err != nil {
		return fmt.Errorf("start an environment for the compiler: %w", err)
	}
	defer environment.Close()
	if init.ErrorType != "" {
		return fmt.Errorf("start the compiler: %s", init.ErrorBody)
	}
	for len(files) > 0 {
		n := batch(files)
		done, err := compile(ctx, environment, dir, tag, files[:n])
		if err != nil || !done {
			return err
		}
		files = files[n:]
	}
	return nil
}

// file is one source, relative to the package.
type file struct {
	name  string
	bytes int64
}

// sources lists the regular source files without bytecode. Larger ones than a
// batch are left out: nobody writes such code by hand.
func sources(dir, tag string) ([]file, error) {
	files := []file{}
	err := filepath.WalkDir(dir, func(source string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !strings.HasSuffix(source, ".py") {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() > batchBytes {
			return err
		}
		path := target(source, tag)
		if cache, err := os.Lstat(filepath.Dir(path)); err == nil && !cache.IsDir() {
			return nil // the package has something else in this place
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		name, err := filepath.Rel(dir, source)
		files = append(files, file{name, info.Size()})
		return err
	})
	return files, err
}

// target is where Python looks for the bytecode of a source file.
func target(path, tag string) string {
	return filepath.Join(filepath.Dir(path), "__pycache__", strings.TrimSuffix(filepath.Base(path), ".py")+tag)
}

// batch is how many of the files one call compiles.
func batch(files []file) int {
	var total int64
	for i, f := range files {
		if total += f.bytes; i > 0 && (total > batchBytes || i >= batchFiles) {
			return i
		}
	}
	return len(files)
}

// compile runs one batch. It is not done when the environment is of no more use.
func compile(ctx context.Context, environment sandbox.Environment, dir, tag string, files []file) (done bool, err error) {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.name
	}
	event, err := json.Marshal(map[string]any{"files": names})
	if err != nil {
		return false, err
	}
	deadline, _ := ctx.Deadline() // Compile set one
	result, err := environment.Invoke(ctx, &sandbox.Event{RequestID: ids.UUID(), Deadline: deadline, Payload: event})
	if err != nil {
		return false, nil // the package was too much for the compiler
	}
	if result.ErrorType != "" {
		return true, nil
	}
	return true, write(dir, tag, files, result.Payload)
}

// write cuts the answer and writes what it holds; an answer that ends early is
// the fault of the package.
func write(dir, tag string, files []file, answer []byte) error {
	for _, f := range files {
		if len(answer) < 4 {
			return nil
		}
		n := binary.BigEndian.Uint32(answer)
		answer = answer[4:]
		if uint64(n) > uint64(len(answer)) {
			return nil
		}
		code := answer[:n]
		answer = answer[n:]
		if n == 0 || int64(n) > growth*f.bytes+smallBytes {
			continue
		}
		path := target(filepath.Join(dir, f.name), tag)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write bytecode: %w", err)
		}
		if err := os.WriteFile(path, code, 0o644); err != nil {
			os.Remove(path) // half of it would break the import
			return fmt.Errorf("write bytecode: %w", err)
		}
	}
	return nil
}
