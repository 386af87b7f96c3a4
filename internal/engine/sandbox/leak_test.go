package sandbox

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var long = flag.Bool("long", false, "run the long forms of tests")

// endings are handlers, one a way for an environment to end. An empty limit is
// generous.
var endings = []struct {
	name, source string
	init, limit  time.Duration
}{
	{name: "ok", source: "def handler(event, context): return 1"},
	{name: "timeout", source: "import time\ndef handler(event, context): time.sleep(600)", limit: 100 * time.Millisecond},
	{name: "exit", source: "import sys\ndef handler(event, context): sys.exit(1)"},
	{name: "crash", source: "import ctypes\ndef handler(event, context): ctypes.string_at(0)"},
	{name: "memory", source: "def handler(event, context): b'x' * (1 << 30)"},
	{name: "import error", source: "import nothing_of_that_name"},
	{name: "exit at init", source: "import os\nos._exit(2)"},
	{name: "init timeout", source: "import time\ntime.sleep(600)", init: 100 * time.Millisecond},
	{name: "daemon left", source: "import os, time\ndef handler(event, context):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0: time.sleep(600)\n        os._exit(0)\n    return 1"},
	{name: "threads and children", source: "import subprocess, threading, time\ndef handler(event, context):\n    for _ in range(5): threading.Thread(target=time.sleep, args=(600,), daemon=True).start(); subprocess.Popen(['sleep', '600'])\n    return 1"},
	{name: "stopped", source: "import os, signal\ndef handler(event, context):\n    if os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)\n    return 1"},
	{name: "open files and sockets", source: "import socket\nkeep = []\ndef handler(event, context):\n    for i in range(100): keep.append(open('/tmp/%d' % i, 'w'))\n    keep.append(socket.create_connection(('169.254.100.1', 4566)))\n    return 1"},
	{name: "closed socket", source: "import os\ndef handler(event, context): os.close(3)"},
	{name: "forged frame", source: "import os\ndef handler(event, context): os.write(3, bytes(12))"},
}

// TestNothingIsLeft ends many environments in many ways, four at a time, and
// once by killing their zygote; then every process, mount, namespace, cgroup
// and descriptor must be gone.
func TestNothingIsLeft(t *testing.T) {
	const workers = 4
	rounds := 200
	if *long {
		rounds = 10_000
	}
	h := newHost(t, Config{Parked: -1})
	go discard(h) // ends with the host
	fillPool(t, h, workers+1)
	endAll(t, h, workers*len(endings), workers)
	before, ownBefore := holdings(t, h), own()
	endAll(t, h, rounds, workers)
	compare(t, "after the environments", before, holdings(t, h))
	flat(t, ownBefore)
	killZygote(t, h)
	endAll(t, h, workers*len(endings), workers)
	compare(t, "after the zygote was killed", before, holdings(t, h))
}

// fillPool makes the namespaces that are kept, so that their number is steady.
func fillPool(t *testing.T, h *Host, count int) {
	t.Helper()
	for range count {
		n, err := h.networks.Get()
		if err != nil {
			t.Fatal(err)
		}
		defer n.Release()
	}
}

// discard takes what functions send to the platform.
func discard(h *Host) {
	for {
		conn, err := h.Endpoint().Accept()
		if err != nil {
			return
		}
		go func() { // ends when the function is gone
			defer conn.Close()
			conn.Read(make([]byte, 1))
		}()
	}
}

