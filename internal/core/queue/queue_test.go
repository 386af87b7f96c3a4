package queue

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

func TestAMessageIsInvisibleUntilItsTimeoutIsOver(t *testing.T) {
	b := newBench(t)
	id := b.create("q", "VisibilityTimeout", "30")
	sent := b.send(id, "a")
	b.counts(id, 1, 0, 0)
	first := b.expect(b.receive(id, 10), "a")[0]
	if first.ID != sent.ID || first.System["ApproximateReceiveCount"] != "1" || first.System["SenderId"] != "AIDAEXAMPLE" {
		t.Errorf("received %+v of %+v", first, sent)
	}
	b.counts(id, 0, 1, 0)
	b.clock.pass(30*time.Second - time.Millisecond)
	b.expect(b.receive(id, 10), "")
	b.clock.pass(time.Millisecond)
	b.counts(id, 1, 0, 0)
	again := b.expect(b.receive(id, 10), "a")[0]
	if again.System["ApproximateReceiveCount"] != "2" || again.Handle == first.Handle ||
		again.System["ApproximateFirstReceiveTimestamp"] != first.System["ApproximateFirstReceiveTimestamp"] {
		t.Errorf("received again: %+v", again)
	}
	b.delete(id, first.Handle) // AWS: accepted, and without effect
	b.counts(id, 0, 1, 0)
	b.delete(id, again.Handle)
	b.counts(id, 0, 0, 0)
	b.delete(id, again.Handle) // AWS: also twice
	b.clock.pass(time.Hour)
	b.expect(b.receive(id, 10), "")
}

func TestAMessageCanBeDeletedAfterItsTimeout(t *testing.T) {
	b := newBench(t)
	standard, fifo := b.create("q"), b.create("q.fifo")
	b.send(standard, "a")
	handle := b.receive(standard, 1, 0)[0].Handle
	b.delete(standard, handle)
	b.counts(standard, 0, 0, 0)

	b.send(fifo, "a", "g")
	handle = b.receive(fifo, 1, time.Second)[0].Handle
	b.clock.pass(time.Second)
	refusals, err := b.DeleteMessages(t.Context(), fifo, []string{handle})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, refusals[0], InvalidParameterValue, "Value "+handle+" for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.")
	b.counts(fifo, 1, 0, 0)
}

