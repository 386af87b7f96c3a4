// Package confine turns the calling thread of a fresh process, already in its own
// mount, PID, IPC and UTS namespaces, into a sandboxed execution environment of
// a custom runtime. It is what zygote.py does for Python, in Go.
//
// It promises: when Enter returns without an error, the thread has the file
// system, the limits, the user and the system calls of the function and no way
// back; what it executes next has no more. An error means that the process must
// end. No goroutines, no locks; the caller keeps the thread locked. Start
// reading at Enter.
package confine

import (
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Config is what an environment is made from. Descriptors are the caller's.
type Config struct {
	UID       int
	TmpBytes  int64
	TmpInodes int
	Network   int // descriptor of the network namespace
	Filter    []byte
	Off       []string // protections that the escape suite switched off
}

// Limits of an environment; the same as in zygote.py.
var limits = []struct {
	resource int
	value    uint64
}{{unix.RLIMIT_NOFILE, 1024}, {unix.RLIMIT_NPROC, 1024}, {unix.RLIMIT_CORE, 0}, {unix.RLIMIT_MEMLOCK, 65536}}

// Descriptors as they come, and stay across Enter.
const (
	DataFD         = 3
	LogFD          = 4
	NetworkFD      = 5
	ExtensionLogFD = 6
)

// Enter does all of it.
func Enter(config Config) error {
	off := func(protection string) bool { return slices.Contains(config.Off, protection) }
	if err := unix.Setns(config.Network, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	if err := mounts(config, off("procfs")); err != nil {
		return err
	}
	if err := descriptors(); err != nil {
		return err
	}
	for _, l := range limits {
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("set limit %d: %w", l.resource, err)
		}
	}
	unix.Umask(0o022)
	if !off("uid") {
		if err := dropUser(config.UID); err != nil {
			return err
		}
	}
	// The change of user hid /proc/self from its owner; /dev/stdout needs it.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if !off("landlock") {
		if err := restrictFiles(); err != nil {
			return fmt.Errorf("landlock: %w", err)
		}
	}
	if !off("seccomp") {
		if err := loadFilter(config.Filter); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	return nil
}

func mounts(config Config, wholeProc bool) error {
	const safe = unix.MS_NOSUID | unix.MS_NODEV
	options := fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", config.TmpBytes, config.TmpInodes)
	if err := unix.Mount("tmp", "/tmp", "tmpfs", safe, options); err != nil {
		return fmt.Errorf("mount /tmp: %w", err)
	}
	options = "subset=pid,hidepid=2"
	if wholeProc {
		options = ""
	}
	if err := unix.Mount("proc", "/proc", "proc", safe|unix.MS_NOEXEC, options); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// descriptors gives the process a null input and the log as its outputs; all
// else closes when the runtime is executed. Go's own are closed so too, but not
// before.
func descriptors() error {
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Dup3(null, 0, 0); err != nil {
		return err
	}
	for _, output := range []int{1, 2} {
		if err := unix.Dup3(LogFD, output, 0); err != nil {
			return err
		}
	}
	return unix.CloseRange(DataFD, 0x7fffffff, unix.CLOSE_RANGE_CLOEXEC)
}

func dropUser(uid int) error {
	const lastCapability = 63
	for capability := uintptr(0); capability <= lastCapability; capability++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
			break // past the kernel's last capability; the supervisor checks the result
		}
	}
	if uid == 0 {
		return dropCapabilities()
	}
	if err := unix.Setgroups(nil); err != nil {
		return fmt.Errorf("drop groups: %w", err)
	}
	if err := unix.Setresgid(uid, uid, uid); err != nil {
		return fmt.Errorf("set the group: %w", err)
	}
	if err := unix.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("set the user: %w", err)
	}
	return nil
}

// dropCapabilities makes root no more than its user namespace's owner, also
// after it executes something.
func dropCapabilities() error {
	const noRoot = 0x2f // SECBIT_NOROOT, NO_SETUID_FIXUP and their locks, KEEP_CAPS locked off
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0); err != nil {
		return fmt.Errorf("lock the capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}
