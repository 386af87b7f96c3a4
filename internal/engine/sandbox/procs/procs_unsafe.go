package procs

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ExitStatus asks the kernel how a process ended; a kernel that does not tell is
// taken to have killed it.
func ExitStatus(pidfd int) syscall.WaitStatus {
	const (
		getInfo  = 0xC040FF0B // PIDFD_GET_INFO of the first 64 bytes
		exitInfo = 1 << 3     // PIDFD_INFO_EXIT
		atCode   = 60
	)
	var info [64]byte
	binary.NativeEndian.PutUint64(info[:], exitInfo)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(pidfd), getInfo, uintptr(unsafe.Pointer(&info)))
	if errno != 0 || binary.NativeEndian.Uint64(info[:])&exitInfo == 0 {
		return syscall.WaitStatus(syscall.SIGKILL)
	}
	return syscall.WaitStatus(binary.NativeEndian.Uint32(info[atCode:]))
}
