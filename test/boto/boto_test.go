// Package boto runs the official Python clients, unmodified, against the real
// server: boto3 and the AWS command line, of the releases named in
// test/clients, on the Python that comes inside the binary.
//
// The suites are the unittest files of python/; each is a subtest. The clients
// are installed once, into .cache of the repository. Start reading at TestMain.
package boto

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/clients"
	"github.com/lambkin-dev/lambkin/test/platform"
)

// suiteTimeout bounds one suite.
const suiteTimeout = 5 * time.Minute

var (
	server    *platform.Platform
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
	binary, err = platform.Build(ctx, folder)
	if err == nil {
		// Retries after seconds instead of minutes; an event is still three minutes young.
		server, err = platform.Start(ctx, binary, folder, "--retry-speed=120")
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
	suites, err := filepath.Glob("python/test_*.py")
	if err != nil || len(suites) == 0 {
		t.Fatalf("no suites: %v", err)
	}
	for _, suite := range suites {
		module := strings.TrimSuffix(filepath.Base(suite), ".py")
		if module == enforcing {
			continue // it has a server of its own
		}
		t.Run(module, func(t *testing.T) { runSuite(t, server, module) })
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
