// Package hostmemory tells whether this machine runs short of memory, so that
// idle environments are given up before the kernel kills something.
//
// It promises to read the kernel's own estimate each time it is asked, what
// other programs take included. No state, no goroutines, no locks. Start
// reading at Lack.
package hostmemory

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// What shall stay available: a share of all memory, within bounds. It must last
// for the environments that start before idle ones are gone.
const (
	reserveShare = 20 // a twentieth of all memory
	minReserve   = 256 << 20
	maxReserve   = 2 << 30
)

// Lack is how many bytes are missing to what shall stay available; zero when
// there is enough.
func Lack() (int64, error) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return lack(file)
}

func lack(meminfo io.Reader) (int64, error) {
	total, available := int64(-1), int64(-1)
	for lines := bufio.NewScanner(meminfo); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		if err != nil {
			continue // HugePages_Total and the like are not asked for
		}
		switch name {
		case "MemTotal":
			total = kib << 10
		case "MemAvailable":
			available = kib << 10
		}
	}
	if total < 0 || available < 0 {
		return 0, fmt.Errorf("the kernel does not tell MemTotal and MemAvailable")
	}
	reserve := min(max(total/reserveShare, minReserve), maxReserve)
	return max(0, reserve-available), nil
}
