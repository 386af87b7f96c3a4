package queue

import (
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
)

func TestDeliverSendsWhatItIsGiven(t *testing.T) {
	b := newBench(t)
	id, fifo := b.create("q"), b.create("q.fifo")
	m := &delivery.Message{Target: id.ARN(), Body: []byte("body"), Principal: "sns.amazonaws.com", TraceID: "Root=1", DeduplicationID: "d",
		Attributes: map[string]delivery.Attribute{"n": {Type: "Number", String: "1"}, "b": {Type: "Binary", Binary: []byte{1}}}}
	if err := b.Deliver(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := b.expect(b.receive(id, 10), "body")[0]
	if got.Attributes["n"].String != "1" || got.Attributes["n"].DataType != "Number" || got.Attributes["b"].Binary[0] != 1 ||
		got.System["AWSTraceHeader"] != "Root=1" || got.System["SenderId"] != "sns.amazonaws.com" || got.System["MessageDeduplicationId"] != "" {
		t.Errorf("%+v", got)
	}
	m.Target, m.GroupID = fifo.ARN(), "g"
	for range 2 { // the second time it is a duplicate
		if err := b.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.expect(b.receive(fifo, 10), "body")[0]; got.System["MessageGroupId"] != "g" || got.System["MessageDeduplicationId"] != "d" {
		t.Errorf("%+v", got)
	}
}

func TestWhatAQueueRefusesIsPermanent(t *testing.T) {
	b := newBench(t)
	id := b.create("q")
	for name, m := range map[string]*delivery.Message{
		"no such queue": {Target: named("none").ARN(), Body: []byte("1")},
		"no queue":      {Target: "arn:aws:sns:us-east-1:000000000000:t", Body: []byte("1")},
		"too long":      {Target: id.ARN(), Body: make([]byte, MaxMessageBytes+1)},
		"empty":         {Target: id.ARN()},
	} {
		if err := b.Deliver(t.Context(), m); !delivery.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
