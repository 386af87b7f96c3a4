package invoke

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

func TestCloseWaitsForCallsInFlightAndTakesNoMore(t *testing.T) {
	inBubble(t, withNumbers, func(t *testing.T, b *bench) {
		var group sync.WaitGroup
		group.Go(func() { b.call(t, versionOf("f")) })
		synctest.Wait()
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := b.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
			if _, alive := b.starter.counts(); alive != 0 {
				t.Errorf("%d alive", alive)
			}
		})
		synctest.Wait()
		if _, err := b.Invoke(t.Context(), requestOf(versionOf("f"))); !errors.Is(err, ErrShuttingDown) {
			t.Errorf("got %v", err)
		}
		group.Wait()
	})
}

func TestCloseKillsWhatDoesNotEndInTime(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) {
		c.MaxEnvironments = 2
		s.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
			return nil, e.work(ctx, time.Hour)
		}
	}, func(t *testing.T, b *bench) {
		v := versionOf("f")
		v.Timeout = 900 * time.Second
		var group sync.WaitGroup
		invoke := func() {
			if r, err := b.Invoke(t.Context(), requestOf(v)); !errors.Is(err, ErrShuttingDown) {
				t.Errorf("got %+v, %v", r, err)
			}
		}
		group.Go(invoke)
		pass(time.Second)
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := b.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		group.Wait()
	})
}

func TestCloseEndsEnvironmentsThatAreBeingStartedAndCallsThatWait(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) {
		c.MaxEnvironments = 1
		s.start = func(*sandbox.Spec, int) (sandbox.Init, error) {
			pass(3 * time.Second)
			return sandbox.Init{Duration: 3 * time.Second}, nil
		}
	}, func(t *testing.T, b *bench) {
		var group sync.WaitGroup
		for _, name := range []string{"starting", "waiting"} {
			group.Go(func() {
				if r, err := b.Invoke(t.Context(), requestOf(versionOf(name))); !errors.Is(err, ErrShuttingDown) {
					t.Errorf("%s got %+v, %v", name, r, err)
				}
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		group.Wait()
	})
}

func TestNewRefusesWhatItCannotWorkWith(t *testing.T) {
	good := Config{Starter: &fakeStarter{}, Logs: &recorder{}, Credentials: func(_, _, _ string) Credentials { return Credentials{} }}
	if _, err := New(good); err != nil {
		t.Errorf("a minimal configuration: %v", err)
	}
	for what, change := range map[string]func(*Config){
		"no starter":     func(c *Config) { c.Starter = nil },
		"no sink":        func(c *Config) { c.Logs = nil },
		"no credentials": func(c *Config) { c.Credentials = nil },
		"negative":       func(c *Config) { c.MaxEnvironments = -1 },
	} {
		bad := good
		change(&bad)
		if _, err := New(bad); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}
