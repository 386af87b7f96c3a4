package function

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// unfinishedTrees is the folder of trees that are being built.
const unfinishedTrees = "tmp"

func TestRunPreparesWhatACrashLeft(t *testing.T) {
	w := newWorld(t, nil)
	w.create("never-ran")
	w.run()()
	w.create("stopped") // Run has ended
	must(t, os.WriteFile(filepath.Join(w.config.Folder, unfinishedTrees, "left"), nil, 0o600))
	w.reopen()
	w.run()
	for _, name := range []string{"never-ran", "stopped"} {
		if v := w.settled(at(name)); v.State != Active {
			t.Errorf("%+v", v)
		}
	}
	if _, err := os.Stat(filepath.Join(w.config.Folder, unfinishedTrees, "left")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unfinishedTrees tree is still there: %v", err)
	}
	wantNoPending(t, w)
}

func wantNoPending(t *testing.T, w *world) {
	t.Helper()
	lo, hi := scopeRange(tablePending, here)
	must(t, w.view(t.Context(), func(rd reader) error {
		return rd.scan(lo, hi, func(e store.Entry) (bool, error) {
			t.Errorf("pending: %q", e.Key)
			return true, nil
		})
	}))
}

func TestManyFunctionsBecomeActive(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				name := fmt.Sprintf("f%d-%d", i, j)
				if _, err := w.Create(context.Background(), at(name), createInput(t, "the same code")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		for j := range 5 {
			w.settled(at(fmt.Sprintf("f%d-%d", i, j)))
		}
	}
	wantNoPending(t, w)
	if names := must2(w.trees.All())(t); len(names) != 1 {
		t.Errorf("one code has the trees %v", names)
	}
}

