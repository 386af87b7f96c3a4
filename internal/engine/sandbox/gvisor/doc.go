// Package gvisor runs functions under an installed runsc: the second tier of
// isolation, in which a function's system calls are answered by gVisor's kernel,
// a program, and not by the host's. It is slower and larger than the first.
//
// It promises what package sandbox does, by its contract (sandbox.Starter): an
// environment has a user id, namespaces, a cgroup and a network of its own, and
// after a time limit, an exit or a broken answer it is gone and never answers
// again. All its processes, gVisor's own included, live in one user namespace
// without a right on the host and in one PID namespace: they end together, also
// when the supervisor is killed. What it cannot do it refuses by name.
//
// Goroutines: one a Host (starts processes; ends with Close), and one each an
// environment for its log, its end, its Runtime API; they end with it. Locks:
// Host.mu over the table of environments, a leaf. Start reading at Host.Start,
// then Main, which is the other side of it.
package gvisor
