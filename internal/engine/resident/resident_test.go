package resident

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The mapping at 04fcb000 is what the linker has written and then closed (RELRO).
func TestOnlyPagesOfTheProgramThatWereNeverWrittenAreGivenBack(t *testing.T) {
	maps := `00400000-00402000 r--p 00000000 fe:00 1234 /opt/my tools/lambkin
Rss:                   8 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
00402000-01555000 r-xp 00002000 fe:00 1234 /opt/my tools/lambkin
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me sd
01555000-01556000 rw-p 00000000 00:00 0
Anonymous:             4 kB
04fca000-04fcb000 r--p 04bc9000 fe:00 1234 /opt/my tools/lambkin
Anonymous:             0 kB
Swap:                  4 kB
04fcb000-04fcc000 r--p 04bca000 fe:00 1234 /opt/my tools/lambkin
Anonymous:             4 kB
Swap:                  4 kB
04fcc000-052a7000 rw-p 04bcb000 fe:00 1234 /opt/my tools/lambkin
Anonymous:            16 kB
052a7000-072fa000 rw-p 00000000 00:00 0
7f5426680000-7f54267d6000 r-xp 00026000 fe:00 99 /usr/lib/x86_64-linux-gnu/libc.so.6
7ffe0a1b2000-7ffe0a1d3000 rw-p 00000000 00:00 0 [stack]
`
	got, err := program(strings.NewReader(maps), "/opt/my tools/lambkin")
	if want := []mapping{{0x400000, 0x402000}, {0x402000, 0x1555000}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := program(strings.NewReader("here r--p 0 0 0 /p\n"), "/p"); err == nil {
		t.Error("a line of another form is taken")
	}
}

func FuzzProgram(f *testing.F) {
	f.Add("00400000-00402000 r--p 00000000 fe:00 1234 /p\nAnonymous: 0 kB\n")
	f.Add("Anonymous: 4 kB\n00400000-00402000 r--p 00000000 fe:00 1234 /p\nAnonymous: 4 kB\nSwap: 4 kB\n")
	f.Fuzz(func(t *testing.T, maps string) {
		found, _ := program(strings.NewReader(maps), "/p")
		for _, m := range found {
			if m.from >= m.to {
				t.Errorf("%v", m)
			}
		}
	})
}

// fileKiB is how much of files is resident.
func fileKiB(t *testing.T) (n int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "RssFile:")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// touch reads a byte of each page of the program, which is mapped then.
func touch(t *testing.T) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := program(strings.NewReader(string(self)), path)
	if err != nil || len(pages) == 0 {
		t.Fatalf("%v, %v", pages, err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	defer memory.Close()
	for _, m := range pages {
		for at := m.from; at < m.to; at += 4096 {
			if _, err := memory.ReadAt(make([]byte, 1), int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestReleaseUnmapsWhatIsNotInUse(t *testing.T) {
	touch(t)
	before := fileKiB(t)
	if err := Release(); err != nil {
		t.Fatal(err)
	}
	if after := fileKiB(t); after >= before {
		t.Errorf("%d KiB of files are resident, %d before", after, before)
	}
}
