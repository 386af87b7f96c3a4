package gvisor

import (
	"bytes"
	"strings"
	"sync"
)

// maxLineBytes is how much of a line is looked at.
const maxLineBytes = 1 << 10

// lastLine is the last line of an environment's log: there runsc says why it could
// not start a container.
type lastLine struct {
	mu   sync.Mutex
	text string
}

func (l *lastLine) note(record []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = string(bytes.TrimSpace(record[:min(len(record), maxLineBytes)]))
}

// failure of runsc. A program tells that it could not be executed, and the reason
// is then the kernel's.
type failure struct{ program, reason string }

func (l *lastLine) failure() failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return parseFailure(l.text)
}

// parseFailure reads a line that a hostile function may have written as well: what
// it can gain by that is another text about itself. No reason: it is not runsc's.
func parseFailure(line string) failure {
	reason, found := strings.CutPrefix(line, "running container: ")
	if !found {
		return failure{}
	}
	_, load, found := strings.Cut(reason, "failed to load ")
	program, why, exact := strings.Cut(load, ": ")
	if found && exact && program != "" {
		return failure{program: program, reason: why}
	}
	return failure{reason: reason}
}
