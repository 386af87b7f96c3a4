package async

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

const (
	lettersARN = "arn:aws:sqs:us-east-1:000000000000:letters"
	resultsARN = "arn:aws:sqs:us-east-1:000000000000:results"
	trace      = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=0a1b2c3d:4"
)

// tray is an outbox that keeps what is added, and commits nothing of its own.
type tray struct {
	mu     sync.Mutex
	got    []*delivery.Message
	refuse map[string]bool // services that are not there
	err    error
}

func (f *tray) Add(_ *store.Batch, m *delivery.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, m)
	return f.err
}

func (*tray) Wake() {}

func (f *tray) Serves(target string) bool { return !f.refuse[delivery.Service(target)] }

func (f *tray) to(target string) []*delivery.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []*delivery.Message
	for _, m := range f.got {
		if m.Target == target {
			list = append(list, m)
		}
	}
	return list
}

// ended runs one event to its end with settings, and returns what was sent.
func ended(t *testing.T, p *platform, s Settings, payload string, retries ...time.Duration) (*tray, []telemetry.Metric) {
	t.Helper()
	state, sent := openStore(t, t.TempDir()), &tray{}
	q, _ := newQueue(t, state, p)
	var mu sync.Mutex
	var metrics []telemetry.Metric
	q.config.Outbox = sent
	if len(retries) > 0 {
		q.config.Retries = retries
	}
	q.config.Measured = func(m telemetry.Metric) {
		mu.Lock()
		defer mu.Unlock()
		metrics = append(metrics, m)
	}
	keepSettings(t, state, function.Target{Scope: scope, Name: "foo", Qualifier: "live"}, s)
	if err := q.Put(t.Context(), &Event{Scope: scope, Name: "foo", Qualifier: "live", RequestID: "request-1", TraceID: trace, Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
	stop := start(t, q)
	empty(t, state)
	stop()
	return sent, metrics
}

// keepSettings writes settings without the function that they belong to.
func keepSettings(t *testing.T, s store.Store, target function.Target, settings Settings) {
	t.Helper()
	value, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), &store.Batch{Puts: []store.KV{{Key: function.EventInvokeKey(target), Value: value}}}); err != nil {
		t.Fatal(err)
	}
}

// key is a key of the queue.
func key(parts ...any) []byte { return tuple.Key(append([]any{"async"}, parts...)...) }

