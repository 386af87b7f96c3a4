// Package clients brings the official clients and deployment tools to the tests,
// unmodified, of the releases in its *.txt files: boto3 and the AWS command line,
// SAM, Chalice, the CDK, osls. They run on the Python that comes inside the binary
// and on a Node.js that is a Python package, so that no test depends on the
// machine's own.
//
// Python and the packages are installed once, into .cache of the repository, under
// names made of what is in them; several test processes may do it at the same time.
// What Python compiles lies beside its source for all of them. No goroutines, no
// locks. Start reading at Install; node.go has what npm installs.
package clients

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
	"time"

	"github.com/kluctl/go-embed-python/pip"
	"github.com/kluctl/go-embed-python/python"
)

// Set is a list of packages with their releases.
type Set string

// The sets.
const (
	AWS     Set = "aws"     // boto3 and the AWS command line
	SAM     Set = "sam"     // the SAM command line
	Chalice Set = "chalice" // Chalice
	CDK     Set = "cdk"     // the CDK's library for Python
	Node    Set = "node"    // Node.js; InstallNode brings the tools on it too

	Translator Set = "translator" // the SAM translator
)

//go:embed *.txt
var pins embed.FS

// list is the text of a set.
func (s Set) list() []byte {
	text, err := pins.ReadFile(string(s) + ".txt")
	if err != nil {
		panic(err) // the sets are those of the files
	}
	return text
}

// installTimeout bounds the download of the clients.
const installTimeout = 5 * time.Minute

// Clients is an interpreter and the packages for it.
type Clients struct {
	Python   string // interpreter; it must find Packages by PYTHONPATH
	Packages string
	Bin      string // folder with python, python3 and the commands of the packages, ready to use
	folder   string
}

// Install puts Python and the packages of a set into the cache, unless exactly these
// are there already, and the commands into folder. The first rename wins.
func Install(ctx context.Context, cache, folder string, set Set) (*Clients, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return nil, err
	}
	embedded, err := python.NewEmbeddedPythonWithTmpDir(filepath.Join(cache, "python"), true) // it holds a lock
	if err != nil {
		return nil, fmt.Errorf("unpack Python: %w", err)
	}
	c := &Clients{folder: folder, Bin: filepath.Join(folder, "bin")}
	if c.Python, err = embedded.GetExePath(); err != nil {
		return nil, err
	}
	c.Packages = filepath.Join(cache, cacheName(string(set), set.list()))
	if _, err := os.Stat(c.Packages); err != nil {
		if err := c.download(ctx, cache, set); err != nil {
			return nil, err
		}
	}
	return c, c.wrap()
}

// cacheName names a folder by what is installed into it.
func cacheName(name string, list []byte) string {
	sum := sha256.Sum256(list)
	return name + "-" + hex.EncodeToString(sum[:8])
}

func (c *Clients) download(ctx context.Context, cache string, set Set) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(cache, "clients-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	list := filepath.Join(c.folder, string(set)+".txt")
	if err := os.WriteFile(list, set.list(), 0o600); err != nil {
		return err
	}
	library, err := pip.NewPipLib("lambkin-clients")
	if err != nil {
		return fmt.Errorf("unpack pip: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	// Of most packages the tests import little: what they do is compiled then.
	command := exec.CommandContext(ctx, c.Python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-compile",
		"--target", temporary, "--requirement", list)
	command.Env = append(os.Environ(), "PYTHONPATH="+library.GetExtractedPath())
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("install %s: %w\n%s", set, err, out)
	}
	if err := os.Rename(temporary, c.Packages); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// wrap writes the commands of Bin: the interpreter with the packages and pip in
// its path, and the packages' own commands run by it, which may keep what they compile.
func (c *Clients) wrap() error {
	if err := os.MkdirAll(c.Bin, 0o755); err != nil {
		return err
	}
	library, err := pip.NewPipLib("lambkin-clients")
	if err != nil {
		return fmt.Errorf("unpack pip: %w", err)
	}
	prefix := fmt.Sprintf("#!/bin/sh\nunset PYTHONDONTWRITEBYTECODE\nexport PYTHONPATH='%s:%s'\nexec '%s' ", c.Packages, library.GetExtractedPath(), c.Python)
	commands := map[string]string{"python": `"$@"`, "python3": `"$@"`, "python3.14": `"$@"`}
	scripts, err := os.ReadDir(filepath.Join(c.Packages, "bin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, script := range scripts {
		commands[script.Name()] = fmt.Sprintf(`'%s' "$@"`, filepath.Join(c.Packages, "bin", script.Name()))
	}
	for name, args := range commands {
		if err := os.WriteFile(filepath.Join(c.Bin, name), []byte(prefix+args+"\n"), 0o755); err != nil {
			return err
		}
	}
	return nil
}
