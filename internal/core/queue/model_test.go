package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// The model is a queue as one would write it without a thought of speed: a list
// that is walked from its beginning each time.
type model struct {
	fifo      bool
	delay     time.Duration
	retention time.Duration
	limit     int // receives before a message is dead
	list      []*modelMessage
	dups      map[string]time.Time
}

type modelMessage struct {
	body, group, handle string
	sent, due           time.Time
	count               int
	held                bool // was received and is not visible yet
}

// settle makes visible what is due.
func (m *model) settle(now time.Time) {
	for _, e := range m.list {
		if !e.due.After(now) {
			e.held = false
		}
	}
}

// free tells whether e may be received: no message of its group before it, nor
// any that is held.
func (m *model) free(e *modelMessage, taken []*modelMessage) bool {
	if !m.fifo {
		return true
	}
	first := true
	for _, other := range m.list {
		switch {
		case other.group != e.group || slices.Contains(taken, other):
		case other.held:
			return false
		case other == e:
			first = false
		case first:
			return false // it comes before
		}
	}
	return true
}

func (m *model) dead(e *modelMessage) bool { return m.limit > 0 && e.count >= m.limit }

// follow takes what comes next in the group of the last that was taken: it comes
// before the next group.
func (m *model) follow(taken []*modelMessage, from int, now time.Time, most int) []*modelMessage {
	group := taken[len(taken)-1].group
	for _, next := range m.list[from:] {
		switch {
		case !m.fifo || len(taken) >= most:
			return taken
		case next.group != group:
		case next.due.After(now) || m.dead(next):
			return taken
		default:
			taken = append(taken, next)
		}
	}
	return taken
}

// receive is what a Receive must give, and what must go to the dead letters.
func (m *model) receive(now time.Time, most int, visibility time.Duration) (taken, dead []*modelMessage) {
	m.settle(now)
	m.list = slices.DeleteFunc(m.list, func(e *modelMessage) bool { return !e.held && !e.due.After(now) && now.Sub(e.sent) >= m.retention })
	for again := true; again; {
		again = false
		blocked := map[string]bool{} // groups whose dead letter is on its way
		for at := 0; at < len(m.list) && len(taken) < most; at++ {
			e := m.list[at]
			if e.held || e.due.After(now) || blocked[e.group] || slices.Contains(taken, e) || !m.free(e, taken) {
				continue
			}
			if m.dead(e) {
				blocked[e.group] = m.fifo
				if !m.fifo || !slices.ContainsFunc(taken, func(t *modelMessage) bool { return t.group == e.group }) { // else what is before it is held now
					dead, again = append(dead, e), true
				}
				continue
			}
			taken = m.follow(append(taken, e), at+1, now, most)
		}
		m.list = slices.DeleteFunc(m.list, func(e *modelMessage) bool { return slices.Contains(dead, e) })
		again = again && len(taken) == 0
	}
	for _, e := range taken {
		e.count++
		e.held, e.due = visibility > 0, now.Add(visibility)
	}
	return taken, dead
}

// play is one run of random operations on a queue and on its model.
type play struct {
	*bench
	random *rand.Rand
	model  *model
	id     ID
	dead   ID
	buried []*modelMessage // in the dead-letter queue, in their order
	sent   int
}

func TestRandomOperationsAreThoseOfTheModel(t *testing.T) {
	for _, name := range []string{"q", "q.fifo"} {
		for seed := range uint64(12) {
			t.Run(fmt.Sprint(name, "/", seed), func(t *testing.T) {
				p := newPlay(t, name, seed)
				for range 250 {
					p.step()
				}
				p.finish()
			})
		}
	}
}

func newPlay(t *testing.T, name string, seed uint64) *play {
	p := &play{bench: newBench(t), random: rand.New(rand.NewPCG(seed, 1))}
	p.dead = p.create("dead" + strings.TrimPrefix(name, "q"))
	p.model = &model{fifo: isFIFO(name), retention: time.Hour, dups: map[string]time.Time{}}
	attributes := []string{"MessageRetentionPeriod", "3600"}
	if seed%2 == 1 {
		p.model.delay = 3 * time.Second
		attributes = append(attributes, "DelaySeconds", "3")
	}
	if seed%3 > 0 {
		p.model.limit = 2
		attributes = append(attributes, "RedrivePolicy", deadLetters(p.dead, 2))
	}
	p.id = p.create(name, attributes...)
	return p
}

func (p *play) step() {
	switch n := p.random.IntN(100); {
	case n < 40:
		p.sendOne()
	case n < 65:
		p.receiveSome()
	case n < 80:
		p.deleteOne()
	case n < 88:
		p.changeOne()
	case n < 95:
		p.clock.pass(time.Duration(p.random.IntN(5000)) * time.Millisecond)
	case n < 96:
		p.clock.pass(20 * time.Minute)
	case n < 99:
		p.restart()
	default:
		p.reopen()
	}
}

