package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
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
