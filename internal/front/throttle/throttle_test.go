package throttle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
)

func TestARateLetsBurstsThrough(t *testing.T) {
	now := time.Unix(1000, 0)
	r := newRate(2, 3)
	take := func(at time.Duration) bool { return r.Take(now.Add(at)) }
	got := []bool{take(0), take(0), take(0), take(0), take(500 * time.Millisecond), take(500 * time.Millisecond), take(time.Hour), take(time.Hour), take(time.Hour), take(time.Hour)}
	if diff := cmp.Diff([]bool{true, true, true, false, true, false, true, true, true, false}, got); diff != "" {
		t.Error(diff)
	}
	if newRate(0, 5).Take(now) || newRate(5, 0).Take(now) {
		t.Error("a rate of nothing lets something through")
	}
}

func TestARouteHasItsOwnRateOrThatOfTheStage(t *testing.T) {
	burst, own, second := 2, 1, 1.0
	stage := &httpapi.Stage{Settings: &httpapi.Settings{ThrottlingBurstLimit: &burst, ThrottlingRateLimit: &second}, RouteSettings: map[string]httpapi.Settings{"own": {ThrottlingBurstLimit: &own}}}
	now := time.Unix(1000, 0)
	for key, want := range map[string]int{"own": own, "other": burst} {
		r, got := Of(stage, key), 0
		for r.Take(now) {
			got++
		}
		if got != want {
			t.Errorf("%s: %d at once, want %d", key, got, want)
		}
	}
	if r := Of(&httpapi.Stage{}, "any"); r != nil || !r.Take(now) {
		t.Error("a stage without settings limits")
	}
}
