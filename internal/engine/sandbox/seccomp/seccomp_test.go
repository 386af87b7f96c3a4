package seccomp

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEveryFamilyHasAReasonAndNoCallIsListedTwice(t *testing.T) {
	listed := map[uintptr]string{}
	for _, f := range slices.Concat(allowed, legacyFamilies) {
		if len(f.why) < 20 {
			t.Errorf("family %v has no reason", f.calls)
		}
		for _, call := range f.calls {
			if other, twice := listed[call]; twice {
				t.Errorf("call %d is in %q and in %q", call, other, f.why)
			}
			listed[call] = f.why
		}
	}
	for _, call := range refused {
		if why, both := listed[call]; both {
			t.Errorf("call %d is refused and allowed: %s", call, why)
		}
	}
}

// answer runs the program as the kernel does.
func answer(t *testing.T, number, arch uint32, arguments ...uint64) uint32 {
	t.Helper()
	data := make([]byte, 64)
	binary.NativeEndian.PutUint32(data, number)
	binary.NativeEndian.PutUint32(data[4:], arch)
	for i, a := range arguments {
		binary.NativeEndian.PutUint64(data[16+8*i:], a)
	}
	raw, a := Program(), uint32(0)
	for pc := 0; ; pc++ {
		code, jt, jf, k := binary.NativeEndian.Uint16(raw[8*pc:]), raw[8*pc+2], raw[8*pc+3], binary.NativeEndian.Uint32(raw[8*pc+4:])
		jump := false
		switch code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = binary.NativeEndian.Uint32(data[k:])
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= k
			continue
		case unix.BPF_RET | unix.BPF_K:
			return k
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump = a == k
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump = a >= k
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			jump = a&k != 0
		default:
			t.Fatalf("instruction %d: code %#x", pc, code)
		}
		if jump {
			pc += int(jt)
		} else {
			pc += int(jf)
		}
	}
}

func TestArgumentsDecide(t *testing.T) {
	const wide = 1 << 40 // the kernel ignores the upper half of these arguments
	tests := []struct {
		name      string
		number    uintptr
		arguments []uint64
		want      uint32
	}{
		{"read", unix.SYS_READ, nil, allow},
		{"mount", unix.SYS_MOUNT, nil, eperm},
		{"a call of a later kernel", 100_000, nil, enosys},
		{"thread", unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_THREAD}, allow},
		{"new user namespace", unix.SYS_CLONE, []uint64{unix.CLONE_NEWUSER}, eperm},
		{"clone3, whose flags cannot be seen", unix.SYS_CLONE3, nil, enosys},
		{"TCP", unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, 0}, allow},
		{"UDP by IPv6", unix.SYS_SOCKET, []uint64{unix.AF_INET6, unix.SOCK_DGRAM, 0}, allow},
		{"raw", unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_RAW, 1}, eperm},
		{"packets", unix.SYS_SOCKET, []uint64{unix.AF_PACKET, unix.SOCK_DGRAM, 0}, eperm},
		{"hypervisor", unix.SYS_SOCKET, []uint64{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, eperm},
		{"routes", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, allow},
		{"packet filter", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, eperm},
		{"window size", unix.SYS_IOCTL, []uint64{0, unix.TIOCGWINSZ}, allow},
		{"terminal input", unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, eperm},
		{"terminal input, disguised", unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI | wide}, eperm},
		{"named pipe", unix.SYS_MKNODAT, []uint64{0, 0, unix.S_IFIFO | 0o600}, allow},
		{"disk", unix.SYS_MKNODAT, []uint64{0, 0, unix.S_IFBLK | 0o600}, eperm},
		{"character device, disguised", unix.SYS_MKNODAT, []uint64{0, 0, unix.S_IFCHR | 0o600 | wide}, eperm},
	}
	for _, test := range tests {
		if got := answer(t, uint32(test.number), auditArch, test.arguments...); got != test.want {
			t.Errorf("%s: answer %#x, want %#x", test.name, got, test.want)
		}
	}
	if got := answer(t, uint32(unix.SYS_READ), auditArch^1); got != kill {
		t.Errorf("another architecture: answer %#x", got)
	}
}
