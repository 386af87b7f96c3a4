package schedule

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestAgendaGivesTheEarliest compares it with sorting a map.
func TestAgendaGivesTheEarliest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a Agenda[int]
	want := map[int]time.Time{}
	begin := time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)
	for range 20_000 {
		key := r.IntN(100)
		if r.IntN(3) == 0 {
			a.Remove(key)
			delete(want, key)
		} else {
			want[key] = begin.Add(time.Duration(r.IntN(1_000_000)))
			a.Set(key, want[key])
		}
		key, due, found := a.First()
		if found != (len(want) > 0) {
			t.Fatalf("found: %v of %d", found, len(want))
		}
		if found && (!due.Equal(want[key]) || slices.ContainsFunc(slices.Collect(maps.Values(want)), func(other time.Time) bool { return other.Before(due) })) {
			t.Fatalf("%d at %s is not the earliest", key, due)
		}
	}
}
