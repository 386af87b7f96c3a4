package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
)

// short is a queue whose messages come back soon.
var short = map[string]string{"VisibilityTimeout": "1"}

func bodies(calls []*call) (all []string) {
	for _, c := range calls {
		for _, r := range c.records {
			all = append(all, r.Body)
		}
	}
	return all
}

func TestAFailedBatchComesAgain(t *testing.T) {
	b := newBench(t, nil)
	b.answer = func(c *call) (*invoke.Response, error) {
		if c.records[0].Attributes["ApproximateReceiveCount"] == "1" {
			return failed()
		}
		return succeed(c)
	}
	id := b.queue("q", short)
	b.create(id, nil)
	begin := time.Now()
	b.send(id, queue.Message{Body: "x"})
	b.wait("the second call", func(c []*call) bool { return len(c) == 2 })
	// AWS: not before the visibility timeout is over.
	if passed := time.Since(begin); passed < 900*time.Millisecond {
		t.Errorf("it came again after %v", passed)
	}
	b.counts(id, queue.Counts{})
	if n := b.queues.extensions.Load(); n != 0 {
		t.Errorf("%d changes of the visibility", n)
	}
}

// TestPartialFailures: what the function names comes again, the rest is deleted.
func TestPartialFailures(t *testing.T) {
	b := newBench(t, func(c *call) (*invoke.Response, error) {
		failures := []map[string]string{}
		for _, r := range c.records {
			if strings.HasPrefix(r.Body, "bad") && r.Attributes["ApproximateReceiveCount"] == "1" {
				failures = append(failures, map[string]string{"itemIdentifier": r.ID})
			}
		}
		payload, err := json.Marshal(map[string]any{"batchItemFailures": failures})
		return &invoke.Response{Payload: payload}, err
	})
	id := b.queue("q", short)
	made := b.create(id, func(s *Settings) { s.ReportFailures = true })
	b.send(id, queue.Message{Body: "good"}, queue.Message{Body: "bad 1"}, queue.Message{Body: "good"}, queue.Message{Body: "bad 2"})
	calls := b.wait("six records", func(c []*call) bool { return len(bodies(c)) == 6 })
	b.counts(id, queue.Counts{})
	all := bodies(calls)
	slices.Sort(all)
	if want := []string{"bad 1", "bad 1", "bad 2", "bad 2", "good", "good"}; !slices.Equal(all, want) {
		t.Errorf("%v", all)
	}
	// Without the option the same answer is a success.
	if _, err := b.mappings.Update(t.Context(), scope, made.UUID, func(s *Settings) { s.ReportFailures = false }); err != nil {
		t.Fatal(err)
	}
	b.reach(made.UUID, Enabled)
	b.send(id, queue.Message{Body: "bad 3"})
	b.counts(id, queue.Counts{})
}

// truth is the table of
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
// for a batch of "a" and "b": what failed.
var truth = []struct{ answer, want string }{
	{``, ""}, {`""`, ""}, {`null`, ""}, {`{}`, ""}, {`[]`, ""}, {` null `, ""},
	{`{"batchItemFailures":[]}`, ""}, {`{"batchItemFailures":null}`, ""}, {`{"other":1}`, ""}, {`{"BatchItemFailures":[{"itemIdentifier":"a"}]}`, ""},
	{`{"batchItemFailures":[{"itemIdentifier":"a"}]}`, "a"},
	{`{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}`, "ab"},
	{`{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}],"x":1}`, "b"},
	{`{"batchItemFailures":[{"itemIdentifier":""}]}`, "all"}, {`{"batchItemFailures":[{"itemIdentifier":null}]}`, "all"},
	{`{"batchItemFailures":[{"foo":"a"}]}`, "all"}, {`{"batchItemFailures":[{}]}`, "all"}, {`{"batchItemFailures":[null]}`, "all"},
	{`{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}`, "all"}, {`{"batchItemFailures":[{"itemIdentifier":1}]}`, "all"},
	{`{"batchItemFailures":["a"]}`, "all"}, {`{"batchItemFailures":"a"}`, "all"}, {`{"batchItemFailures":{}}`, "all"},
	{`"done"`, "all"}, {`1`, "all"}, {`[1]`, "all"}, {`{`, "all"}, {`NaN`, "all"},
}