func TestReceiptHandlesOfOthersAreRefused(t *testing.T) {
	b := newBench(t)
	one, other := b.create("one"), b.create("other")
	b.send(one, "a")
	handle := b.receive(one, 1)[0].Handle
	for _, wrong := range []string{"", "x", handle[:len(handle)-4], "B" + handle[1:]} {
		refusals, err := b.DeleteMessages(t.Context(), one, []string{wrong})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, refusals[0], ReceiptHandleIsInvalid, `The input receipt handle "`+wrong+`" is not a valid receipt handle.`)
	}
	refusals, err := b.ChangeVisibility(t.Context(), other, []Change{{Handle: handle, Timeout: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, refusals[0], ReceiptHandleIsInvalid, `The input receipt handle "`+handle+`" is not a valid receipt handle.`)
}

func TestChangeVisibility(t *testing.T) {
	b := newBench(t)
	id := b.create("q", "VisibilityTimeout", "10")
	b.send(id, "a")
	handle := b.receive(id, 1)[0].Handle
	change := func(timeout time.Duration) error {
		t.Helper()
		refusals, err := b.ChangeVisibility(t.Context(), id, []Change{{handle, timeout}})
		if err != nil {
			t.Fatal(err)
		}
		return refusals[0]
	}
	if err := change(time.Hour); err != nil {
		t.Fatal(err)
	}
	b.clock.pass(59 * time.Minute)
	b.expect(b.receive(id, 1), "")
	refused(t, change(43200*time.Second), InvalidParameterValue, "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	refused(t, change(43201*time.Second), InvalidParameterValue, "Value 43201 for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200")
	if err := change(0); err != nil {
		t.Fatal(err)
	}
	refused(t, change(time.Second), MessageNotInflight, "The message referred to isn't in flight.")
	handle = b.expect(b.receive(id, 1), "a")[0].Handle
	b.delete(id, handle)
	refused(t, change(time.Second), InvalidParameterValue, "Value "+handle+" for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
}

func TestDelays(t *testing.T) {
	b := newBench(t)
	id := b.create("q", "DelaySeconds", "10")
	b.send(id, "late")
	now := time.Duration(0)
	if _, err := b.Send(t.Context(), id, Message{Body: "early", Delay: &now}); err != nil {
		t.Fatal(err)
	}
	b.counts(id, 1, 0, 1)
	b.expect(b.receive(id, 10, 0), "early")
	b.restart()
	b.clock.pass(10*time.Second - time.Millisecond)
	b.expect(b.receive(id, 10, 0), "early")
	b.clock.pass(time.Millisecond)
	b.expect(b.receive(id, 10, 0), "late early")
}

func TestAFIFOQueueAppliesANewDelayToMessagesThatItHas(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		b := newBench(t)
		id := b.create("q.fifo", "DelaySeconds", "900")
		b.send(id, "a", "g")
		b.clock.pass(5 * time.Second)
		b.expect(b.receive(id, 1), "")
		b.set(id, "DelaySeconds", "5")
		if restarted {
			b.restart()
		}
		b.expect(b.receive(id, 1), "a")
	}
}

func TestRetention(t *testing.T) {
	b := newBench(t)
	id := b.create("q", "MessageRetentionPeriod", "60")
	b.send(id, "old")
	b.clock.pass(59 * time.Second)
	b.send(id, "new")
	b.clock.pass(time.Second)
	b.counts(id, 1, 0, 0)
	b.expect(b.receive(id, 10, 0), "new")
	b.clock.pass(time.Minute)
	b.expect(b.receive(id, 10, 0), "")
	b.restart()
	b.counts(id, 0, 0, 0)
}

func TestFIFOGroups(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo")
	for _, m := range []string{"a1", "a2", "b1", "a3", "b2"} {
		b.send(id, m, m[:1])
	}
	first := b.expect(b.receive(id, 2), "a1 a2")
	second := b.expect(b.receive(id, 10), "b1 b2")
	b.expect(b.receive(id, 10), "")
	b.delete(id, first[0].Handle)
	b.expect(b.receive(id, 10), "") // a2 is still being worked on
	b.delete(id, first[1].Handle)
	b.expect(b.receive(id, 10), "a3")
	b.delete(id, second[1].Handle)
	if _, err := b.ChangeVisibility(t.Context(), id, []Change{{second[0].Handle, 0}}); err != nil {
		t.Fatal(err)
	}
	b.expect(b.receive(id, 10), "b1")
}

func TestDeduplication(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo")
	first := b.send(id, "one", "g", "d")
	same := b.send(id, "two", "other", "d")
	if same.ID != first.ID || same.Sequence != first.Sequence {
		t.Errorf("the duplicate is %+v, the first %+v", same, first)
	}
	b.delete(id, b.expect(b.receive(id, 10), "one")[0].Handle)
	b.restart() // the window outlives a restart, and the message
	b.clock.pass(5*time.Minute - time.Millisecond)
	b.send(id, "three", "g", "d")
	b.counts(id, 0, 0, 0)
	b.clock.pass(time.Millisecond)
	next := b.send(id, "four", "g", "d")
	if next.Sequence <= first.Sequence || len(next.Sequence) != 20 {
		t.Errorf("sequence number %s after %s", next.Sequence, first.Sequence)
	}
	b.expect(b.receive(id, 10), "four")
	b.counts(id, 0, 1, 0)
	lo, hi := []byte{1}, []byte(nil)
	snap, err := b.store.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	rows, err := snap.Scan(lo, hi, 100, false)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(joinKeys(rows)), "dedup"); n != 1 {
		t.Errorf("%d rows of deduplication ids, want that of the new one", n)
	}
}

func joinKeys(rows []store.Entry) []byte {
	var all []byte
	for _, row := range rows {
		all = append(append(all, row.Key...), '\n')
	}
	return all
}

func TestDeduplicationByContentAndByGroup(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo", "ContentBasedDeduplication", "true", "DeduplicationScope", "messageGroup", "FifoThroughputLimit", "perMessageGroupId")
	for _, group := range []string{"a", "b", "a"} {
		b.send(id, "same", group, "")
	}
	received := b.expect(b.receive(id, 10), "same same")
	if got := received[0].System["MessageDeduplicationId"]; got != contentID("same") {
		t.Errorf("deduplication id %q", got)
	}
}

func TestABatchWithOneDeduplicationIDTwice(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo")
	sent, err := b.SendBatch(t.Context(), id, []Message{{Body: "one", GroupID: "g", DedupID: "d"}, {Body: "two", GroupID: "g", DedupID: "d"}})
	if err != nil || sent[0].ID != sent[1].ID || sent[0].Err != nil || sent[1].Err != nil {
		t.Fatalf("%+v, %v", sent, err)
	}
	b.expect(b.receive(id, 10), "one")
}

func TestDeadLetters(t *testing.T) {
	for _, suffix := range []string{"", ".fifo"} {
		b := newBench(t)
		dead := b.create("dead" + suffix)
		id := b.create("q"+suffix, "RedrivePolicy", deadLetters(dead, 2))
		var group []string
		if isFIFO(id.Name) {
			group = []string{"g"}
		}
		sent := b.send(id, "bad", group...)
		b.send(id, "good", group...)
		b.expect(b.receive(id, 1, 0), "bad")
		b.expect(b.receive(id, 1, 0), "bad")
		b.counts(dead, 0, 0, 0)
		b.expect(b.receive(id, 1), "good") // in the same call: the group goes on
		b.counts(dead, 1, 0, 0)
		b.restart()
		letter := b.expect(b.receive(dead, 10), "bad")[0]
		// AWS: recorded, the id stays and the count goes on.
		if letter.ID != sent.ID || letter.System["ApproximateReceiveCount"] != "3" || letter.System["DeadLetterQueueSourceArn"] != id.ARN() {
			t.Errorf("the dead letter is %+v", letter)
		}
		b.counts(id, 0, 1, 0)
	}
}

func TestAChainOfDeadLetterQueues(t *testing.T) {
	b := newBench(t)
	last := b.create("last")
	middle := b.create("middle", "RedrivePolicy", deadLetters(last, 1))
	id := b.create("q", "RedrivePolicy", deadLetters(middle, 1))
	b.send(id, "bad")
	for _, each := range []ID{id, middle, last} {
		b.expect(b.receive(each, 1, 0), "bad")
		if each != last {
			b.expect(b.receive(each, 1, 0), "")
		}
	}
}

func TestWithoutItsDeadLetterQueueAMessageStays(t *testing.T) {
	b := newBench(t)
	dead := b.create("dead")
	id := b.create("q", "RedrivePolicy", deadLetters(dead, 1))
	b.send(id, "bad")
	b.expect(b.receive(id, 1, 0), "bad")
	if err := b.Delete(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	b.expect(b.receive(id, 1, 0), "bad")
	b.clock.pass(time.Minute)
	b.create("dead")
	b.expect(b.receive(id, 1, 0), "")
	b.counts(dead, 1, 0, 0)
}

func TestAQueueThatIsItsOwnDeadLetterQueueKeepsItsMessages(t *testing.T) {
	b := newBench(t)
	id := b.create("q")
	b.set(id, "RedrivePolicy", deadLetters(id, 1))
	b.send(id, "a")
	b.expect(b.receive(id, 1, 0), "a")
	b.expect(b.receive(id, 1, 0), "a")
}

func TestRedriveAllowPolicy(t *testing.T) {
	b := newBench(t)
	id, other, dead := b.create("q"), b.create("other"), b.create("dead")
	refusal := func(id ID) error {
		return b.SetAttributes(t.Context(), id, map[string]string{"RedrivePolicy": deadLetters(dead, 1)})
	}
	b.set(dead, "RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`)
	if err := refusal(id); !errors.Is(err, &Error{Code: InvalidParameterValue}) {
		t.Errorf("denyAll: %v", err)
	}
	b.set(dead, "RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["`+id.ARN()+`"]}`)
	if err := refusal(id); err != nil {
		t.Errorf("byQueue, named: %v", err)
	}
	if err := refusal(other); !errors.Is(err, &Error{Code: InvalidParameterValue}) {
		t.Errorf("byQueue, not named: %v", err)
	}
	if sources, err := b.Sources(t.Context(), dead); err != nil || len(sources) != 1 || sources[0] != "q" {
		t.Errorf("sources %v, %v", sources, err)
	}
}

func TestPurge(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo")
	before := b.send(id, "a", "g")
	b.receive(id, 1)
	b.send(id, "b", "h")
	if err := b.Purge(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	b.counts(id, 0, 0, 0)
	after := b.send(id, "a", "g") // AWS: the deduplication ids are gone as well
	if after.Sequence <= before.Sequence {
		t.Errorf("sequence number %s after %s", after.Sequence, before.Sequence)
	}
	b.expect(b.receive(id, 10), "a")
	b.clock.pass(59 * time.Second)
	refused(t, b.Purge(t.Context(), id), PurgeQueueInProgress, "Only one PurgeQueue operation on q.fifo is allowed every 60 seconds.")
	b.clock.pass(time.Second)
	if err := b.Purge(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestAQueueThatIsMadeAgainHasNothingOfTheOld(t *testing.T) {
	b := newBench(t)
	id := b.create("q", "DelaySeconds", "1")
	b.send(id, "a")
	if err := b.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	_, err := b.Send(t.Context(), id, Message{Body: "b"})
	refused(t, err, QueueDoesNotExist, "The specified queue does not exist.")
	b.clock.pass(59 * time.Second)
	refused(t, b.Create(t.Context(), id, nil, nil), QueueDeletedRecently, "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	b.clock.pass(time.Second)
	b.create("q")
	b.expect(b.receive(id, 10), "")
	if a, err := b.Attributes(t.Context(), id, []string{"DelaySeconds"}); err != nil || a["DelaySeconds"] != "0" {
		t.Errorf("%v, %v", a, err)
	}
}

func TestReceiveRequestAttempts(t *testing.T) {
	b := newBench(t)
	id := b.create("q.fifo", "VisibilityTimeout", "30")
	for _, m := range []string{"a", "b", "c"} {
		b.send(id, m, "g")
	}
	none := time.Duration(0)
	attempt := func(name string) []Received {
		t.Helper()
		received, err := b.Receive(t.Context(), id, Receiving{Max: 2, Wait: &none, Attempt: name})
		if err != nil {
			t.Fatal(err)
		}
		return received
	}
	first := b.expect(attempt("one"), "a b")
	b.clock.pass(20 * time.Second)
	again := b.expect(attempt("one"), "a b")
	if first[0].Handle != again[0].Handle || again[0].System["ApproximateReceiveCount"] != "1" {
		t.Errorf("first %+v, again %+v", first[0], again[0])
	}
	b.expect(attempt("two"), "")
	b.clock.pass(20 * time.Second) // the timeout began anew
	b.expect(attempt("two"), "")
	b.delete(id, again[0].Handle)
	b.expect(attempt("one"), "") // one of them was deleted
	b.clock.pass(10 * time.Second)
	b.expect(attempt("one"), "b c")

	standard := b.create("q")
	_, err := b.Receive(t.Context(), standard, Receiving{Max: 1, Attempt: "x"})
	refused(t, err, InvalidParameterValue, "Value x for parameter ReceiveRequestAttemptId is invalid. Reason: The request includes a parameter that is not valid for this queue type.")
}

func TestLargeMessages(t *testing.T) {
	b := newBench(t)
	id := b.create("q")
	body := strings.Repeat("ü", MaxMessageBytes/2-2)
	attributes := map[string]Attribute{"b": {DataType: "X", Binary: []byte{0, 255}}}
	_, err := b.Send(t.Context(), id, Message{Body: body + "xxxx", Attributes: attributes})
	if !errors.Is(err, &Error{Code: InvalidParameterValue}) {
		t.Errorf("a type that does not exist: %v", err)
	}
	attributes["b"] = Attribute{DataType: "Binary", Binary: make([]byte, MaxMessageBytes-7)}
	for _, m := range []Message{{Body: body + "1234"}, {Body: "", Attributes: nil}} {
		if m.Body != "" {
			b.send(id, m.Body)
		}
	}
	if _, err := b.Send(t.Context(), id, Message{Body: "x", Attributes: attributes}); !errors.Is(err, &Error{Code: InvalidParameterValue}) {
		t.Errorf("a byte too many: %v", err)
	}
	attributes["b"] = Attribute{DataType: "Binary", Binary: make([]byte, MaxMessageBytes-8)}
	if _, err := b.Send(t.Context(), id, Message{Body: "x", Attributes: attributes}); err != nil {
		t.Error(err)
	}
	b.restart()
	received := b.receive(id, 10)
	if len(received) != 2 || received[0].Body != body+"1234" || len(received[1].Attributes["b"].Binary) != MaxMessageBytes-8 {
		t.Error("the large messages are not what was sent")
	}
}

func TestManyMessagesAreLoadedInOrder(t *testing.T) {
	b := newBench(t)
	id := b.create("q")
	const total = 2*scanPage + 5
	for n := 0; n < total; n += MaxBatch {
		var batch []Message
		for i := n; i < min(n+MaxBatch, total); i++ {
			batch = append(batch, Message{Body: string(rune('0' + i%10))})
		}
		if _, err := b.SendBatch(t.Context(), id, batch); err != nil {
			t.Fatal(err)
		}
	}
	b.reopen()
	b.counts(id, total, 0, 0)
	b.expect(b.receive(id, 10), "0 1 2 3 4 5 6 7 8 9")
}