func endAll(t *testing.T, h *Host, count, workers int) {
	t.Helper()
	folders := make([]string, len(endings))
	for i, ending := range endings {
		folders[i] = t.TempDir()
		if err := os.WriteFile(filepath.Join(folders[i], "app.py"), []byte(ending.source+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(folders[i], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	next := make(chan int)
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() { // ends when next is closed
			for i := range next {
				end(t, h, i%len(endings), folders[i%len(endings)])
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	wait.Wait()
}

// end starts an environment, calls it once, and closes it. How it fails is the
// matter of other tests.
func end(t *testing.T, h *Host, which int, folder string) {
	ending := endings[which]
	spec := &Spec{Runtime: "python3.11", Handler: "app.handler", TaskDir: folder, MemoryMB: 128, EphemeralMB: 512, InitTimeout: 60 * time.Second}
	if ending.init != 0 {
		spec.InitTimeout = ending.init
	}
	e, init, err := h.Start(t.Context(), spec)
	if err != nil {
		return
	}
	if init.ErrorType == "" {
		limit := ending.limit
		if limit == 0 {
			limit = 60 * time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		e.Invoke(ctx, &Event{RequestID: "id", Payload: []byte("{}")})
		cancel()
	}
	if err := e.Close(); err != nil {
		t.Errorf("%s: close: %v", ending.name, err)
	}
}

// killZygote kills the interpreter while an environment of it runs an event.
func killZygote(t *testing.T, h *Host) {
	t.Helper()
	spec, _ := specOf(t, "import time\ndef handler(event, context): print('begun'); time.sleep(600)\n")
	begun := make(chan struct{})
	spec.Log = func(LogRecord) { close(begun) }
	e, _, err := h.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	z, err := h.zygote(t.Context(), zygoteKey{runtime: spec.Runtime})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends when the handler has begun
		<-begun
		z.cmd.Process.Kill()
	}()
	if _, err := invoke(t, e, "{}", 60*time.Second); err == nil {
		t.Error("an answer from a killed environment")
	}
	<-z.ended
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// memory is what this process holds itself.
type memory struct {
	heapBytes  uint64
	goroutines int
}

// maxGrowth of the heap is noise: caches of the runtime and of the tests.
const maxGrowth = 2 << 20

func own() memory {
	runtime.GC()
	runtime.GC() // the first one may only have begun to free
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return memory{heapBytes: stats.HeapAlloc, goroutines: runtime.NumGoroutine()}
}

// flat waits until this process holds no more than before.
func flat(t *testing.T, before memory) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	after := own()
	for deadline := time.Now().Add(60 * time.Second); after.heapBytes > before.heapBytes+maxGrowth || after.goroutines > before.goroutines; after = own() {
		if time.Now().After(deadline) {
			t.Errorf("this process holds %+v, before it were %+v", after, before)
			return
		}
		<-tick.C
	}
	t.Logf("this process holds %+v, before it were %+v", after, before)
}

// holdings counts what environments may hold.
func holdings(t *testing.T, h *Host) map[string]int {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(60 * time.Second)
	for { // connections to the endpoint and the wait of the zygote end a moment later
		descriptors, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		held := map[string]int{"mounts": strings.Count(string(mounts), "\n"), "processes": processes(t), "uids": MaxEnvironments - len(h.uids)}
		for _, d := range descriptors {
			target, err := os.Readlink("/proc/self/fd/" + d.Name())
			if err == nil {
				held["descriptors: "+strings.SplitN(target, ":", 2)[0]]++
			}
		}
		groups, err := filepath.Glob("/sys/fs/cgroup/*/lambkin-" + strconv.Itoa(os.Getpid()) + "-*/env-*")
		if err != nil {
			t.Fatal(err)
		}
		held["cgroups"] = len(groups)
		if held["processes"]+held["uids"]+held["cgroups"] == 0 || time.Now().After(deadline) {
			return held
		}
		<-tick.C
	}
}

// processes counts those of environments: descendants of this process with a
// user id of the range. Other tests of this machine have environments too.
func processes(t *testing.T) int {
	t.Helper()
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	parents, users := map[int]int{}, map[int]int{}
	for _, path := range statuses {
		status, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		pid := number(string(status), "\nPid:\t")
		parents[pid], users[pid] = number(string(status), "\nPPid:\t"), number(string(status), "\nUid:\t")
	}
	count := 0
	for pid, uid := range users {
		ancestor := pid
		for ancestor > 1 && ancestor != os.Getpid() {
			ancestor = parents[ancestor]
		}
		if ancestor == os.Getpid() && uid >= firstUID && uid < firstUID+MaxEnvironments {
			count++
		}
	}
	return count
}

// number is the one that follows a label in a status file.
func number(status, label string) int {
	_, rest, _ := strings.Cut(status, label)
	value, _ := strconv.Atoi(strings.FieldsFunc(rest+" ", func(r rune) bool { return r < '0' || r > '9' })[0])
	return value
}

func compare(t *testing.T, when string, before, after map[string]int) {
	t.Helper()
	for what, count := range after {
		if count > before[what] {
			t.Errorf("%s: %s: %d, before it was %d", when, what, count, before[what])
		}
	}
	t.Log(when, fmt.Sprint(after))
}
