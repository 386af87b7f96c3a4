package due

import (
	"testing"
	"time"
)

func TestAReadingBeginsWhereSomethingMayBe(t *testing.T) {
	s, now := &Start{}, time.Unix(1_000_000, 0)
	expect := func(want time.Time, what string) {
		t.Helper()
		if got := s.Next(now); !got.Equal(want) {
			t.Errorf("%s: reads from %s, want %s", what, got, want)
		}
	}
	expect(time.Time{}, "the first time")
	early := now.Add(-time.Hour)
	s.Saw(early)
	s.Saw(early.Add(time.Minute))
	now = now.Add(time.Second)
	expect(early, "a row is there")
	s.Saw(now.Add(-slack / 2))
	now = now.Add(time.Second)
	expect(now.Add(-time.Second-slack), "the row is gone")
	now = now.Add(time.Second)
	expect(now.Add(-time.Second-slack), "nothing was there")
	now = now.Add(sweep)
	expect(time.Time{}, "a while later")
	now = now.Add(-time.Hour)
	expect(time.Time{}, "the clock was set back")
}
