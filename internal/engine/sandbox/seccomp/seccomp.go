// Package seccomp holds the list of system calls that functions may make, with
// the reason for each family, and compiles it to the kernel's filter language.
//
// It promises: what is not in the list is refused, with EPERM where an ordinary
// unprivileged process would get it and ENOSYS elsewhere, so that C libraries
// fall back; calls of another instruction set end the process. The package does
// nothing to the process: callers load the program. No goroutines, no locks.
// Start reading at allowed.
package seccomp

import (
	"bytes"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16 // low half on the little-endian machines that Go's linux/amd64 and arm64 are
	dataArg1   = 24
	dataArg2   = 32
)

// What a refused system call answers. ENOSYS makes C libraries fall back.
const (
	allow  = uint32(unix.SECCOMP_RET_ALLOW)
	kill   = uint32(unix.SECCOMP_RET_KILL_PROCESS)
	eperm  = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.EPERM)
	enosys = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.ENOSYS)
)

// newNamespaces are the clone flags that would leave the sandbox.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// maxPrograms is the kernel's limit of a filter, BPF_MAXINSNS.
const maxPrograms = 4096

// family is a group of system calls that functions may make, with the reason.
type family struct {
	why   string
	calls []uintptr
}

// allowed is the whole list: what is in no family answers EPERM when it is in
// refused, else ENOSYS. Calls that only older architectures have are in
// legacyFamilies of seccomp_<arch>.go.
var allowed = []family{
	{"files: handlers read their package and write /tmp; mounts and landlock bound what they reach", []uintptr{
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_PREADV, unix.SYS_PWRITEV,
		unix.SYS_PREADV2, unix.SYS_PWRITEV2, unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_LSEEK, unix.SYS_FSTAT,
		unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_GETDENTS64, unix.SYS_GETCWD, unix.SYS_CHDIR, unix.SYS_FCHDIR,
		unix.SYS_READLINKAT, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_SYMLINKAT,
		unix.SYS_FTRUNCATE, unix.SYS_TRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE, unix.SYS_FLOCK,
		unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT, unix.SYS_UMASK, unix.SYS_STATFS, unix.SYS_FSTATFS,
		unix.SYS_FADVISE64, unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_TEE, unix.SYS_COPY_FILE_RANGE, unix.SYS_MEMFD_CREATE, unix.SYS_READAHEAD,
		unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_FGETXATTR, unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR, unix.SYS_FLISTXATTR,
		unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_INOTIFY_RM_WATCH}},
	{"descriptors and waiting: event loops of asyncio and selectors", []uintptr{
		unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_FCNTL, unix.SYS_IOCTL, unix.SYS_PIPE2, unix.SYS_EVENTFD2, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL,
		unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME,
		unix.SYS_TIMERFD_GETTIME, unix.SYS_SIGNALFD4}},
	{"memory: the allocator, shared libraries, multiprocessing", []uintptr{
		unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_MSYNC, unix.SYS_BRK,
		unix.SYS_MLOCK, unix.SYS_MUNLOCK, unix.SYS_MLOCK2, unix.SYS_MEMBARRIER, unix.SYS_RSEQ,
		unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMDT, unix.SYS_SHMCTL, unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMCTL}},
	{"processes and threads of the function's own: subprocess, threading; the PID namespace and cgroup bound them", []uintptr{
		unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_WAIT4, unix.SYS_WAITID, unix.SYS_GETPID, unix.SYS_GETPPID,
		unix.SYS_GETTID, unix.SYS_SET_TID_ADDRESS, unix.SYS_SET_ROBUST_LIST, unix.SYS_GET_ROBUST_LIST, unix.SYS_FUTEX, unix.SYS_SCHED_YIELD,
		unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETSCHEDULER, unix.SYS_SCHED_GET_PRIORITY_MAX,
		unix.SYS_SCHED_GET_PRIORITY_MIN, unix.SYS_GETPRIORITY, unix.SYS_SETPRIORITY, unix.SYS_PRCTL, unix.SYS_PRLIMIT64, unix.SYS_GETRLIMIT,
		unix.SYS_SETRLIMIT, unix.SYS_GETRUSAGE, unix.SYS_TIMES, unix.SYS_SETPGID, unix.SYS_GETPGID, unix.SYS_SETSID, unix.SYS_GETSID, unix.SYS_GETCPU,
		unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL}},
	{"signals, among the function's own processes", []uintptr{
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPENDING, unix.SYS_RT_SIGTIMEDWAIT,
		unix.SYS_RT_SIGSUSPEND, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_SIGALTSTACK, unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL, unix.SYS_RESTART_SYSCALL,
		unix.SYS_SETITIMER, unix.SYS_GETITIMER, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_GETTIME, unix.SYS_TIMER_DELETE,
		unix.SYS_TIMER_GETOVERRUN}},
	{"time: reading clocks and sleeping", []uintptr{
		unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_NANOSLEEP, unix.SYS_GETTIMEOFDAY}},
	{"sockets: the network namespace bounds what they reach; socket itself is checked by its family below", []uintptr{
		unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_GETSOCKNAME,
		unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT, unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_RECVMSG,
		unix.SYS_SENDMMSG, unix.SYS_RECVMMSG, unix.SYS_SHUTDOWN}},
	{"identity and facts of the machine, read only; setting an id to itself is what libraries do", []uintptr{
		unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETRESUID, unix.SYS_GETRESGID, unix.SYS_GETGROUPS,
		unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_CAPGET,
		unix.SYS_UNAME, unix.SYS_SYSINFO, unix.SYS_GETRANDOM}},
}

