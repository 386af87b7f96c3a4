package delivery

import (
	"context"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// BenchmarkDelivery is one message after the other: Add, commit, delivery and the
// commit that ends it.
func BenchmarkDelivery(b *testing.B) {
	s := openStore(b, b.TempDir())
	arrived := make(chan struct{}, 1)
	to := &target{answer: func(context.Context, int, *Message) error { arrived <- struct{}{}; return nil }}
	o, _ := newOutbox(b, s, map[string]Target{"sqs": to})
	start(b, o)
	for b.Loop() {
		batch := &store.Batch{}
		if err := o.Add(batch, &Message{Target: queueARN, Body: []byte("1"), Policy: ManagedEndpoints()}); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		o.Wake()
		<-arrived
	}
}
