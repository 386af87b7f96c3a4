package confine

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock rights, as zygote.py names them.
const (
	makeNodes = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
	writes    = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | makeNodes |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
)

// LandlockVersion is the version that the kernel offers, 0 for none.
func LandlockVersion() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// restrictFiles leaves, whatever the mounts allow, the right to write below
// /tmp only. A kernel without landlock is told by Host.Isolation.
func restrictFiles() error {
	version := LandlockVersion()
	if version == 0 {
		return nil
	}
	attribute := unix.LandlockRulesetAttr{Handled_access_fs: writes}
	size := unsafe.Sizeof(attribute.Handled_access_fs)
	if version >= 2 {
		attribute.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		attribute.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 6 {
		attribute.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size = unsafe.Offsetof(attribute.Quiet_access_fs) // what version 6 knows
	}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attribute)), size, 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(ruleset))
	truncate := attribute.Handled_access_fs & unix.LANDLOCK_ACCESS_FS_TRUNCATE
	for path, rights := range map[string]uint64{
		"/tmp":  attribute.Handled_access_fs &^ makeNodes,
		"/dev":  unix.LANDLOCK_ACCESS_FS_WRITE_FILE | truncate,
		"/proc": unix.LANDLOCK_ACCESS_FS_WRITE_FILE,
	} {
		if err := allowBelow(ruleset, path, rights); err != nil {
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
