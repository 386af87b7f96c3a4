// Package realhost makes the execution environments of this machine for the
// tests of packages that run functions in them.
//
// It starts no goroutines of its own and has no locks. Start reading at New; the
// TestMain of the package under test must call sandbox.Child first.
package realhost

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/pyboot"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// New is a host with the Python of the binary and without packages, which logs to
// the test and is closed when the test ends. Without root the test is skipped.
func New(t testing.TB, config sandbox.Config) (*sandbox.Host, *slog.Logger) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: environments need root; run the tests as root")
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	// Unpacking Python takes seconds; all tests of the repository share it.
	folder, err := filepath.Abs("../../../.cache/runtimes")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	runtimes, err := pyboot.New(pyboot.Config{Folder: folder, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	host, err := sandbox.New(config, runtimes, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Errorf("close the host: %v", err)
		}
	})
	return host, logger
}
