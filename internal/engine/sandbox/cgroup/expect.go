package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Moving a process takes a lock that every fork of the machine reads. After a
// quiet time the kernel lets all processors pass through a quiet state first (an
// RCU grace period), which takes 4-17 ms on an idle machine and far more on a
// busy one; moves that follow within some 10 ms do not wait.
const (
	expectFor    = time.Second          // after Expect
	expectPeriod = 5 * time.Millisecond // below the time after which a move would wait again
)

// expectation keeps that lock in its fast state while moves are expected, by
// moving this process to where it is. Nothing depends on it but time.
type expectation struct {
	mu      sync.Mutex
	until   time.Time
	running bool
	stop    chan struct{} // closed by close
	done    sync.WaitGroup
}

// Expect says that environments are being started, so that Attach will not wait
// for the kernel. It does not wait itself.
func (t *Tree) Expect() {
	x := &t.expected
	x.mu.Lock()
	defer x.mu.Unlock()
	x.until = time.Now().Add(expectFor)
	if x.running || x.stop == nil {
		return
	}
	x.running = true
	x.done.Add(1)
	go t.keepFast(x.stop) // ends when nothing was expected for expectFor, or with Close
}

func (t *Tree) keepFast(stop <-chan struct{}) {
	x := &t.expected
	defer x.done.Done()
	own, err := os.OpenFile(t.ownMembers(), os.O_WRONLY, 0)
	if err == nil {
		defer own.Close()
	}
	tick := time.NewTicker(expectPeriod)
	defer tick.Stop()
	for {
		if err == nil {
			_, err = own.WriteString("0") // this process
		}
		x.mu.Lock()
		x.running = err == nil && time.Now().Before(x.until)
		again := x.running
		x.mu.Unlock()
		if !again {
			return
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

// ownMembers is the file that lists the processes of this process's own group in
// a hierarchy that environments are moved in; empty if there is none.
func (t *Tree) ownMembers() string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) { // 8:pids:/user.slice
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		switch {
		case t.v2 && controllers == "":
			return filepath.Join(root, path, "cgroup.procs")
		case !t.v2 && t.pids != "" && controllers == "pids":
			return filepath.Join(root, "pids", path, "cgroup.procs")
		}
	}
	return ""
}

func (x *expectation) close() {
	x.mu.Lock()
	if x.stop != nil {
		close(x.stop)
		x.stop = nil
	}
	x.mu.Unlock()
	x.done.Wait()
}
