package boto

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// gvisorServer starts the real server with its functions under runsc, where there
// is one.
func gvisorServer(t *testing.T) *platform.Platform {
	t.Helper()
	if _, err := exec.LookPath("runsc"); err != nil {
		t.Skipf("SKIPPED, the second tier is NOT TESTED: %v", err)
	}
	p, err := platform.Start(t.Context(), binary, t.TempDir(), "--isolation=gvisor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// TestOfficialClientsUnderGvisor runs suites of the first tier unchanged: what a
// caller sees is the same.
func TestOfficialClientsUnderGvisor(t *testing.T) {
	t.Parallel()
	p := gvisorServer(t)
	for _, module := range []string{"test_invoke", "test_layers", "test_bytecode", "test_websockets", "test_inside"} {
		t.Run(module, func(t *testing.T) { runSuite(t, p, module) })
	}
	t.Run("test_custom", func(t *testing.T) {
		t.Skip("SKIPPED, AN OPEN DEFECT: in this tier a blocking read of a socket is told EAGAIN now and then, so the runtime in shell takes its event for empty")
	})
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if left := groups(t, p.PID()); len(left) > 0 {
		t.Errorf("cgroups are left: %v", left)
	}
}

// TestNothingOfGvisorSurvivesAKill kills the server by SIGKILL while a function
// runs: every process under it ends at once, and the next server clears the rest.
func TestNothingOfGvisorSurvivesAKill(t *testing.T) {
	t.Parallel()
	p := gvisorServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	source := "import os, time\ndef handler(event, context):\n    if event: time.sleep(600)\n    return os.uname().release\n"
	if err := p.Deploy(ctx, platform.Function{Name: "sleeper", Files: map[string]string{"app.py": source}, Timeout: 900}); err != nil {
		t.Fatal(err)
	}
	answer := string(call(t, p, "lambda", "POST", platform.InvokePath("sleeper"), nil, "{}", http.StatusOK).Body)
	host, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil || !strings.HasPrefix(answer, `"`) || strings.Contains(answer, strings.TrimSpace(string(host))) {
		t.Errorf("%v: the function answers that its kernel is %s", err, answer)
	}
	call(t, p, "lambda", "POST", platform.InvokePath("sleeper"), http.Header{"X-Amz-Invocation-Type": {"Event"}}, `{"sleep": true}`, http.StatusAccepted)
	killed := p.PID()
	var below map[int]string
	for ctx.Err() == nil && !runs(below, "runsc-sandbox") {
		below = descendants(t, killed)
		pause(ctx)
	}
	p.Kill()
	for ctx.Err() == nil && len(below) > 0 {
		for pid, start := range below {
			if startOf(pid) != start {
				delete(below, pid)
			}
		}
		pause(ctx)
	}
	if len(below) > 0 {
		t.Errorf("processes outlive the server: %v", below)
	}
	if err := p.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if left := groups(t, killed); len(left) > 0 {
		t.Errorf("cgroups of the killed server are left: %v", left)
	}
	if again := string(call(t, p, "lambda", "POST", platform.InvokePath("sleeper"), nil, "{}", http.StatusOK).Body); again != answer {
		t.Errorf("after the restart: %s, want %s", again, answer)
	}
}

// descendants are all processes below one, with their starts.
func descendants(t *testing.T, root int) map[int]string {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	parents := map[int]int{}
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			t.Fatal(err)
		}
		if fields := statOf(pid); len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1]) // the kernel writes a number
		}
	}
	found := map[int]string{}
	for pid := range parents {
		for ancestor := parents[pid]; ancestor > 1; ancestor = parents[ancestor] {
			if ancestor == root {
				found[pid] = startOf(pid)
				break
			}
		}
	}
	return found
}

// statOf is /proc/PID/stat from the state on; nil: there is no such process.
func statOf(pid int) []string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
}

// startOf tells one process from a later one of the same number.
func startOf(pid int) string {
	const start = 19
	if fields := statOf(pid); len(fields) > start && fields[0] != "Z" {
		return fields[start]
	}
	return ""
}

func runs(pids map[int]string, name string) bool {
	for pid := range pids {
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.HasPrefix(string(command), name) {
			return true
		}
	}
	return false
}

// groups are the cgroups of a server.
func groups(t *testing.T, pid int) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"/sys/fs/cgroup/lambkin-%d-*", "/sys/fs/cgroup/*/lambkin-%d-*"} {
		found, err := filepath.Glob(fmt.Sprintf(pattern, pid))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return slices.Compact(all)
}
