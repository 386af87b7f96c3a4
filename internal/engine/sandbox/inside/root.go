package inside

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
)

// SafeMount is the flags that every mount of an environment has.
const SafeMount = unix.MS_NOSUID | unix.MS_NODEV

// TrustPlace is the folder in which programs of an environment find the certificates to
// trust. AWS: there too, as in all of its Linux.
const TrustPlace = "/etc/pki/tls/certs"

// buildRoot makes the minimal root that all environments of the runtime share
// and enters it. The host's tree is not reachable afterwards.
func (z *Zygote) buildRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	const root = "/sys" // a folder that every machine has and in which nobody's files lie
	if err := unix.Mount("root", root, "tmpfs", SafeMount, "mode=755,size=4m,nr_inodes=4096"); err != nil {
		return fmt.Errorf("mount the root: %w", err)
	}
	for _, folder := range []string{"dev", "etc", "opt", "proc", "tmp", "usr", "var/lang", "var/runtime", "var/task", "old"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			return err
		}
	}
	system, err := LinkSystem(root)
	if err != nil {
		return err
	}
	var binds [][2]string
	for _, folder := range system {
		binds = append(binds, [2]string{folder, folder})
	}
	if z.Prefix != "" {
		binds = append(binds, [2]string{z.Prefix, "/var/lang"}, [2]string{z.BootstrapDir, "/var/runtime"})
	}
	if z.SiteDir != "" {
		binds = append(binds, [2]string{z.SiteDir, filepath.Join("/var/lang/lib", z.ID, "site-packages")})
	}
	if z.TrustDir != "" {
		binds = append(binds, [2]string{z.TrustDir, TrustPlace})
	}
	for _, bind := range binds {
		if err := z.bind(bind[0], filepath.Join(root, bind[1])); err != nil {
			return err
		}
	}
	if z.off("tmp") {
		if err := unix.Mount("tmp", filepath.Join(root, "tmp"), "tmpfs", SafeMount, "mode=1777,nr_inodes=0"); err != nil {
			return fmt.Errorf("mount a shared /tmp: %w", err)
		}
	}
	if err := WriteEtc(filepath.Join(root, "etc")); err != nil {
		return err
	}
	if err := z.makeDevices(filepath.Join(root, "dev")); err != nil {
		return err
	}
	// The zygote needs a /proc only to start; environments mount their own.
	if err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", SafeMount|unix.MS_NOEXEC, "subset=pid"); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	return z.enterRoot(root)
}

func (z *Zygote) enterRoot(root string) error {
	if err := unix.PivotRoot(root, filepath.Join(root, "old")); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if !z.off("root") {
		if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount the old root: %w", err)
		}
		if err := unix.Rmdir("/old"); err != nil {
			return err
		}
	}
	if z.off("readOnly") {
		return nil
	}
	return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY|SafeMount, "")
}

// bind shows source at target without the right to write, to gain privileges by
// a setuid file or to open a device.
func (z *Zygote) bind(source, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	if z.off("readOnly") {
		return nil
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|SafeMount, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", source, err)
	}
	return nil
}

// LinkSystem makes the links of root that lead into the system's folders, as on
// the host, and names those folders, which are to be shown read-only.
func LinkSystem(root string) (folders []string, err error) {
	folders = []string{"/usr"}
	if _, err := os.Stat("/etc/ssl"); err == nil {
		folders = append(folders, "/etc/ssl")
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		if target, err := os.Readlink("/" + name); err == nil {
			if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
				return nil, err
			}
		} else if _, err := os.Stat("/" + name); err == nil {
			folders = append(folders, "/"+name)
		}
	}
	return folders, nil
}

// WriteEtc makes an /etc of its own: nothing of the host's accounts shows.
func WriteEtc(folder string) error {
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
func (z *Zygote) makeDevices(folder string) error {
	if err := unix.Mount("dev", folder, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k,nr_inodes=32"); err != nil {
		return fmt.Errorf("mount dev: %w", err)
	}
	nodes := map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} // minor numbers of major 1
	for name, minor := range nodes {
		path := filepath.Join(folder, name)
		if err := z.makeDevice(name, path, minor); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
	}
	links := map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	if z.off("readOnly") {
		return nil
	}
	return unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NOEXEC, "")
}

func (z *Zygote) makeDevice(name, path string, minor uint32) error {
	if z.OneUser {
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