// count counts the rows of a kind.
func count(t *testing.T, s store.Store, kind string) int {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("async", kind)
	entries, err := snap.Scan(lo, hi, 1000, false)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func ptr[T any](v T) *T { return &v }

const failure = `{"errorMessage": "intentional failure", "errorType": "Exception", "requestId": "request-1", "stackTrace": ["<x>"]}`

const compactFailure = `{"errorMessage":"intentional failure","errorType":"Exception","requestId":"request-1","stackTrace":["<x>"]}`

const failedResponse = `"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":` + compactFailure + `}`

func throttled(int, *invoke.Request) (*invoke.Response, error) {
	return nil, &invoke.ThrottledError{Reason: invoke.ConcurrentInvocationLimitExceeded}
}

func failing(int, *invoke.Request) (*invoke.Response, error) {
	return &invoke.Response{Payload: []byte(failure), FunctionError: "Unhandled", TraceID: "trace of the call"}, nil
}

// The records are those that AWS sent in LocalStack's recorded tests
// (test_lambda_destinations.snapshot.json, test_lambda.snapshot.json), member by
// member and in the order of
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.
func TestTheRecordOfAnEvent(t *testing.T) {
	for name, c := range map[string]struct {
		answer   func(int, *invoke.Request) (*invoke.Response, error)
		settings Settings
		retries  []time.Duration
		reserved *int
		calls    int
		want     string
	}{
		"success": {
			answer: func(int, *invoke.Request) (*invoke.Response, error) {
				return &invoke.Response{Payload: []byte(`{"a": "<1>"}`)}, nil
			},
			calls: 1,
			want: `"condition":"Success","approximateInvokeCount":1},"requestPayload":{"n":12345678901234567890},` +
				`"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":{"a":"<1>"}}`,
		},
		"success after a failure": {
			answer: func(n int, r *invoke.Request) (*invoke.Response, error) {
				if n == 1 {
					return failing(n, r)
				}
				return &invoke.Response{Payload: []byte(`NaN`)}, nil
			},
			calls: 2,
			want: `"condition":"Success","approximateInvokeCount":2},"requestPayload":{"n":12345678901234567890},` +
				`"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":"NaN"}`,
		},
		"retries exhausted": {
			answer: failing, calls: 3,
			want: `"condition":"RetriesExhausted","approximateInvokeCount":3},"requestPayload":{"n":12345678901234567890},` + failedResponse,
		},
		"no retries": {
			answer: failing, settings: Settings{MaxRetries: ptr(0)}, calls: 1,
			want: `"condition":"RetriesExhausted","approximateInvokeCount":1},"requestPayload":{"n":12345678901234567890},` + failedResponse,
		},
		"too old for the next try": {
			answer: failing, settings: Settings{MaxAge: ptr(time.Hour / 2)}, retries: []time.Duration{time.Hour, time.Hour}, calls: 1,
			want: `"condition":"EventAgeExceeded","approximateInvokeCount":1},"requestPayload":{"n":12345678901234567890},` + failedResponse,
		},
		"throttled until it is too old": {
			answer: throttled, settings: Settings{MaxAge: ptr(50 * time.Millisecond)}, calls: -1,
			want: `"condition":"EventAgeExceeded","approximateInvokeCount":0},"requestPayload":{"n":12345678901234567890}}`,
		},
		"a reservation of nothing": {
			answer: failing, reserved: new(int), calls: 0,
			want: `"condition":"ZeroReservedConcurrency","approximateInvokeCount":0},"requestPayload":{"n":12345678901234567890}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(c.answer)
			p.reserved = c.reserved
			c.settings.OnSuccess, c.settings.OnFailure = ptr(resultsARN), ptr(resultsARN)
			sent, _ := ended(t, p, c.settings, `{"n": 12345678901234567890}`, c.retries...)
			got := sent.to(resultsARN)
			if len(got) != 1 || c.calls >= 0 && len(p.requests()) != c.calls {
				t.Fatalf("%d records after %d calls", len(got), len(p.requests()))
			}
			head := regexp.MustCompile(`^\{"version":"1\.0","timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","requestContext":\{"requestId":"request-1",` +
				`"functionArn":"arn:aws:lambda:us-east-1:000000000000:function:foo:live",`)
			text := string(got[0].Body)
			if !head.MatchString(text) {
				t.Errorf("record %s", text)
			}
			if diff := cmp.Diff(c.want, head.ReplaceAllString(text, "")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The names and types of the attributes are recorded (test_dead_letter_queue of
// LocalStack's recorded tests) and documented at
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq.
func TestADeadLetterIsTheEventWithAttributes(t *testing.T) {
	p := newPlatform(failing)
	p.letters = lettersARN
	sent, metrics := ended(t, p, Settings{}, `{"a": 1}`)
	got := sent.to(lettersARN)
	if len(got) != 1 || string(got[0].Body) != `{"a": 1}` || got[0].TraceID != "trace of the call" || got[0].Principal != "arn:aws:iam::000000000000:role/r" ||
		got[0].Source != "arn:aws:lambda:us-east-1:000000000000:function:foo" {
		t.Fatalf("letters: %+v", got)
	}
	want := map[string]delivery.Attribute{
		"RequestID":    {Type: "String", String: "request-1"},
		"ErrorCode":    {Type: "Number", String: "200"},
		"ErrorMessage": {Type: "String", String: "intentional failure"},
	}
	if diff := cmp.Diff(want, got[0].Attributes); diff != "" {
		t.Error(diff)
	}
	count := map[string]int{}
	for _, m := range metrics {
		count[m.Name]++
		if m.Function != "foo" || m.Account != scope.Account || m.Region != scope.Region || m.Value < 0 {
			t.Errorf("%+v", m)
		}
	}
	if diff := cmp.Diff(map[string]int{telemetry.AsyncEventsReceived: 1, telemetry.AsyncEventAge: 3, telemetry.AsyncEventsDropped: 1}, count); diff != "" {
		t.Error(diff)
	}
}

func TestADeadLetterOfAnEventThatDidNotRun(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		reserved *int
		code     string
	}{
		"throttled":                {err: &invoke.ThrottledError{}, code: "429"},
		"the host in trouble":      {err: errors.New("trouble"), code: "500"},
		"a reservation of nothing": {reserved: new(int), code: "429"},
		"recursive":                {err: invoke.ErrRecursive, code: "400"},
		"hooks fail":               {err: invoke.ErrRestoreFailed, code: "400"},
		"hooks hang":               {err: invoke.ErrRestoreTimeout, code: "408"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(func(int, *invoke.Request) (*invoke.Response, error) { return nil, c.err })
			p.letters, p.reserved = lettersARN, c.reserved
			sent, _ := ended(t, p, Settings{MaxAge: ptr(20 * time.Millisecond)}, "1")
			got := sent.to(lettersARN)
			if len(got) != 1 || got[0].Attributes["ErrorCode"].String != c.code || got[0].Attributes["ErrorMessage"].String == "" {
				t.Fatalf("%+v", got)
			}
			// The chain goes on through whatever takes the letter.
			if !strings.HasSuffix(got[0].TraceID, ";Lineage=0a1b2c3d:4") {
				t.Errorf("trace header %q", got[0].TraceID)
			}
		})
	}
}

func TestNothingIsSentWhenNothingIsAsked(t *testing.T) {
	p := newPlatform(succeed)
	p.letters = lettersARN
	sent, _ := ended(t, p, Settings{OnFailure: ptr(resultsARN)}, "1")
	if len(sent.got) != 0 {
		t.Errorf("%+v", sent.got)
	}
}

// Source: "By destination" on
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func TestRecordsForBusesAndBuckets(t *testing.T) {
	const busARN, bucket = "arn:aws:events:us-east-1:000000000000:event-bus/b", "arn:aws:s3:::bucket"
	sent, _ := ended(t, newPlatform(failing), Settings{OnFailure: ptr(busARN)}, "1")
	event := sent.to(busARN)[0]
	if event.Detail[bus.DetailSource] != "lambda" || event.Detail[bus.DetailType] != "Lambda Function Invocation Result - Failure" ||
		event.Detail[bus.DetailResources] != `["arn:aws:lambda:us-east-1:000000000000:function:foo:live","`+busARN+`"]` || !strings.HasPrefix(string(event.Body), `{"version":"1.0",`) {
		t.Errorf("%+v", event)
	}
	sent, _ = ended(t, newPlatform(failing), Settings{OnFailure: ptr(bucket)}, "1")
	m := sent.to(bucket)[0]
	if !regexp.MustCompile(`^aws/lambda/async/foo/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}$`).MatchString(m.Subject) || !strings.HasPrefix(string(m.Body), `{"version":"1.0",`) {
		t.Errorf("%s: %s", m.Subject, m.Body)
	}
}

// An outbox that takes no message leaves the event: it must not end without what
// follows it.
func TestAnEventDoesNotEndWithoutItsRecord(t *testing.T) {
	s, p, sent := openStore(t, t.TempDir()), newPlatform(succeed), &tray{err: errors.New("full")}
	q, log := newQueue(t, s, p)
	q.config.Outbox = sent
	keepSettings(t, s, function.Target{Scope: scope, Name: "foo", Qualifier: "live"}, Settings{OnSuccess: ptr(resultsARN)})
	stop := start(t, q)
	put(t, q, "request-1", "1")
	waitCall(t, p)
	deadline := time.After(patience)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !strings.Contains(log.String(), "its outcome was not written") {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal(log.String())
		}
	}
	stop()
	sent.err = nil
	q, _ = newQueue(t, s, p)
	q.config.Outbox = sent
	start(t, q)
	empty(t, s)
	if len(sent.to(resultsARN)) != 2 { // one try each
		t.Errorf("%d records", len(sent.got))
	}
}

func TestWhatDidNotArriveIsCounted(t *testing.T) {
	q, _ := newQueue(t, openStore(t, t.TempDir()), newPlatform(succeed))
	var got []telemetry.Metric
	q.config.Measured = func(m telemetry.Metric) { got = append(got, m) }
	for _, purpose := range []string{purposeDestination, purposeDeadLetter, "of another service"} {
		q.GivenUp(&delivery.Message{Purpose: purpose, Source: functionARN, Detail: map[string]string{detailName: "foo"}}, errors.New("no such queue"))
	}
	want := []telemetry.Metric{
		{Account: scope.Account, Region: scope.Region, Function: "foo", Name: telemetry.DestinationDeliveryFailures, Value: 1},
		{Account: scope.Account, Region: scope.Region, Function: "foo", Name: telemetry.DeadLetterErrors, Value: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTextsThatAQueueWouldRefuse(t *testing.T) {
	for given, want := range map[string]string{"a\tb\n": "a\tb\n", "a\x00b": "a\uFFFDb", "a\xffb": "a\uFFFDb", "\uFFFE": "\uFFFD"} {
		if got := plain(given); got != want {
			t.Errorf("%q became %q", given, got)
		}
	}
	if got := errorMessage([]byte(`{"errorMessage": "` + strings.Repeat("é", 600) + `"}`)); len(got) != maxErrorMessage || !strings.HasPrefix(got, "éé") {
		t.Errorf("%d bytes", len(got))
	}
	if got := errorMessage([]byte(`{"errorMessage": 1}`)); got != "" {
		t.Errorf("%q", got)
	}
}

// What cannot be read must neither stop the rest nor be tried for six hours.
func TestEventsThatCannotBeReadAreSetAside(t *testing.T) {
	s, p := openStore(t, t.TempDir()), newPlatform(succeed)
	q, log := newQueue(t, s, p)
	past := time.Now().Add(-time.Hour).UTC()
	lost, err := row{Name: "foo", Chunks: 2}.at(past, "lost")
	if err != nil {
		t.Fatal(err)
	}
	batch := &store.Batch{Puts: []store.KV{lost, {Key: key("due", past, "bad"), Value: []byte("no JSON")}, {Key: key("due", past), Value: []byte("{}")}, {Key: key("due", 1, 2), Value: []byte("{}")}}}
	if _, err := s.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	stop := start(t, q)
	put(t, q, "request-1", "1")
	waitCall(t, p)
	changed, deadline := s.Watch(t.Context(), key()), time.After(patience)
	for count(t, s, "due") > 0 {
		select {
		case <-changed:
		case <-deadline:
			t.Fatal(log.String())
		}
	}
	stop()
	if n := count(t, s, "aside"); n != 4 || strings.Count(log.String(), "was set aside") != 4 {
		t.Errorf("%d are aside: %s", n, log)
	}
	if q.queued.Load() != 0 {
		t.Errorf("%d are counted as queued", q.queued.Load())
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(key("due", time.Unix(1, 2).UTC(), "id"))
	f.Add(key("due", "x", 3))
	f.Fuzz(func(t *testing.T, text []byte) {
		if due, id, err := parseKey(text); err == nil {
			if again, same, err := parseKey(key("due", due, id)); err != nil || !again.Equal(due) || same != id {
				t.Errorf("%s %q became %s %q, %v", due, id, again, same, err)
			}
		}
	})
}

func FuzzJSONOf(f *testing.F) {
	for _, text := range []string{"", "null", "NaN", `{"a": "<>"}`, "\xff", "\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		text, err := encode(record{RequestPayload: jsonOf(payload)})
		if err != nil || !json.Valid(text) || plain(string(text)) != string(text) {
			t.Errorf("%q became %q, %v", payload, text, err)
		}
	})
}
