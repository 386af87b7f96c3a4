package object

import (
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
)

func TestADeliveredMessageIsAnObject(t *testing.T) {
	b := open(t)
	m := &delivery.Message{Target: "arn:aws:s3:::bucket", Subject: "a/b.json", Body: []byte(`{"n": 1}`), Source: "arn:aws:lambda:us-east-1:" + account + ":function:f"}
	for range 2 { // at least once
		if err := b.Objects.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.read("a/b.json", ""); got != `{"n": 1}` {
		t.Errorf("stored %q", got)
	}
	for name, wrong := range map[string]delivery.Message{
		"no bucket":  {Target: "arn:aws:s3:::none", Subject: "k"},
		"no key":     {Target: "arn:aws:s3:::bucket"},
		"no service": {Target: "arn:aws:sqs:us-east-1:" + account + ":q", Subject: "k"},
		"an object":  {Target: "arn:aws:s3:::bucket/k", Subject: "k"},
		"no account": {Target: "arn:aws:s3:::bucket", Subject: "k", Source: "arn:aws:lambda:us-east-1:111122223333:function:f"},
		"a long key": {Target: "arn:aws:s3:::bucket", Subject: string(make([]byte, MaxKeyBytes+1)), Source: m.Source},
	} {
		if err := b.Objects.Deliver(t.Context(), &wrong); !delivery.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
