package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/cgroup"
)

// ticking is a function whose thread goes on after the answer; each event
// answers the longest time, in milliseconds, that the thread stood still since
// the event before.
const ticking = `
import threading, time
longest = 0
def run():
    global longest
    last = time.monotonic()
    while True:
        time.sleep(0.001)
        now = time.monotonic()
        last, longest = now, max(longest, now - last)
threading.Thread(target=run, daemon=True).start()
def handler(event, context):
    global longest
    time.sleep(0.1)
    found, longest = longest, 0
    return int(found * 1000)
`

// onEachFreezer runs a test with every freezer that this host has.
func onEachFreezer(t *testing.T, test func(t *testing.T, h *Host)) {
	for _, freezer := range []cgroup.Freezer{cgroup.FreezerV2, cgroup.FreezerV1} {
		t.Run(string(freezer), func(t *testing.T) {
			h := newHost(t, Config{Parked: -1, freezers: []cgroup.Freezer{freezer}})
			if h.cgroups.Freezer() != freezer {
				t.Skipf("SKIPPED: this host has no freezer of %s", freezer)
			}
			test(t, h)
		})
	}
}

// frozen tells what the kernel says of a group, not what we told it.
func frozen(t *testing.T, h *Host, e *env) bool {
	t.Helper()
	file, word := "/sys/fs/cgroup/freezer/*/%s/freezer.state", "FROZEN"
	if h.cgroups.Freezer() == cgroup.FreezerV2 {
		file, word = "/sys/fs/cgroup/unified/*/%s/cgroup.events", "frozen 1"
		if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
			file = "/sys/fs/cgroup/*/%s/cgroup.events"
		}
	}
	pattern := strings.Replace(fmt.Sprintf(file, "env-"+strconv.Itoa(e.uid)), "*", "lambkin-"+strconv.Itoa(os.Getpid())+"-*", 1)
	for _, path := range glob(t, pattern) {
		state, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(state), word) {
			return true
		}
	}
	return false
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// waitFrozen waits until every process of the environment stands still.
func waitFrozen(t *testing.T, h *Host, e Environment) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(60 * time.Second)
	for !frozen(t, h, e.(*env)) {
		if time.Now().After(deadline) {
			t.Fatal("the environment is not frozen")
		}
		<-tick.C
	}
}

