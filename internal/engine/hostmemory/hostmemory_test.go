package hostmemory

import (
	"fmt"
	"strings"
	"testing"
)

func TestLackIsWhatIsMissingToTheReserve(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct{ total, available, want int64 }{
		{24 << 30, 20 << 30, 0},
		{24 << 30, 1 << 30, 24<<30/reserveShare - 1<<30},
		{24 << 30, 0, 24 << 30 / reserveShare},
		{1 << 30, 256 * mib, 0},
		{1 << 30, 200 * mib, 56 * mib},   // at least minReserve
		{256 << 30, 1 << 30, 1024 * mib}, // at most maxReserve
	} {
		text := fmt.Sprintf("MemTotal:       %d kB\nMemFree:  1 kB\nMemAvailable:   %d kB\nHugePages_Total:       0\n", test.total>>10, test.available>>10)
		got, err := lack(strings.NewReader(text))
		if diff := got - test.want; err != nil || diff < -1024 || diff > 1024 { // the kernel counts in KiB
			t.Errorf("%d of %d available: %d, %v, want %d", test.available, test.total, got, err, test.want)
		}
	}
	if _, err := lack(strings.NewReader("MemTotal: 5 kB\n")); err == nil {
		t.Error("a kernel that does not tell was taken for one with enough")
	}
	if _, err := Lack(); err != nil {
		t.Error(err)
	}
}
