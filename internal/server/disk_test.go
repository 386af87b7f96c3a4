package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

// A store whose disk had no byte left takes no writes until it is opened again: the
// server ends for that as soon as there is space (here the folder's disk has it).
func TestServerEndsToOpenAStoreAgainThatWasFull(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	}))
	state, err := localstore.Open(localstore.Config{Folder: "data", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	s := &Server{config: Config{Folder: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}, state: state}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if err := s.watchDisk(ended); err != nil {
		t.Errorf("nothing is wrong: %v", err)
	}
	full.Store(true)
	if _, err := state.Commit(t.Context(), &store.Batch{Puts: []store.KV{{Key: []byte("k"), Value: []byte("v")}}}); !errors.Is(err, store.ErrDiskFull) {
		t.Fatal(err)
	}
	if err := s.watchDisk(t.Context()); !errors.Is(err, ErrReopen) || !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("%v", err)
	}
}

// Parts that wait for a disk that does not answer never end: the server does without them.
func TestServerEndsWithoutPartsThatWaitForAFailedDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{config: Config{Logger: slog.New(slog.DiscardHandler)}}
		failed := make(chan struct{})
		ctx, end := context.WithCancelCause(t.Context())
		answers := make(chan struct{})
		wait := func() error { <-answers; return nil }
		result := make(chan error, 1)
		go func() { result <- s.ended(ctx, failed, wait) }() // ends after stuckTimeout
		begin := time.Now()
		end(ErrReopen)
		synctest.Wait()
		if time.Since(begin) > 0 || len(result) > 0 {
			t.Error("a server whose disk works does not wait for its parts")
		}
		close(failed)
		if err := <-result; !errors.Is(err, ErrReopen) || time.Since(begin) != stuckTimeout {
			t.Errorf("ended after %s with %v", time.Since(begin), err)
		}
		close(answers)
	})
}
