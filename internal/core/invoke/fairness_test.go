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
	}{
		{"one large among many small", 40, 1},
		{"one small among large", 1, 6},
		{"as many of each", 12, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(c *Config, s *fakeStarter) {
				c.MaxMemoryMB = hostMB
				s.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
					return &sandbox.Result{}, e.work(ctx, service)
				}
			}, func(t *testing.T, b *bench) {
				small, large := versionOf("small"), versionOf("large")
				large.MemoryMB = hostMB
				longest, served := map[string]time.Duration{}, map[string]int{}
				var mu sync.Mutex
				var group sync.WaitGroup
				end := time.Now().Add(time.Minute)
				client := func(v *function.Version) {
					for time.Now().Before(end) {
						begin := time.Now()
						b.call(t, v)
						mu.Lock()
						longest[v.Name] = max(longest[v.Name], time.Since(begin))
						served[v.Name]++
						mu.Unlock()
					}
				}
				for range test.small {
					group.Go(func() { client(small) })
				}
				for range test.large {
					group.Go(func() { client(large) })
				}
				group.Wait()
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