func (p *play) sendOne() {
	now := p.clock.Now()
	e := &modelMessage{body: fmt.Sprint("m", p.sent), sent: now, due: now.Add(p.model.delay)}
	m := Message{Body: e.body}
	p.sent++
	duplicate := false
	if p.model.fifo {
		e.group = string(rune('a' + p.random.IntN(4)))
		m.GroupID, m.DedupID = e.group, fmt.Sprint("d", p.sent-p.random.IntN(2))
		until, used := p.model.dups[m.DedupID]
		duplicate = used && now.Before(until)
		if !duplicate {
			p.model.dups[m.DedupID] = now.Add(dedupWindow)
		}
	} else if p.random.IntN(3) == 0 {
		delay := time.Duration(p.random.IntN(5)) * time.Second
		m.Delay, e.due = &delay, now.Add(delay)
	}
	if _, err := p.Send(p.t.Context(), p.id, m); err != nil {
		p.t.Fatal(err)
	}
	if !duplicate {
		p.model.list = append(p.model.list, e)
	}
}

func (p *play) receiveSome() {
	most, visibility := 1+p.random.IntN(MaxReceive), time.Duration(p.random.IntN(4))*time.Second
	taken, dead := p.model.receive(p.clock.Now(), most, visibility)
	received := p.receive(p.id, most, visibility)
	want := ""
	for i, e := range taken {
		want = strings.TrimPrefix(want+" "+e.body, " ")
		if i < len(received) {
			e.handle = received[i].Handle
			if got := received[i].System["ApproximateReceiveCount"]; got != fmt.Sprint(e.count) {
				p.t.Fatalf("%s was received %s times, want %d", e.body, got, e.count)
			}
		}
	}
	p.expect(received, want)
	p.buried = append(p.buried, dead...)
}

// handled is a message that has a receipt handle.
func (p *play) handled() *modelMessage {
	var with []*modelMessage
	for _, e := range p.model.list {
		if e.handle != "" {
			with = append(with, e)
		}
	}
	if len(with) == 0 {
		return nil
	}
	return with[p.random.IntN(len(with))]
}

func (p *play) deleteOne() {
	e := p.handled()
	if e == nil {
		return
	}
	p.model.settle(p.clock.Now())
	refusals, err := p.DeleteMessages(p.t.Context(), p.id, []string{e.handle})
	if err != nil {
		p.t.Fatal(err)
	}
	if expired := p.model.fifo && !e.held; expired != (refusals[0] != nil) {
		p.t.Fatalf("deletion of %s: %v, want a refusal: %v", e.body, refusals[0], expired)
	} else if !expired {
		p.model.list = slices.DeleteFunc(p.model.list, func(x *modelMessage) bool { return x == e })
	}
}

func (p *play) changeOne() {
	e := p.handled()
	if e == nil {
		return
	}
	now := p.clock.Now()
	p.model.settle(now)
	timeout := time.Duration(p.random.IntN(3)) * time.Second
	refusals, err := p.ChangeVisibility(p.t.Context(), p.id, []Change{{e.handle, timeout}})
	if err != nil {
		p.t.Fatal(err)
	}
	if e.held != (refusals[0] == nil) {
		p.t.Fatalf("change of %s: %v, it is in flight: %v", e.body, refusals[0], e.held)
	}
	if e.held {
		e.due = now.Add(timeout)
		p.model.settle(now)
	}
}

// finish compares what is left.
func (p *play) finish() {
	now := p.clock.Now()
	p.model.settle(now)
	visible, held, later := 0, 0, 0
	for _, e := range p.model.list {
		switch {
		case e.held:
			held++
		case now.Sub(e.sent) >= p.model.retention:
		case e.due.After(now):
			later++
		default:
			visible++
		}
	}
	p.counts(p.id, visible, held, later)
	p.reopen()
	p.counts(p.id, visible, held, later)
	for _, e := range p.buried {
		for _, r := range p.expect(p.receive(p.dead, 1), e.body) {
			p.delete(p.dead, r.Handle)
		}
	}
}

// producer sends the numbers from 0 on to its group, each until it is acknowledged.
func (l *line) producer(ctx context.Context, group string, total int) {
	for n := range total {
		m := Message{Body: fmt.Sprint(n), GroupID: group, DedupID: fmt.Sprint(group, n)}
		for ctx.Err() == nil {
			l.life.RLock()
			_, err := l.Send(ctx, l.id, m)
			l.life.RUnlock()
			if err == nil {
				break
			}
		}
	}
}

// line is a FIFO queue with a crowd at work on it, and a store in trouble.
type line struct {
	*bench
	id ID

	life sync.RWMutex // held for reading over each operation, for writing by a crash

	mu      sync.Mutex
	asked   map[string]map[int]bool // by group: deletion was asked for
	deleted map[string]map[int]bool // by group: deletion was acknowledged
	left    int
}

