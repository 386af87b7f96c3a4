package bus

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
)

// code is the code of a refusal, "" for none.
func code(err error) Code {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	if err != nil {
		return Code("not a refusal: " + err.Error())
	}
	return ""
}

// TestEventReachesTheTargetsOfTheRulesThatChooseIt.
//
// AWS: the form of an event: eb-events-structure.html.
func TestEventReachesTheTargetsOfTheRulesThatChooseIt(t *testing.T) {
	w := start(t)
	w.rule(standard, "chosen", Rule{Pattern: `{"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}`}, Target{ID: "1", ARN: queueARN})
	w.rule(standard, "other", Rule{Pattern: `{"source": ["elsewhere"]}`}, Target{ID: "1", ARN: queueARN + "-other"})
	w.rule(standard, "off", Rule{Pattern: `{"source": ["shop"]}`, State: Disabled}, Target{ID: "1", ARN: queueARN + "-off"})
	w.put(Entry{Source: "shop", DetailType: "Order", Detail: `{"total": 5}`})
	id := w.put(Entry{Source: "shop", DetailType: "Order", Detail: `{"total": 11, "html": "<b>"}`, Resources: []string{"r"}, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Trace: "Root=1"})
	m := w.next()
	want := fmt.Sprintf(`{"version":"0","id":%q,"detail-type":"Order","source":"shop","account":"000000000000","time":"2026-01-02T03:04:05Z","region":"us-east-1","resources":["r"],"detail":{"total":11,"html":"<b>"}}`, id)
	if m.Target != queueARN || string(m.Body) != want {
		t.Errorf("%s got\n%s\nwant\n%s", m.Target, m.Body, want)
	}
	if m.Principal != "events.amazonaws.com" || m.Source != "arn:aws:events:us-east-1:000000000000:rule/chosen" || m.TraceID != "Root=1" {
		t.Errorf("it was sent by %q for %q with trace %q", m.Principal, m.Source, m.TraceID)
	}
	// The last of a row: had another target got something, it would be here by now or come before this.
	w.put(Entry{Source: "elsewhere", DetailType: "d", Detail: `{}`})
	if m := w.next(); m.Target != queueARN+"-other" {
		t.Errorf("%s got %s", m.Target, m.Body)
	}
}

