// Package resident gives back the memory that only the start of a server needed.
//
// A start runs through most of the program once: afterwards nearly all of its pages are
// mapped into the process, and the heap has room for what was read. A server that waits
// needs a tenth of that. What is given back comes again when it is used: pages of the
// program out of the page cache, some microseconds each.
//
// It promises that nothing is lost: only mappings of the program that cannot be written,
// and never were, are touched. It has no goroutines and no locks. Start reading at Release.
package resident

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// Release gives back what is not in use: to be called once, when the start is over.
func Release() error {
	debug.FreeOSMemory()
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer file.Close()
	pages, err := program(file, path)
	for _, m := range pages {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			err = errors.Join(err, fmt.Errorf("give back %x-%x: %w", m.from, m.to, errno))
		}
	}
	return err
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// program finds the mappings of the file at path that are as the file is, in the form
// of /proc/PID/smaps: of what is written, or was before it was made read only (the
// linker's tables of a program with cgo), changes would be lost.
func program(smaps io.Reader, path string) (found []mapping, err error) {
	lines := bufio.NewScanner(smaps)
	settled := true // the last mapping of found is no longer spoken of
	for lines.Scan() {
		fields := strings.Fields(lines.Text()) // of a mapping: addresses, rights, offset, device, inode, path
		if len(fields) > 0 && strings.HasSuffix(fields[0], ":") {
			if !settled && changed(fields) {
				found, settled = found[:len(found)-1], true
			}
			continue
		}
		settled = true
		if len(fields) < 6 || strings.Join(fields[5:], " ") != path || strings.Contains(fields[1], "w") {
			continue
		}
		var m mapping
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.from, &m.to); err != nil || m.from >= m.to {
			return nil, fmt.Errorf("mapping %q: %w", fields[0], err)
		}
		found, settled = append(found, m), false
	}
	return found, lines.Err()
}

// changed tells whether a line of a mapping says that it has pages which the file has not.
func changed(fields []string) bool {
	return len(fields) == 3 && (fields[0] == "Anonymous:" || fields[0] == "Swap:") && fields[1] != "0"
}
