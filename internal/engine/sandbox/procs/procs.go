// Package procs asks the kernel about processes that are nobody's children here.
//
// It promises nothing on old kernels: Mount then fails, and ExitStatus tells of a
// kill. No goroutines, no locks. Start reading at Mount.
package procs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Mount makes a mount of the process files of a PID namespace.
func Mount(namespace int) (int, error) {
	fsfd, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fsfd)
	err = errors.Join(unix.FsconfigSetFd(fsfd, "pidns", namespace), unix.FsconfigSetString(fsfd, "subset", "pid"),
		unix.FsconfigSetString(fsfd, "hidepid", "2"), unix.FsconfigCreate(fsfd))
	if err != nil {
		return -1, err
	}
	return unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}
