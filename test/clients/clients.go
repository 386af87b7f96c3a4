// Package clients brings the official Python clients to the tests: boto3 and the
// AWS command line, of the releases in requirements.txt, on the Python that
// comes inside the binary, so that no test depends on the machine's own.
//
// The packages are installed once, into .cache of the repository, under a name
// made of the pins; several test processes may do it at the same time. No
// goroutines, no locks. Start reading at Install.
package clients

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/kluctl/go-embed-python/pip"
	"github.com/kluctl/go-embed-python/python"
)

//go:embed requirements.txt
var requirements []byte

// installTimeout bounds the download of the clients.
const installTimeout = 5 * time.Minute

// Clients is an interpreter and the packages for it.
type Clients struct {
	Python   string // interpreter; it must find Packages by PYTHONPATH
	Packages string
	Bytecode string // PYTHONPYCACHEPREFIX: the cache stays as it was installed
	Bin      string // folder with python, python3 and aws, ready to use
	folder   string
}

// Install unpacks Python into folder and the clients into the cache, unless
// exactly these are there already: the first rename wins.
func Install(ctx context.Context, cache, folder string) (*Clients, error) {
	embedded, err := python.NewEmbeddedPythonWithTmpDir(filepath.Join(folder, "python"), false)
	if err != nil {
		return nil, fmt.Errorf("unpack Python: %w", err)
	}
	c := &Clients{folder: folder, Bytecode: filepath.Join(folder, "bytecode"), Bin: filepath.Join(folder, "bin")}
	if c.Python, err = embedded.GetExePath(); err != nil {
		return nil, err
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(requirements)
	c.Packages = filepath.Join(cache, "clients-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(c.Packages); err != nil {
		if err := c.download(ctx, cache); err != nil {
			return nil, err
		}
	}
	return c, c.wrap()
}

func (c *Clients) download(ctx context.Context, cache string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(cache, "clients-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	pins := filepath.Join(c.folder, "requirements.txt")
	if err := os.WriteFile(pins, requirements, 0o600); err != nil {
		return err
	}
	library, err := pip.NewPipLib("lambkin-clients")
	if err != nil {
		return fmt.Errorf("unpack pip: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, c.Python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check",
		"--target", temporary, "--requirement", pins)
	command.Env = append(os.Environ(), "PYTHONPATH="+library.GetExtractedPath())
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("install the clients: %w\n%s", err, out)
	}
	if err := os.Rename(temporary, c.Packages); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// wrap writes the commands of Bin: the interpreter with the packages in its path.
func (c *Clients) wrap() error {
	if err := os.MkdirAll(c.Bin, 0o755); err != nil {
		return err
	}
	prefix := fmt.Sprintf("#!/bin/sh\nexport PYTHONPATH='%s' PYTHONPYCACHEPREFIX='%s'\nexec '%s' ", c.Packages, c.Bytecode, c.Python)
	for name, args := range map[string]string{"python": `"$@"`, "python3": `"$@"`, "aws": fmt.Sprintf(`'%s' "$@"`, filepath.Join(c.Packages, "bin", "aws"))} {
		if err := os.WriteFile(filepath.Join(c.Bin, name), []byte(prefix+args+"\n"), 0o755); err != nil {
			return err
		}
	}
	return nil
}
