package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// answer is what a Receive gave.
type answer struct {
	received []Received
	err      error
}

// waiting starts a Receive that waits, and returns when it does.
func (b *bench) waiting(ctx context.Context, id ID, how Receiving) <-chan answer {
	b.t.Helper()
	wait := patience
	how.Wait = &wait
	how.Max = max(how.Max, 1)
	before := b.waiters(id)
	done := make(chan answer, 1)
	go func() { // ends when a message comes, or ctx ends
		received, err := b.Receive(ctx, id, how)
		done <- answer{received, err}
	}()
	for b.waiters(id) <= before {
		b.pause()
	}
	return done
}

func (b *bench) waiters(id ID) int {
	o, err := b.find(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiters)
}

// pause gives the processor away between two looks at a condition.
func (b *bench) pause() {
	if err := clock.System.Sleep(b.t.Context(), time.Millisecond); err != nil {
		b.t.Fatal(err)
	}
}

// woken is the answer of a Receive that must not wait to its end.
func (b *bench) woken(done <-chan answer) answer {
	b.t.Helper()
	select {
	case a := <-done:
		if a.err != nil {
			b.t.Fatal(a.err)
		}
		return a
	case <-time.After(patience / 2):
		b.t.Fatal("a Receive was not woken")
		return answer{}
	}
}

