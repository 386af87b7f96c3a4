package confine

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// right is one right over files that landlock withholds.
type right struct {
	access uint64
	since  int      // version of landlock that knows it
	below  []string // where an environment has it all the same
	why    string
}

// files is the whole policy: what is in no folder of below is nowhere allowed,
// whatever the mounts say. Reading and executing are not withheld: the mounts
// show nothing that must not be read.
var files = []right{
	{unix.LANDLOCK_ACCESS_FS_WRITE_FILE, 1, []string{"/tmp", "/dev", "/proc"}, "/tmp is the function's; /dev/null is written to; /proc/self has settings of the process's own"},
	{unix.LANDLOCK_ACCESS_FS_TRUNCATE, 3, []string{"/tmp", "/dev"}, "open(\"/dev/null\", \"w\") truncates"},
	{unix.LANDLOCK_ACCESS_FS_MAKE_REG, 1, []string{"/tmp"}, "scratch files"},
	{unix.LANDLOCK_ACCESS_FS_MAKE_DIR, 1, []string{"/tmp"}, "scratch folders"},
	{unix.LANDLOCK_ACCESS_FS_MAKE_SYM, 1, []string{"/tmp"}, "virtual environments, unpacked archives"},
	{unix.LANDLOCK_ACCESS_FS_MAKE_SOCK, 1, []string{"/tmp"}, "multiprocessing"},
	{unix.LANDLOCK_ACCESS_FS_MAKE_FIFO, 1, []string{"/tmp"}, "shell pipelines"},
	{unix.LANDLOCK_ACCESS_FS_REMOVE_FILE, 1, []string{"/tmp"}, "scratch files"},
	{unix.LANDLOCK_ACCESS_FS_REMOVE_DIR, 1, []string{"/tmp"}, "scratch folders"},
	{unix.LANDLOCK_ACCESS_FS_REFER, 2, []string{"/tmp"}, "renames between folders"},
	{unix.LANDLOCK_ACCESS_FS_MAKE_CHAR, 1, nil, "a device is a way to the kernel"},
	{unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK, 1, nil, "a device is a way to the disks"},
}

// scopedSince is the version of landlock that keeps abstract unix sockets and
// signals within the environment.
const scopedSince = 6

// FileRules is the policy in the form that a kernel takes: zygote.py and Enter
// apply it as it is.
type FileRules struct {
	Ruleset []byte       `json:"ruleset"` // struct landlock_ruleset_attr; empty for a kernel without landlock
	Below   []FolderRule `json:"below"`
}

// FolderRule allows rights below a folder.
type FolderRule struct {
	Path   string `json:"path"`
	Rights uint64 `json:"rights"`
}

// Files is the policy for this kernel.
func Files() FileRules { return filesFor(LandlockVersion()) }

// TemplateFiles is the policy of a template, whose clones get a /tmp of their own
// in place of its own: a rule on a folder does not hold for what is mounted over
// it. Mounts and modes bound what a template writes, and its clones add Files.
func TemplateFiles() FileRules {
	rules := Files()
	all := FolderRule{Path: "/"}
	for _, below := range rules.Below {
		all.Rights |= below.Rights
	}
	if len(rules.Below) > 0 {
		rules.Below = []FolderRule{all}
	}
	return rules
}

func filesFor(version int) FileRules {
	if version == 0 {
		return FileRules{}
	}
	rules, handled := FileRules{Below: []FolderRule{{Path: "/tmp"}, {Path: "/dev"}, {Path: "/proc"}}}, uint64(0)
	for _, r := range files {
		if r.since > version {
			continue
		}
		handled |= r.access
		for _, path := range r.below {
			for i := range rules.Below {
				if rules.Below[i].Path == path {
					rules.Below[i].Rights |= r.access
				}
			}
		}
	}
	rules.Ruleset = binary.NativeEndian.AppendUint64(nil, handled)
	if version >= scopedSince {
		rules.Ruleset = binary.NativeEndian.AppendUint64(rules.Ruleset, 0) // of networks: their namespace bounds them
		rules.Ruleset = binary.NativeEndian.AppendUint64(rules.Ruleset, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET|unix.LANDLOCK_SCOPE_SIGNAL)
	}
	return rules
}
