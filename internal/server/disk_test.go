package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"

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
