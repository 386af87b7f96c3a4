package gvisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// checkUser reads from the kernel that a process has the user of its environment,
// in a user namespace that is not ours, and no group of ours.
func (e *env) checkUser(pid int) error {
	status, err := statusOf(pid)
	if err != nil {
		return err
	}
	own := strings.TrimSuffix(strings.Repeat(strconv.Itoa(e.uid)+"\t", 4), "\t")
	for name, want := range map[string]string{"Uid": own, "Gid": own, "Groups": ""} {
		if status[name] != want {
			return fmt.Errorf("process %d has %s %q, want %q", pid, name, status[name], want)
		}
	}
	ours, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return err
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err == nil && theirs == ours {
		err = fmt.Errorf("process %d is in the supervisor's user namespace", pid)
	}
	return err
}

// checkRights looks at every process of the environment. All but the first, which
// only waits for the others, must have given up the host's system calls: runsc sees
// to that itself, so its word is not taken for it.
func (e *env) checkRights() error {
	pids, err := e.group.Processes()
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, pid := range pids {
		role := roleOf(pid)
		status, err := statusOf(pid)
		if err == nil {
			err = e.checkUser(pid)
		}
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return err
		}
		if pid != e.cmd.Process.Pid && status["Seccomp"] != "2" || status["NoNewPrivs"] != "1" {
			return fmt.Errorf("process %d (%s) has Seccomp %s, NoNewPrivs %s", pid, role, status["Seccomp"], status["NoNewPrivs"])
		}
		found[role] = true
	}
	for _, role := range roles {
		if !found[role] {
			return fmt.Errorf("there is no process %s: this version of runsc is not understood", role)
		}
	}
	return nil
}

// roles are the processes of runsc that a function can reach, its kernel and the
// server of its files, by their argv[0].
var roles = []string{"runsc-gofer", "runsc-sandbox"}

func roleOf(pid int) string {
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	name, _, _ := bytes.Cut(command, []byte{0})
	return string(name)
}

func statusOf(pid int) (map[string]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	status := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	return status, nil
}
