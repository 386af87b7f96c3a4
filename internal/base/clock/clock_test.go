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
