// Package boto runs the official Python clients, unmodified, against the real
// server: boto3 and the AWS command line, of the releases named in
// python/requirements.txt, on the Python that comes inside the binary.
//
// The suites are the unittest files of python/; each is a subtest. The clients
// are installed once, into .cache of the repository. Start reading at TestMain.
package boto

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kluctl/go-embed-python/pip"
	"github.com/kluctl/go-embed-python/python"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// installTimeout bounds the download of the clients, suiteTimeout one suite.
const (
	installTimeout = 5 * time.Minute
	suiteTimeout   = 5 * time.Minute
)

// clients is an installed set of Python packages and the interpreter for it.
type clients struct{ python, packages, bytecode string }

var (
	server    *platform.Platform
	binary    string
	installed clients
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "lambkin-boto-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	installed, err = install(ctx, "../../.cache", folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary, err = platform.Build(ctx, folder)
	if err == nil {
		server, err = platform.Start(ctx, binary, folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if log := server.Log(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		fmt.Fprintln(os.Stderr, "the server panicked:\n"+log)
		return 1
	}
	return code
}

// install unpacks Python into folder and the clients into the cache, unless
// exactly these are there already. Another test process may do the same at the
// same time: the first rename wins.
func install(ctx context.Context, cache, folder string) (clients, error) {
	embedded, err := python.NewEmbeddedPythonWithTmpDir(filepath.Join(folder, "python"), false)
	if err != nil {
		return clients{}, fmt.Errorf("unpack Python: %w", err)
	}
	interpreter, err := embedded.GetExePath()
	if err != nil {
		return clients{}, err
	}
	requirements, err := filepath.Abs("python/requirements.txt")
	if err != nil {
		return clients{}, err
	}
	text, err := os.ReadFile(requirements)
	if err != nil {
		return clients{}, err
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return clients{}, err
	}
	sum := sha256.Sum256(text)
	done := clients{python: interpreter, packages: filepath.Join(cache, "boto-"+hex.EncodeToString(sum[:8])), bytecode: filepath.Join(folder, "bytecode")}
	if _, err := os.Stat(done.packages); err == nil {
		return done, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return clients{}, err
	}
	temporary, err := os.MkdirTemp(cache, "boto-*.tmp")
	if err != nil {
		return clients{}, err
	}
	defer os.RemoveAll(temporary)
	library, err := pip.NewPipLib("lambkin-boto")
	if err != nil {
		return clients{}, fmt.Errorf("unpack pip: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, interpreter, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check",
		"--target", temporary, "--requirement", requirements)
	command.Env = append(os.Environ(), "PYTHONPATH="+library.GetExtractedPath())
	if out, err := command.CombinedOutput(); err != nil {
		return clients{}, fmt.Errorf("install the clients: %w\n%s", err, out)
	}
	if err := os.Rename(temporary, done.packages); err != nil && !errors.Is(err, fs.ErrExist) {
		return clients{}, err
	}
	return done, nil
}

// environ is what a program with boto3 finds around it: nothing of the machine's
// own AWS settings.
func environ(t *testing.T) []string {
	home := t.TempDir()
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "PYTHONPATH=" + installed.packages, "PYTHONPYCACHEPREFIX=" + installed.bytecode,
		"AWS_ENDPOINT_URL=http://" + server.Address, "AWS_DEFAULT_REGION=" + platform.Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + platform.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + platform.Key.SecretAccessKey,
	}
}

func TestOfficialClients(t *testing.T) {
	suites, err := filepath.Glob("python/test_*.py")
	if err != nil || len(suites) == 0 {
		t.Fatalf("no suites: %v", err)
	}
	for _, suite := range suites {
		module := strings.TrimSuffix(filepath.Base(suite), ".py")
		t.Run(module, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
			defer cancel()
			command := exec.CommandContext(ctx, installed.python, "-m", "unittest", "--verbose", module)
			command.Dir, command.Env, command.WaitDelay = "python", environ(t), 10*time.Second
			var out bytes.Buffer
			command.Stdout, command.Stderr = &out, &out
			err := command.Run()
			switch {
			case err != nil:
				t.Errorf("%v\n%s\nlog of the server:\n%s", err, out.String(), server.Log())
			case !strings.Contains(out.String(), "\nOK"):
				t.Errorf("no test ran:\n%s", out.String())
			default:
				t.Log(out.String())
			}
		})
	}
}
