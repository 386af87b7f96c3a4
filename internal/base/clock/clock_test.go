package clock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSleepLastsUntilTheTimeOrTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := System.Now()
		if err := System.Sleep(t.Context(), time.Hour); err != nil || System.Now().Sub(begin) != time.Hour {
			t.Errorf("slept %s with error %v, want one hour", System.Now().Sub(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := System.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep past its context returned %v", err)
		}
	})
}

func TestWaitEndsWithWhateverComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := System.Now()
		Wait(t.Context(), System, nil, time.Hour)
		if passed := System.Now().Sub(begin); passed != time.Hour {
			t.Errorf("waited %s, want one hour", passed)
		}
		wake := make(chan struct{}, 1)
		wake <- struct{}{}
		Wait(t.Context(), System, wake, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		Wait(ctx, System, nil, time.Hour)
		if passed := System.Now().Sub(begin); passed != time.Hour {
			t.Errorf("waited %s in all, want no more", passed)
		}
	})
}

func TestFastTimePassesFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, begin := Fast(60), System.Now()
		if err := c.Sleep(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if passed := System.Now().Sub(begin); passed != time.Minute {
			t.Errorf("slept %s of the wall, want a minute", passed)
		}
		if passed := c.Now().Sub(begin); passed != time.Hour {
			t.Errorf("slept %s of its own time, want an hour", passed)
		}
	})
}

func TestAheadShowsALaterTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Ahead(System, time.Hour)
		begin := System.Now()
		if err := c.Sleep(t.Context(), time.Minute); err != nil || c.Now().Sub(begin) != time.Hour+time.Minute {
			t.Errorf("%s later, with error %v", c.Now().Sub(begin), err)
		}
	})
}