// TestEntriesAreRefusedOneByOne has the recorded texts of AWS.
func TestEntriesAreRefusedOneByOne(t *testing.T) {
	w := start(t)
	good := Entry{Source: "s", DetailType: "d", Detail: `{}`}
	results, err := w.Put(t.Context(), here, []Entry{
		{DetailType: "d", Detail: "{}"}, {Source: "s", Detail: "{}"}, {Source: "s", DetailType: "d"},
		{Source: "s", DetailType: "d", Detail: "[]"}, {Source: "s", DetailType: "d", Detail: "{"}, {Source: "aws.s3", DetailType: "d", Detail: "{}"},
		{Source: "s", DetailType: "d", Detail: "null"}, {Source: "s", DetailType: "d", Detail: `{}`, Bus: "absent"}, good,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"InvalidArgument: Parameter Source is not valid. Reason: Source is a required argument.",
		"InvalidArgument: Parameter DetailType is not valid. Reason: DetailType is a required argument.",
		"InvalidArgument: Parameter Detail is not valid. Reason: Detail is a required argument.",
		"MalformedDetail: Detail is malformed.", "MalformedDetail: Detail is malformed.",
		"NotAuthorizedForSourceException: Not authorized for the source.",
		"MalformedDetail: Detail is malformed.", "", "",
	} {
		got := ""
		if results[i].Err != nil {
			got = results[i].Err.Error()
		}
		if got != want || (want == "") != (results[i].ID != "") {
			t.Errorf("entry %d: %q with id %q, want %q", i, got, results[i].ID, want)
		}
	}
	good.Detail = `{"a": "` + strings.Repeat("x", MaxEntryBytes) + `"}`
	if _, err := w.Put(t.Context(), here, []Entry{good}); err == nil || err.Error() != "ValidationException: Total size of the entries in the request is over the limit." {
		t.Errorf("too large: %v", err)
	}
}

// TestBusesHaveTheirOwnRules, and an event goes on from one to another, once.
func TestBusesHaveTheirOwnRules(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	var buses []ID
	for _, name := range []string{"first", "second", "third"} {
		buses = append(buses, ID{here, name})
		if _, err := w.Create(ctx, buses[len(buses)-1], Bus{}); err != nil {
			t.Fatal(err)
		}
	}
	all := Rule{Pattern: `{"source": [{"exists": true}]}`}
	w.rule(buses[0], "on", all, Target{ID: "bus", ARN: buses[1].ARN()})
	w.rule(buses[1], "on", all, Target{ID: "bus", ARN: buses[2].ARN()}, Target{ID: "queue", ARN: queueARN + "-second"})
	w.rule(buses[2], "on", all, Target{ID: "queue", ARN: queueARN + "-third"})
	w.rule(standard, "on", all, Target{ID: "queue", ARN: queueARN})
	id := w.put(Entry{Bus: buses[0].ARN(), Source: "s", DetailType: "d", Detail: `{}`})
	if m := w.next(); m.Target != queueARN+"-second" || w.fields(m.Body)["id"] != id {
		t.Errorf("%s got %s", m.Target, m.Body)
	}
	// AWS: the third bus gets nothing (eb-bus-to-bus.html). Another service's event comes through.
	if err := w.Deliver(ctx, &delivery.Message{ID: "e", Target: standard.ARN(), Body: []byte(`{"a":1}`), Detail: map[string]string{DetailSource: "lambda", DetailType: "Result", DetailResources: `["x"]`}}); err != nil {
		t.Fatal(err)
	}
	m := w.next()
	got := w.fields(m.Body)
	if m.Target != queueARN || got["source"] != "lambda" || got["detail-type"] != "Result" || fmt.Sprint(got["resources"]) != "[x]" || fmt.Sprint(got["detail"]) != "map[a:1]" {
		t.Errorf("%s got %s", m.Target, m.Body)
	}
	if err := w.Deliver(ctx, &delivery.Message{Target: ID{here, "absent"}.ARN(), Body: []byte(`{}`)}); !delivery.IsPermanent(err) {
		t.Errorf("to a bus that is not there: %v", err)
	}
	if err := w.Delete(ctx, buses[0]); code(err) != Validation {
		t.Errorf("a bus with rules is deleted: %v", err)
	}
	if err := w.Delete(ctx, standard); err == nil || err.Error() != "ValidationException: Cannot delete event bus default." {
		t.Errorf("the default bus is deleted: %v", err)
	}
}

// TestWhatIsRefused has AWS's texts where they are known.
func TestWhatIsRefused(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	custom := ID{here, "custom"}
	if _, err := w.Create(ctx, custom, Bus{}); err != nil {
		t.Fatal(err)
	}
	w.rule(standard, "r", Rule{Pattern: `{"source": ["s"]}`})
	target := func(t Target) error {
		t.ID = "x"
		return w.PutTargets(ctx, standard, "r", []Target{t})
	}
	_, again := w.Create(ctx, custom, Bus{})
	_, absent := w.Rule(ID{here, "nope"}, "r")
	var six []Target
	for i := range MaxTargets + 1 {
		six = append(six, Target{ID: fmt.Sprint(i), ARN: queueARN})
	}
	for _, step := range []struct {
		err  error
		want string
	}{
		{again, "ResourceAlreadyExistsException: Event bus custom already exists."},
		{absent, "ResourceNotFoundException: Event bus nope does not exist."},
		{w.PutRule(ctx, standard, "n", Rule{}), "ValidationException: Parameter(s) EventPattern or ScheduleExpression must be specified."},
		{w.PutRule(ctx, custom, "n", Rule{Schedule: "rate(1 day)"}), "ValidationException: ScheduleExpression is supported only on the default event bus."},
		{w.PutRule(ctx, standard, "n", Rule{Schedule: "rate(1 days)"}), "ValidationException: Parameter ScheduleExpression is not valid."},
		{w.PutRule(ctx, standard, "n", Rule{Schedule: "at(2027-01-01T00:00:00)"}), "ValidationException: Parameter ScheduleExpression is not valid."},
		{w.SetState(ctx, standard, "n", Disabled), "ResourceNotFoundException: Rule n does not exist on EventBus default."},
		{w.PutTargets(ctx, standard, "n", []Target{{ID: "x", ARN: queueARN}}), "ResourceNotFoundException: Rule n does not exist on EventBus default."},
		{w.PutTargets(ctx, standard, "r", six), "LimitExceededException: The requested resource exceeds the maximum number allowed."},
		{target(Target{ARN: queueARN + ".fifo"}), "ValidationException: Parameter(s) SqsParameters must be specified for target: x."},
		{target(Target{ARN: queueARN, Input: "{}", InputPath: "$"}), "ValidationException: Only one of Input, InputPath, or InputTransformer must be provided for target x."},
		{target(Target{ARN: queueARN, Input: "{"}), "ValidationException: JSON syntax error in input for target x"},
		{target(Target{ARN: "q"}), "ValidationException: Parameter q is not valid. Reason: Provided Arn is not in correct format."},
		{target(Target{ARN: "arn:aws:kinesis:us-east-1:000000000000:stream/s"}), "ValidationException: Parameter arn:aws:kinesis:us-east-1:000000000000:stream/s is not valid. Reason: This platform has no targets of the service kinesis."},
		{target(Target{ARN: queueARN, Transformer: &Transformer{Template: `"<a>"`}}), "ValidationException: InputTemplate for target x contains invalid placeholder a."},
	} {
		if step.err == nil || step.err.Error() != step.want {
			t.Errorf("%v, want %s", step.err, step.want)
		}
	}
	if err := w.PutRule(ctx, standard, "n", Rule{Pattern: `{"source": "s"}`}); code(err) != InvalidPattern || !strings.HasPrefix(err.Error(), "InvalidEventPatternException: Event pattern is not valid. Reason: ") {
		t.Errorf("a bad pattern: %v", err)
	}
	w.rule(standard, "r", Rule{Pattern: `{"source": ["s"]}`}, six[0])
	if err := w.DeleteRule(ctx, standard, "r"); err == nil || err.Error() != "ValidationException: Rule can't be deleted since it has targets." {
		t.Errorf("a rule with targets: %v", err)
	}
	if failures, err := w.RemoveTargets(ctx, standard, "r", []string{"0", "9"}); err != nil || len(failures) != 1 || failures[0].ID != "9" {
		t.Errorf("%v %v", failures, err)
	}
	if err := w.DeleteRule(ctx, standard, "r"); err != nil {
		t.Error(err)
	}
}

// TestScheduledRules: each time that is due, once; after a downtime only the last.
func TestScheduledRules(t *testing.T) {
	folder := t.TempDir()
	begin := time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)
	w := open(t, folder, begin)
	w.rule(standard, "hourly", Rule{Schedule: "cron(0 * * * ? *)"}, Target{ID: "1", ARN: queueARN})
	w.rule(standard, "off", Rule{Schedule: "rate(1 minute)", State: Disabled}, Target{ID: "1", ARN: queueARN + "-off"})
	hour := func(want int) {
		t.Helper()
		m := w.next()
		got := w.fields(m.Body)
		if got["source"] != "aws.events" || got["detail-type"] != "Scheduled Event" || fmt.Sprint(got["resources"]) != "[arn:aws:events:us-east-1:000000000000:rule/hourly]" ||
			got["time"] != begin.Add(time.Duration(want)*time.Hour).Format(time.RFC3339) || fmt.Sprint(got["detail"]) != "map[]" {
			t.Fatalf("hour %d: %s", want, m.Body)
		}
	}
	for n := 1; n <= 3; n++ {
		w.clock.set(begin.Add(time.Duration(n) * time.Hour))
		hour(n)
	}
	w.stop()
	w = open(t, folder, begin.Add(7*time.Hour+30*time.Minute))
	hour(7)
	w.clock.set(begin.Add(8 * time.Hour))
	hour(8)
	w.stop()
	w = open(t, folder, begin.Add(8*time.Hour+time.Minute))
	w.clock.set(begin.Add(9 * time.Hour))
	hour(9) // the eighth not again
}

