package sandbox

import (
	"sync"
	"time"
)

// DefaultParked is the most environments kept ready for a runtime.
const DefaultParked = 16

// Sizing of the parking.
const (
	minParked    = 2                     // ready though nobody asked lately
	demandWindow = 10 * time.Second      // starts of so long tell how many will come
	quiet        = 15 * time.Millisecond // no start for so long, before the next is made: it must not slow a call that is starting
	maxQuiet     = 20                    // times that quiet is waited for at most
)

// parking keeps environments of one zygote that are forked and sandboxed but
// not yet any function's. A start takes one, and more are made after it; how
// many follows the starts of the last seconds.
type parking struct {
	host   *Host
	zygote *zygote
	most   int
	window time.Duration // demandWindow
	stop   chan struct{} // closed by close

	mu       sync.Mutex
	idle     []*env
	starts   int // in this window and, for a smooth end, half of those before
	since    time.Time
	last     time.Time // of the last start
	filling  bool
	trimming *time.Timer // nil: there was no start lately
	closed   bool
	finished sync.WaitGroup
}

func newParking(h *Host, z *zygote) *parking {
	p := &parking{host: h, zygote: z, most: h.config.Parked, window: demandWindow, stop: make(chan struct{})}
	if p.most == 0 {
		p.most = DefaultParked
	}
	return p
}

// take returns a ready environment, nil if there is none, and sees to more.
func (p *parking) take() *env {
	p.mu.Lock()
	p.last = time.Now()
	p.count()
	p.starts++
	if p.trimming == nil && !p.closed {
		p.trimming = time.AfterFunc(p.window, p.trim)
	}
	var e *env
	if last := len(p.idle) - 1; last >= 0 {
		e = p.idle[last]
		p.idle = p.idle[:last]
	}
	p.mu.Unlock()
	p.refill()
	if e != nil && e.ended() {
		e.Close()
		return nil
	}
	return e
}

// count forgets starts of former windows. Called with mu held.
func (p *parking) count() {
	if now := time.Now(); now.Sub(p.since) >= p.window {
		p.since = now
		p.starts /= 2
	}
}

// target is how many shall be ready: none while memory is short. Called with mu
// held.
func (p *parking) target() int {
	if p.host.tight.Load() {
		return 0
	}
	return min(p.most, max(minParked, p.starts))
}

// wants tells whether one more is wanted. Called with mu held.
func (p *parking) wants() bool { return !p.closed && len(p.idle) < p.target() }

// trim gives up what a lower demand does not need, the longest ready first, and
// looks again while starts are remembered.
func (p *parking) trim() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.finished.Add(1)
	defer p.finished.Done()
	p.count()
	surplus := max(0, len(p.idle)-max(0, p.target()))
	unwanted := p.idle[:surplus]
	p.idle = append([]*env(nil), p.idle[surplus:]...)
	if p.starts > 0 {
		p.trimming.Reset(p.window)
	} else {
		p.trimming = nil
	}
	p.mu.Unlock()
	for _, e := range unwanted {
		e.Close()
	}
}

// refill makes what is missing, beside the caller.
func (p *parking) refill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.filling || !p.wants() {
		return
	}
	p.filling = true
	p.finished.Add(1)
	go p.fill() // ends when enough are ready, or with close
}

func (p *parking) fill() {
	defer p.finished.Done()
	for p.waitQuiet() {
		e, err := p.host.park(p.zygote, parkAhead)
		p.mu.Lock()
		if err == nil && p.closed {
			p.mu.Unlock()
			e.Close()
			return
		}
		if err == nil {
			p.idle = append(p.idle, e)
		}
		p.count()
		p.filling = err == nil && p.wants()
		again := p.filling
		p.mu.Unlock()
		if err != nil {
			p.host.logger.Warn("no environment could be made ready", "runtime", p.zygote.id, "err", err)
		}
		if !again {
			return
		}
	}
}

// waitQuiet waits until no call is starting; false means that the parking closes.
func (p *parking) waitQuiet() bool {
	for range maxQuiet {
		p.mu.Lock()
		wait := quiet - time.Since(p.last)
		p.mu.Unlock()
		if wait <= 0 {
			break
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.stop:
			timer.Stop()
			return false
		}
	}
	select {
	case <-p.stop:
		return false
	default:
		return true
	}
}

// close ends what is parked; nothing is parked afterwards.
func (p *parking) close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.stop)
		if p.trimming != nil {
			p.trimming.Stop()
		}
	}
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, e := range idle {
		e.Close()
	}
	p.finished.Wait()
}