func TestASendWakesThoseWhoWait(t *testing.T) {
	b := newBench(t)
	id := b.create("q")
	var waits []<-chan answer
	for range 3 {
		waits = append(waits, b.waiting(t.Context(), id, Receiving{}))
	}
	if _, err := b.SendBatch(t.Context(), id, []Message{{Body: "a"}, {Body: "b"}, {Body: "c"}}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, done := range waits {
		seen[bodies(b.woken(done).received)] = true
	}
	if len(seen) != 3 {
		t.Errorf("the three got %v", seen)
	}
}

func TestWhatMakesAMessageVisibleWakesOneWhoWaits(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo")
	b.send(id, "a", "g")
	b.send(id, "b", "g")
	held := b.receive(id, 1)[0]
	done := b.waiting(t.Context(), id, Receiving{})
	b.delete(id, held.Handle)
	held = b.expect(b.woken(done).received, "b")[0]

	done = b.waiting(t.Context(), id, Receiving{})
	if _, err := b.ChangeVisibility(t.Context(), id, []Change{{held.Handle, 0}}); err != nil {
		t.Fatal(err)
	}
	b.expect(b.woken(done).received, "b")
}

func TestAMessageThatIsDueByTimeWakesOneWhoWaits(t *testing.T) {
	b := newBench(t)
	b.realTime()
	id := b.create("q")
	first, second := b.waiting(t.Context(), id, Receiving{}), b.waiting(t.Context(), id, Receiving{})
	soon := 20 * time.Millisecond
	if _, err := b.Send(t.Context(), id, Message{Body: "delayed", Delay: &soon}); err != nil {
		t.Fatal(err)
	}
	var left <-chan answer
	var got answer
	select {
	case got = <-first:
		left = second
	case got = <-second:
		left = first
	case <-time.After(patience / 2):
		t.Fatal("nobody got the delayed message")
	}
	held := b.expect(got.received, "delayed")[0]
	if _, err := b.ChangeVisibility(t.Context(), id, []Change{{held.Handle, soon}}); err != nil {
		t.Fatal(err)
	}
	b.expect(b.woken(left).received, "delayed")
}

func TestOneWhoIsGoneTakesNothing(t *testing.T) {
	b := newBench(t)
	id := b.create("q")
	ctx, cancel := context.WithCancel(t.Context())
	gone, stays := b.waiting(ctx, id, Receiving{}), b.waiting(t.Context(), id, Receiving{})
	// The send is caught in its commit until the first waiter is gone but not
	// yet awake: it is the one that the send wakes.
	b.store.set(nil, func(*store.Batch) error { cancel(); return nil })
	b.send(id, "a")
	b.store.set(nil, nil)
	if a := b.woken(gone); len(a.received) > 0 {
		t.Error("one who was gone took the message")
	}
	b.expect(b.woken(stays).received, "a")
}

func TestTheEndOfTheServerEndsTheWaits(t *testing.T) {
	b := newBench(t)
	id := b.create("q")
	done := b.waiting(t.Context(), id, Receiving{})
	b.EndWaits()
	b.expect(b.woken(done).received, "")
	b.send(id, "a")
	b.expect(b.receive(id, 1), "a")
	wait := patience
	if received, err := b.Receive(t.Context(), id, Receiving{Max: 1, Wait: &wait}); err != nil || len(received) > 0 {
		t.Errorf("%v, %v", received, err)
	}
}

func TestTheDeletionOfAQueueEndsTheWaits(t *testing.T) {
	b := newBench(t)
	id := b.create("q")
	done := b.waiting(t.Context(), id, Receiving{})
	if err := b.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	select {
	case a := <-done:
		refused(t, a.err, QueueDoesNotExist, "The specified queue does not exist.")
	case <-time.After(patience / 2):
		t.Fatal("the wait went on")
	}
}

// Every message that a crowd of producers sends must reach the crowd that waits
// without anybody's wait running out.
func TestNoWakeUpIsLost(t *testing.T) {
	b := newBench(t)
	b.realTime()
	id := b.create("q", "VisibilityTimeout", "43200")
	const producers, consumers, each = 4, 6, 100
	var group sync.WaitGroup
	seen := make(chan string, producers*each)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range consumers {
		group.Go(func() { // ends when all messages were seen
			for len(seen) < cap(seen) && ctx.Err() == nil {
				short := 50 * time.Millisecond // ends often while others are woken
				received, err := b.Receive(ctx, id, Receiving{Max: 2, Wait: &short})
				if err != nil {
					t.Error(err)
					return
				}
				for _, r := range received {
					seen <- r.Body
				}
			}
		})
	}
	for p := range producers {
		group.Go(func() { // ends after its messages
			for n := range each {
				if _, err := b.Send(ctx, id, Message{Body: fmt.Sprint(p, "/", n)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	close(seen)
	all := map[string]bool{}
	for body := range seen {
		if all[body] {
			t.Errorf("%s came twice", body)
		}
		all[body] = true
	}
	if len(all) != producers*each || ctx.Err() != nil {
		t.Errorf("%d messages of %d came (%v)", len(all), producers*each, ctx.Err())
	}
}

var errDisk = errors.New("the disk is on fire")

func TestASendWhoseOutcomeIsUnknownIsNoDuplicateOfNothing(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo")
	m := Message{Body: "a", GroupID: "g", DedupID: "d"}
	b.store.set(func(*store.Batch) error { return errDisk }, nil)
	if _, err := b.Send(t.Context(), id, m); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	b.store.set(nil, nil)
	if _, err := b.Send(t.Context(), id, m); err != nil {
		t.Fatal(err)
	}
	b.store.set(nil, func(*store.Batch) error { return errDisk })
	again := Message{Body: "b", GroupID: "g", DedupID: "e"}
	if _, err := b.Send(t.Context(), id, again); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	b.store.set(nil, nil)
	if _, err := b.Send(t.Context(), id, again); err != nil { // it was kept: this is its duplicate
		t.Fatal(err)
	}
	b.expect(b.receive(id, 10), "a b")
}

func TestASenderWaitsForTheFateOfItsTwin(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo")
	arrived, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.store.set(func(*store.Batch) error {
		fate := error(nil)
		once.Do(func() {
			close(arrived)
			<-proceed
			fate = errDisk
		})
		return fate
	}, nil)
	m := Message{Body: "a", GroupID: "g", DedupID: "d"}
	results := make(chan error, 2)
	send := func() { // ends with the send
		_, err := b.Send(t.Context(), id, m)
		results <- err
	}
	go send()
	<-arrived
	go send()
	close(proceed)
	var failures int
	for range 2 {
		if err := <-results; errors.Is(err, errDisk) {
			failures++
		} else if err != nil {
			t.Error(err)
		}
	}
	if failures != 1 {
		t.Errorf("%d of the two sends failed, want the first only", failures)
	}
	b.expect(b.receive(id, 10), "a")
}

// A deletion that overtakes the write of a row would leave the row behind: a
// message without content that blocks its group after the next start.
func TestADeletionWaitsForTheRowsThatAreBeingWritten(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo")
	b.send(id, "a", "g")
	b.send(id, "b", "g")
	held := b.receive(id, 1)[0]
	arrived, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.store.set(func(*store.Batch) error {
		once.Do(func() { close(arrived); <-proceed })
		return nil
	}, nil)
	done := make(chan error, 2)
	go func() { // ends after proceed
		_, err := b.ChangeVisibility(t.Context(), id, []Change{{held.Handle, time.Hour}})
		done <- err
	}()
	<-arrived
	go func() { // ends after the change
		_, err := b.DeleteMessages(t.Context(), id, []string{held.Handle})
		done <- err
	}()
	close(proceed)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	b.restart()
	b.counts(id, 1, 0, 0)
	b.expect(b.receive(id, 10), "b")
}

// The same for a message that becomes visible at once: it must not be received,
// and moved away, while the row of the receive before is being written.
func TestAMessageIsNotReceivedWhileItsRowIsBeingWritten(t *testing.T) {
	b := newBench(t)
	dead := b.create("dead")
	id := b.create("q", "RedrivePolicy", deadLetters(dead, 1))
	b.send(id, "a")
	arrived, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.store.set(func(*store.Batch) error {
		once.Do(func() { close(arrived); <-proceed })
		return nil
	}, nil)
	none := time.Duration(0)
	first := make(chan answer, 1)
	go func() { // ends after proceed
		received, err := b.Receive(t.Context(), id, Receiving{Max: 1, Visibility: &none})
		first <- answer{received, err}
	}()
	<-arrived
	b.expect(b.receive(id, 1), "")
	second := b.waiting(t.Context(), dead, Receiving{})
	close(proceed)
	b.expect(b.woken(first).received, "a")
	b.expect(b.receive(id, 1), "")
	b.expect(b.woken(second).received, "a")
	b.restart()
	b.counts(id, 0, 0, 0)
	b.counts(dead, 0, 1, 0)
}
