package sandbox

import (
	"log/slog"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/cgroup"
)

// freezeAfter is how long an environment is idle before it is frozen.
//
// AWS freezes at once. Here an environment that has its next event at once must
// not pay for it: freezing and thawing take 40 µs of CPU, a third of a warm
// call. So a thread that goes on after the answer has up to freezeAfter, and
// then stands still until the next event.
const freezeAfter = 10 * time.Millisecond

// idleness freezes an environment's processes while no event is under way.
type idleness struct {
	group  *cgroup.Group
	logger *slog.Logger
	// settled tells whether the runtime is done with the event that it answered;
	// nil: it is, having answered.
	//
	// AWS freezes "when the runtime and each extension have completed and there
	// are no pending events", which they tell by asking for the next one.
	// (lambda-runtime-environment.html, Invoke phase)
	settled func() bool

	mu     sync.Mutex
	timer  *time.Timer // made by the first end
	armed  bool        // the timer runs
	busy   bool        // an event is under way
	frozen bool
	over   bool      // never frozen again: it is being killed, or the host has no freezer
	since  time.Time // end of the last event
}

// newIdleness makes the idleness of a group; without a freezer nothing happens.
func (h *Host) newIdleness(group *cgroup.Group) *idleness {
	return &idleness{group: group, logger: h.logger, over: h.cgroups.Freezer() == "" || h.config.off.freeze}
}

// begin lets the processes go on: an event comes.
func (i *idleness) begin() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.busy = true
	return i.thawLocked()
}

func (i *idleness) thawLocked() error {
	if !i.frozen {
		return nil
	}
	i.frozen = false
	return i.group.Thaw()
}

// end says that the event is answered. A timer that runs is left alone: setting
// one anew on each warm call would cost more than to look, when it fires, how
// long the environment has been idle.
func (i *idleness) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.busy, i.since = false, time.Now()
	if i.armed || i.over {
		return
	}
	i.armed = true
	if i.timer == nil {
		i.timer = time.AfterFunc(freezeAfter, i.due)
	} else {
		i.timer.Reset(freezeAfter)
	}
}

// due freezes an environment that has been idle for freezeAfter, or looks again
// later.
func (i *idleness) due() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.busy || i.over {
		i.armed = false
		return
	}
	left := freezeAfter - time.Since(i.since)
	if left <= 0 && i.settled != nil && !i.settled() {
		left = freezeAfter
	}
	if left > 0 {
		i.timer.Reset(left)
		return
	}
	i.armed, i.frozen = false, true
	if err := i.group.Freeze(); err != nil {
		i.logger.Warn("an idle environment could not be frozen", "err", err)
	}
}

// dying thaws for good what was killed: with cgroup v1 a frozen process dies
// when it is thawed. The signal is already there, so nothing of the function
// runs again.
func (i *idleness) dying() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
	if i.timer != nil {
		i.timer.Stop()
	}
	if err := i.thawLocked(); err != nil {
		i.logger.Error("a killed environment could not be thawed", "err", err)
	}
}
