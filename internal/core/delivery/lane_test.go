package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// TestALaneKeepsItsOrder sends to several lanes of two targets that fail at
// random, and stops and starts the outbox, over a store that is closed and
// opened, in between. In each lane what arrives first arrives in order.
func TestALaneKeepsItsOrder(t *testing.T) {
	const lanes, perLane, restarts = 7, 60, 4
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	folder := filepath.Join(t.TempDir(), "store")
	to := &target{answer: func(context.Context, int, *Message) error {
		if rand.IntN(4) == 0 {
			return errors.New("not now")
		}
		return nil
	}}
	sent := make([]int, lanes)
	for round := range restarts {
		s := openStore(t, folder)
		o, _ := newOutbox(t, s, map[string]Target{"sqs": to, "sns": to})
		stop := start(t, o)
		for range lanes * perLane / restarts {
			lane := random.IntN(lanes)
			send(t, o, s, Message{Target: []string{queueARN, topicARN}[lane%2], Lane: fmt.Sprint(lane / 2), Body: fmt.Append(nil, sent[lane]),
				Detail: map[string]string{"lane": fmt.Sprint(lane)}, Policy: quick()})
			sent[lane]++
		}
		if round == restarts-1 {
			empty(t, s)
		}
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string][]string{}
	for _, m := range to.messages() {
		lane := m.Detail["lane"]
		if !slices.Contains(got[lane], string(m.Body)) { // at least once: again after a restart
			got[lane] = append(got[lane], string(m.Body))
		}
	}
	for lane, n := range sent {
		for i := range n {
			if list := got[fmt.Sprint(lane)]; len(list) != n || list[i] != fmt.Sprint(i) {
				t.Fatalf("lane %d: %v, want %d in order", lane, list, n)
			}
		}
	}
}

// An earlier process had a clock that was ahead, by --retry-speed or because the clock of
// the machine was set back: what it left comes before what is sent now, and soon.
func TestALaneKeepsItsOrderWhenTheClockWasAhead(t *testing.T) {
	s := openStore(t, t.TempDir())
	earlier, err := New(Config{Store: s, Clock: clock.Ahead(clock.System, 24*time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	send(t, earlier, s, Message{Target: queueARN, Lane: "1", Body: []byte("a")}, Message{Target: queueARN, Lane: "1", Body: []byte("b")})
	to := &target{}
	o, _ := newOutbox(t, s, map[string]Target{"sqs": to})
	send(t, o, s, Message{Target: queueARN, Lane: "1", Body: []byte("c")})
	stop := start(t, o)
	empty(t, s)
	stop()
	var got []string
	for _, m := range to.messages() {
		got = append(got, string(m.Body))
	}
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%v came", got)
	}
}

func TestAMessageThatIsGivenUpLetsItsLaneGoOn(t *testing.T) {
	s := openStore(t, t.TempDir())
	to := &target{answer: func(_ context.Context, _ int, m *Message) error {
		if string(m.Body) == "bad" {
			return errors.New("no")
		}
		return nil
	}}
	o, _ := newOutbox(t, s, map[string]Target{"sqs": to})
	stop := start(t, o)
	three := 3
	policy := Policy{Retries: quick().Retries, MaxRetries: &three}
	send(t, o, s, Message{Target: queueARN, Lane: "1", Body: []byte("bad"), Policy: policy}, Message{Target: queueARN, Lane: "1", Body: []byte("good"), Policy: policy})
	empty(t, s)
	stop()
	if got := to.messages(); len(got) != 1 || to.tries != three+2 {
		t.Errorf("%d arrived after %d tries", len(got), to.tries)
	}
}

func TestALaneThatWaitsDoesNotKeepTheOutboxBusy(t *testing.T) {
	s := openStore(t, t.TempDir())
	failed := make(chan struct{}, 10)
	failing := &target{answer: func(context.Context, int, *Message) error { failed <- struct{}{}; return errors.New("no") }}
	other := &target{}
	o, _ := newOutbox(t, s, map[string]Target{"sqs": failing, "sns": other})
	start(t, o)
	hour := Policy{Retries: []Phase{{Times: 1, First: time.Hour, Last: time.Hour}}}
	send(t, o, s, Message{Target: queueARN, Lane: "1", Body: []byte("1"), Policy: hour}, Message{Target: queueARN, Lane: "1", Body: []byte("2"), Policy: hour})
	<-failed
	until(t, s, "the lane is blocked", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.blocked) == 1
	})
	for i := range 20 {
		send(t, o, s, Message{Target: topicARN, Body: []byte("1")})
		until(t, s, "the other target is served", func() bool { return len(other.messages()) == i+1 })
	}
	failing.mu.Lock()
	defer failing.mu.Unlock()
	if failing.tries != 1 {
		t.Errorf("%d tries", failing.tries)
	}
}

// flaky is a store whose commits fail at times after they were applied.
type flaky struct{ store.Store }

func (f flaky) Commit(ctx context.Context, b *store.Batch) (store.Version, error) {
	version, err := f.Store.Commit(ctx, b)
	if err == nil && len(b.Deletes) > 0 && rand.IntN(10) == 0 {
		return 0, errors.New("the outcome is unknown")
	}
	return version, err
}
