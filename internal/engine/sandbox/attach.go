package sandbox

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/inside"
)

// defaultEphemeralMB is the size of /tmp of a parked environment, AWS's default;
// another is set when it is bound.
const defaultEphemeralMB = 512

// tmpInodesPerMB bounds the number of files in /tmp for each MiB of its size.
const tmpInodesPerMB = 256

// attacher puts a function's code into parked environments. It has a thread of
// its own, because a thread that enters another's mount namespace may share
// neither root nor working directory with the rest of the process.
type attacher struct {
	requests chan attachment
	quit     chan struct{}
	failed   error // set before requests is served by nobody
	ready    chan struct{}
}

type attachment struct {
	pidfd       int
	trees       []int // of /var/task and, if there is a second, /opt
	ephemeralMB int
	work        func() error // in place of these
	done        chan error
}

func newAttacher() *attacher {
	a := &attacher{requests: make(chan attachment), quit: make(chan struct{}), ready: make(chan struct{})}
	go a.run() // ends with close
	return a
}

func (a *attacher) close() { close(a.quit) }

// run serves until close; its thread ends with it, as it is never unlocked.
func (a *attacher) run() {
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(home)
		err = unix.Unshare(unix.CLONE_FS)
	}
	a.failed = err
	close(a.ready)
	for err == nil {
		select {
		case request := <-a.requests:
			request.done <- errors.Join(request.attach(), unix.Setns(home, unix.CLONE_NEWNS))
		case <-a.quit:
			return
		}
	}
}

func (r attachment) attach() error {
	if err := unix.Setns(r.pidfd, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the mount namespace: %w", err)
	}
	if r.work != nil {
		return r.work()
	}
	for i, tree := range r.trees {
		target := []string{"/var/task", "/opt"}[i]
		if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
	}
	if r.ephemeralMB == defaultEphemeralMB {
		return nil
	}
	if err := unix.Mount("", "/tmp", "", unix.MS_REMOUNT|inside.SafeMount, tmpOptions(r.ephemeralMB)); err != nil {
		return fmt.Errorf("set the size of /tmp: %w", err)
	}
	return nil
}

func tmpOptions(megabytes int) string {
	return fmt.Sprintf("mode=1777,size=%dm,nr_inodes=%d", megabytes, megabytes*tmpInodesPerMB)
}

// attach shows the function's trees in the environment of the process.
func (a *attacher) attach(pidfd int, trees []int, ephemeralMB int) error {
	return a.do(attachment{pidfd: pidfd, trees: trees, ephemeralMB: ephemeralMB})
}

// inside runs work in the mount namespace of the process.
func (a *attacher) inside(pidfd int, work func() error) error {
	return a.do(attachment{pidfd: pidfd, work: work})
}

func (a *attacher) do(request attachment) error {
	<-a.ready
	if a.failed != nil {
		return a.failed
	}
	request.done = make(chan error, 1)
	select {
	case a.requests <- request:
		return <-request.done
	case <-a.quit:
		return errors.New("the sandbox host is closed")
	}
}

// openTrees opens the package and the layers as detached read-only mounts.
func openTrees(off protections, folders ...string) ([]int, error) {
	var trees []int
	for _, folder := range folders {
		if folder == "" {
			continue
		}
		tree, err := unix.OpenTree(unix.AT_FDCWD, folder, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return trees, fmt.Errorf("open %s: %w", folder, err)
		}
		trees = append(trees, tree)
		attributes := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
		if off.readOnly {
			attributes.Attr_set &^= unix.MOUNT_ATTR_RDONLY
		}
		if off.setuid {
			attributes.Attr_set &^= unix.MOUNT_ATTR_NOSUID
		}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, attributes); err != nil {
			return trees, fmt.Errorf("make %s read-only: %w", folder, err)
		}
	}
	return trees, nil
}
