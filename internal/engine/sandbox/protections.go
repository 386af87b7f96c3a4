package sandbox

// protections names what can be switched off by the escape suite, which shows
// so that each attempt fails because of its protection and nothing else.
type protections struct {
	// Kept by the supervisor.
	memory, pids, cpu, network, egress, readOnly, setuid, freeze bool

	// Kept by the zygote and its children.
	seccomp, landlock, uid, procfs, root, pidns, ipc, tmp, limits, descriptors bool
}

// names lists the protections that are off, for the zygote.
func (p protections) names() []string {
	var off []string
	for _, named := range []struct {
		name string
		is   bool
	}{
		{"readOnly", p.readOnly}, {"setuid", p.setuid}, {"seccomp", p.seccomp}, {"landlock", p.landlock}, {"uid", p.uid}, {"procfs", p.procfs}, {"root", p.root},
		{"pidns", p.pidns}, {"ipc", p.ipc}, {"tmp", p.tmp}, {"limits", p.limits}, {"descriptors", p.descriptors},
	} {
		if named.is {
			off = append(off, named.name)
		}
	}
	return off
}
