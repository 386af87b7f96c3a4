package function

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// developed makes a function with two modules, one of them with bytecode as the
// deployment compiles it.
func developed(t *testing.T) (*world, *Version) {
	w := newWorld(t, func(c *Config) {
		c.Compile = func(_ context.Context, _, dir string) error {
			cache := filepath.Join(dir, "lib", "__pycache__")
			if err := os.MkdirAll(cache, 0o755); err != nil {
				return err
			}
			return errors.Join(os.WriteFile(filepath.Join(cache, "part.cpython-313.pyc"), nil, 0o600), os.WriteFile(filepath.Join(cache, "other.cpython-313.pyc"), nil, 0o600))
		}
	})
	w.run()
	in := createInput(t, "")
	in.Code.ZipFile = zipOf(t, "app.py", "app 1", "lib/part.py", "part 1", "lib/other.py", "other 1")
	must2(w.Create(t.Context(), at("f"), in))(t)
	return w, w.settled(at("f"))
}

// runs is the version that a call of f runs.
func (w *world) runs() *Version {
	w.t.Helper()
	return must2(w.Resolve(w.t.Context(), here, "f", ""))(w.t).Version
}

func TestPutSourceIsWhatTheNextCallRuns(t *testing.T) {
	w, deployed := developed(t)
	before := w.runs()
	first := must2(w.PutSource(t.Context(), at("f"), &Source{CodeSHA256: deployed.CodeSHA256, Files: []SourceFile{{Path: "lib/part.py", Data: []byte("part 2")}}}))(t)
	now := w.runs()
	if now.Generation == before.Generation {
		t.Error("environments of the deployed code would serve the new source")
	}
	if got := readFile(t, now.TaskDir, "lib/part.py") + ", " + readFile(t, now.TaskDir, "app.py"); got != "part 2, app 1" {
		t.Errorf("a call sees %s", got)
	}
	if got := readFile(t, before.TaskDir, "lib/part.py"); got != "part 1" {
		t.Errorf("the deployed tree was changed: %s", got)
	}
	for file, kept := range map[string]bool{"part": false, "other": true} {
		if _, err := os.Stat(filepath.Join(now.TaskDir, "lib/__pycache__", file+".cpython-313.pyc")); (err == nil) != kept {
			t.Errorf("bytecode of %s: %v", file, err)
		}
	}
	second := &Source{CodeSHA256: deployed.CodeSHA256, Revision: first, Removed: []string{"app.py"}, Files: []SourceFile{{Path: "new/main.py", Data: []byte("main"), Executable: true}}}
	must2(w.PutSource(t.Context(), at("f"), second))(t)
	last := w.runs()
	if got := readFile(t, last.TaskDir, "new/main.py") + ", " + readFile(t, last.TaskDir, "lib/part.py"); got != "main, part 2" {
		t.Errorf("a call sees %s", got)
	}
	if _, err := os.Stat(filepath.Join(last.TaskDir, "app.py")); err == nil {
		t.Error("a removed file is still there")
	}
	w.PutSource(t.Context(), at("f"), &Source{CodeSHA256: deployed.CodeSHA256, Removed: []string{"lib/part.py", "lib/other.py"}})
	if _, err := os.Stat(filepath.Join(w.runs().TaskDir, "lib")); err == nil {
		t.Error("an empty folder is left, which Python would import")
	}
	if got := must2(w.GetConfiguration(t.Context(), at("f")))(t); got.CodeSHA256 != deployed.CodeSHA256 || got.TaskDir != before.TaskDir {
		t.Error("Get does not tell the deployed package")
	}
}

