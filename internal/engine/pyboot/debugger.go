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
	"path/filepath"
	"strings"
)

// debuggerFiles are the pin of debugpy and the module that waits for a client.
//
//go:embed debugger
var debuggerFiles embed.FS

// errNoPackages tells that these runtimes install nothing.
var errNoPackages = errors.New("these runtimes are without packages")

// DebugLayer returns a folder to show as /opt: what is in opt, if it is not
// empty, and the debugger, unless opt has one of its own. The first caller
// installs it. A debugger in the function's package goes before both.
func (r *Runtimes) DebugLayer(ctx context.Context, id, opt string) (string, error) {
	if !strings.HasPrefix(id, "python") {
		return "", fmt.Errorf("only Python functions can be debugged, and this one runs on %s", id)
	}
	if r.config.Packages == nil {
		return "", errNoPackages
	}
	list, err := debuggerFiles.ReadFile("debugger/debugpy.txt")
	if err != nil {
		return "", err
	}
	wait, err := debuggerFiles.ReadFile("debugger/lambkin_debug.py")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(append([]byte(opt+"\n"+id+"\n"), list...), wait...))
	folder := filepath.Join(r.config.Folder, "debugger-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	return folder, build(folder, func(temporary string) error {
		if opt != "" {
			if err := linkTree(opt, temporary); err != nil {
				return fmt.Errorf("copy the layers: %w", err)
			}
		}
		modules := filepath.Join(temporary, "python")
		if err := os.MkdirAll(modules, 0o755); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(modules, "debugpy")); errors.Is(err, fs.ErrNotExist) {
			if err := r.addDebugger(ctx, id, list, modules); err != nil {
				return fmt.Errorf("install debugpy: %w", err)
			}
		}
		// The umask must not hide the folder that was made here; linked files are right already.
		return errors.Join(os.WriteFile(filepath.Join(modules, "lambkin_debug.py"), wait, 0o644), os.Chmod(modules, 0o755))
	})
}

func (r *Runtimes) addDebugger(ctx context.Context, id string, list []byte, modules string) error {
	installed, err := os.MkdirTemp(r.config.Folder, "debugpy-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(installed)
	if err := r.installList(ctx, id, list, installed); err != nil {
		return err
	}
	if err := makeReadable(installed); err != nil {
		return err
	}
	return os.CopyFS(modules, os.DirFS(installed))
}
