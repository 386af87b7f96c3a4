package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
)

// wheelMachines are the names of machines in wheels, by Go's names.
var wheelMachines = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// wheelPlatforms are the platforms whose wheels run here, newest first.
var wheelPlatforms = []string{"manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux2010", "manylinux1"}

// installed is a folder with the packages of a requirements file. They stay as
// long as the file does, for the deployments of one command.
type installed struct {
	folder string // "": nothing is installed
	of     [sha256.Size]byte
}

// install installs the packages unless they are there.
func (i *installed) install(ctx context.Context, id, requirements string, messages io.Writer) error {
	text, err := os.ReadFile(requirements)
	if err != nil {
		return err
	}
	of := sha256.Sum256(append([]byte(id+"\n"), text...))
	if i.folder != "" && i.of == of {
		return nil
	}
	i.remove()
	fmt.Fprintf(messages, "installing %s for %s\n", requirements, id)
	if i.folder, err = os.MkdirTemp("", "lambkin-deploy-"); err != nil {
		return err
	}
	if err := installRequirements(ctx, id, requirements, i.folder); err != nil {
		i.remove()
		return err
	}
	i.of = of
	return nil
}

func (i *installed) remove() {
	if i.folder != "" {
		os.RemoveAll(i.folder)
		i.folder = ""
	}
}

// installRequirements installs the packages of a requirements file into the
// folder, as wheels for the Python of that runtime, whichever Pythons the
// machine has.
func installRequirements(ctx context.Context, id, requirements, into string) error {
	version, ok := strings.CutPrefix(id, "python")
	if !ok {
		return fmt.Errorf("%s is no Python runtime", id)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	folder := filepath.Join(cache, "lambkin")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make a folder for Python: %w", err)
	}
	runtimes, err := pyboot.New(pyboot.Config{Folder: folder})
	if err != nil {
		return err
	}
	arguments := []string{"install", "--quiet", "--root-user-action", "ignore", "--no-compile", "--only-binary", ":all:",
		"--implementation", "cp", "--python-version", version, "--target", into, "--requirement", requirements}
	for _, platform := range wheelPlatforms {
		arguments = append(arguments, "--platform", platform+"_"+wheelMachines[runtime.GOARCH])
	}
	if out, err := runtimes.Pip(ctx, arguments...); err != nil {
		return fmt.Errorf("%w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}
