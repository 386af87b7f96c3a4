package invoke

import (
	"slices"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// What an environment is counted with.
const (
	firstGuess   = 128 << 20 // when nothing is known of its function, or MemorySize if that is less
	leastCharge  = 1 << 20   // for comparing what small ones are worth
	maxLearned   = 10_000    // versions that something is known of
	weighsAtOnce = 200       // bounds the work of one look, some 10 ms
)

// weights is what was learned of the memory of functions.
type weights struct {
	look  chan struct{} // something is to be weighed soon
	guess int64         // firstGuess

	mu      sync.Mutex
	learned map[weightKey]int64 // the most that an environment held
}

type weightKey struct {
	function functionKey
	version  string
}

// weighing is when an environment was weighed last and what it held then.
type weighing struct {
	at   time.Time
	held int64 // 0: not known
}

func newWeights() *weights {
	return &weights{look: make(chan struct{}, 1), guess: firstGuess, learned: map[weightKey]int64{}}
}

func (w *weights) wake() {
	select {
	case w.look <- struct{}{}:
	default: // it will look anyway
	}
}

func weightKeyOf(v *function.Version) weightKey {
	return weightKey{functionKey{v.Account, v.Region, v.Name}, v.Version}
}

// charge is what an environment of v is counted with while it works: the most
// that others of it held, or a guess.
func (w *weights) charge(v *function.Version) (bytes int64, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if most, known := w.learned[weightKeyOf(v)]; known {
		return most, true
	}
	return min(int64(v.MemoryMB)<<20, w.guess), false
}

// learn takes the most that one environment of v held. More is believed at once,
// less by halves: one small environment says little of the next.
func (w *weights) learn(v *function.Version, most int64) {
	key := weightKeyOf(v)
	w.mu.Lock()
	defer w.mu.Unlock()
	known, found := w.learned[key]
	if !found && len(w.learned) >= maxLearned {
		for forgotten := range w.learned {
			delete(w.learned, forgotten)
			break
		}
	}
	w.learned[key] = max(most, (known+most)/2)
}

// idleUse is what the pool knows of an idle environment.
type idleUse struct {
	since time.Time
	most  int64 // that it held, as far as its calls told
}

// idle lists all idle environments.
func (i *Invoker) idle() map[*environment]idleUse {
	all := map[*environment]idleUse{}
	for _, f := range i.functions.all() {
		f.mu.Lock()
		for _, p := range f.versions {
			for _, e := range slices.Concat(p.idle, p.kept.idle) {
				all[e] = idleUse{e.idleSince, e.maxMemory}
			}
		}
		f.mu.Unlock()
	}
	return all
}

// weigh finds out what environments hold and counts them with it: idle ones
// with what they hold, working ones with the most that their function needed.
// All looks at each that changes: an idle one once after each use, a working one
// each time; else only what nothing is known of is weighed.
func (i *Invoker) weigh(now time.Time, all bool) {
	idle, living := i.idle(), i.host.living()
	var due []*environment
	for _, e := range living {
		use, rests := idle[e]
		if rests && !use.since.After(e.weighed.at) {
			continue
		}
		if _, known := i.weights.charge(e.version); all || e.weighed.at.IsZero() || rests && !known {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *environment) int { return a.weighed.at.Compare(b.weighed.at) })
	for _, e := range due[:min(len(due), weighsAtOnce)] {
		use, rests := idle[e]
		held := use.most // the best that is known if it cannot be weighed
		if scales, ok := e.sandbox.(sandbox.Weighable); ok {
			if now, known := scales.MemoryBytes(); known {
				held = now
			}
		}
		if held == 0 {
			continue
		}
		e.weighed = weighing{now, held}
		// One at work may yet take more, so it teaches only that there is more.
		if charge, _ := i.weights.charge(e.version); rests || held > charge {
			i.weights.learn(e.version, max(held, use.most))
		}
	}
	charges := map[*environment]int64{}
	for _, e := range living {
		if e.weighed.held == 0 {
			continue // as it was started
		}
		charges[e] = e.weighed.held
		if _, rests := idle[e]; !rests {
			if most, known := i.weights.charge(e.version); known {
				charges[e] = max(charges[e], most)
			}
		}
	}
	i.host.recharge(charges, func(v *function.Version) int64 { bytes, _ := i.weights.charge(v); return bytes })
}
