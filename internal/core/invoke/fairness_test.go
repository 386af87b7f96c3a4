package invoke

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// TestNobodyWaitsForMoreThanThoseAhead measures the longest wait of small and of
// large functions that keep a full host busy against each other. It is bounded
// by the turns of the calls that can stand ahead: neither kind starves.
func TestNobodyWaitsForMoreThanThoseAhead(t *testing.T) {
	const (
		hostMB  = 1024
		smalls  = 8 // of 128 MB, that run side by side
		service = 200 * time.Millisecond
		// Who runs last has let somebody pass for as long as the head had patience.
		turn = fakeInit + service + fakeClose + patience
	)
	for _, test := range []struct {
		name         string
		small, large int // clients, each calls again at once
		byUse        bool
	}{
		{"one large among many small", 40, 1, false},
		{"one small among large", 1, 6, false},
		{"as many of each", 12, 4, false},
		{"one that uses much among many that use little", 40, 1, true},
		{"as many of each, by use", 12, 4, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(c *Config, s *fakeStarter) {
				c.MemoryBudget = hostMB << 20
				s.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
					return &sandbox.Result{}, e.work(ctx, service)
				}
			}, func(t *testing.T, b *bench) {
				small, large := versionOf("small"), versionOf("large")
				large.MemoryMB = hostMB
				b.bySize()
				if test.byUse { // of one MemorySize, and none of it is used up
					b.weights.learn(small, int64(small.MemoryMB)<<20)
					b.weights.learn(large, int64(large.MemoryMB)<<20)
					b.starter.holds = func(e *fakeEnvironment) int64 {
						held, _ := b.weights.charge(versionOf(e.spec.TaskDir))
						return held
					}
					small.MemoryMB, large.MemoryMB = 10*hostMB, 10*hostMB
					small.TaskDir, large.TaskDir = small.Name, large.Name // tells the fakes apart
				}
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				defer running.Wait()
				defer stop()
				running.Go(func() { b.Run(ctx) })
				longest, served := b.contend(t, map[*function.Version]int{small: test.small, large: test.large})
				if b.starter.peakMB > hostMB {
					t.Errorf("%d MB were held at once", b.starter.peakMB)
				}
				// Each large call ahead takes the host for a turn; the small ones share
				// theirs, but a large one between them splits it.
				bound := time.Duration(test.large+(test.small+smalls-1)/smalls+min(test.small, test.large)+1) * turn
				for name, wait := range longest {
					if wait > bound {
						t.Errorf("a call of %s took %s, want at most %s", name, wait, bound)
					}
				}
				t.Logf("longest %v, served %v, at most %s", longest, served, bound)
			})
		})
	}
}

// contend runs clients of some versions for a minute, each of which calls again
// at once, and measures by name the longest call and how many were served.
func (b *bench) contend(t *testing.T, clients map[*function.Version]int) (longest map[string]time.Duration, served map[string]int) {
	longest, served = map[string]time.Duration{}, map[string]int{}
	var mu sync.Mutex
	var group sync.WaitGroup
	end := time.Now().Add(time.Minute)
	for v, n := range clients {
		for range n {
			group.Go(func() {
				for time.Now().Before(end) {
					begin := time.Now()
					b.call(t, v)
					mu.Lock()
					longest[v.Name] = max(longest[v.Name], time.Since(begin))
					served[v.Name]++
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
	return longest, served
}
