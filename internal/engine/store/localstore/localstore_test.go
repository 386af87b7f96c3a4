package localstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/lambkin-dev/lambkin/internal/engine/diskspace"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		folder := t.TempDir()
		return func(t *testing.T, name string) store.Store {
			return open(t, Config{Folder: filepath.Join(folder, name)})
		}
	})
}

func open(t *testing.T, config Config) *Store {
	t.Helper()
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func batch(durability store.Durability, keys ...string) *store.Batch {
	b := &store.Batch{Durability: durability}
	for _, key := range keys {
		b.Puts = append(b.Puts, store.KV{Key: []byte(key), Value: []byte("value of " + key)})
	}
	return b
}

func has(t *testing.T, s *Store, key string) bool {
	t.Helper()
	snap, err := s.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	value, _, err := snap.Get([]byte(key))
	if errors.Is(err, store.ErrNotFound) {
		return false
	}
	if err != nil || string(value) != "value of "+key {
		t.Fatalf("%s is %q, %v", key, value, err)
	}
	return true
}

// TestPowerLoss takes the power while writers run, with a random part of what
// was not synced, and looks for every batch that was acknowledged before.
func TestPowerLoss(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { powerLoss(t, seed) })
	}
}

func powerLoss(t *testing.T, seed uint64) {
	fs := vfs.NewCrashableMem()
	s := open(t, Config{Folder: "data", FS: fs})
	const writers, batches = 8, 60
	var acknowledged [writers]atomic.Int64
	var group sync.WaitGroup
	random := rand.New(rand.NewPCG(seed, 0))
	at := int64(random.IntN(writers * batches))
	var total atomic.Int64
	crash := make(chan struct{})
	for w := range writers {
		group.Go(func() {
			for i := range batches {
				durability := store.Sync
				if i%3 == 2 {
					durability = store.Relaxed
				}
				if _, err := s.Commit(t.Context(), batch(durability, name(w, i, "a"), name(w, i, "b"))); err != nil {
					t.Error(err)
					return
				}
				if durability == store.Sync {
					acknowledged[w].Store(int64(i + 1))
				}
				if total.Add(1) == at+1 {
					close(crash)
				}
			}
		})
	}
	<-crash
	var before [writers]int64
	for w := range before {
		before[w] = acknowledged[w].Load()
	}
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: rand.New(rand.NewPCG(seed, 1))})
	group.Wait()

	s = open(t, Config{Folder: "data", FS: clone})
	for w := range writers {
		gone := false
		for i := range batches {
			a, b := has(t, s, name(w, i, "a")), has(t, s, name(w, i, "b"))
			if a != b {
				t.Errorf("half of batch %d of writer %d is there", i, w)
			}
			if int64(i) < before[w] && !a {
				t.Errorf("batch %d of writer %d was acknowledged, or came before one that was, and is lost", i, w)
			}
			if gone && a {
				t.Errorf("batch %d of writer %d is there without the one before it", i, w)
			}
			gone = !a
		}
	}
}

func name(writer, i int, part string) string { return fmt.Sprintf("%d/%d/%s", writer, i, part) }

func TestSyncIsLeftOutForRelaxedCommitsOnly(t *testing.T) {
	var syncs atomic.Int64
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) && isLog(op.Path) {
			syncs.Add(1)
		}
		return nil
	}))
	s := open(t, Config{Folder: "data", FS: fs})
	before := syncs.Load()
	for i := range 100 {
		if _, err := s.Commit(t.Context(), batch(store.Relaxed, fmt.Sprint("k", i))); err != nil {
			t.Fatal(err)
		}
	}
	if got := syncs.Load() - before; got != 0 {
		t.Errorf("%d syncs for relaxed commits", got)
	}
	if _, err := s.Commit(t.Context(), batch(store.Sync, "k")); err != nil {
		t.Fatal(err)
	}
	if got := syncs.Load() - before; got != 1 {
		t.Errorf("%d syncs for a sync commit", got)
	}
}

// slowSync makes commits meet: while one sync is held, others queue up.
func TestConcurrentCommitsShareAnFsync(t *testing.T) {
	const writers = 64
	var syncs, waiting atomic.Int64
	gate := make(chan struct{})
	var armed atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) && isLog(op.Path) {
			syncs.Add(1)
			<-gate
		}
		return nil
	}))
	s := open(t, Config{Folder: "data", FS: fs})
	armed.Store(true)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			waiting.Add(1)
			if _, err := s.Commit(t.Context(), batch(store.Sync, fmt.Sprint(w))); err != nil {
				t.Error(err)
			}
		})
	}
	for s.commits.Load() < writers { // all are applied while the first sync is held
	}
	close(gate)
	group.Wait()
	if got := syncs.Load(); got > 4 {
		t.Errorf("%d syncs for %d concurrent commits", got, writers)
	}
}

// TestRelaxedSurvivesKill opens a copy of the folder of a running store: what a
// killed process leaves is what the operating system has.
func TestRelaxedSurvivesKill(t *testing.T) {
	folder := t.TempDir()
	s := open(t, Config{Folder: folder})
	if _, err := s.Commit(t.Context(), batch(store.Relaxed, "relaxed")); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(left, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if s := open(t, Config{Folder: left}); !has(t, s, "relaxed") {
		t.Error("lost")
	}
}

func TestSecondOpenOfTheFolderIsRefused(t *testing.T) {
	folder := t.TempDir()
	s := open(t, Config{Folder: folder})
	if _, err := Open(Config{Folder: folder}); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, Config{Folder: folder})
}