// refused answers EPERM, as an unprivileged process of an ordinary system would
// see it; everything else that is unknown answers ENOSYS.
var refused = []uintptr{
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT,
	unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_IO_URING_SETUP,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_NAME_TO_HANDLE_AT,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_PERSONALITY, unix.SYS_PIDFD_GETFD, unix.SYS_SETGROUPS, unix.SYS_CAPSET,
	unix.SYS_SYSLOG, unix.SYS_FANOTIFY_INIT,
}

// program is a BPF program under construction.
type program []unix.SockFilter

func (p *program) load(offset uint32) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

func (p *program) ret(action uint32) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action})
}

// unless skips the next n instructions when the comparison holds.
func (p *program) unless(comparison uint16, value uint32, n uint8) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_JMP | comparison | unix.BPF_K, K: value, Jt: n})
}

// when runs the next n instructions only if the comparison holds.
func (p *program) when(comparison uint16, value uint32, n uint8) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_JMP | comparison | unix.BPF_K, K: value, Jf: n})
}

// Program is the filter of every environment, as struct sock_filter[].
func Program() []byte { return compile(false) }

// TemplateProgram is the filter of a template, which makes clones of itself in
// new namespaces: with exactly CloneFlags. Whoever does so has the rights of root
// over what is new, so the ways that such rights open are closed: netlink, the
// tables of packet filters, and, as for all, mounts.
func TemplateProgram() []byte { return compile(true) }

// CloneFlags are the flags of the one call by which a template makes a clone.
const CloneFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS |
	unix.CLONE_CHILD_SETTID | unix.CLONE_CHILD_CLEARTID | uint32(unix.SIGCHLD)

// compile makes a filter.
func compile(template bool) []byte {
	var p program
	p.load(dataArch)
	p.unless(unix.BPF_JEQ, auditArch, 1)
	p.ret(kill) // another instruction set's numbers mean other calls
	p.load(dataNumber)
	p.foreignNumbers()
	if template {
		p.template()
	}
	p.clone()
	p.socket()
	p.terminalInjection()
	p.namedPipe(uint32(unix.SYS_MKNODAT), dataArg2)
	p.legacyCalls()
	for _, number := range numbers() {
		p.when(unix.BPF_JEQ, number, 1)
		p.ret(allow)
	}
	for _, number := range refused {
		p.when(unix.BPF_JEQ, uint32(number), 1)
		p.ret(eperm)
	}
	p.ret(enosys)
	if len(p) > maxPrograms {
		panic("seccomp: filter over the kernel's limit")
	}
	var raw bytes.Buffer
	binary.Write(&raw, binary.NativeEndian, []unix.SockFilter(p))
	return raw.Bytes()
}

