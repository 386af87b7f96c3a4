package libraries

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// botocoreVersion is the release that internal/wire/modelgen takes its models from.
const botocoreVersion = "1.43.67"

const downloadTimeout = 3 * time.Minute

// cache is where downloads stay, shared by all tests of the repository.
const cache = "../../.cache/botocore-sdist"

// botocoreFiles returns the files of botocore's source distribution that wanted
// picks, by their path inside it; an error means that it cannot be had here.
func botocoreFiles(t *testing.T, wanted func(path string) bool) (map[string][]byte, error) {
	t.Helper()
	archive := filepath.Join(cache, "botocore-"+botocoreVersion+".tar.gz")
	if _, err := os.Stat(archive); err != nil {
		ctx, cancel := context.WithTimeout(t.Context(), downloadTimeout)
		defer cancel()
		// Into a folder of our own first: another test may look at the same time.
		folder := t.TempDir()
		out, err := exec.CommandContext(ctx, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
			"--dest", folder, "botocore=="+botocoreVersion).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("pip download botocore: %w\n%s", err, out)
		}
		if err := os.MkdirAll(cache, 0o755); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(folder, filepath.Base(archive)))
		if err != nil {
			t.Fatal(err)
		}
		temporary, err := os.CreateTemp(cache, "download")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := temporary.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := temporary.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temporary.Name(), archive); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for files := tar.NewReader(z); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read %s: %v", archive, err)
		}
		_, path, _ := strings.Cut(header.Name, "/")
		if !wanted(path) {
			continue
		}
		if found[path], err = io.ReadAll(files); err != nil {
			t.Fatalf("read %s: %v", archive, err)
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s has none of the files that are looked for", archive)
	}
	return found, nil
}
