package pyboot

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

var long = flag.Bool("long", false, "also run what takes minutes")

// cacheFolder is where tests keep what takes long to fetch; it outlives them.
func cacheFolder(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs("../../../.cache/runtimes")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// hereOnly skips a test whose means are not on this machine, unless the caller
// promised them.
func hereOnly(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("LAMBKIN_CHECK") == "1" {
		t.Fatal(reason)
	}
	t.Skip("NOT TESTED HERE: " + reason)
}

func prepared(t *testing.T, folder string, packages *Packages, ids ...string) (map[string]sandbox.Runtime, string) {
	t.Helper()
	var log bytes.Buffer
	home, _ := os.UserHomeDir() // without one, its folders are not searched
	r, err := New(Config{Folder: folder, Search: SearchPath(os.Getenv("PATH"), home), Packages: packages, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]sandbox.Runtime{}
	for _, id := range ids {
		runtime, err := r.Resolve(t.Context(), id)
		if err != nil {
			t.Log(err)
			continue
		}
		found[id] = runtime
	}
	return found, log.String()
}

// packagesFolder is where the packages of a runtime are to be seen.
func packagesFolder(runtime sandbox.Runtime) string {
	if inSitePackages(runtime) {
		return runtime.SiteDir
	}
	return runtime.BootstrapDir
}

func TestEveryRuntimeHasBoto3(t *testing.T) {
	ids := []string{"python3.10", "python3.14"}
	if *long {
		ids = Versions
	}
	found, log := prepared(t, cacheFolder(t), &Packages{}, ids...)
	if strings.Contains(log, "boto3 is not installed") {
		hereOnly(t, log)
	}
	if _, ok := found[embeddedID]; !ok {
		t.Fatal("the embedded runtime is missing")
	}
	for id, runtime := range found {
		program := "import sys; sys.path.insert(0, sys.argv[1])\n" +
			"import boto3, botocore, s3transfer, jmespath, dateutil, six, urllib3, simplejson\n" +
			"assert sys.version_info < (3, 9) or __import__('snapshot_restore_py')\n" +
			"assert boto3.__file__.startswith(sys.argv[1]) and urllib3.__cached__\n" +
			"print(boto3.client('s3', region_name='eu-west-1').meta.endpoint_url)"
		command := exec.CommandContext(t.Context(), filepath.Join(runtime.Prefix, runtime.Python), "-I", "-S", "-B", "-c", program, packagesFolder(runtime))
		out, err := command.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "https://s3.eu-west-1.amazonaws.com" {
			t.Errorf("%s: %v: %s", id, err, out)
		}
		compiled, _ := filepath.Glob(filepath.Join(packagesFolder(runtime), "botocore", "__pycache__", "client.*.pyc"))
		if len(compiled) != 1 {
			t.Errorf("%s: bytecode of botocore.client: %v", id, compiled)
		}
		for _, name := range []string{"bootstrap.py", "zygote.py"} {
			if _, err := os.Stat(filepath.Join(runtime.BootstrapDir, name)); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
	}
}

// Without an index a runtime still works; the log says what is missing and why,
// and nothing half-made is left.
func TestARuntimeWithoutAnIndexGoesOnAndSaysWhy(t *testing.T) {
	folder := t.TempDir()
	found, log := prepared(t, folder, &Packages{Wheelhouse: t.TempDir()}, embeddedID)
	if found[embeddedID].Prefix == "" || found[embeddedID].BootstrapDir == "" {
		t.Errorf("got %+v", found)
	}
	if !strings.Contains(log, "boto3 is not installed") || !strings.Contains(log, "No matching distribution found for boto3==") {
		t.Errorf("the log says: %s", log)
	}
	if left, _ := filepath.Glob(folder + "/*.tmp"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if entries, err := os.ReadDir(found[embeddedID].SiteDir); err != nil || len(entries) > 0 {
		t.Errorf("functions would see %v, %v as site-packages; want nothing", entries, err)
	}
}

func TestPreparingTwiceAtOnceInstallsOnce(t *testing.T) {
	r, err := New(Config{Folder: cacheFolder(t), Search: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	results := make([]sandbox.Runtime, 8)
	for i := range results {
		all.Go(func() { results[i], _ = r.Resolve(t.Context(), embeddedID) })
	}
	all.Wait()
	for _, result := range results {
		if result != results[0] || result.ID != embeddedID {
			t.Fatalf("got %+v and %+v", results[0], result)
		}
	}
}

// Every pin has a hash, and every runtime has a list.
func TestPackageListsAreComplete(t *testing.T) {
	for _, id := range Versions {
		list, err := packageList(id)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(list)) {
			if !strings.HasPrefix(line, "#") && (!strings.Contains(line, "==") || !strings.Contains(line, " --hash=sha256:")) {
				t.Errorf("%s: a pin without version or hash: %s", id, line)
			}
		}
		for _, name := range []string{"boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3", "simplejson"} {
			if !bytes.Contains(list, []byte("\n"+name+"==")) {
				t.Errorf("%s: %s is missing", id, name)
			}
		}
	}
}