// numbers of the calls that need no look at their arguments.
func numbers() []uint32 {
	var all []uint32
	for _, f := range slices.Concat(allowed, legacyFamilies) {
		for _, call := range f.calls {
			if call != unix.SYS_IOCTL {
				all = append(all, uint32(call))
			}
		}
	}
	return all
}

// clone allows threads and processes, no namespaces; clone3 hides its flags in
// memory, so it is told not to exist and C libraries fall back to clone.
func (p *program) clone() {
	p.when(unix.BPF_JEQ, uint32(unix.SYS_CLONE), 4)
	p.load(dataArg0)
	p.when(unix.BPF_JSET, newNamespaces, 1)
	p.ret(eperm)
	p.ret(allow)
}

// template comes before the rules of all: what it does not decide they do.
func (p *program) template() {
	p.when(unix.BPF_JEQ, uint32(unix.SYS_CLONE), 3)
	p.load(dataArg0)
	p.when(unix.BPF_JEQ, CloneFlags, 1)
	p.ret(allow)
	p.load(dataNumber)
	p.when(unix.BPF_JEQ, uint32(unix.SYS_SOCKET), 3)
	p.load(dataArg0)
	p.when(unix.BPF_JEQ, unix.AF_NETLINK, 1)
	p.ret(eperm)
	p.load(dataNumber)
	p.when(unix.BPF_JEQ, uint32(unix.SYS_SETSOCKOPT), 7)
	p.load(dataArg2)
	for _, table := range []uint32{64, 96, 128} { // IPT_BASE_CTL and IP6T_BASE_CTL, ARPT_BASE_CTL, EBT_BASE_CTL
		p.when(unix.BPF_JEQ, table, 1)
		p.ret(eperm)
	}
	p.load(dataNumber)
	for _, call := range []uint32{unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF} {
		p.when(unix.BPF_JEQ, call, 1)
		p.ret(allow) // a clone restricts itself further
	}
}

// socket allows local and internet sockets, none of them raw, and the netlink
// family that resolvers use to list addresses.
func (p *program) socket() {
	const typeMask = 0xf // SOCK_CLOEXEC and SOCK_NONBLOCK are above it
	const jump = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	p.when(unix.BPF_JEQ, uint32(unix.SYS_SOCKET), 15)
	p.load(dataArg1)
	*p = append(*p, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: typeMask})
	p.unless(unix.BPF_JEQ, unix.SOCK_STREAM, 2)
	p.unless(unix.BPF_JEQ, unix.SOCK_DGRAM, 1)
	*p = append(*p, unix.SockFilter{Code: jump, K: unix.SOCK_RAW, Jt: 4, Jf: 9})
	p.load(dataArg0)
	p.unless(unix.BPF_JEQ, unix.AF_UNIX, 6)
	p.unless(unix.BPF_JEQ, unix.AF_INET, 5)
	*p = append(*p, unix.SockFilter{Code: jump, K: unix.AF_INET6, Jt: 4, Jf: 5})
	p.load(dataArg0) // of type raw there is netlink's route protocol only
	*p = append(*p, unix.SockFilter{Code: jump, K: unix.AF_NETLINK, Jf: 3})
	p.load(dataArg2)
	*p = append(*p, unix.SockFilter{Code: jump, K: unix.NETLINK_ROUTE, Jf: 1})
	p.ret(allow)
	p.ret(eperm)
}

// terminalInjection refuses the ioctls that type into a terminal.
func (p *program) terminalInjection() {
	p.when(unix.BPF_JEQ, uint32(unix.SYS_IOCTL), 5)
	p.load(dataArg1)
	p.unless(unix.BPF_JEQ, unix.TIOCSTI, 2)
	p.unless(unix.BPF_JEQ, unix.TIOCLINUX, 1)
	p.ret(allow)
	p.ret(eperm)
}

// namedPipe allows mknod of a pipe and of nothing else.
func (p *program) namedPipe(call, mode uint32) {
	p.when(unix.BPF_JEQ, call, 5)
	p.load(mode)
	*p = append(*p, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: unix.S_IFMT})
	p.when(unix.BPF_JEQ, unix.S_IFIFO, 1)
	p.ret(allow)
	p.ret(eperm)
}
