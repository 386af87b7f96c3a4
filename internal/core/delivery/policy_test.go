package delivery

import (
	"context"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
)

// hasty is a clock whose pauses are a thousandth of what they should be.
type hasty struct{ clock.Clock }

func (h hasty) Sleep(ctx context.Context, d time.Duration) error {
	return h.Clock.Sleep(ctx, d/1000)
}

func (h hasty) Timer(d time.Duration) (<-chan time.Time, func() bool) { return h.Clock.Timer(d / 1000) }

// course is all pauses of a policy without their jitter.
func course(p Policy) (pauses []time.Duration, total time.Duration) {
	for _, phase := range p.Retries {
		for n := range phase.Times {
			pauses = append(pauses, phase.pause(n))
			total += phase.pause(n)
		}
	}
	return pauses, total
}

// "100,015 times, over 23 days", 3 without delay, 2 one second apart, 10 from 1 to
// 20 seconds, 100,000 20 seconds apart:
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
func TestManagedEndpointsAreTriedAsSNSDoes(t *testing.T) {
	p := ManagedEndpoints()
	pauses, total := course(p)
	if days := total.Hours() / 24; len(pauses) != 100_015 || days < 23 || days >= 24 {
		t.Errorf("%d retries over %.1f days", len(pauses), days)
	}
	for i, want := range map[int]time.Duration{0: 0, 2: 0, 3: time.Second, 4: time.Second, 5: time.Second, 14: 20 * time.Second, 15: 20 * time.Second, 100_014: 20 * time.Second} {
		if pauses[i].Round(time.Millisecond) != want {
			t.Errorf("pause %d is %s, want %s", i, pauses[i], want)
		}
	}
	for i := 6; i < 15; i++ {
		if pauses[i] <= pauses[i-1] {
			t.Errorf("pause %d does not grow", i)
		}
	}
	if _, more := p.next(100_014); !more {
		t.Error("the last retry is missing")
	}
	if _, more := p.next(100_015); more {
		t.Error("a retry too many")
	}
}

// "for 24 hours and up to 185 times":
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
func TestBusTargetsAreTriedAsEventBridgeDoes(t *testing.T) {
	p := BusTargets()
	pauses, total := course(p)
	if len(pauses) != 185 || total > p.MaxAge || total < p.MaxAge-time.Hour || p.MaxAge != 24*time.Hour {
		t.Errorf("%d retries over %s", len(pauses), total)
	}
	three := 3
	p.MaxRetries = &three
	if _, more := p.next(2); !more {
		t.Error("the third retry is missing")
	}
	if _, more := p.next(3); more {
		t.Error("a fourth retry")
	}
}

func TestPausesHaveALittleJitter(t *testing.T) {
	p := Policy{Retries: []Phase{{Times: 1000, First: time.Minute, Last: time.Minute}}}
	seen := map[time.Duration]bool{}
	for n := range 1000 {
		pause, _ := p.next(n)
		if pause > time.Minute || pause < 54*time.Second {
			t.Fatalf("a pause of %s", pause)
		}
		seen[pause] = true
	}
	if len(seen) < 2 {
		t.Error("all pauses are the same")
	}
}

func TestGrowthStaysBetweenFirstAndLast(t *testing.T) {
	for _, growth := range []Growth{"", Linear, Arithmetic, Geometric, Exponential} {
		phase := Phase{Times: 10, First: 2 * time.Second, Last: 20 * time.Second, Growth: growth}
		before := time.Duration(0)
		for n := range phase.Times {
			pause := phase.pause(n).Round(time.Millisecond)
			if pause <= before {
				t.Errorf("%s: pause %d is %s after %s", growth, n, pause, before)
			}
			before = pause
		}
		if before != phase.Last || phase.pause(0).Round(time.Millisecond) != phase.First {
			t.Errorf("%s: from %s to %s", growth, phase.pause(0), before)
		}
	}
}
