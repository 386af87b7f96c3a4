package diskspace

import (
	"errors"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

func TestReserve(t *testing.T) {
	folder := t.TempDir()
	free, err := Free(folder)
	if err != nil || free <= 0 {
		t.Fatalf("%d free, %v", free, err)
	}
	for name, test := range map[string]struct {
		reserve Reserve
		share   int64
		full    bool
	}{
		"none":                {Reserve{}, 1, false},
		"a little":            {Reserve{folder, 1}, 1, false},
		"more than there is":  {Reserve{folder, 3 * free}, 1, true},
		"a share of too much": {Reserve{folder, 3 * free}, 1000, false},
	} {
		if err := test.reserve.Check(test.share); errors.Is(err, store.ErrDiskFull) != test.full || !test.full && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Reserve{folder + "/none", 1}).Check(1); err == nil || errors.Is(err, store.ErrDiskFull) {
		t.Errorf("a folder that is not there: %v", err)
	}
}
