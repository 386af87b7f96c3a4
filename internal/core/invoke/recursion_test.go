package invoke

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// chain calls functions one after another, each with the trace header that the
// one before would hand on, and returns how many ran.
func (b *bench) chain(t *testing.T, n int, allowed bool, name func(n int) string) int {
	t.Helper()
	trace := "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	for k := range n {
		request := requestOf(versionOf(name(k)))
		request.TraceID, request.RecursionAllowed = trace, allowed
		response, err := b.Invoke(t.Context(), request)
		if errors.Is(err, ErrRecursive) {
			return k
		}
		if err != nil {
			t.Fatal(err)
		}
		trace = response.TraceID
		if !strings.HasPrefix(trace, "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=") || len(trace) > maxTraceHeader {
			t.Fatalf("trace header %q", trace)
		}
	}
	return n
}

func TestALoopIsStopped(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		for _, test := range []struct {
			what    string
			allowed bool
			name    func(n int) string
			want    int
		}{
			{"a function that calls itself", false, func(int) string { return "f" }, maxHops},
			{"one that may", true, func(int) string { return "f" }, 100},
			{"three in a circle", false, func(n int) string { return fmt.Sprint("f", n%3) }, 3 * maxHops},
			{"a way into a circle", false, func(n int) string { return fmt.Sprint("f", min(n, 5)) }, 5 + maxHops},
			{"a long way without a circle", false, func(n int) string { return fmt.Sprint("f", n) }, 100},
		} {
			if got := b.chain(t, 100, test.allowed, test.name); got != test.want {
				t.Errorf("%s: %d ran, want %d", test.what, got, test.want)
			}
		}
		// Calls that have nothing to do with each other are no chain.
		for range 3 * maxHops {
			b.call(t, versionOf("f"))
		}
	})
}

func FuzzHop(f *testing.F) {
	f.Add("Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:a87bd80c:0")
	f.Add("Lineage=a87bd80c:1|68fd508a:5|c512fbe3:99999999999999999999")
	f.Add(";;Lineage=|:|||::;Lineage=")
	f.Fuzz(func(t *testing.T, trace string) {
		key := functionKey{"123456789012", "eu-central-1", "f"}
		lineage, times := hop(trace, key)
		if times < 1 || !isLineage(lineage) || strings.Count(lineage, "|") >= maxLineage {
			t.Fatalf("%q gives %q, %d", trace, lineage, times)
		}
		if times > maxHops {
			return // stopped there
		}
		if _, again := hop("Lineage="+lineage, key); again != times+1 && len(lineage) < maxTraceHeader-len(lineageField) {
			t.Fatalf("%q gives %d, then %d", trace, times, again)
		}
	})
}
