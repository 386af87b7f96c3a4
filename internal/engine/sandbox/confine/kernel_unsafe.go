package confine

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// LandlockVersion is the version that the kernel offers, 0 for none.
func LandlockVersion() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// restrictFiles applies the rules to the thread. A kernel without landlock is
// told by Host.Isolation.
func restrictFiles() error {
	rules := Files()
	if len(rules.Ruleset) == 0 {
		return nil
	}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(unsafe.SliceData(rules.Ruleset))), uintptr(len(rules.Ruleset)), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(ruleset))
	for _, rule := range rules.Below {
		if err := allowBelow(ruleset, rule.Path, rule.Rights); err != nil {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func allowBelow(ruleset uintptr, path string, rights uint64) error {
	folder, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(folder)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(folder)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// loadFilter gives the thread a seccomp program, an array of struct sock_filter.
func loadFilter(raw []byte) error {
	program := unix.SockFprog{Len: uint16(len(raw) / int(unsafe.Sizeof(unix.SockFilter{}))), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(raw)))}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
