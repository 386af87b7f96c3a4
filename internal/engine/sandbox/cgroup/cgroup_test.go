package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestOnlyFoldersOfTheDeadAreAbandoned(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	own := startOf(os.Getpid())
	if own == 0 {
		t.Fatal("no start of this process")
	}
	for name, want := range map[string]bool{
		prefix() + "123": false,
		fmt.Sprintf("lambkin-%d-%d-123", ended.Process.Pid, own): true,
		fmt.Sprintf("lambkin-%d-%d-123", os.Getpid(), own-1):     true, // an earlier process of the same number
		"lambkin-of-somebody-else":                               false,
		"system.slice":                                           false,
	} {
		if got := abandoned("/sys/fs/cgroup/memory/" + name); got != want {
			t.Errorf("%s: abandoned is %t", name, got)
		}
	}
}

func TestSumAddsTheLinesOfAName(t *testing.T) {
	stat := []byte("anon 5\nactive_file 7\ninactive_file 11\ninactive_files 1000\nactive_file\n")
	if got := sum(stat, "active_file ", "inactive_file "); got != 18 {
		t.Errorf("got %d", got)
	}
	if PrivateBytes(os.Getpid()) < 1<<20 || ResidentBytes(os.Getpid()) < 1<<20 {
		t.Error("this process holds nothing")
	}
	if PrivateBytes(0) != 0 || ResidentBytes(0) != 0 {
		t.Error("a process that is none holds something")
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("active_file 7\nactive_file\n"))
	f.Fuzz(func(t *testing.T, text []byte) { sum(text, "active_file ") }) // must not panic
}

// TestExpectingMovesNothing: this process is moved to where it is, and no longer
// after Close.
func TestExpectingMovesNothing(t *testing.T) {
	where := func() string {
		text, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			t.Skipf("SKIPPED: no control groups: %v", err)
		}
		return string(text)
	}
	before := where()
	tree, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Missing()) > 0 {
		t.Skipf("SKIPPED: this host lacks %v", tree.Missing())
	}
	members, err := os.ReadFile(tree.ownMembers())
	if err != nil || !slices.Contains(strings.Fields(string(members)), strconv.Itoa(os.Getpid())) {
		t.Errorf("%s does not list this process: %v", tree.ownMembers(), err)
	}
	tree.Expect()
	tree.Expect()
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
	tree.Expect() // comes too late, and starts nothing
	if after := where(); after != before {
		t.Errorf("this process is in\n%snow, it was in\n%s", after, before)
	}
}

// BenchmarkMove is what a start waits for: the move of a process after a quiet
// time, without and with Expect.
func BenchmarkMove(b *testing.B) {
	for _, expected := range []bool{false, true} {
		b.Run(fmt.Sprintf("expected=%t", expected), func(b *testing.B) {
			tree, err := New()
			if err != nil {
				b.Fatal(err)
			}
			defer tree.Close()
			group, err := tree.Add("env-1", 0)
			if err != nil {
				b.Fatal(err)
			}
			defer group.Remove()
			sleeper := exec.Command("sleep", "1000")
			if err := sleeper.Start(); err != nil {
				b.Fatal(err)
			}
			defer sleeper.Wait()
			defer sleeper.Process.Kill()
			var waits []time.Duration
			for b.Loop() {
				if expected {
					tree.Expect()
				}
				<-time.After(quietTime)
				begin := time.Now()
				if err := group.Attach(sleeper.Process.Pid); err != nil {
					b.Fatal(err)
				}
				waits = append(waits, time.Since(begin))
			}
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2])/1e3, "µs-p50")
			b.ReportMetric(float64(waits[len(waits)*9/10])/1e3, "µs-p90")
		})
	}
}

// quietTime is after which the kernel lets a move wait.
const quietTime = 100 * time.Millisecond
