// Package libraries proves the wire codecs against what others have written
// down: the protocol vectors of botocore and the frozen fixtures of the AWS SDK
// for Go.
//
// Both are read from where their makers publish them (PyPI, the Go module
// proxy), never copied. The models of the vectors become Go types at run time,
// so that every service and every protocol goes through one harness: a new codec
// is a line in codecs. What passes is printed by protocol; testdata/floors.txt
// says how many must, testdata/misses.txt names each that does not and why.
//
// No goroutines, no locks. Start reading at TestBotocoreVectors.
package libraries

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/cbor"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonrpc"
	"github.com/lambkin-dev/lambkin/internal/wire/query"
	"github.com/lambkin-dev/lambkin/internal/wire/restjson"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// codecs are the protocols under test.
var codecs = map[shape.Protocol]wire.Codec{
	shape.RestJSON: restjson.Codec{},
	shape.JSON:     jsonrpc.Codec{},
	shape.Query:    query.Codec{},
	shape.CBOR:     cbor.Codec{},
}

// skip leaves a test out because something is missing on this machine, unless
// ./check promised to have it.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("LAMBKIN_CHECK") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf("LEFT OUT: "+format, args...)
}

// tally counts what passes of one suite and holds it against the floors.
type tally struct {
	suite         string // "botocore-input"
	known         map[string]string
	total, passed map[string]int // by group: a protocol or a service
}

func newTally(t *testing.T, suite string) *tally {
	known := map[string]string{}
	for _, line := range lines(t, "testdata/misses.txt") {
		key, reason, ok := strings.Cut(line, ": ")
		if !ok || len(reason) < 15 {
			t.Errorf("misses.txt: %q has no reason", line)
		}
		if strings.HasPrefix(key, suite+" ") {
			known[key] = reason
		}
	}
	return &tally{suite: suite, known: known, total: map[string]int{}, passed: map[string]int{}}
}

// note counts one case; problem is empty when it passed.
func (c *tally) note(t *testing.T, group, name, problem string) {
	t.Helper()
	c.total[group]++
	key := c.suite + " " + group + " " + name
	_, known := c.known[key]
	delete(c.known, key)
	switch {
	case problem == "":
		c.passed[group]++
		if known {
			t.Errorf("%s passes: take it out of misses.txt and raise the floor", key)
		}
	case !known:
		t.Errorf("%s: %s", key, problem)
	}
}

// done prints the counts and checks the floors.
func (c *tally) done(t *testing.T) {
	t.Helper()
	floors := map[string]int{}
	for _, line := range lines(t, "testdata/floors.txt") {
		key, number, _ := strings.Cut(line, ": ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Errorf("floors.txt: %q: %v", line, err)
		}
		floors[key] = n
	}
	for _, group := range slices.Sorted(maps.Keys(c.total)) {
		key := c.suite + " " + group
		t.Logf("%-40s %4d of %4d pass", key, c.passed[group], c.total[group])
		floor, ok := floors[key]
		if !ok {
			t.Errorf("floors.txt lacks %q: %d pass", key, c.passed[group])
		} else if c.passed[group] < floor {
			t.Errorf("%s: %d pass, the floor is %d", key, c.passed[group], floor)
		}
	}
	for key := range c.known {
		t.Errorf("misses.txt names %q, which is no case", key)
	}
}

// lines of a file without blank ones and comments.
func lines(t *testing.T, path string) (out []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

func problem(format string, args ...any) string { return fmt.Sprintf(format, args...) }
