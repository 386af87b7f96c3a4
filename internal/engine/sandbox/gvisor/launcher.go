package gvisor

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// launcher starts processes on one thread, which lives as long as the Host: the
// kernel kills a child with its parent when the thread that made it ends.
type launcher struct {
	requests chan launch
	quit     chan struct{}
}

type launch struct {
	namespace int // network namespace to start it in
	cmd       *exec.Cmd
	done      chan error
}

func newLauncher() *launcher {
	l := &launcher{requests: make(chan launch), quit: make(chan struct{})}
	go l.run() // ends with close
	return l
}

func (l *launcher) close() { close(l.quit) }

// run serves until close; its thread ends with it, as it is never unlocked.
func (l *launcher) run() {
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(home)
	}
	for {
		select {
		case request := <-l.requests:
			if err == nil {
				request.done <- request.start(home)
			} else {
				request.done <- fmt.Errorf("open the host's network namespace: %w", err)
			}
		case <-l.quit:
			return
		}
	}
}

func (r launch) start(home int) error {
	if err := unix.Setns(r.namespace, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	err := r.cmd.Start()
	if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
		panic(fmt.Errorf("leave the network namespace of an environment: %w", back)) // the next would start in it
	}
	return err
}

// start starts a command in a network namespace.
func (l *launcher) start(cmd *exec.Cmd, namespace int) error {
	request := launch{namespace: namespace, cmd: cmd, done: make(chan error, 1)}
	select {
	case l.requests <- request:
		return <-request.done
	case <-l.quit:
		return errors.New("the sandbox host is closed")
	}
}
