package invoke

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

var long = flag.Bool("long", false, "run the long form of the property test")

// history is one random run: functions with their limits, and what happened.
type history struct {
	*bench
	t        *testing.T
	random   *rand.Rand
	reserved map[string]int

	mu       sync.Mutex
	revision map[string]int
	running  map[string]int // events inside handlers, by function
	total    int            // of functions without reservation
	answered int
}

// Sizes of a history.
const (
	historyFunctions = 6
	historyCalls     = 300
	historyPlaces    = 5
	historyMB        = 1024
	historyAccount   = 12
	historyAnswered  = 10 // calls that must get an answer, or the history says nothing
)

// TestRandomHistories runs calls, updates, retirements, timeouts, crashes and
// host errors in random order. The fakes fail the test when an environment has
// two owners or is used after a failure; here the limits and the answers are
// checked, and at the end that nothing is left.
func TestRandomHistories(t *testing.T) {
	seeds := 20
	if *long {
		seeds = 2000
	}
	for n := range seeds {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Logf("seed %d", seed)
			runHistory(t, seed)
		})
		if t.Failed() {
			return
		}
	}
}

func runHistory(t *testing.T, seed uint64) {
	h := &history{t: t, random: rand.New(rand.NewPCG(seed, 0)), reserved: map[string]int{"f1": 2, "f2": 0}, revision: map[string]int{}, running: map[string]int{}}
	inBubble(t, func(c *Config, s *fakeStarter) {
		c.MaxEnvironments, c.MemoryBudget, c.AccountConcurrency, c.IdleTimeout = historyPlaces, historyMB<<20, historyAccount, 2*time.Second
		s.start, s.handle = h.start, h.handle
	}, func(t *testing.T, b *bench) {
		h.bench, h.t = b, t
		b.bySize()
		ctx, stop := context.WithCancel(t.Context())
		var running, calls sync.WaitGroup
		running.Go(func() { b.Run(ctx) })
		for n := range historyCalls {
			calls.Go(func() { h.one(n) })
			pass(time.Duration(h.dice(400)) * time.Millisecond)
		}
		calls.Wait()
		if b.starter.peak > historyPlaces || b.starter.peakMB > historyMB {
			t.Errorf("%d environments and %d MB at once", b.starter.peak, b.starter.peakMB)
		}
		if h.answered < historyAnswered {
			t.Errorf("only %d of %d calls were answered", h.answered, historyCalls)
		}
		pass(2 * maxReapPeriod)
		if _, alive := b.starter.counts(); alive != 0 {
			t.Errorf("%d idle environments were not reaped", alive)
		}
		stop()
		running.Wait()
	})
}

// dice returns a number below n.
func (h *history) dice(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.random.IntN(n)
}

// one does one thing: mostly a call, sometimes an update or a deletion.
func (h *history) one(n int) {
	name := fmt.Sprintf("f%d", h.dice(historyFunctions))
	v := versionOf(name)
	v.Timeout = time.Second
	v.MemoryMB = 128 << (name[1] - '0') // up to 4 GB: larger than the host
	if v.MemoryMB > historyMB {
		v.MemoryMB = historyMB
	}
	switch h.dice(20) {
	case 0:
		h.Retire(scopeOf(v), v.Name, "")
		return
	case 1:
		h.mu.Lock()
		h.revision[name]++
		h.mu.Unlock()
		h.Retire(scopeOf(v), v.Name, v.Version)
		return
	}
	h.mu.Lock()
	v.Generation = fmt.Sprint(h.revision[name])
	h.mu.Unlock()
	request := &Request{Version: v, InvokedARN: v.ARN(), RequestID: fmt.Sprintf("id-%d", n), Payload: fmt.Appendf(nil, "%s/%s/%d", name, v.Generation, n)}
	if limit, ok := h.reserved[name]; ok {
		request.Reserved = &limit
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Duration(1+h.dice(20))*time.Second)
	defer cancel()
	r, err := h.Invoke(ctx, request)
	switch {
	case err == nil && r.FunctionError == "":
		if string(r.Payload) != string(request.Payload) {
			h.t.Errorf("call %s was answered with %s", request.Payload, r.Payload)
		}
		h.mu.Lock()
		h.answered++
		h.mu.Unlock()
	case err == nil, reasonOf(err) != "", errors.Is(err, context.DeadlineExceeded), errors.Is(err, errHost):
	default:
		h.t.Errorf("call %s: %v", request.Payload, err)
	}
}

var errHost = errors.New("the host has no more of something")

func (h *history) start(spec *sandbox.Spec, n int) (sandbox.Init, error) {
	d := time.Duration(1+h.dice(200)) * time.Millisecond
	pass(d)
	switch h.dice(12) {
	case 0:
		return initFails(spec, n)
	case 1:
		return sandbox.Init{Duration: d}, &sandbox.ExitError{Status: 1}
	case 2:
		return sandbox.Init{}, errHost
	default:
		return sandbox.Init{Duration: d}, nil
	}
}

// handle checks the limits while the event runs.
func (h *history) handle(ctx context.Context, e *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error) {
	name, _, _ := strings.Cut(string(event.Payload), "/")
	limit, reserved := h.reserved[name]
	h.mu.Lock()
	h.running[name]++
	if !reserved {
		h.total++
	}
	if reserved && h.running[name] > limit || h.total > historyAccount {
		h.t.Errorf("%s runs %d times at once, the account %d times", name, h.running[name], h.total)
	}
	h.mu.Unlock()
	err := e.work(ctx, time.Duration(1+h.dice(1100))*time.Millisecond)
	h.mu.Lock()
	h.running[name]--
	if !reserved {
		h.total--
	}
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	switch h.dice(15) {
	case 0:
		return nil, &sandbox.ExitError{Status: h.dice(3)}
	case 1:
		return nil, errors.New("a forged frame")
	case 2:
		e.die() // by itself, after the answer
	}
	return &sandbox.Result{Payload: event.Payload}, nil
}