func TestPutSourceFollowsWhatIsThere(t *testing.T) {
	w, deployed := developed(t)
	put := func(sha, revision string) error {
		_, err := w.PutSource(t.Context(), at("f"), &Source{CodeSHA256: sha, Revision: revision, Files: []SourceFile{{Path: "a.py"}}})
		return err
	}
	var conflict *ConflictError
	if err := put("another", ""); !errors.As(err, &conflict) {
		t.Errorf("over another package: %v", err)
	}
	if err := put(deployed.CodeSHA256, "unknown"); !errors.As(err, &conflict) {
		t.Errorf("after an unknown change: %v", err)
	}
	must(t, put(deployed.CodeSHA256, ""))
	if err := put(deployed.CodeSHA256, "unknown"); !errors.As(err, &conflict) {
		t.Errorf("after an unknown change: %v", err)
	}
	if _, err := w.PutSource(t.Context(), at("g"), &Source{}); !isNotFound(err) {
		t.Errorf("of no function: %v", err)
	}
	must(t, put(deployed.CodeSHA256, "")) // another session begins
	if left, _ := os.ReadDir(filepath.Join(w.config.Folder, sourcesFolder)); len(left) != 2 {
		t.Errorf("refused changes left folders: %v", left)
	}
}

func TestPutSourceStaysInItsTree(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	outside := t.TempDir()
	w.ready("f")
	deployed := w.runs()
	// A link that leaves the tree cannot be deployed; this one is laid by hand.
	must(t, os.Symlink(outside, filepath.Join(deployed.TaskDir, "way")))
	for _, name := range []string{"../x", "/x", "", ".", "a/../../x", "way/x", "app.py/x"} {
		_, err := w.PutSource(t.Context(), at("f"), &Source{CodeSHA256: deployed.CodeSHA256, Files: []SourceFile{{Path: name}}})
		var invalid *InvalidError
		if !errors.As(err, &invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if files, _ := os.ReadDir(outside); len(files) > 0 {
		t.Errorf("written outside: %v", files)
	}
	_, err := w.PutSource(t.Context(), at("f"), &Source{CodeSHA256: deployed.CodeSHA256, Files: []SourceFile{{Path: "big", Data: make([]byte, 263<<20)}}})
	wantError[*InvalidError](t, err, "Unzipped size must be smaller than 262144000 bytes")
}

func TestWhatUndoesPutSource(t *testing.T) {
	for name, undo := range map[string]func(w *world){
		"a deployment": func(w *world) {
			must2(w.UpdateCode(w.t.Context(), at("f"), UpdateCodeInput{Code: Code{ZipFile: zipOf(w.t, "app.py", "deployed")}}))(w.t)
			w.settled(at("f"))
		},
		"its end": func(w *world) { must(w.t, w.EndSource(here, "f")) },
		"a deletion": func(w *world) {
			must(w.t, w.Delete(w.t.Context(), at("f")))
			in := createInput(w.t, "")
			in.Code.ZipFile = zipOf(w.t, "app.py", "app 1", "lib/part.py", "part 1", "lib/other.py", "other 1")
			must2(w.Create(w.t.Context(), at("f"), in))(w.t)
			w.settled(at("f"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, deployed := developed(t)
			w.t = t
			must2(w.PutSource(t.Context(), at("f"), &Source{CodeSHA256: deployed.CodeSHA256, Files: []SourceFile{{Path: "app.py", Data: []byte("changed")}}}))(t)
			must2(w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: Settings{Description: ptr("new")}}))(t)
			w.settled(at("f"))
			if got := readFile(t, w.runs().TaskDir, "app.py"); got != "changed" {
				t.Fatalf("after a change of the configuration a call runs %q", got)
			}
			undo(w)
			if got := w.runs(); strings.Contains(got.TaskDir, sourcesFolder) || strings.Contains(got.Generation, "+") {
				t.Errorf("after %s a call runs %s", name, got.TaskDir)
			}
		})
	}
}

func TestSourcesDoNotFillTheDisk(t *testing.T) {
	w, deployed := developed(t)
	revision := ""
	for range formerSources + 5 {
		revision = must2(w.PutSource(t.Context(), at("f"), &Source{CodeSHA256: deployed.CodeSHA256, Revision: revision, Files: []SourceFile{{Path: "app.py"}}}))(t)
	}
	folder := filepath.Join(w.config.Folder, sourcesFolder)
	if kept, _ := os.ReadDir(folder); len(kept) != formerSources+1 {
		t.Errorf("%d folders are kept", len(kept))
	}
	w.reopen()
	w.run()
	eventually(t, "the next process removes them", func() bool { _, err := os.Stat(folder); return errors.Is(err, os.ErrNotExist) })
}
