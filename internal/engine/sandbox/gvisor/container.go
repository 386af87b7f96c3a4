package gvisor

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/inside"
)

// containerName is argv[0] by which the binary knows that it is to become the
// runsc of one environment.
const containerName = "lambkin-gvisor"

// Places in the root that runsc lives in; the function's root is a folder of it.
const (
	runscPlace   = "/runsc"
	statePlace   = "/state"
	bundlePlace  = "/bundle"
	functionRoot = "/function"
)

// Descriptors of the process: a pipe for the order, one for why it could not be
// followed, which runsc does not get, and the trees that the order names.
const (
	orderFD     = 3
	faultFD     = 4
	firstTreeFD = 5
)

// order is what the supervisor tells the process, as JSON and after it has put it
// into its cgroup.
type order struct {
	Trees     []string // where each tree is shown
	Bundle    json.RawMessage
	Arguments []string // of runsc
}

// Main must be called by main before anything else: in a process that is to
// become an environment's runsc it does so and never returns.
func Main() {
	if len(os.Args) != 1 || os.Args[0] != containerName {
		return
	}
	unix.CloseOnExec(faultFD)
	err := becomeContainer()
	fmt.Fprint(os.NewFile(faultFD, "fault"), err)
	os.Exit(1)
}

// becomeContainer is root of a user namespace, which has no right on the host, and
// the first process of a PID namespace. It returns only with an error.
func becomeContainer() error {
	var o order
	text, err := io.ReadAll(os.NewFile(orderFD, "order"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("the supervisor ended: %w", err)
	}
	if err := o.buildRoot(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return fmt.Errorf("execute runsc: %w", unix.Exec(runscPlace, append([]string{"runsc"}, o.Arguments...), nil))
}

// safe is the flags of every mount.
const safe = unix.MS_NOSUID | unix.MS_NODEV

// buildRoot makes a root that holds runsc and the function's root, and enters it:
// the host's tree is not reachable afterwards.
func (o *order) buildRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	const root = "/sys" // a folder that every machine has and in which nobody's files lie
	if err := unix.Mount("root", root, "tmpfs", safe, "mode=755,size=4m,nr_inodes=4096"); err != nil {
		return fmt.Errorf("mount the root: %w", err)
	}
	function := filepath.Join(root, functionRoot)
	for _, folder := range []string{
		statePlace, bundlePlace, "proc", "tmp", "old", "dev", "etc",
		functionRoot + "/dev", functionRoot + "/etc", functionRoot + "/opt", functionRoot + "/proc", functionRoot + "/sys", functionRoot + "/tmp",
		functionRoot + "/var/lang", functionRoot + "/var/runtime", functionRoot + "/var/task",
		functionRoot + inside.TrustPlace,
	} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			return err
		}
	}
	if err := o.mounts(root, function); err != nil {
		return err
	}
	if err := inside.WriteEtc(filepath.Join(function, "etc")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, bundlePlace, "config.json"), o.Bundle, 0o600); err != nil {
		return err
	}
	return enterRoot(root)
}

func (o *order) mounts(root, function string) error {
	if err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", safe|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	null := filepath.Join(root, "dev/null")
	if err := os.WriteFile(null, nil, 0o666); err != nil {
		return err
	}
	if err := unix.Mount("/dev/null", null, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind /dev/null: %w", err)
	}
	system, err := inside.LinkSystem(function)
	if err != nil {
		return err
	}
	for _, folder := range system {
		if err := bind(folder, filepath.Join(function, folder)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(root, runscPlace), nil, 0o755); err != nil {
		return err
	}
	for i, target := range o.Trees {
		if err := unix.MoveMount(firstTreeFD+i, "", unix.AT_FDCWD, filepath.Join(root, target), unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
		unix.Close(firstTreeFD + i)
	}
	return nil
}

// bind shows a folder of the system, with what is mounted below it: a user
// namespace may not uncover that.
func bind(source, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	attributes := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, attributes); err != nil {
		return fmt.Errorf("make %s read-only: %w", source, err)
	}
	return nil
}

func enterRoot(root string) error {
	if err := unix.PivotRoot(root, filepath.Join(root, "old")); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the old root: %w", err)
	}
	return unix.Rmdir("/old")
}
