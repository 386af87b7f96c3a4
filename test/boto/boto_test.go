// Package boto runs the official Python clients, unmodified, against the real
// server: boto3 and the AWS command line, of the releases named in
// test/clients, on the Python that comes inside the binary.
//
// The suites are the unittest files of python/; each is a subtest. The clients
// are installed once, into .cache of the repository. The tests run side by side:
// pool.mu guards the servers that they share, one test at a time on each. Start
// reading at TestMain.
package boto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/clients"
	"github.com/lambkin-dev/lambkin/test/platform"
)

// suiteTimeout bounds one suite.
const suiteTimeout = 5 * time.Minute

var (
	servers   pool
	binary    string
	installed *clients.Clients
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
	installed, err = clients.Install(ctx, "../../.cache", folder, clients.AWS)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if binary, err = platform.Build(ctx, folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	servers.folder = folder
	code := m.Run()
	if err := servers.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// pool is servers that tests use one after the other: they look at all that an
// account has.
type pool struct {
	folder string

	mu        sync.Mutex
	idle, all []*platform.Platform
}

// borrow takes a server until the test ends.
func (p *pool) borrow(t *testing.T) *platform.Platform {
	t.Helper()
	server, err := p.take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle = append(p.idle, server)
	})
	return server
}

// take takes an idle server or starts one.
func (p *pool) take() (*platform.Platform, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		server := p.idle[last]
		p.idle = p.idle[:last]
		return server, nil
	}
	folder, err := os.MkdirTemp(p.folder, "server-")
	if err != nil {
		return nil, err
	}
	// Retries after seconds instead of minutes; an event is still three minutes young.
	server, err := platform.Start(context.Background(), binary, folder, "--retry-speed=120")
	if err == nil {
		p.all = append(p.all, server)
	}
	return server, err
}

// stop ends all servers and looks for a panic in what they said.
func (p *pool) stop() (err error) {
	for _, server := range p.all {
		err = errors.Join(err, server.Stop())
		if log := server.Log(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
			err = errors.Join(err, errors.New("the server panicked:\n"+log))
		}
	}
	return err
}

// environ is what a program with boto3 finds around it: nothing of the machine's
// own AWS settings.
func environ(t *testing.T, server *platform.Platform) []string {
	home := t.TempDir()
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "PYTHONPATH=" + installed.Packages,
		"AWS_ENDPOINT_URL=http://" + server.Address, "AWS_DEFAULT_REGION=" + platform.Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + platform.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + platform.Key.SecretAccessKey,
	}
}

func TestOfficialClients(t *testing.T) {
	t.Parallel()
	suites, err := filepath.Glob("python/test_*.py")
	if err != nil || len(suites) == 0 {
		t.Fatalf("no suites: %v", err)
	}
	for _, suite := range suites {
		module := strings.TrimSuffix(filepath.Base(suite), ".py")
		if module == enforcing {
			continue // it has a server of its own
		}
		t.Run(module, func(t *testing.T) {
			t.Parallel()
			runSuite(t, servers.borrow(t), module)
		})
	}
}

// runSuite runs the tests of a module of python/ against a server.
func runSuite(t *testing.T, server *platform.Platform, module string) {
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, installed.Python, "-m", "unittest", "--verbose", module)
	command.Dir, command.Env, command.WaitDelay = "python", environ(t, server), 10*time.Second
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
}