func startFrozen(t *testing.T, h *Host, source string) Environment {
	t.Helper()
	spec, collected := specOf(t, source)
	spec.InitTimeout = time.Minute
	e, init, err := h.Start(t.Context(), spec)
	if err != nil || init.ErrorType != "" {
		t.Fatalf("%v %s, log %s", err, init.ErrorBody, collected.text())
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	waitFrozen(t, h, e)
	return e
}

func numberOf(t *testing.T, e Environment) int {
	t.Helper()
	r, err := invoke(t, e, "{}", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(r.Payload))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// pause is how long an environment must stand still in these tests.
const pause = time.Second

func TestThreadsStandStillBetweenEvents(t *testing.T) {
	onEachFreezer(t, func(t *testing.T, h *Host) {
		e := startFrozen(t, h, ticking)
		for range 3 {
			numberOf(t, e)
			waitFrozen(t, h, e)
			<-time.After(pause)
			if still := numberOf(t, e); still < int(pause/time.Millisecond) {
				t.Errorf("the thread stood still for %d ms at most while nothing was invoked for %v", still, pause)
			}
		}
	})
	t.Run("without the freezer", func(t *testing.T) {
		h := newHost(t, Config{Parked: -1, off: protections{freeze: true}})
		spec, _ := specOf(t, ticking)
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for range 20 { // a busy machine may hold a thread for long, but not each time
			<-time.After(pause)
			if numberOf(t, e) < int(pause/time.Millisecond) {
				return
			}
		}
		t.Error("the thread stood still all the same: the test proves nothing")
	})
}

// TestAFrozenEnvironmentStaysFrozenWhateverItTries: a child and a daemon that
// continue each other and have timers.
func TestAFrozenEnvironmentStaysFrozenWhateverItTries(t *testing.T) {
	onEachFreezer(t, func(t *testing.T, h *Host) {
		e := startFrozen(t, h, `
import os, signal, time
def watch(name):
    last, longest = time.monotonic(), 0
    while True:
        try: os.kill(-1, signal.SIGCONT)
        except ProcessLookupError: pass # the other one is not there yet
        time.sleep(0.001)
        now = time.monotonic()
        last, longest = now, max(longest, now - last)
        with open("/tmp/new-" + name, "w") as f: f.write(str(int(longest * 1000)))
        os.rename("/tmp/new-" + name, "/tmp/" + name)
for name in ("child", "daemon"):
    if os.fork() == 0:
        signal.signal(signal.SIGCONT, lambda *_: None)
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        if name == "daemon":
            os.setsid()
            if os.fork() != 0: os._exit(0)
        watch(name)
def handler(event, context):
    time.sleep(0.1)
    while not (os.path.exists("/tmp/child") and os.path.exists("/tmp/daemon")): time.sleep(0.01)
    return min(int(open("/tmp/" + name).read()) for name in ("child", "daemon"))
`)
		numberOf(t, e)
		waitFrozen(t, h, e)
		<-time.After(pause)
		if still := numberOf(t, e); still < int(pause/time.Millisecond) {
			t.Errorf("a process stood still for %d ms at most while nothing was invoked for %v", still, pause)
		}
	})
}

func TestAFrozenEnvironmentServesTimesOutAndCloses(t *testing.T) {
	onEachFreezer(t, func(t *testing.T, h *Host) {
		e := startFrozen(t, h, "import os, time\nif os.fork() == 0: time.sleep(600)\ndef handler(event, context):\n    print('called')\n    time.sleep(event)\n    return len(str(event))\n")
		for range 3 {
			if r, err := invoke(t, e, "0", time.Minute); err != nil || string(r.Payload) != "1" {
				t.Fatalf("%+v, %v", r, err)
			}
			waitFrozen(t, h, e)
		}
		if _, err := invoke(t, e, "600", 100*time.Millisecond); !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v, want a timeout", err)
		}
		<-e.Done()
		closed := startFrozen(t, h, ticking)
		if err := closed.Close(); err != nil {
			t.Error(err)
		}
		<-closed.Done()
	})
}

// TestFrozenEnvironmentsDieWithTheirZygote: nothing is left to thaw them then.
func TestFrozenEnvironmentsDieWithTheirZygote(t *testing.T) {
	onEachFreezer(t, func(t *testing.T, h *Host) {
		var all []Environment
		for range 3 {
			all = append(all, startFrozen(t, h, ticking))
		}
		z, err := h.zygote(t.Context(), zygoteKey{runtime: "python3.11"})
		if err != nil {
			t.Fatal(err)
		}
		z.cmd.Process.Kill()
		for _, e := range all {
			<-e.Done()
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
		if n := processes(t); n != 0 {
			t.Errorf("%d processes are left", n)
		}
	})
}

// TestFrozenExtensionsAreToldOfTheShutdown: they and the runtime are thawed to
// end by themselves.
func TestFrozenExtensionsAreToldOfTheShutdown(t *testing.T) {
	onEachFreezer(t, func(t *testing.T, h *Host) {
		spec, collected := extended(t, `
import signal, sys
def leave(number, frame):
    print("runtime: SIGTERM")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
def handler(event, context): return 1
`, map[string]string{"outer": everyEvent})
		e, init, err := h.Start(t.Context(), spec)
		if err != nil || init.ErrorType != "" {
			t.Fatalf("%v %s, log %s", err, init.ErrorBody, collected.text())
		}
		waitFrozen(t, h, e)
		numberOf(t, e)
		waitFrozen(t, h, e)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"runtime: SIGTERM", "outer: SHUTDOWN None None spindown", "outer: left True"} {
			if !strings.Contains(collected.text(), want) {
				t.Errorf("no %q in the log:\n%s", want, collected.text())
			}
		}
	})
}

// TestAnExtensionWorksOnUntilItAsksForTheNextEvent: the runtime alone does not
// freeze the environment. The extension works for longer than it takes to freeze.
func TestAnExtensionWorksOnUntilItAsksForTheNextEvent(t *testing.T) {
	onEachFreezer(t, func(t *testing.T, h *Host) {
		spec, collected := extended(t, "def handler(event, context): return 1\n", map[string]string{"outer": `
register("INVOKE")
while True:
    next_event()
    time.sleep(0.5)
    say("worked")
`})
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatalf("%v, log %s", err, collected.text())
		}
		defer e.Close()
		for call := 1; call <= 2; call++ {
			waitFrozen(t, h, e)
			numberOf(t, e)
			if got := strings.Count(collected.text(), "worked"); got != call {
				t.Errorf("the extension worked %d times in %d calls", got, call)
			}
		}
	})
}

