package delivery

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// What cannot be read must neither stop the rest nor be tried for ever.
func TestRowsThatCannotBeReadAreSetAside(t *testing.T) {
	s, to := openStore(t, t.TempDir()), &target{}
	o, log := newOutbox(t, s, map[string]Target{"sqs": to})
	past := time.Now().Add(-time.Hour).UTC()
	bad := place{due: past, number: "1", lane: "t1"}
	lost := place{due: past, number: "2", lane: "o2"}
	garbled := place{due: past, number: "3", lane: "t3"}
	batch := &store.Batch{Puts: []store.KV{
		{Key: tuple.Key(space, "due", past, "short"), Value: []byte("{}")},
		{Key: tuple.Key(space, "due", "no time", "1", "t1"), Value: []byte("{}")},
		{Key: bad.key(), Value: []byte("no JSON")},
		{Key: garbled.key(), Value: []byte(`{"Chunks": 1}`)},
		{Key: tuple.Key(space, "message", "3", 0), Value: []byte{200, 1, 2}},
	}}
	if err := lost.put(batch, state{Chunks: 2}); err != nil { // its content is not there
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	stop := start(t, o)
	send(t, o, s, Message{Target: queueARN, Body: []byte("1")})
	until(t, s, "all but the good one are aside", func() bool { return len(rows(t, s, "aside")) == 5 && len(rows(t, s, "due")) == 0 })
	stop()
	if len(to.messages()) != 1 || strings.Count(log.String(), "set aside") != 5 {
		t.Errorf("%d arrived; %s", len(to.messages()), log)
	}
}

// A lane whose rows of order are lost still delivers.
func TestALaneWithoutItsOrderGoesOn(t *testing.T) {
	s, to := openStore(t, t.TempDir()), &target{}
	o, _ := newOutbox(t, s, map[string]Target{"sqs": to})
	send(t, o, s, Message{Target: queueARN, Lane: "1", Body: []byte("1")}, Message{Target: queueARN, Lane: "2", Body: []byte("2")})
	order := rows(t, s, "order")
	batch := &store.Batch{Deletes: [][]byte{order[0].Key}, Puts: []store.KV{{Key: order[1].Key, Value: []byte("no time")}}}
	if _, err := s.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	stop := start(t, o)
	empty(t, s)
	stop()
	if got := to.messages(); len(got) != 2 {
		t.Errorf("%d messages", len(got))
	}
}

// An outcome that was written although the store said otherwise must not be
// undone, and nothing may be lost.
func TestUnknownOutcomesOfCommits(t *testing.T) {
	s, to := openStore(t, t.TempDir()), &target{}
	o, _ := newOutbox(t, flaky{s}, map[string]Target{"sqs": to})
	o.config.Clock = hasty{o.config.Clock}
	start(t, o)
	const many = 200
	for range many {
		send(t, o, s, Message{Target: queueARN, Body: []byte("1"), Policy: quick()})
	}
	empty(t, s)
	if got := len(to.messages()); got != many {
		t.Errorf("%d deliveries of %d messages", got, many)
	}
}

func TestContentRoundTrip(t *testing.T) {
	for _, body := range []string{"", "x", strings.Repeat("y", 1<<20)} {
		content, err := encode(&Message{Target: queueARN, Body: []byte(body), Policy: BusTargets()})
		if err != nil {
			t.Fatal(err)
		}
		m, err := decode(content)
		if err != nil || m.Target != queueARN || string(m.Body) != body || len(m.Policy.Retries) != 2 {
			t.Errorf("%+v, %v", m, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	content, err := encode(&Message{Target: queueARN, Body: []byte("body")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte{})
	f.Add([]byte{255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := decode(content)
		if err != nil {
			return
		}
		again, err := encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decode(again); err != nil || !bytes.Equal(back.Body, m.Body) || back.Target != m.Target {
			t.Errorf("%+v became %+v, %v", m, back, err)
		}
	})
}

func FuzzParsePlace(f *testing.F) {
	p := place{due: time.Unix(1, 2).UTC(), number: "1", lane: "t1"}
	f.Add(p.key())
	f.Add(tuple.Key(space, "due", 1, 2, 3))
	f.Add([]byte{3, 0, 3, 0, 6})
	f.Fuzz(func(t *testing.T, key []byte) {
		p, err := parsePlace(key)
		if err != nil {
			return
		}
		p.ordered()
		if again, err := parsePlace(p.key()); err != nil || again != p {
			t.Errorf("%+v became %+v, %v", p, again, err)
		}
	})
}

func FuzzParseOrder(f *testing.F) {
	p := place{due: time.Unix(1, 2).UTC(), number: "1", lane: "o1"}
	f.Add(p.orderKey(), tuple.Key(p.due))
	f.Add([]byte("x"), []byte{6})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if p, err := parseOrder(store.Entry{Key: key, Value: value}, "o1"); err == nil && p.lane != "o1" {
			t.Errorf("%+v", p)
		}
	})
}
