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
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/cbor"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonrpc"
	"github.com/lambkin-dev/lambkin/internal/wire/query"
	"github.com/lambkin-dev/lambkin/internal/wire/restjson"
	"github.com/lambkin-dev/lambkin/internal/wire/restxml"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// codecs are the protocols under test.
var codecs = map[shape.Protocol]wire.Codec{
	shape.RestJSON: restjson.Codec{},
	shape.JSON:     jsonrpc.Codec{},
	shape.Query:    query.Codec{},
	shape.CBOR:     cbor.Codec{},
	shape.RestXML:  restxml.Codec{},
}

// checked tells whether ./check runs the tests, which then must have all they need.
func checked() bool { return os.Getenv("LAMBKIN_CHECK") == "1" }

// skip leaves a test out because something is missing on this machine, unless
// ./check promised to have it.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if checked() {
		t.Fatalf(format, args...)
	}
	t.Skipf("LEFT OUT: "+format, args...)
}

// tally counts what passes of one suite and holds it against the floors.
type tally struct {
	suite         string // "botocore-input"
	known         map[string]string
	total, passed map[string]int // by group: a protocol or a service
	left          map[string]bool
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
	return &tally{suite: suite, known: known, total: map[string]int{}, passed: map[string]int{}, left: map[string]bool{}}
}

// leaveOut says that a group cannot be tested here: its floor is not asked for.
func (c *tally) leaveOut(group string) {
	c.left[group] = true
	maps.DeleteFunc(c.known, func(key, _ string) bool { return strings.HasPrefix(key, c.suite+" "+group+" ") })
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
		if _, ok := floors[key]; !ok {
			t.Errorf("floors.txt lacks %q: %d pass", key, c.passed[group])
		}
	}
	for key, floor := range floors {
		if group, mine := strings.CutPrefix(key, c.suite+" "); mine && !c.left[group] && c.passed[group] < floor {
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

// contextLines is how many lines of each side a report shows from where the two
// differ first.
const contextLines = 8

// diff is empty when the values are equal.
func diff(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	w, g := printed(want), printed(got)
	first := 0
	for first < len(w) && first < len(g) && w[first] == g[first] {
		first++
	}
	return fmt.Sprintf("differs from line %d: want\n%s\ngot\n%s", first+1, excerpt(w, first), excerpt(g, first))
}

func printed(value any) []string {
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return []string{fmt.Sprintf("%#v (%v)", value, err)}
	}
	return strings.Split(string(text), "\n")
}

func excerpt(lines []string, from int) string {
	return strings.Join(lines[min(max(0, from-2), len(lines)):min(from+contextLines, len(lines))], "\n")
}

func problem(format string, args ...any) string { return fmt.Sprintf(format, args...) }
