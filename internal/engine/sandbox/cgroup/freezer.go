package cgroup

import (
	"os"
	"path/filepath"
)

// Freezer is a way of the kernel to let the processes of a group stand still.
type Freezer string

// The freezers, the better first. That of cgroup v2 needs no controller, so a
// hybrid host has it too, in the tree that systemd uses; it thaws in some 10 µs
// and its frozen processes can be killed. That of v1 needs 100 µs, and a process
// that is killed while it is frozen dies when it is thawed.
const (
	FreezerV2 Freezer = "cgroup v2"
	FreezerV1 Freezer = "cgroup v1"
)

// freezer is where and how groups are frozen; without a folder they are not.
type freezer struct {
	kind                 Freezer
	folder               string // parent of the groups
	file                 string // of each group
	frozenWord, thawWord string
}

// Files and words of the two kinds.
const (
	stateV2, frozenV2, thawedV2 = "cgroup.freeze", "1", "0"
	stateV1, frozenV1, thawedV1 = "freezer.state", "FROZEN", "THAWED"
)

// freezerOf is the freezer of a folder of cgroup v2: none before Linux 5.2.
func freezerOf(folder string) freezer {
	if _, err := os.Stat(filepath.Join(folder, stateV2)); err != nil {
		return freezer{}
	}
	return freezer{FreezerV2, folder, stateV2, frozenV2, thawedV2}
}

// findFreezer looks in the hierarchies of a hybrid host.
func findFreezer(wanted []Freezer) freezer {
	if len(wanted) == 0 {
		wanted = []Freezer{FreezerV2, FreezerV1}
	}
	for _, kind := range wanted {
		mount := map[Freezer]string{FreezerV2: "unified", FreezerV1: "freezer"}[kind]
		if mount == "" {
			continue
		}
		folder, err := os.MkdirTemp(filepath.Join(root, mount), prefix())
		if err != nil {
			continue // not mounted, or not ours to use
		}
		found := freezer{FreezerV1, folder, stateV1, frozenV1, thawedV1}
		if kind == FreezerV2 {
			found = freezerOf(folder)
		}
		if found.folder != "" {
			return found
		}
		os.Remove(folder) // empty, and ours
	}
	return freezer{}
}

// Freezer tells how this host freezes; empty: it cannot.
func (t *Tree) Freezer() Freezer { return t.freezer.kind }

// Freeze lets the group's processes stand still, new ones included. It does not
// wait: a process stops when it next leaves the kernel.
func (g *Group) Freeze() error { return g.setState(g.tree.freezer.frozenWord) }

// Thaw lets them go on.
func (g *Group) Thaw() error { return g.setState(g.tree.freezer.thawWord) }

func (g *Group) setState(word string) error {
	if g.state == nil {
		return nil
	}
	_, err := g.state.WriteAt([]byte(word), 0)
	return err
}

// thaw lets the processes of an abandoned group go on, or die if they were
// killed. Only one of the files exists.
func thaw(group string) {
	for file, word := range map[string]string{stateV2: thawedV2, stateV1: thawedV1} {
		if _, err := os.Stat(filepath.Join(group, file)); err == nil {
			write(group, file, word) // an error means that the group is gone
		}
	}
}