// TestACustomRuntimeWorksOnUntilItAsksForTheNextEvent: the answer alone does not
// freeze the environment, but the caller has it already.
func TestACustomRuntimeWorksOnUntilItAsksForTheNextEvent(t *testing.T) {
	onEachFreezer(t, func(t *testing.T, h *Host) {
		spec, collected := customSpec(t, customLoop+`
import time
def handle(id, event):
    call("POST", "invocation/%s/response" % id, b"1")
    time.sleep(0.5)
    print("worked", flush=True)
serve()
`)
		worked := make(chan struct{}, 8)
		spec.Log = func(r LogRecord) {
			if strings.Contains(string(r.Data), "worked") {
				worked <- struct{}{}
			}
			collected.add(r)
		}
		e, _, err := h.Start(t.Context(), spec)
		if err != nil {
			t.Fatalf("%v, log %s", err, collected.text())
		}
		defer e.Close()
		for range 2 {
			waitFrozen(t, h, e)
			numberOf(t, e)
			select {
			case <-worked:
			case <-time.After(60 * time.Second):
				t.Fatal("the runtime was frozen before it asked for the next event")
			}
		}
	})
}

// abandonVariable has this binary play a supervisor that is killed; it names the
// freezer.
const abandonVariable = "LAMBKIN_TEST_ABANDON"

// TestTheNextStartClearsFrozenEnvironments of a supervisor that was killed: with
// the freezer of v1 they die only when they are thawed, and so does their zygote.
func TestTheNextStartClearsFrozenEnvironments(t *testing.T) {
	if freezer := os.Getenv(abandonVariable); freezer != "" {
		h := newHost(t, Config{Parked: -1, freezers: []cgroup.Freezer{cgroup.Freezer(freezer)}})
		for range 2 {
			startFrozen(t, h, "import os, time\nif os.fork() == 0: os.setsid(); time.sleep(3600)\ndef handler(event, context): return 1\n")
		}
		os.Stdout.WriteString("frozen\n")
		select {} // until it is killed
	}
	onEachFreezer(t, func(t *testing.T, h *Host) {
		supervisor := exec.Command("/proc/self/exe", "-test.run=^"+strings.Split(t.Name(), "/")[0]+"$", "-test.timeout=5m")
		supervisor.Env = append(os.Environ(), abandonVariable+"="+string(h.cgroups.Freezer()))
		output, err := supervisor.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := supervisor.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(output)
		for lines.Scan() && lines.Text() != "frozen" {
			t.Log(lines.Text())
		}
		folders := fmt.Sprintf("/sys/fs/cgroup/*/lambkin-%d-*", supervisor.Process.Pid)
		members := membersOf(t, folders)
		supervisor.Process.Kill()
		supervisor.Wait()
		if len(members) < 4 {
			t.Fatalf("%d processes of two environments with a child each", len(members))
		}
		next, err := cgroup.New()
		if err != nil {
			t.Fatal(err)
		}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(60 * time.Second); len(living(members)) > 0; <-tick.C {
			if time.Now().After(deadline) {
				t.Fatalf("processes %v are left", living(members))
			}
		}
		if err := next.Close(); err != nil {
			t.Error(err)
		}
		if left := glob(t, folders); len(left) > 0 {
			t.Errorf("%v are left", left)
		}
	})
}

// membersOf lists the processes of all groups of a supervisor.
func membersOf(t *testing.T, folders string) (pids []string) {
	t.Helper()
	for _, file := range glob(t, folders+"/env-*/cgroup.procs") {
		members, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, strings.Fields(string(members))...)
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

func living(pids []string) (living []string) {
	for _, pid := range pids {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			living = append(living, pid)
		}
	}
	return living
}

// BenchmarkThaw calls an environment that was idle for so long that it is frozen.
func BenchmarkThaw(b *testing.B) { benchmarkAfterPause(b, 2*freezeAfter) }

// BenchmarkWarmCall calls it at once.
func BenchmarkWarmCall(b *testing.B) { benchmarkAfterPause(b, 0) }

func benchmarkAfterPause(b *testing.B, pause time.Duration) {
	for _, freezer := range []cgroup.Freezer{cgroup.FreezerV2, cgroup.FreezerV1, "none"} {
		b.Run(string(freezer), func(b *testing.B) {
			h := newHost(b, Config{freezers: []cgroup.Freezer{freezer}})
			spec, _ := specOf(b, "def handler(event, context):\n    return event\n")
			spec.MemoryMB = limit.MBPerVCPU
			e, _, err := h.Start(b.Context(), spec)
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			var took []time.Duration
			for b.Loop() {
				<-time.After(pause)
				begin := time.Now()
				if _, err := invoke(b, e, `{"message": "hello"}`, time.Minute); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
		})
	}
}
