package seccomp

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// x32Bit marks system calls of the x32 instruction set.
const x32Bit = 0x40000000

// legacyFamilies are the older forms that C libraries on this architecture use.
var legacyFamilies = []family{
	{"older forms of the file and waiting calls", []uintptr{
		unix.SYS_OPEN, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_MKDIR, unix.SYS_RMDIR, unix.SYS_UNLINK, unix.SYS_RENAME,
		unix.SYS_LINK, unix.SYS_SYMLINK, unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_CREAT, unix.SYS_GETDENTS, unix.SYS_UTIME, unix.SYS_UTIMES,
		unix.SYS_FUTIMESAT, unix.SYS_DUP2, unix.SYS_PIPE, unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_WAIT, unix.SYS_EVENTFD,
		unix.SYS_INOTIFY_INIT, unix.SYS_TIME, unix.SYS_ALARM, unix.SYS_PAUSE, unix.SYS_GETPGRP, unix.SYS_ARCH_PRCTL}},
	{"fork and vfork: they take no flags", []uintptr{unix.SYS_FORK, unix.SYS_VFORK}},
}

func (p *program) legacyCalls() { p.namedPipe(uint32(unix.SYS_MKNOD), dataArg1) }

func (p *program) foreignNumbers() {
	p.when(unix.BPF_JGE, x32Bit, 1)
	p.ret(kill)
}