func TestTruthTableOfAnswers(t *testing.T) {
	for _, c := range truth {
		failed, all := failures([]byte(c.answer), map[string]bool{"a": true, "b": true})
		got := ""
		for _, id := range []string{"a", "b"} {
			if failed[id] {
				got += id
			}
		}
		if all {
			got = "all"
		}
		if got != c.want {
			t.Errorf("%s: %q, wanted %q", c.answer, got, c.want)
		}
	}
}

func FuzzFailures(f *testing.F) {
	for _, c := range truth {
		f.Add([]byte(c.answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		batch := map[string]bool{"a": true, "b": true}
		failed, all := failures(answer, batch)
		for id := range failed {
			if !batch[id] || all {
				t.Errorf("%q: %v %t", answer, failed, all)
			}
		}
	})
}

// TestOrderOfGroups: whatever fails, the messages of a group are handled in their
// order, one batch of it at a time, and none is lost.
func TestOrderOfGroups(t *testing.T) {
	const groups, messages = 4, 25
	var mu sync.Mutex
	next, busy := map[string]int{}, map[string]bool{}
	b := newBench(t, nil)
	b.answer = func(c *call) (*invoke.Response, error) {
		var failures []map[string]string
		stopped := map[string]bool{}
		mu.Lock()
		defer mu.Unlock()
		for _, r := range c.records {
			group := r.Attributes["MessageGroupId"]
			if busy[group] {
				t.Errorf("two calls with group %s at once", group)
			}
			if !stopped[group] && rand.IntN(10) == 0 { // as AWS asks, nothing after the first failure counts
				stopped[group] = true
			}
			if stopped[group] {
				failures = append(failures, map[string]string{"itemIdentifier": r.ID})
				continue
			}
			if want := fmt.Sprint(group, next[group]); r.Body != want {
				t.Errorf("%s came when it was the turn of %s", r.Body, want)
			}
			next[group]++
		}
		for _, r := range c.records {
			busy[r.Attributes["MessageGroupId"]] = true
		}
		mu.Unlock()
		<-time.After(time.Duration(rand.IntN(3)) * time.Millisecond)
		mu.Lock()
		for _, r := range c.records {
			busy[r.Attributes["MessageGroupId"]] = false
		}
		if rand.IntN(10) == 0 && len(failures) == len(c.records) {
			return failed()
		}
		payload, err := json.Marshal(map[string]any{"batchItemFailures": failures})
		return &invoke.Response{Payload: payload}, err
	}
	id := b.queue("q.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "1"})
	b.create(id, func(s *Settings) { s.ReportFailures = true; s.BatchSize = 7 })
	b.create(id, func(s *Settings) { s.ReportFailures = true; s.BatchSize = 3; s.Name = "other" })
	for n := range messages {
		for g := range groups {
			group := string(rune('a' + g))
			b.send(id, queue.Message{Body: fmt.Sprint(group, n), GroupID: group})
		}
	}
	b.counts(id, queue.Counts{})
	for group, n := range next {
		if n != messages {
			t.Errorf("group %s: %d messages of %d", group, n, messages)
		}
	}
}

func TestLargeMessagesAreDividedIntoSeveralCalls(t *testing.T) {
	var biggest int
	var mu sync.Mutex
	b := newBench(t, nil)
	b.answer = func(c *call) (*invoke.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		biggest = max(biggest, len(c.request.Payload))
		return succeed(c)
	}
	id := b.queue("q.fifo", map[string]string{"FifoQueue": "true"})
	body := strings.Repeat("x", queue.MaxMessageBytes-10)
	for n := range 10 {
		b.send(id, queue.Message{Body: body + fmt.Sprint(n), GroupID: "g", DedupID: fmt.Sprint(n)})
	}
	b.create(id, nil)
	b.counts(id, queue.Counts{})
	if calls := b.made(); len(calls) != 2 || biggest > limit.SyncRequestBytes || biggest < 5<<20 {
		t.Errorf("%d calls, the largest of %d bytes", len(calls), biggest)
	}
	for n, body := range bodies(b.made()) {
		if !strings.HasSuffix(body, fmt.Sprint("x", n)) {
			t.Errorf("message %d ends with %s", n, body[len(body)-2:])
		}
	}
}

// TestALongCallKeepsItsMessages: it lasts several visibility timeouts.
func TestALongCallKeepsItsMessages(t *testing.T) {
	release := make(chan struct{})
	b := newBench(t, func(c *call) (*invoke.Response, error) { <-release; return succeed(c) })
	id := b.queue("q", short)
	b.create(id, nil)
	b.send(id, queue.Message{Body: "x"})
	b.wait("three extensions", func([]*call) bool { return b.queues.extensions.Load() >= 3 })
	close(release)
	b.counts(id, queue.Counts{})
	if calls := b.made(); len(calls) != 1 {
		t.Errorf("%d calls", len(calls))
	}
}

func TestFilteredMessagesAreDeleted(t *testing.T) {
	b := newBench(t, succeed)
	id := b.queue("q", nil)
	b.create(id, func(s *Settings) {
		s.Filters = []string{`{"body":{"kind":["order"]}}`, `{"body":["plain"]}`, `{"messageAttributes":{"urgent":{"stringValue":["yes"]}}}`}
	})
	for _, body := range []string{`{"kind":"order"}`, `{"kind":"other"}`, "plain", "other", `"plain"`, `[{"kind":"order"}]`, "5"} {
		b.send(id, queue.Message{Body: body})
	}
	b.send(id, queue.Message{Body: "attribute", Attributes: map[string]queue.Attribute{"urgent": {DataType: "String", String: "yes"}}})
	b.counts(id, queue.Counts{})
	all := bodies(b.made())
	slices.Sort(all)
	if want := []string{`"plain"`, `[{"kind":"order"}]`, "attribute", "plain", `{"kind":"order"}`}; !slices.Equal(all, want) {
		t.Errorf("%q", all)
	}
}

func TestABatchingWindowGathers(t *testing.T) {
	b := newBench(t, succeed)
	id := b.queue("q", nil)
	b.create(id, func(s *Settings) { s.BatchSize, s.Window = 35, 300*time.Second })
	for n := range 35 {
		b.send(id, queue.Message{Body: fmt.Sprint(n)})
	}
	calls := b.wait("a call", func(c []*call) bool { return len(c) == 1 })
	if len(calls[0].records) != 35 {
		t.Errorf("a batch of %d", len(calls[0].records))
	}
	b.counts(id, queue.Counts{})
}

func TestABatchingWindowEnds(t *testing.T) {
	b := newBench(t, succeed)
	id := b.queue("q", nil)
	b.create(id, func(s *Settings) { s.BatchSize, s.Window = 100, time.Second })
	begin := time.Now()
	b.send(id, queue.Message{Body: "x"})
	b.wait("a call", func(c []*call) bool { return len(c) == 1 })
	if passed := time.Since(begin); passed < 900*time.Millisecond {
		t.Errorf("it ended after %v", passed)
	}
}

// TestAThrottledBatchIsTriedAgain until its messages would be visible again.
func TestAThrottledBatchIsTriedAgain(t *testing.T) {
	throttled := &invoke.ThrottledError{Reason: invoke.ConcurrentInvocationLimitExceeded}
	b := newBench(t, nil)
	b.answer = func(c *call) (*invoke.Response, error) {
		if n := len(b.made()); n <= 3 {
			return nil, throttled
		}
		return succeed(c)
	}
	id := b.queue("q", nil)
	b.create(id, nil)
	b.send(id, queue.Message{Body: "x"})
	calls := b.wait("four calls", func(c []*call) bool { return len(c) == 4 })
	b.counts(id, queue.Counts{})
	if count := calls[3].records[0].Attributes["ApproximateReceiveCount"]; count != "1" {
		t.Errorf("it was received %s times", count)
	}
}

func TestAMessageThatFindsNoRoomGoesBack(t *testing.T) {
	b := newBench(t, func(c *call) (*invoke.Response, error) {
		if c.records[0].Attributes["ApproximateReceiveCount"] == "1" {
			return nil, errors.New("no room")
		}
		return succeed(c)
	})
	id := b.queue("q", short)
	b.create(id, nil)
	b.send(id, queue.Message{Body: "x"})
	calls := b.wait("its second receive", func(c []*call) bool {
		return len(c) > 0 && c[len(c)-1].records[0].Attributes["ApproximateReceiveCount"] == "2"
	})
	if len(calls) < 3 {
		t.Errorf("%d calls", len(calls))
	}
	b.counts(id, queue.Counts{})
}

// TestNoMoreCallsThanTheMappingMayMake: MaximumConcurrency.
func TestNoMoreCallsThanTheMappingMayMake(t *testing.T) {
	var mu sync.Mutex
	running, most := 0, 0
	b := newBench(t, nil)
	b.answer = func(c *call) (*invoke.Response, error) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		<-time.After(5 * time.Millisecond)
		mu.Lock()
		running--
		mu.Unlock()
		return succeed(c)
	}
	id := b.queue("q", nil)
	for n := range 40 {
		b.send(id, queue.Message{Body: fmt.Sprint(n)})
	}
	b.create(id, func(s *Settings) { s.BatchSize, s.MaxConcurrency = 1, 2 })
	b.counts(id, queue.Counts{})
	if most != 2 || len(b.made()) != 40 {
		t.Errorf("%d calls, %d at once", len(b.made()), most)
	}
}

// TestSeveralMappingsOfOneQueue: no wake-up is lost between them.
func TestSeveralMappingsOfOneQueue(t *testing.T) {
	b := newBench(t, succeed)
	id := b.queue("q", map[string]string{"VisibilityTimeout": "43200"})
	for n := range 4 {
		b.create(id, func(s *Settings) { s.Name = fmt.Sprint("f", n); s.BatchSize = 1 + n; s.MaxConcurrency = 2 })
	}
	for n := range 300 {
		b.send(id, queue.Message{Body: fmt.Sprint(n)})
		if n%3 == 0 { // one of the mappings is stopped and started while it waits or works
			all, _, err := b.mappings.List(t.Context(), scope, Listing{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.mappings.Update(t.Context(), scope, all[n%4].UUID, func(s *Settings) {}); err != nil && !errors.Is(err, ErrInUse) {
				t.Fatal(err)
			}
		}
	}
	b.counts(id, queue.Counts{})
	if n := len(bodies(b.made())); n != 300 {
		t.Errorf("%d messages were handled", n)
	}
}

func TestALoopIsStopped(t *testing.T) {
	b := newBench(t, succeed)
	id := b.queue("q", map[string]string{"VisibilityTimeout": "43200"})
	b.create(id, nil)
	trace := "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"
	// As core/invoke names a function in a lineage.
	name := fnv.New32a()
	name.Write([]byte("000000000000:us-east-1:foo"))
	lineage := fmt.Sprintf("%s;Lineage=%08x:16", trace, name.Sum32())
	b.send(id, queue.Message{Body: "looped", Trace: lineage}, queue.Message{Body: "new", Trace: trace})
	b.wait("a call", func(c []*call) bool { return len(c) == 1 })
	b.counts(id, queue.Counts{Inflight: 1})
	if all := bodies(b.made()); !slices.Equal(all, []string{"new"}) {
		t.Errorf("%v", all)
	}
}

func TestRecordsOfAMessage(t *testing.T) {
	r := &queue.Received{ID: "id", Handle: "h", Body: `<"é">`, System: map[string]string{"SentTimestamp": "1", "ApproximateReceiveCount": "2", "SenderId": "s"},
		Attributes: map[string]queue.Attribute{"b": {DataType: "Binary", Binary: []byte{1}}, "a": {DataType: "Number.int", String: "5"}}}
	got, err := record(r, named("q"), false)
	want := `{"messageId":"id","receiptHandle":"h","body":"<\"é\">","attributes":{"ApproximateReceiveCount":"2","SentTimestamp":"1","SenderId":"s"},` +
		`"messageAttributes":{"a":{"stringValue":"5","stringListValues":[],"binaryListValues":[],"dataType":"Number.int"},` +
		`"b":{"binaryValue":"AQ==","stringListValues":[],"binaryListValues":[],"dataType":"Binary"}},"md5OfMessageAttributes":"` + queue.Digest(r.Attributes) +
		`","md5OfBody":"` + md5Text(r.Body) + `","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:q","awsRegion":"us-east-1"}`
	if err != nil || string(got) != want {
		t.Errorf("%s %v\nwanted %s", got, err, want)
	}
	r.Attributes = nil
	for gathered, want := range map[bool]string{false: `"messageAttributes":{},"md5OfBody"`, true: `"messageAttributes":{},"md5OfMessageAttributes":null,"md5OfBody"`} {
		if got, err := record(r, named("q"), gathered); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s %v", got, err)
		}
	}
}
