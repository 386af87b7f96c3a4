package invoke

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAHostShortOfMemoryGivesUpIdleEnvironments: the least recently used first,
// as many as it takes, none in use.
func TestAHostShortOfMemoryGivesUpIdleEnvironments(t *testing.T) {
	var mu sync.Mutex
	var lack int64
	looks := 0
	short := func(bytes int64) { mu.Lock(); lack = bytes; mu.Unlock() }
	configure := func(c *Config, s *fakeStarter) {
		withNumbers(c, s)
		c.MemoryLack = func() (int64, error) {
			mu.Lock()
			defer mu.Unlock()
			looks++
			found := lack
			lack = 0
			return found, nil
		}
	}
	inBubble(t, configure, func(t *testing.T, b *bench) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.Run(ctx) })
		for _, name := range []string{"a", "b", "c"} {
			b.call(t, versionOf(name))
		}
		b.call(t, versionOf("a")) // now b is the least recently used
		pass(2 * shedPeriod)
		if _, alive := b.starter.counts(); alive != 3 {
			t.Fatalf("%d alive with memory enough", alive)
		}
		short(1)
		pass(2 * shedPeriod)
		synctest.Wait()
		if got := b.number(t, "a") + b.number(t, "c"); got != "13" {
			t.Errorf("environments %s served a and c, want those from before", got)
		}
		if _, alive := b.starter.counts(); alive != 2 {
			t.Errorf("%d alive, want one closed", alive)
		}
		var call sync.WaitGroup
		call.Go(func() { b.call(t, versionOf("a")) }) // takes a second
		pass(100 * time.Millisecond)
		short(1 << 40)
		pass(shedPeriod)
		call.Wait()
		pass(fakeClose)
		synctest.Wait()
		if _, alive := b.starter.counts(); alive != 1 {
			t.Errorf("%d alive, want the one that was in use", alive)
		}
		stop()
		running.Wait()
		if looks == 0 {
			t.Error("nobody looked")
		}
	})
}

func TestAHostThatTellsNoMemoryKeepsIdleEnvironments(t *testing.T) {
	inBubble(t, func(c *Config, _ *fakeStarter) {
		c.MemoryLack = func() (int64, error) { return 1 << 40, errors.New("no /proc") }
	}, func(t *testing.T, b *bench) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.Run(ctx) })
		b.call(t, versionOf("f"))
		pass(3 * shedPeriod)
		synctest.Wait()
		if _, alive := b.starter.counts(); alive != 1 {
			t.Errorf("%d alive", alive)
		}
		stop()
		running.Wait()
	})
}
