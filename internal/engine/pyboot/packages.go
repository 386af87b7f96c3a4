package pyboot

import (
	"bytes"
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

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// packageLists are the pins of boto3 and all else that AWS gives a runtime.
//
//go:embed packages/*.txt
var packageLists embed.FS

// installTimeout bounds pip together with the compilation of what it brought.
const installTimeout = 10 * time.Minute

// Packages says where the packages come from that AWS gives every runtime:
// boto3, botocore and what they need, at the versions of packages/*.txt.
type Packages struct {
	// Wheelhouse is a folder of wheels to install from, without any network.
	// Empty means pip's own configuration and the package index.
	Wheelhouse string
}

// packageList returns the pins of a runtime.
func packageList(id string) ([]byte, error) {
	shared := map[string]string{"python3.11": "python3.10", "python3.12": "python3.10", "python3.14": "python3.13"}
	name := id
	if other := shared[id]; other != "" {
		name = other
	}
	return packageLists.ReadFile("packages/" + name + ".txt")
}

// inSitePackages tells where AWS has the packages of a runtime: since Python 3.11 in the
// interpreter's site-packages, before in /var/runtime beside the bootstrap.
// AWS: seen in tracebacks of functions ("/var/lang/lib/python3.11/site-packages/botocore/client.py").
func inSitePackages(found sandbox.Runtime) bool {
	switch found.ID {
	case "python3.8", "python3.9", "python3.10":
		return false
	}
	return hasSitePackages(found)
}

// hasSitePackages tells whether the tree has the folder to show packages at. A
// distribution's own Python may lack it; then they go to /var/runtime.
func hasSitePackages(found sandbox.Runtime) bool {
	info, err := os.Stat(filepath.Join(found.Prefix, "lib", found.ID, "site-packages"))
	return err == nil && info.IsDir()
}

// addSite completes a runtime by its packages. What the host itself has
// installed for the interpreter is hidden in any case: a function that works
// here must work elsewhere.
func (r *Runtimes) addSite(ctx context.Context, found *sandbox.Runtime) error {
	found.BootstrapDir = r.bootstrap
	if hasSitePackages(*found) {
		found.SiteDir = filepath.Join(r.config.Folder, "no-packages")
		if err := os.MkdirAll(found.SiteDir, 0o755); err != nil {
			return err
		}
	}
	if r.config.Packages == nil {
		return nil
	}
	begin := time.Now()
	site, fresh, err := r.site(ctx, *found)
	if ctx.Err() != nil {
		return ctx.Err() // nothing is wrong; the next caller goes on
	}
	if err != nil {
		// A function may do without boto3, so the runtime is not refused.
		r.logger.Warn("boto3 is not installed; functions of this runtime get the standard library only, until a restart", "runtime", found.ID, "err", err)
		return nil
	}
	if fresh {
		r.logger.Info("installed boto3", "runtime", found.ID, "duration", time.Since(begin).Round(time.Millisecond))
	}
	if inSitePackages(*found) {
		found.SiteDir = site
		return nil
	}
	found.BootstrapDir, err = r.beside(site)
	return err
}

// site returns the folder with the packages of a runtime, named by its list;
// the first caller installs them.
func (r *Runtimes) site(ctx context.Context, found sandbox.Runtime) (folder string, fresh bool, err error) {
	list, err := packageList(found.ID)
	if err != nil {
		return "", false, err
	}
	sum := sha256.Sum256(list)
	folder = filepath.Join(r.config.Folder, found.ID+"-packages-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder, false, nil
	}
	r.logger.Info("installing boto3", "runtime", found.ID)
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	// A second process that shares the folder does the same; one rename wins.
	return folder, true, build(folder, func(temporary string) error {
		if err := r.installList(ctx, found.ID, list, temporary); err != nil {
			return err
		}
		if err := compileTree(ctx, filepath.Join(found.Prefix, found.Python), temporary); err != nil {
			return err
		}
		return makeReadable(temporary)
	})
}

// installList installs a list of pins into a folder.
func (r *Runtimes) installList(ctx context.Context, id string, list []byte, target string) error {
	requirements := target + ".txt"
	if err := os.WriteFile(requirements, list, 0o600); err != nil {
		return err
	}
	defer os.Remove(requirements)
	arguments := []string{"install", "--quiet", "--root-user-action", "ignore", "--require-hashes", "--no-deps", "--no-compile", "--only-binary", ":all:",
		"--platform", "any", "--implementation", "py", "--abi", "none", "--python-version", id[len("python"):], "--target", target, "--requirement", requirements}
	if r.config.Packages.Wheelhouse != "" {
		arguments = append(arguments, "--no-index", "--find-links", r.config.Packages.Wheelhouse)
	}
	if out, err := r.Pip(ctx, arguments...); err != nil {
		return fmt.Errorf("pip install: %w: %s", err, lastLines(out))
	}
	return os.RemoveAll(filepath.Join(target, "bin")) // scripts that name the interpreter of the installation
}

// Pip runs the pip of the binary and returns what it wrote. It serves every
// runtime (by --python-version): a distribution's Python often has no pip, and an
// old one would need its own. The environment passes on to it, for pip's own
// configuration and proxies.
func (r *Runtimes) Pip(ctx context.Context, arguments ...string) ([]byte, error) {
	interpreter, err := embedded(ctx, r.config.Folder)
	if err != nil {
		return nil, fmt.Errorf("unpack the interpreter: %w", err)
	}
	work, err := os.MkdirTemp(r.config.Folder, "pip-*.tmp")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	library, err := pip.NewPipLib(filepath.Base(work))
	if err != nil {
		return nil, fmt.Errorf("unpack pip: %w", err)
	}
	defer library.Cleanup()
	all := append([]string{"-E", "-s", "-B", filepath.Join(library.GetExtractedPath(), "pip"), "--no-input", "--disable-pip-version-check"}, arguments...)
	return exec.CommandContext(ctx, filepath.Join(interpreter.Prefix, interpreter.Python), all...).CombinedOutput()
}

// makeReadable gives environments, which run as strangers, the right to read,
// whatever the umask was.
func makeReadable(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
}

// compileTree writes the bytecode of a tree: environments see it read-only.
func compileTree(ctx context.Context, interpreter, folder string) error {
	compile := exec.CommandContext(ctx, interpreter, "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", folder)
	compile.Env = []string{"LANG=C.UTF-8"}
	// Some files are meant not to compile, the standard library's tests among them.
	if out, err := compile.CombinedOutput(); err != nil && len(out) == 0 {
		return fmt.Errorf("compile %s: %w", folder, err)
	}
	return nil
}

// beside returns a folder that holds the bootstrap and the packages, for the
// versions where both are in /var/runtime. Its files are links to the packages'.
func (r *Runtimes) beside(site string) (string, error) {
	folder := site + "-" + filepath.Base(r.bootstrap)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	return folder, build(folder, func(temporary string) error {
		return errors.Join(linkTree(site, temporary), linkTree(r.bootstrap, temporary))
	})
}

// linkTree makes hard links of all files of a tree at another place.
func linkTree(source, target string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(target, relative), 0o755)
		}
		return os.Link(path, filepath.Join(target, relative))
	})
}

// build fills a temporary folder and gives it its name when it is complete. A
// folder of that name that somebody else made meanwhile is as good.
func build(folder string, fill func(temporary string) error) error {
	temporary, err := os.MkdirTemp(filepath.Dir(folder), filepath.Base(folder)+"-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := fill(temporary); err != nil {
		return err
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return err
	}
	if err := os.Rename(temporary, folder); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// lastLines is the end of a program's output: where pip says why it failed.
func lastLines(output []byte) []byte {
	const enough = 3
	lines := bytes.Split(bytes.TrimSpace(output), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-enough):], []byte("; "))
}
