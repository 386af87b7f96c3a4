package localstore

import (
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestFolderIsSyncedByManyAtOnce: flushes of several tables do so; the race
// detector watches.
func TestFolderIsSyncedByManyAtOnce(t *testing.T) {
	d := newDisk(vfs.Default)
	folder, err := d.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { // ends after its syncs
			for range 20 {
				if err := folder.Sync(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
