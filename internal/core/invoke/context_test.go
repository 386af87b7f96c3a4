package invoke

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnEventContextEndsAsOneOfTheStandardLibrary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, kill := context.WithCancel(t.Context())
		c := &eventContext{Context: parent, deadline: time.Now().Add(time.Second)}
		defer c.cancel()
		below, stop := context.WithCancel(c)
		defer stop()
		<-time.After(time.Second - 1)
		synctest.Wait()
		if c.Err() != nil || below.Err() != nil {
			t.Fatalf("before its time: %v, %v", c.Err(), below.Err())
		}
		<-time.After(1)
		<-below.Done()
		if !errors.Is(c.Err(), context.DeadlineExceeded) {
			t.Errorf("after its time: %v", c.Err())
		}
		killed := &eventContext{Context: parent, deadline: time.Now().Add(time.Hour)}
		defer killed.cancel()
		kill()
		<-killed.Done()
		if !errors.Is(killed.Err(), context.Canceled) {
			t.Errorf("after its parent's end: %v", killed.Err())
		}
		unused := &eventContext{Context: parent, deadline: time.Now().Add(time.Hour)}
		unused.cancel()
		if unused.real != nil {
			t.Error("nobody asked, yet there is a timer")
		}
	})
}
