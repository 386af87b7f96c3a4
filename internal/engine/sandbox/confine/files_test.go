package confine

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEveryRightHasAReasonAndDevicesAreMadeNowhere(t *testing.T) {
	seen := uint64(0)
	for _, r := range files {
		if r.why == "" || seen&r.access != 0 {
			t.Errorf("right %#x: no reason, or listed twice", r.access)
		}
		seen |= r.access
	}
	for _, below := range filesFor(99).Below {
		if below.Rights&(unix.LANDLOCK_ACCESS_FS_MAKE_CHAR|unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK) != 0 {
			t.Errorf("devices can be made in %s", below.Path)
		}
	}
}

// TestRulesFitTheKernel: a ruleset that names what a version does not know is
// refused as a whole, and then nothing would be kept.
func TestRulesFitTheKernel(t *testing.T) {
	if got := filesFor(0); got.Ruleset != nil || got.Below != nil {
		t.Errorf("rules for no landlock: %+v", got)
	}
	for version, want := range map[int]struct {
		bytes   int
		unknown uint64
	}{1: {8, unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE}, 2: {8, unix.LANDLOCK_ACCESS_FS_TRUNCATE}, 3: {8, 0}, 6: {24, 0}} {
		rules := filesFor(version)
		handled := binary.NativeEndian.Uint64(rules.Ruleset)
		if len(rules.Ruleset) != want.bytes || handled&want.unknown != 0 {
			t.Errorf("version %d: ruleset %x", version, rules.Ruleset)
		}
		for _, below := range rules.Below {
			if below.Rights&^handled != 0 || below.Rights == 0 {
				t.Errorf("version %d: %s has %#x of %#x", version, below.Path, below.Rights, handled)
			}
		}
	}
}