// TestRateCountsFromItsBeginning.
func TestRateCountsFromItsBeginning(t *testing.T) {
	w := start(t)
	begin := w.clock.Now()
	w.rule(standard, "often", Rule{Schedule: "rate(5 minutes)"}, Target{ID: "1", ARN: queueARN})
	w.clock.set(begin.Add(time.Minute)) // nothing is due yet: what comes first is of the fifth minute
	for n := range 3 {
		at := begin.Add(time.Duration(5*(n+1)) * time.Minute)
		w.clock.set(at.Add(time.Second))
		if got := w.fields(w.next().Body)["time"]; got != at.Format(time.RFC3339) {
			t.Errorf("the time %d is %s, want %s", n, got, at)
		}
	}
}

// TestArchiveAndReplay: an archive keeps what its pattern chooses, and a replay
// sends it once more, marked, to the rules that it names.
func TestArchiveAndReplay(t *testing.T) {
	folder := t.TempDir()
	w := open(t, folder, time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC))
	ctx := t.Context()
	if _, err := w.CreateArchive(ctx, here, "kept", Archive{Source: standard.ARN(), Pattern: `{"source": ["keep"]}`, Retention: 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 600<<10) // more than one row of the store holds
	var ids []string
	for n := range 2*replayPage + 5 {
		detail := fmt.Sprintf(`{"n": %d}`, n)
		if n == 7 {
			detail = `{"n": 7, "long": "` + long + `"}`
		}
		ids = append(ids, w.put(Entry{Source: "keep", DetailType: "d", Detail: detail}))
		w.clock.set(w.clock.Now().Add(time.Second))
	}
	w.put(Entry{Source: "drop", DetailType: "d", Detail: `{}`})
	if _, counts, err := w.Archive(ctx, here, "kept"); err != nil || counts.Events != int64(len(ids)) || counts.Bytes < 600<<10 {
		t.Fatalf("%+v %v", counts, err)
	}
	w.stop()
	w = open(t, folder, w.clock.Now())
	for _, name := range []string{"named", "not"} {
		w.rule(standard, name, Rule{Pattern: `{"source": ["keep"]}`}, Target{ID: "1", ARN: queueARN + "-" + name})
	}
	begin := time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)
	if _, err := w.StartReplay(ctx, here, "again", Replay{Archive: here.ArchiveARN("kept"), Destination: standard.ARN(), Rules: []string{"named"}, From: begin.Add(2 * time.Second), To: begin.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, id := range ids[2:] {
		want[id] = true
	}
	for range ids[2:] {
		m := w.next()
		got := w.fields(m.Body)
		if m.Target != queueARN+"-named" || got["replay-name"] != "again" || !want[got["id"].(string)] {
			t.Fatalf("%s got %.200s", m.Target, m.Body)
		}
		delete(want, got["id"].(string))
	}
	w.changing.Lock() // the step that sent the last events is over
	defer w.changing.Unlock()
	if r, err := w.Replay(here, "again"); err != nil || r.State != Completed || r.Ended.IsZero() {
		t.Fatalf("%+v %v", r, err)
	}
	// What was replayed is not archived again, and retention ends.
	if _, counts, _ := w.Archive(ctx, here, "kept"); counts.Events != int64(len(ids)) {
		t.Errorf("the archive holds %d events", counts.Events)
	}
	w.clock.set(w.clock.Now().Add(25 * time.Hour))
	if err := w.sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if _, counts, _ := w.Archive(ctx, here, "kept"); counts.Events != 0 {
		t.Errorf("the archive holds %d events for longer than it should", counts.Events)
	}
}

func TestReplaysThatAreRefused(t *testing.T) {
	w := start(t)
	begin := w.clock.Now()
	if _, err := w.CreateArchive(t.Context(), here, "kept", Archive{Source: standard.ARN()}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		replay Replay
		want   string
	}{
		{Replay{Archive: here.ArchiveARN("nope"), Destination: standard.ARN()}, "Parameter EventSourceArn is not valid. Reason: Archive nope does not exist."},
		{Replay{Archive: here.ArchiveARN("kept"), Destination: "default"}, "Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN."},
		{Replay{Archive: here.ArchiveARN("kept"), Destination: ID{here, "x"}.ARN()}, "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted."},
		{Replay{Archive: here.ArchiveARN("kept"), Destination: standard.ARN(), From: begin, To: begin}, "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."},
	} {
		if _, err := w.StartReplay(t.Context(), here, "n", step.replay); err == nil || err.Error() != "ValidationException: "+step.want {
			t.Errorf("%v, want %s", err, step.want)
		}
	}
}

// TestManyLargeDeliveriesOfOneEvent are more than one batch of the store holds.
func TestManyLargeDeliveriesOfOneEvent(t *testing.T) {
	w := start(t)
	for n := range 6 {
		var targets []Target
		for i := range MaxTargets {
			targets = append(targets, Target{ID: fmt.Sprint(i), ARN: queueARN})
		}
		w.rule(standard, fmt.Sprint("r", n), Rule{Pattern: `{"source": ["s"]}`}, targets...)
	}
	w.put(Entry{Source: "s", DetailType: "d", Detail: `{"a": "` + strings.Repeat("x", 900<<10) + `"}`})
	for range 6 * MaxTargets {
		if m := w.next(); len(m.Body) < 900<<10 {
			t.Fatalf("%d bytes", len(m.Body))
		}
	}
}
