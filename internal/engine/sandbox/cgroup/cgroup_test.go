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
