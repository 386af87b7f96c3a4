package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNoUserNamespaces tells that this host gives an ordinary user no means to
// isolate anything.
var ErrNoUserNamespaces = errors.New("this host gives user namespaces to root only, and without them nothing can be isolated: run lambkin as root (sudo lambkin serve), " +
	"or allow them: sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 (those that exist)")

// EnterUserNamespace lets an ordinary user make a Host: it runs this program
// again as the root of a user namespace, in which only the caller's own user id
// exists, and tells its exit status. Again is false for root, who needs none of
// it. What is weaker then is told by Host.Isolation.
func EnterUserNamespace() (status int, again bool, err error) {
	if os.Geteuid() == 0 {
		return 0, false, nil
	}
	runtime.LockOSThread() // the death signal comes when this thread ends
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS, // what mounts a tree must own the mount namespace
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   unix.SIGTERM,
	}
	if err := cmd.Start(); err != nil {
		return 0, true, fmt.Errorf("%w (%w)", ErrNoUserNamespaces, err)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM) // a terminal's interrupt reaches both by itself
	go func() {                        // ends with the program
		for range asked {
			cmd.Process.Signal(unix.SIGTERM)
		}
	}()
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(1, exit.ExitCode()), true, nil
	}
	return 0, true, err
}

// oneUser tells whether only one user id exists for this process: root has that
// of an ordinary user.
func oneUser() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(text))
	return err == nil && len(fields) == 3 && fields[2] == "1"
}