// check is called with what one Receive gave: whatever came before in a group
// must be deleted, or have been given by the same Receive.
func (l *line) check(received []Received) {
	l.mu.Lock()
	defer l.mu.Unlock()
	given := map[string]map[int]bool{}
	for _, r := range received {
		group := r.System["MessageGroupId"]
		n := number(r.Body)
		for before := range n {
			if !l.asked[group][before] && !given[group][before] {
				l.t.Errorf("%s/%d came before %d was deleted", group, n, before)
			}
		}
		if l.deleted[group][n] {
			l.t.Errorf("%s/%d came after its deletion was acknowledged", group, n)
		}
		if given[group] == nil {
			given[group] = map[int]bool{}
		}
		given[group][n] = true
	}
}

func number(body string) (n int) {
	fmt.Sscan(body, &n)
	return n
}

func (l *line) note(of map[string]map[int]bool, r *Received) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	group, n := r.System["MessageGroupId"], number(r.Body)
	if of[group] == nil {
		of[group] = map[int]bool{}
	}
	news := !of[group][n]
	of[group][n] = true
	return news
}

func (l *line) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left == 0
}

// consumer receives, and deletes or gives back, until nothing is left.
func (l *line) consumer(ctx context.Context, random *rand.Rand) {
	for !l.over() && ctx.Err() == nil {
		l.life.RLock()
		l.consume(ctx, random)
		l.life.RUnlock()
	}
}

func (l *line) consume(ctx context.Context, random *rand.Rand) {
	none := time.Duration(0)
	received, err := l.Receive(ctx, l.id, Receiving{Max: 1 + random.IntN(MaxReceive), Wait: &none})
	if err != nil {
		return // what it may have taken comes again after its timeout
	}
	l.check(received)
	for i := range received {
		r := &received[i]
		if random.IntN(10) == 0 {
			for range 3 {
				refusals, err := l.ChangeVisibility(ctx, l.id, []Change{{r.Handle, 0}})
				if err == nil && refusals[0] == nil {
					break
				}
			}
			return // with all that follows still in flight: it comes after its timeout
		}
		l.note(l.asked, r)
		for ctx.Err() == nil {
			refusals, err := l.DeleteMessages(ctx, l.id, []string{r.Handle})
			if err != nil {
				continue // its outcome is unknown
			}
			if refusals[0] == nil && l.note(l.deleted, r) {
				l.mu.Lock()
				l.left--
				l.mu.Unlock()
			}
			break
		}
	}
}

func TestOrderHoldsWithinAGroupUnderConcurrentConsumersAndCrashes(t *testing.T) {
	const groups, each, consumers = 5, 60, 4
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			l := &line{bench: newBench(t), asked: map[string]map[int]bool{}, deleted: map[string]map[int]bool{}, left: groups * each}
			l.id = l.create("line.fifo", "VisibilityTimeout", "1") // far from the deduplication window
			l.store.set(l.trouble(seed))
			var crowd sync.WaitGroup
			for g := range groups {
				crowd.Go(func() { l.producer(ctx, string(rune('a'+g)), each) }) // ends when all are sent
			}
			for c := range consumers {
				random := rand.New(rand.NewPCG(seed, uint64(c)))
				crowd.Go(func() { l.consumer(ctx, random) }) // ends when nothing is left
			}
			for crash := 0; !l.over() && ctx.Err() == nil; crash++ {
				l.pause()
				l.life.Lock()
				if crash%4 == 0 {
					l.restart()
				}
				// What was in flight comes again: nobody holds it now.
				l.clock.pass(time.Second)
				l.life.Unlock()
			}
			crowd.Wait()
			l.store.set(nil, nil)
			l.counts(l.id, 0, 0, 0)
			if l.left != 0 {
				t.Errorf("%d messages were lost", l.left)
			}
		})
	}
}

// trouble breaks one commit of twenty, half of them after it was made.
func (l *line) trouble(seed uint64) (before, after func(*store.Batch) error) {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 99))
	perhaps := func(*store.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(40) == 0 {
			return errDisk
		}
		return nil
	}
	return perhaps, perhaps
}

func TestTroubleOfTheStoreIsTold(t *testing.T) {
	b := newBench(t)
	id := b.create("q")
	b.send(id, "a")
	b.store.set(func(*store.Batch) error { return errDisk }, nil)
	if _, err := b.Receive(t.Context(), id, Receiving{Max: 1}); !errors.Is(err, errDisk) {
		t.Errorf("receive: %v", err)
	}
	b.store.set(nil, nil)
	handle := b.expect(b.receive(id, 1), "a")[0].Handle
	b.store.set(func(*store.Batch) error { return errDisk }, nil)
	if _, err := b.DeleteMessages(t.Context(), id, []string{handle}); !errors.Is(err, errDisk) {
		t.Errorf("delete: %v", err)
	}
	if _, err := b.ChangeVisibility(t.Context(), id, []Change{{handle, 0}}); !errors.Is(err, errDisk) {
		t.Errorf("change: %v", err)
	}
	b.store.set(nil, nil)
	b.delete(id, handle)
	b.counts(id, 0, 0, 0)
}