func TestLargePackagesDoNotDelaySmallOnes(t *testing.T) {
	gate := make(chan struct{})
	var blocked atomic.Int32
	w := newWorld(t, func(c *Config) {
		c.Compile = func(ctx context.Context, _, dir string) error {
			if _, err := os.Stat(filepath.Join(dir, "large.bin")); err != nil {
				return nil
			}
			blocked.Add(1)
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	w.run()
	for i := range workers + 2 {
		in := createInput(t, "x")
		in.Code.ZipFile = largeZip(t)
		in.Runtime = ptr(runtimes[i]) // another tree for each
		must2(w.Create(t.Context(), at(fmt.Sprint("large", i)), in))(t)
	}
	eventually(t, "large packages are in work", func() bool { return blocked.Load() == workers })
	w.ready("small")
	if v := must2(w.GetConfiguration(t.Context(), at("large0")))(t); v.State != Pending {
		t.Errorf("%+v", v)
	}
	close(gate)
	for i := range workers + 2 {
		if v := w.settled(at(fmt.Sprint("large", i))); v.State != Active {
			t.Errorf("%+v", v)
		}
	}
}

func TestMissingRuntimeFailsWithTheReason(t *testing.T) {
	var installed atomic.Bool
	reason := "python3.13 is not installed on this host: run: apt-get install python3.13"
	w := newWorld(t, func(c *Config) {
		c.Runtime = func(_ context.Context, id string) error {
			if id == "python3.13" && !installed.Load() {
				return errors.New(reason)
			}
			return nil
		}
	})
	w.run()
	w.create("f")
	v := w.settled(at("f"))
	if v.State != Failed || v.StateReason != reason || v.StateReasonCode != "InvalidRuntime" {
		t.Errorf("%+v", v)
	}
	_, err := w.Resolve(t.Context(), here, "f", "")
	wantError[*ConflictError](t, err, "The operation cannot be performed at this time. The function is currently in the following state: Failed. "+reason)
	// Another runtime heals it.
	must2(w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: Settings{Runtime: ptr("python3.12")}}))(t)
	good := w.settled(at("f"))
	if good.State != Active || good.StateReason != "" || good.LastUpdateStatus != "Successful" {
		t.Errorf("%+v", good)
	}
	// A failed update leaves the function running as it was, across a restart, too.
	must2(w.UpdateConfiguration(t.Context(), at("f"), UpdateConfigurationInput{Settings: Settings{Runtime: ptr("python3.13")}}))(t)
	bad := w.settled(at("f"))
	if bad.State != Active || bad.LastUpdateStatus != "Failed" || bad.LastUpdateReason != reason || bad.LastUpdateCode != "InvalidRuntime" {
		t.Errorf("%+v", bad)
	}
	w.forget(here, "f")
	if got := must2(w.Resolve(t.Context(), here, "f", ""))(t); got.Version.Generation != good.Generation || got.Version.Runtime != "python3.12" {
		t.Errorf("runs %+v", got.Version)
	}
	installed.Store(true)
	v = w.change("f", "try again")
	if v.LastUpdateStatus != "Successful" || v.Runtime != "python3.13" {
		t.Errorf("%+v", v)
	}
	if got := must2(w.Resolve(t.Context(), here, "f", ""))(t); got.Version.Runtime != "python3.13" {
		t.Errorf("runs %+v", got.Version)
	}
}

func TestLyingArchiveFailsTheFunction(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	in := createInput(t, "x")
	in.Code.ZipFile = zipOf(t, "zeros", strings.Repeat("\x00", 1<<20))
	patchSize(t, in.Code.ZipFile, 10)
	must2(w.Create(t.Context(), at("f"), in))(t)
	v := w.settled(at("f"))
	if v.State != Failed || v.StateReasonCode != "InvalidZipFileException" || v.StateReason != "Could not unzip uploaded file. Please check your file, then try to upload again." {
		t.Errorf("%+v", v)
	}
	if names := must2(w.trees.All())(t); len(names) != 0 {
		t.Errorf("trees of a broken archive: %v", names)
	}
}

func TestFaultsOfTheMachineAreTriedAgain(t *testing.T) {
	var fails atomic.Int32
	fails.Store(2)
	w := newWorld(t, func(c *Config) {
		c.Clock = &hurried{}
		c.Compile = func(context.Context, string, string) error {
			if fails.Add(-1) >= 0 {
				return errors.New("disk is full")
			}
			return nil
		}
	})
	w.run()
	if v := w.ready("f"); v.State != Active {
		t.Errorf("%+v", v)
	}
}

// hurried is a clock whose short pauses end at once and whose long ones do not
// end at all.
type hurried struct {
	clock.Clock
	offset atomic.Int64
}

func (h *hurried) Now() time.Time { return time.Now().Add(time.Duration(h.offset.Load())) }

func (h *hurried) Sleep(ctx context.Context, d time.Duration) error {
	if d <= retryAfter {
		return ctx.Err()
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestCompileSeesTheTreeBeforeItIsVisible(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Compile = func(_ context.Context, runtime, dir string) error {
			if runtime != "python3.13" || !strings.Contains(dir, unfinishedTrees) {
				t.Errorf("Compile(%q, %q)", runtime, dir)
			}
			return os.WriteFile(filepath.Join(dir, "compiled"), []byte("bytecode"), 0o644)
		}
	})
	w.run()
	if v := w.ready("f"); readFile(t, v.TaskDir, "compiled") != "bytecode" {
		t.Error("no bytecode")
	}
}

func TestChangedIsToldWhatHasChanged(t *testing.T) {
	told := make(chan string, 100)
	w := newWorld(t, func(c *Config) {
		c.Changed = func(s Scope, name, version string) { told <- s.Region + "/" + name + "/" + version }
	})
	w.run()
	w.ready("f")
	w.publish("f")
	must(t, w.PutConcurrency(t.Context(), at("f"), 1))
	must2(w.AddPermission(t.Context(), at("f"), PermissionInput{StatementID: "s", Action: "a", Principal: "*"}))(t)
	if len(told) != 0 {
		t.Errorf("told %d times", len(told))
	}
	w.change("f", "x")
	if got := <-told; got != "us-east-1/f/$LATEST" || len(told) != 0 {
		t.Errorf("told %q and %d more", got, len(told))
	}
	must(t, w.Delete(t.Context(), qualified("f", "1")))
	if got := <-told; got != "us-east-1/f/1" || len(told) != 0 {
		t.Errorf("told %q and %d more", got, len(told))
	}
	must(t, w.Delete(t.Context(), at("f")))
	if got := <-told; got != "us-east-1/f/" {
		t.Errorf("told %q", got)
	}
}

func TestPermissionsKeepTheGeneration(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	before := w.ready("f")
	must2(w.AddPermission(t.Context(), at("f"), PermissionInput{StatementID: "s", Action: "a", Principal: "*"}))(t)
	after := must2(w.Resolve(t.Context(), here, "f", ""))(t).Version
	if after.RevisionID == before.RevisionID || after.Generation != before.Generation {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestDeletedAndRecreatedWhilePreparing(t *testing.T) {
	entered, gate := make(chan struct{}, 10), make(chan struct{})
	w := newWorld(t, func(c *Config) {
		c.Runtime = func(ctx context.Context, id string) error {
			entered <- struct{}{}
			<-gate
			return nil
		}
	})
	w.run()
	w.create("f")
	<-entered
	must(t, w.Delete(t.Context(), at("f")))
	second := must2(w.Create(t.Context(), at("f"), createInput(t, "second")))(t)
	close(gate)
	v := w.settled(at("f"))
	if v.State != Active || v.Generation != second.Generation || readFile(t, v.TaskDir, "app.py") != "second" {
		t.Errorf("%+v", v)
	}
	eventually(t, "nothing is pending", func() bool {
		_, key, err := w.next(t.Context(), small, &queue{claimed: map[string]bool{}})
		return err == nil && key == nil
	})
}

// age makes the blobs look as if they had been put long ago.
func (w *world) age(t *testing.T) {
	t.Helper()
	old := time.Now().Add(-2 * graceTime)
	for id, err := range w.config.Blobs.All() {
		must(t, err)
		f := must2(w.config.Blobs.Open(id))(t)
		must(t, f.Close())
		must(t, os.Chtimes(f.Name(), old, old))
	}
}

func (w *world) count(t *testing.T) (blobs, trees int) {
	t.Helper()
	for _, err := range w.config.Blobs.All() {
		must(t, err)
		blobs++
	}
	return blobs, len(must2(w.trees.All())(t))
}

func TestOrphansAreCollectedAfterTheGraceTime(t *testing.T) {
	clock := &hurried{}
	w := newWorld(t, func(c *Config) { c.Clock = clock })
	w.run()
	l := w.publishLayer("lib", "python/l.py", "x")
	in := createInput(t, "kept")
	in.Layers = []string{l.ARN()}
	must2(w.Create(t.Context(), at("kept"), in))(t)
	w.settled(at("kept"))
	must(t, w.DeleteLayer(t.Context(), layer("lib", 1))) // kept has it still
	w.ready("gone")
	w.publish("gone")
	must2(w.UpdateCode(t.Context(), at("gone"), UpdateCodeInput{Code: Code{ZipFile: zipOf(t, "app.py", "newer")}}))(t)
	w.settled(at("gone"))
	memory := map[string]time.Time{}
	w.age(t)
	must(t, w.collect(t.Context(), memory))
	clock.offset.Add(int64(2 * graceTime))
	must(t, w.collect(t.Context(), memory))
	if blobs, trees := w.count(t); blobs != 4 || trees != 5 {
		t.Fatalf("%d blobs and %d trees while all is in use", blobs, trees)
	}
	must(t, w.Delete(t.Context(), at("gone")))
	must(t, w.collect(t.Context(), memory))
	if blobs, trees := w.count(t); blobs != 2 || trees != 5 {
		t.Errorf("%d blobs and %d trees: old blobs go at once, trees when seen twice", blobs, trees)
	}
	must(t, w.collect(t.Context(), memory))
	if _, trees := w.count(t); trees != 5 {
		t.Errorf("%d trees before the grace time", trees)
	}
	clock.offset.Add(int64(2 * graceTime))
	must(t, w.collect(t.Context(), memory))
	if blobs, trees := w.count(t); blobs != 2 || trees != 3 {
		t.Errorf("%d blobs and %d trees", blobs, trees)
	}
	kept := must2(w.Resolve(t.Context(), here, "kept", ""))(t).Version
	if readFile(t, kept.TaskDir, "app.py") != "kept" || readFile(t, kept.OptDir, "python/l.py") != "x" {
		t.Error("what is in use was damaged")
	}
	if left := must2(os.ReadDir(w.trees.Path(unfinishedTrees)))(t); len(left) != 0 {
		t.Errorf("left in the folder of unfinishedTrees trees: %v", left)
	}
}

func TestFreshUploadsAreNotCollected(t *testing.T) {
	w := newWorld(t, nil)
	w.run()()
	must2(w.accept(t.Context(), here, Code{ZipFile: zipOf(t, "a", "b")}, true))(t)
	must(t, w.collect(t.Context(), map[string]time.Time{}))
	if blobs, _ := w.count(t); blobs != 1 {
		t.Error("an upload was collected before its row could be committed")
	}
}

func TestTreesInUseAreNotCollected(t *testing.T) {
	clock := &hurried{}
	w := newWorld(t, func(c *Config) { c.Clock = clock })
	w.run()
	v := w.ready("f")
	memory := map[string]time.Time{}
	must(t, w.Delete(t.Context(), at("f")))
	must(t, w.collect(t.Context(), memory))
	clock.offset.Add(int64(2 * graceTime))
	release := w.trees.Use(treesOf(v))
	must(t, w.collect(t.Context(), memory))
	if _, trees := w.count(t); trees != 1 {
		t.Error("a tree was taken from its user")
	}
	release()
	must(t, w.collect(t.Context(), memory))
	if _, trees := w.count(t); trees != 0 {
		t.Error("a tree that nobody uses is still there")
	}
}

func TestLostTreesAreBuiltAgain(t *testing.T) {
	w := newWorld(t, nil)
	stop := w.run()
	v := w.ready("f")
	stop()
	must(t, os.RemoveAll(v.TaskDir))
	w.reopen()
	w.run()
	eventually(t, "the tree is back", func() bool {
		_, err := os.Stat(filepath.Join(v.TaskDir, "app.py"))
		return err == nil
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
}