// TestFullDisk fills the disk at different places while writers run: whatever
// was acknowledged is there after the reopening, and reads go on until then.
func TestFullDisk(t *testing.T) {
	for name, fails := range map[string]func(op errorfs.Op) bool{
		"log write":     func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && isLog(op.Path) },
		"log sync":      func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSyncData && isLog(op.Path) },
		"new log":       func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite },
		"table write":   func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && filepath.Ext(op.Path) == ".sst" },
		"any write":     func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite },
		"folder sync":   func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync && filepath.Ext(op.Path) == "" },
		"manifest sync": func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync && !isLog(op.Path) },
	} {
		t.Run(name, func(t *testing.T) { fullDisk(t, fails) })
	}
}

func fullDisk(t *testing.T, fails func(errorfs.Op) bool) {
	memory := vfs.NewCrashableMem()
	var full atomic.Bool
	fs := errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && fails(op) {
			return syscall.ENOSPC
		}
		return nil
	}))
	s := open(t, Config{Folder: "data", FS: fs})
	if _, err := s.Commit(t.Context(), batch(store.Sync, "before")); err != nil {
		t.Fatal(err)
	}
	const writers, rounds = 4, 3000
	var acknowledged [writers]int
	var group sync.WaitGroup
	full.Store(true)
	large := make([]byte, 16<<10) // enough for flushes
	for w := range writers {
		group.Go(func() {
			for i := range rounds {
				b := batch(store.Sync, name(w, i, "a"))
				b.Puts = append(b.Puts, store.KV{Key: []byte("large"), Value: large})
				if _, err := s.Commit(t.Context(), b); err != nil {
					if !errors.Is(err, store.ErrDiskFull) {
						t.Errorf("got %v", err)
					}
					return
				}
				acknowledged[w] = i + 1
			}
		})
	}
	group.Wait()
	if s.Cause() == nil {
		t.Fatal("the disk did not fail: the test is too short")
	}
	<-s.Failed()
	full.Store(false)
	_, err := s.Commit(t.Context(), batch(store.Sync, "after"))
	if !errors.Is(err, store.ErrReadOnly) || !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("commit after the failure: %v", err)
	}
	if !has(t, s, "before") || acknowledged[0] > 0 && !has(t, s, name(0, 0, "a")) {
		t.Error("reads do not go on")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = open(t, Config{Folder: "data", FS: memory.CrashClone(vfs.CrashCloneCfg{})})
	for w := range writers {
		for i := range acknowledged[w] {
			if !has(t, s, name(w, i, "a")) {
				t.Fatalf("batch %d of writer %d was acknowledged and is lost", i, w)
			}
		}
	}
	if has(t, s, "after") {
		t.Error("a refused commit is there")
	}
	if _, err := s.Commit(t.Context(), batch(store.Sync, "again")); err != nil {
		t.Error(err)
	}
}

func TestCorruptStoreSaysSo(t *testing.T) {
	folder := t.TempDir()
	s := open(t, Config{Folder: folder})
	for i := range 2000 {
		if _, err := s.Commit(t.Context(), batch(store.Relaxed, fmt.Sprintf("k%04d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(folder, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	for _, table := range tables {
		damage(t, table)
	}
	s, err = Open(Config{Folder: folder})
	if err == nil {
		defer s.Close()
		var snap store.Snap
		if snap, err = s.Snapshot(t.Context()); err == nil {
			defer snap.Close()
			_, err = snap.Scan(nil, nil, 10_000, false)
		}
	}
	if !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

// damage flips bits in the first block of a table.
func damage(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 64)
	if _, err := io.ReadFull(file, block); err != nil {
		t.Fatal(err)
	}
	for i := range block {
		block[i] ^= 0xFF
	}
	if _, err := file.WriteAt(block, 0); err != nil {
		t.Fatal(err)
	}
}

// A reserve that the disk does not have refuses what grows, at once and for as long, and
// lets go on what deletes.
func TestReserveOfTheDisk(t *testing.T) {
	folder := t.TempDir()
	s := open(t, Config{Folder: folder})
	if _, err := s.Commit(t.Context(), batch(store.Sync, "before")); err != nil {
		t.Fatal(err)
	}
	free, err := diskspace.Free(folder)
	if err != nil {
		t.Fatal(err)
	}
	s.spare = diskspace.Reserve{Folder: folder, Bytes: 2 * free}
	if _, err := s.Commit(t.Context(), batch(store.Sync, "more")); !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("a batch that grows: %v", err)
	}
	for name, b := range map[string]*store.Batch{
		"a delete":                 {Deletes: [][]byte{[]byte("before")}},
		"a delete that notes that": {Deletes: [][]byte{[]byte("other")}, Puts: []store.KV{{Key: []byte("note"), Value: []byte("x")}}},
	} {
		if _, err := s.Commit(t.Context(), b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.spare.Bytes = 1
	if _, err := s.Commit(t.Context(), batch(store.Sync, "more")); err != nil {
		t.Errorf("with space again: %v", err)
	}
}
