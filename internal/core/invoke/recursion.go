package invoke

import (
	"errors"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/function"
)

// maxHops is how often one function may run in a chain of calls.
//
// AWS: "approximately 16 times",
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
const maxHops = 16

// maxLineage bounds how many functions of a chain are remembered.
const maxLineage = 32

// ErrRecursive tells that a call was stopped because its chain has run in a
// circle for too long.
var ErrRecursive = errors.New("the function is invoked in a recursive loop")

// A chain of calls is followed by the Lineage of the trace header, which the
// AWS SDKs inside functions hand on: "<function>:<times>" for each function that
// ran in it, joined by "|", the last one at the end. Its form is nobody's
// business but ours: AWS calls it internal. A function that drops the header is
// not protected from itself, as on AWS.

// hop adds a run of the function to the lineage of a trace header and tells how
// often the function has run in the chain.
func hop(trace string, key functionKey) (lineage string, times int) {
	h := fnv.New32a()
	h.Write([]byte(key.account + ":" + key.region + ":" + key.name))
	sum := h.Sum32()
	name := strconv.FormatUint(uint64(sum)|1<<32, 16)[1:] // eight digits
	var others []string
	times = 1
	for entry := range strings.SplitSeq(lineageOf(trace), "|") {
		other, count, _ := strings.Cut(entry, ":")
		n, err := strconv.Atoi(count)
		switch {
		case err != nil || n < 0 || !isHex(other, len(name)): // not ours
		case other == name:
			times = n + 1
		default:
			others = append(others, entry)
		}
	}
	others = others[max(0, len(others)-maxLineage+1):]
	return strings.Join(append(others, name+":"+strconv.Itoa(times)), "|"), times
}

// Hops tells how often the function has run in the chain of calls of a trace
// header when a call with it would run it once more, and whether that is too often.
func Hops(trace string, v *function.Version) (times int, tooOften bool) {
	_, times = hop(trace, functionKey{v.Account, v.Region, v.Name})
	return times, times > maxHops
}

const lineageField = "Lineage="

// lineageOf is the value of the Lineage field, or "".
func lineageOf(trace string) string {
	if len(trace) > maxTraceHeader {
		return ""
	}
	for field := range strings.SplitSeq(trace, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(field), lineageField); ok && isLineage(value) {
			return value
		}
	}
	return ""
}

// withLineage puts the lineage into a complete trace header.
func withLineage(header, lineage string) string {
	header, _, _ = strings.Cut(header, ";"+lineageField)
	return header + ";" + lineageField + lineage
}
