package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/confine"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
)

// childName is argv[0] by which the binary knows that it is to build a zygote's
// root and become the interpreter.
const childName = "lambkin-zygote"

// failedChild is the exit status of a process that could not be sandboxed.
const failedChild = 70

// zygoteConfig is what the supervisor tells the child, as JSON in argv[1].
type zygoteConfig struct {
	Prefix       string // empty for custom runtimes
	Python       string // empty for those whose environments are executed
	BootstrapDir string
	SiteDir      string // shown in place of the interpreter's site-packages, unless empty
	ID           string
	Preload      string // for zygote.py
	OneUser      bool   // of a user namespace, in which devices cannot be made
	Filter       []byte // seccomp program, for zygote.py
	Landlock     confine.FileRules
	// The same for templates of clones.
	TemplateFilter   []byte
	TemplateLandlock confine.FileRules
	Off              []string // protections that the escape suite switched off
}

func (c *zygoteConfig) off(protection string) bool { return slices.Contains(c.Off, protection) }

// zygoteEnviron is the environment of the interpreter until a function is bound.
// An interpreter with a shared library looks for it where it was installed,
// unless it is told.
var zygoteEnviron = []string{"LANG=C.UTF-8", "PATH=/var/lang/bin:/usr/bin:/bin", "LD_LIBRARY_PATH=/var/lang/lib"}

// controlFD is where the zygote finds its control socket.
const controlFD = 3

// Child must be the first call of main: in a process that is to become a zygote
// or an environment it does so and never returns.
func Child() {
	if len(os.Args) != 2 {
		return
	}
	var err error
	switch os.Args[0] {
	case childName:
		err = becomeZygote(os.Args[1])
	case environmentName:
		err = becomeEnvironment(os.Args[1])
	case keeperName:
		err = becomeKeeper()
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lambkin: prepare an environment:", err)
		os.Exit(failedChild)
	}
	os.Exit(0)
}

func becomeZygote(configuration string) error {
	var config zygoteConfig
	if err := json.Unmarshal([]byte(configuration), &config); err != nil {
		return err
	}
	if err := config.buildRoot(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("localhost")); err != nil {
		return err
	}
	if config.Python == "" {
		return (&forker{control: controlFD, config: config}).run()
	}
	argument, err := json.Marshal(map[string]any{"control": controlFD, "filter": config.Filter, "landlock": config.Landlock, "off": config.Off,
		"preload": config.Preload, "template_filter": config.TemplateFilter, "template_landlock": config.TemplateLandlock})
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(controlFD, unix.F_SETFD, 0); err != nil {
		return err
	}
	python := filepath.Join("/var/lang", config.Python)
	return fmt.Errorf("exec %s: %w", python, unix.Exec(python, []string{python, "-I", "-S", "-B", "/var/runtime/zygote.py", string(argument)}, zygoteEnviron))
}

// Mount flags that every mount of an environment has.
const safe = unix.MS_NOSUID | unix.MS_NODEV

// buildRoot makes the minimal root that all environments of the runtime share
// and enters it. The host's tree is not reachable afterwards.
func (c *zygoteConfig) buildRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	const root = "/sys" // a folder that every machine has and in which nobody's files lie
	if err := unix.Mount("root", root, "tmpfs", safe, "mode=755,size=4m,nr_inodes=4096"); err != nil {
		return fmt.Errorf("mount the root: %w", err)
	}
	for _, folder := range []string{"dev", "etc", "opt", "proc", "tmp", "usr", "var/lang", "var/runtime", "var/task", "old"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			return err
		}
	}
	binds := [][2]string{{"/usr", "/usr"}}
	if c.Prefix != "" {
		binds = append(binds, [2]string{c.Prefix, "/var/lang"}, [2]string{c.BootstrapDir, "/var/runtime"})
	}
	if c.SiteDir != "" {
		binds = append(binds, [2]string{c.SiteDir, filepath.Join("/var/lang/lib", c.ID, "site-packages")})
	}
	if _, err := os.Stat("/etc/ssl"); err == nil {
		binds = append(binds, [2]string{"/etc/ssl", "/etc/ssl"})
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		if target, err := os.Readlink("/" + name); err == nil {
			if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
				return err
			}
		} else if _, err := os.Stat("/" + name); err == nil {
			binds = append(binds, [2]string{"/" + name, "/" + name})
		}
	}
	for _, bind := range binds {
		if err := c.bind(bind[0], filepath.Join(root, bind[1])); err != nil {
			return err
		}
	}
	if c.off("tmp") {
		if err := unix.Mount("tmp", filepath.Join(root, "tmp"), "tmpfs", safe, "mode=1777,nr_inodes=0"); err != nil {
			return fmt.Errorf("mount a shared /tmp: %w", err)
		}
	}
	if err := writeEtc(filepath.Join(root, "etc")); err != nil {
		return err
	}
	if err := c.makeDevices(filepath.Join(root, "dev")); err != nil {
		return err
	}
	// The zygote needs a /proc only to start; environments mount their own.
	if err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", safe|unix.MS_NOEXEC, "subset=pid"); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	return c.enterRoot(root)
}

func (c *zygoteConfig) enterRoot(root string) error {
	if err := unix.PivotRoot(root, filepath.Join(root, "old")); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if !c.off("root") {
		if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount the old root: %w", err)
		}
		if err := unix.Rmdir("/old"); err != nil {
			return err
		}
	}
	if c.off("readOnly") {
		return nil
	}
	return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY|safe, "")
}

// bind shows source at target without the right to write, to gain privileges by
// a setuid file or to open a device.
func (c *zygoteConfig) bind(source, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	if c.off("readOnly") {
		return nil
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|safe, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", source, err)
	}
	return nil
}

// writeEtc makes an /etc of its own: nothing of the host's accounts shows.
func writeEtc(folder string) error {
	files := map[string]string{
		"passwd": "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:1051:990::/home/sbx_user1051:/sbin/nologin\n",
		"group":  "root:x:0:\nsbx_user1051:x:990:\n",
		"hosts":  "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n",
		// Of a name with both, IPv4 is tried first: a connection is taken here before the host has made its own, so a client would not try the other.
		"gai.conf":      "scopev4 ::ffff:0.0.0.0/96 14\nprecedence ::1/128 50\nprecedence ::/0 40\nprecedence ::ffff:0:0/96 100\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
		"resolv.conf":   "nameserver " + netns.PlatformAddress + "\noptions timeout:2 attempts:1\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeDevices fills a /dev with the nodes that programs need and no other.
func (c *zygoteConfig) makeDevices(folder string) error {
	if err := unix.Mount("dev", folder, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k,nr_inodes=32"); err != nil {
		return fmt.Errorf("mount dev: %w", err)
	}
	nodes := map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} // minor numbers of major 1
	for name, minor := range nodes {
		path := filepath.Join(folder, name)
		if err := c.makeDevice(name, path, minor); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
	}
	links := map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	if c.off("readOnly") {
		return nil
	}
	return unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NOEXEC, "")
}

func (c *zygoteConfig) makeDevice(name, path string, minor uint32) error {
	if c.OneUser {
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			return err
		}
		return unix.Mount("/dev/"+name, path, "", unix.MS_BIND, "")
	}
	if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
		return err
	}
	return os.Chmod(path, 0o666) // mknod obeys the umask
}
