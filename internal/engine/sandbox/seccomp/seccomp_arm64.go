package seccomp

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// legacyFamilies is empty: the architecture began with the newer calls.
var legacyFamilies []family

func (p *program) legacyCalls() {}

func (p *program) foreignNumbers() {}
