package pattern

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// parts of random patterns and events: few, so that they meet.
var (
	randomTexts    = []string{"a", "ab", "abc", "Abc", "b", "1", "1.0", "10.0.0.1", "10.0.0.7", "x-y", ""}
	randomNumbers  = []string{"1", "1.0", "2.5", "-3", "6000000000"}
	randomLiterals = []string{"true", "false", "null"}
	randomPaths    = []string{"p", "q", "r"}
	randomMatchers = []string{
		`{"prefix": "a"}`, `{"prefix": "ab"}`, `{"suffix": "c"}`, `{"equals-ignore-case": "aBC"}`, `{"wildcard": "a*c"}`, `{"wildcard": "*b*"}`, `{"wildcard": "*bc"}`,
		`{"numeric": [">", 1]}`, `{"numeric": ["=", 1]}`, `{"numeric": [">=", -5, "<", 2]}`, `{"cidr": "10.0.0.0/29"}`, `{"exists": true}`, `{"exists": false}`,
		`{"anything-but": "a"}`, `{"anything-but": [1, 2]}`, `{"anything-but": {"prefix": "a"}}`, `{"prefix": {"equals-ignore-case": "AB"}}`, `{"suffix": {"equals-ignore-case": "BC"}}`,
	}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomScalar(r *rand.Rand) string {
	switch r.IntN(3) {
	case 0:
		return pick(r, randomNumbers)
	case 1:
		return pick(r, randomLiterals)
	}
	return fmt.Sprintf("%q", pick(r, randomTexts))
}

func randomPattern(r *rand.Rand, depth int) string {
	var fields []string
	for _, name := range randomPaths {
		switch n := r.IntN(6); {
		case n == 0 && depth < 2:
			fields = append(fields, fmt.Sprintf("%q: %s", name, randomPattern(r, depth+1)))
		case n == 1 && depth == 0:
			fields = append(fields, fmt.Sprintf(`"$or": [%s, %s]`, randomPattern(r, 1), randomPattern(r, 1)))
		case n < 4:
			var list []string
			for range 1 + r.IntN(2) {
				if r.IntN(2) == 0 {
					list = append(list, pick(r, randomMatchers))
				} else {
					list = append(list, randomScalar(r))
				}
			}
			fields = append(fields, fmt.Sprintf("%q: [%s]", name, strings.Join(list, ", ")))
		}
	}
	if len(fields) == 0 {
		return fmt.Sprintf(`{"p": [%s]}`, randomScalar(r))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

func randomEvent(r *rand.Rand, depth int) string {
	var fields []string
	for _, name := range randomPaths {
		switch n := r.IntN(6); {
		case n == 0 && depth < 2:
			fields = append(fields, fmt.Sprintf("%q: %s", name, randomEvent(r, depth+1)))
		case n == 1 && depth < 2:
			fields = append(fields, fmt.Sprintf("%q: [%s, %s, %s]", name, randomEvent(r, depth+1), randomScalar(r), randomEvent(r, depth+1)))
		case n < 4:
			fields = append(fields, fmt.Sprintf("%q: %s", name, randomScalar(r)))
		}
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// TestSetFindsWhatEachPatternFinds compares a set with asking every pattern, over
// random patterns that come and go.
func TestSetFindsWhatEachPatternFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s Set[int]
	patterns := map[int]*Pattern{}
	found := 0
	for round := range 300 {
		for range 20 {
			key := r.IntN(200)
			if r.IntN(4) == 0 {
				s.Remove(key)
				delete(patterns, key)
				continue
			}
			source := randomPattern(r, 0)
			p, err := Compile([]byte(source))
			if err != nil {
				continue // such as the same name twice beside $or
			}
			s.Put(key, p)
			patterns[key] = p
		}
		if s.Len() != len(patterns) {
			t.Fatalf("%d patterns, want %d", s.Len(), len(patterns))
		}
		for range 20 {
			source := randomEvent(r, 0)
			e, err := ParseEvent([]byte(source))
			if err != nil {
				t.Fatal(err)
			}
			var got, want []int
			s.Match(e, func(key int) { got = append(got, key) })
			for key, p := range patterns {
				if p.Match(e) {
					want = append(want, key)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("round %d: %s is found by %v, want %v", round, source, got, want)
			}
			found += len(want)
		}
	}
	if found < 10_000 {
		t.Errorf("only %d matches in all: the patterns and events do not meet", found)
	}
}

// BenchmarkSet matches events of a shop with 10,000 rules on one goroutine: half
// name their source and a tenant, the rest have prefixes, suffixes, wildcards,
// ranges and negations, two of each hundred without any value to hang at.
// The goal is 50 µs (20,000 events/s), with the reading of the event.
func BenchmarkSet(b *testing.B) {
	var s Set[int]
	for n := range 10_000 {
		var source string
		switch n % 10 {
		case 0, 1, 2, 3, 4:
			source = fmt.Sprintf(`{"source": ["shop"], "detail-type": ["Order"], "detail": {"tenant": ["t%d"], "total": [{"numeric": [">", 10]}]}}`, n)
		case 5:
			source = fmt.Sprintf(`{"source": ["shop"], "detail": {"sku": [{"prefix": "sku-%d-"}]}}`, n)
		case 6:
			source = fmt.Sprintf(`{"source": ["shop"], "detail": {"mail": [{"suffix": "@host%d.example"}]}}`, n)
		case 7:
			source = fmt.Sprintf(`{"source": ["shop"], "detail": {"path": [{"wildcard": "/team%d/*/done"}]}}`, n)
		case 8:
			source = fmt.Sprintf(`{"source": ["service%d"], "detail": {"state": [{"anything-but": "ok"}], "note": [{"exists": false}]}}`, n%100)
		case 9:
			source = fmt.Sprintf(`{"detail-type": ["Type%d"], "$or": [{"detail": {"total": [{"numeric": ["<", %d]}]}}, {"detail": {"address": [{"cidr": "10.%d.0.0/16"}]}}]}`, n, n, n%256)
		}
		p, err := Compile([]byte(source))
		if err != nil {
			b.Fatal(err)
		}
		s.Put(n, p)
	}
	event := []byte(`{"version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": "Order", "source": "shop", "account": "123456789012", "time": "2026-11-28T06:00:00Z", "region": "us-east-1", "resources": [],
		"detail": {"tenant": "t4003", "total": 42.5, "sku": "sku-4005-77", "mail": "ada@host4006.example", "path": "/team4007/x/done", "state": "paid", "address": "10.7.1.2", "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}}`)
	found := 0
	for b.Loop() {
		e, err := ParseEvent(event)
		if err != nil {
			b.Fatal(err)
		}
		found = 0
		s.Match(e, func(int) { found++ })
	}
	if found != 4 {
		b.Fatalf("%d rules match, want 4", found)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
