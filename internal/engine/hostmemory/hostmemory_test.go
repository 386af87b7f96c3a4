package hostmemory

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

const mib = 1 << 20

// machine writes what a kernel tells: files by their path below proc and groups.
func machine(t *testing.T, files map[string]string) kernel {
	t.Helper()
	k := kernel{t.TempDir(), t.TempDir()}
	for name, text := range files {
		path := filepath.Join(k.groups, name)
		if name == "meminfo" || name == "self/cgroup" {
			path = filepath.Join(k.proc, name)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func meminfo(total, available int64) string {
	return fmt.Sprintf("MemTotal:       %d kB\nMemFree:  1 kB\nMemAvailable:   %d kB\nHugePages_Total:       0\n", total>>10, available>>10)
}

func TestLackIsWhatIsMissingToTheReserve(t *testing.T) {
	for _, test := range []struct{ total, available, want int64 }{
		{24 << 30, 20 << 30, 0},
		{24 << 30, 1 << 30, 24<<30/reserveShare - 1<<30},
		{24 << 30, 0, 24 << 30 / reserveShare},
		{1 << 30, 256 * mib, 0},
		{1 << 30, 200 * mib, 56 * mib},   // at least minReserve
		{256 << 30, 1 << 30, 1024 * mib}, // at most maxReserve
	} {
		got, err := machine(t, map[string]string{"meminfo": meminfo(test.total, test.available)}).lack()
		if diff := got - test.want; err != nil || diff < -1024 || diff > 1024 { // the kernel counts in KiB
			t.Errorf("%d of %d available: %d, %v, want %d", test.available, test.total, got, err, test.want)
		}
	}
	if _, err := machine(t, map[string]string{"meminfo": "MemTotal: 5 kB\n"}).lack(); err == nil {
		t.Error("a kernel that does not tell was taken for one with enough")
	}
	if _, err := Lack(); err != nil {
		t.Error(err)
	}
	if total, err := Total(); err != nil || total < 64*mib {
		t.Errorf("this machine has %d bytes, %v", total, err)
	}
}

// TestLimitsOfControlGroupsCount: of a container or a service, on both kinds of
// hierarchy, however far up the limit stands. The formats are the kernel's
// (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst).
func TestLimitsOfControlGroupsCount(t *testing.T) {
	const unlimited = "9223372036854771712\n" // what v1 says without a limit
	plenty := meminfo(64<<30, 60<<30)
	for name, test := range map[string]struct {
		files       map[string]string
		total, lack int64
	}{
		"v2, a limit of the parent": {map[string]string{"meminfo": plenty, "self/cgroup": "0::/system.slice/l.service\n",
			"system.slice/l.service/memory.max": "max\n", "system.slice/l.service/memory.current": "5\n",
			"system.slice/memory.max": "2147483648\n", "system.slice/memory.current": "2147483648\n", "system.slice/memory.stat": "anon 1\ninactive_file 52428800\n"},
			2 << 30, 206 * mib},
		"v2, seen from inside a container": {map[string]string{"meminfo": plenty, "self/cgroup": "0::/\n", "memory.max": "4294967296\n", "memory.current": "1048576\n"},
			4 << 30, 0},
		"v1, a path of the host that the container does not show": {map[string]string{"meminfo": plenty, "self/cgroup": "5:cpu:/\n4:memory:/docker/1\n0::/\n",
			"memory/memory.limit_in_bytes": "1073741824\n", "memory/memory.usage_in_bytes": "1073741824\n", "memory/memory.stat": "total_inactive_file 0\n"},
			1 << 30, minReserve},
		"v1, no limit": {map[string]string{"meminfo": plenty, "self/cgroup": "4:hugetlb,memory:/\n", "memory/memory.limit_in_bytes": unlimited, "memory/memory.usage_in_bytes": unlimited},
			64 << 30, 0},
		"nothing readable": {map[string]string{"meminfo": plenty, "self/cgroup": "what\n0::/x\n", "x/memory.max": "\n"}, 64 << 30, 0},
	} {
		t.Run(name, func(t *testing.T) {
			k := machine(t, test.files)
			total, err := k.total()
			lack, err2 := k.lack()
			if err != nil || err2 != nil || total != test.total || lack != test.lack {
				t.Errorf("total %d, lack %d, %v, %v; want %d and %d", total, lack, err, err2, test.total, test.lack)
			}
		})
	}
}

func FuzzField(f *testing.F) {
	f.Add([]byte("MemTotal: 5 kB\nMemAvailable:\n"))
	f.Add([]byte("MemTotal:\t-9999999999999999999 kB"))
	f.Fuzz(func(t *testing.T, text []byte) {
		field(text, "MemTotal:") // must not panic; a negative number means unknown or wrong
	})
}
