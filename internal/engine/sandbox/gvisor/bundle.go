package gvisor

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// Who the function is inside: nobody of the host's, by the names of /etc/passwd.
const (
	insideUser  = 1051
	insideGroup = 990
)

// Limits of a function's processes, inside; the same as in the first tier.
var limits = []rlimit{{"RLIMIT_NOFILE", 1024, 1024}, {"RLIMIT_NPROC", 1024, 1024}, {"RLIMIT_CORE", 0, 0}, {"RLIMIT_MEMLOCK", 65536, 65536}}

// bundle is the part of an OCI bundle's config.json that is used here.
//
// https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md
type bundle struct {
	Version  string  `json:"ociVersion"`
	Process  process `json:"process"`
	Root     root    `json:"root"`
	Hostname string  `json:"hostname"`
	Mounts   []mount `json:"mounts"`
	Linux    linux   `json:"linux"`
}

type process struct {
	User            user                `json:"user"`
	Arguments       []string            `json:"args"`
	Environ         []string            `json:"env"`
	Folder          string              `json:"cwd"`
	Capabilities    map[string][]string `json:"capabilities"` // none
	Limits          []rlimit            `json:"rlimits"`
	NoNewPrivileges bool                `json:"noNewPrivileges"`
}

type user struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

type rlimit struct {
	Kind string `json:"type"`
	Hard uint64 `json:"hard"`
	Soft uint64 `json:"soft"`
}

type root struct {
	Path     string `json:"path"`
	ReadOnly bool   `json:"readonly"`
}

type mount struct {
	Destination string   `json:"destination"`
	Kind        string   `json:"type"`
	Source      string   `json:"source"`
	Options     []string `json:"options,omitempty"`
}

type linux struct {
	Namespaces []namespace `json:"namespaces"`
}

type namespace struct {
	Kind string `json:"type"`
}

// bundleOf is the container of an environment. The network namespace is the one
// that runsc is started in.
func bundleOf(spec *sandbox.Spec, p *plan) ([]byte, error) {
	b := bundle{
		Version: "1.0.2",
		Process: process{
			User: user{insideUser, insideGroup}, Arguments: p.program, Environ: p.environ, Folder: "/var/task",
			Capabilities: map[string][]string{}, Limits: limits, NoNewPrivileges: true,
		},
		Root:     root{Path: functionRoot, ReadOnly: true},
		Hostname: "localhost",
		Mounts: []mount{
			{Destination: "/proc", Kind: "proc", Source: "proc", Options: []string{"nosuid", "nodev", "noexec"}},
			{Destination: "/dev", Kind: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec"}},
			{Destination: "/tmp", Kind: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777", fmt.Sprintf("size=%dm", spec.EphemeralMB)}},
		},
	}
	for _, kind := range []string{"pid", "mount", "ipc", "uts"} {
		b.Linux.Namespaces = append(b.Linux.Namespaces, namespace{kind})
	}
	return json.Marshal(b)
}

// openTree opens a folder or a file as a detached read-only mount: the
// environment's own user might not find a way to it.
func openTree(path string) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	file := os.NewFile(uintptr(fd), path)
	attributes := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attributes); err != nil {
		file.Close()
		return nil, fmt.Errorf("make %s read-only: %w", path, err)
	}
	return file, nil
}
