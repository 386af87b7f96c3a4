// Package sandbox runs functions in isolated execution environments without a
// container engine: one process tree each in its own mount, PID, IPC, UTS and
// network namespaces, with its own uid, cgroup limits, landlock and seccomp.
//
// It promises: nothing of an environment runs as root or outlives Close; an
// environment that timed out, exited or broke the protocol is killed and never
// answers again; all log records of an event are delivered before Invoke
// returns. What the host cannot give is told by Host.Isolation, never silent.
//
// Goroutines: one a zygote (reads its control socket, ends with the zygote), one
// an environment (reads its log pipe, ends with the environment), two more one with
// extensions (their log, their keeper), one a network namespace in use (accepts
// connections). Locks: Host.mu over the zygote table, zygote.mu over its
// environments, env.log.mu over the log parser; each is a leaf, never held over
// another or over blocking I/O. Start reading at Host.Start; DESIGN.md has the
// order of steps and the reasons.
package sandbox
