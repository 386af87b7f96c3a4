package topic

import "testing"

// A publication to one queue: what signing costs is the difference.
func BenchmarkPublish(b *testing.B) {
	for name, raw := range map[string]string{"raw": "true", "signed": "false"} {
		b.Run(name, func(b *testing.B) {
			t := newBench(b)
			id := t.create("t", nil)
			t.subscribe(id, SQS, queueARN("q"), map[string]string{"RawMessageDelivery": raw})
			t.publish(id, Message{Text: "x"}) // makes the key
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					t.publish(id, Message{Text: "x"})
				}
			})
		})
	}
}

func BenchmarkSign(b *testing.B) {
	t := newBench(b)
	if _, err := t.Certificate(b.Context()); err != nil { // makes the key
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := t.sign(b.Context(), signatureOld, "text"); err != nil {
			b.Fatal(err)
		}
	}
}
