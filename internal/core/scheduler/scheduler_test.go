package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

var here = Scope{"000000000000", "us-east-1"}

const (
	queueARN = "arn:aws:sqs:us-east-1:000000000000:q"
	busARN   = "arn:aws:events:us-east-1:000000000000:event-bus/b"
)

func named(name string) ID { return ID{here, DefaultGroup, name} }

// sink is a target that remembers.
type sink struct {
	mu    sync.Mutex
	taken []delivery.Message
}

func (s *sink) Deliver(_ context.Context, m *delivery.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, *m)
	return nil
}

func (s *sink) take() []delivery.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.taken
	s.taken = nil
	return taken
}

// world is schedules with a clock that is set by hand, which is their Clock too.
type world struct {
	*Schedules
	config Config
	t      *testing.T
	sink   *sink
	now    time.Time
	mu     sync.Mutex
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) Sleep(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }

func (w *world) Timer(time.Duration) (<-chan time.Time, func() bool) {
	return make(chan time.Time), func() bool { return true }
}

var _ clock.Clock = (*world)(nil)

func openStore(t *testing.T, folder string) store.Store {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func open(t *testing.T, s store.Store, now time.Time) *world {
	t.Helper()
	w := &world{t: t, sink: &sink{}, now: now}
	outbox, err := delivery.New(delivery.Config{Store: s, Targets: map[string]delivery.Target{"sqs": w.sink, "lambda": w.sink, "events": w.sink}})
	if err != nil {
		t.Fatal(err)
	}
	w.config = Config{Store: s, Outbox: outbox, Clock: w}
	w.reopen(now)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { outbox.Run(ctx) }) // ends with the test
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

// reopen reads the schedules again, as after a restart at that time.
func (w *world) reopen(now time.Time) {
	w.t.Helper()
	w.mu.Lock()
	w.now = now
	w.mu.Unlock()
	var err error
	if w.Schedules, err = Open(w.t.Context(), w.config); err != nil {
		w.t.Fatal(err)
	}
}

// at sets the clock, sends what is due, and returns what arrived of it.
func (w *world) at(now time.Time, want int) []delivery.Message {
	w.t.Helper()
	w.mu.Lock()
	w.now = now
	w.mu.Unlock()
	if err := w.fireAll(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	var got []delivery.Message
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for len(got) < want && ctx.Err() == nil {
		got = append(got, w.sink.take()...)
		clock.Wait(ctx, clock.System, nil, time.Millisecond)
	}
	if len(got) != want {
		w.t.Fatalf("at %s %d messages, want %d", now.Format(time.RFC3339), len(got), want)
	}
	return got
}

func (w *world) put(name string, s Schedule) {
	w.t.Helper()
	if s.Zone == "" {
		s.Zone = "UTC"
	}
	if s.State == "" {
		s.State = Enabled
	}
	if s.Target.ARN == "" {
		s.Target = Target{ARN: queueARN, Role: "r", Input: name}
	}
	if err := w.Put(w.t.Context(), named(name), s, false); err != nil {
		w.t.Fatal(err)
	}
}

var hour = time.Hour

var begin = time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)

// TestSchedulesSendWhenTheyAreDue.
func TestSchedulesSendWhenTheyAreDue(t *testing.T) {
	w := open(t, openStore(t, t.TempDir()), begin)
	w.put("rate", Schedule{Expression: "rate(10 minutes)"})
	w.put("berlin", Schedule{Expression: "cron(0 8 * * ? *)", Zone: "Europe/Berlin"})
	w.put("later", Schedule{Expression: "rate(1 hour)", Start: begin.Add(30 * time.Minute), End: begin.Add(100 * time.Minute)})
	w.put("off", Schedule{Expression: "rate(1 minute)", State: Disabled})
	if got := w.at(begin, 1)[0]; string(got.Body) != "rate" { // AWS: at once, without a StartDate
		t.Errorf("%s", got.Body)
	}
	if got := w.at(begin.Add(10*time.Minute), 1)[0]; string(got.Body) != "rate" || got.Principal != "scheduler.amazonaws.com" || got.Source != "arn:aws:scheduler:us-east-1:000000000000:schedule/default/rate" {
		t.Errorf("%+v", got)
	}
	if err := w.Delete(t.Context(), named("rate")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		minutes int
		want    string
	}{{30, "later"}, {60, "berlin"}, {90, "later"}} {
		if got := w.at(begin.Add(time.Duration(step.minutes)*time.Minute), 1)[0]; string(got.Body) != step.want {
			t.Errorf("after %d minutes: %s, want %s", step.minutes, got.Body, step.want)
		}
	}
	if _, due, _ := w.agenda.First(); !due.Equal(begin.Add(25 * time.Hour)) {
		t.Errorf("the next is due at %s: one that ended is still planned", due)
	}
}

// TestOneTimeSchedules are late after a downtime, once, and go if they should.
func TestOneTimeSchedules(t *testing.T) {
	w := open(t, openStore(t, t.TempDir()), begin)
	w.put("stays", Schedule{Expression: "at(2026-11-28T07:00:00)"})
	w.put("goes", Schedule{Expression: "at(2026-11-28T07:00:00)", DeleteAfter: true})
	w.put("old", Schedule{Expression: "at(2026-11-28T06:30:00)", Target: Target{ARN: queueARN, MaximumEventAge: &hour}})
	w.reopen(begin.Add(5 * time.Hour))
	got := w.at(begin.Add(5*time.Hour), 2)
	if a, b := string(got[0].Body), string(got[1].Body); a == b || a == "" || b == "" {
		t.Errorf("%s and %s came", a, b)
	}
	if _, err := w.Get(named("goes")); err == nil {
		t.Error("the schedule that is to be deleted is there")
	}
	if _, err := w.Get(named("stays")); err != nil {
		t.Error(err)
	}
	w.reopen(begin.Add(6 * time.Hour))
	w.at(begin.Add(6*time.Hour), 0)
}

// A one-time schedule whose time is past would never come: it is refused, as by AWS.
// StartDate and EndDate do not count for it.
func TestOneTimeScheduleInThePastIsRefused(t *testing.T) {
	w := open(t, openStore(t, t.TempDir()), begin)
	past := begin.Add(-time.Hour).UTC().Format("at(2006-01-02T15:04:05)")
	soon := begin.Add(time.Hour).UTC().Format("at(2006-01-02T15:04:05)")
	wanted := func(expression, zone string) Schedule {
		return Schedule{Expression: expression, Zone: zone, State: Enabled, Target: Target{ARN: queueARN}}
	}
	for _, s := range []Schedule{wanted(past, "UTC"), wanted(soon, "Asia/Tokyo")} {
		if err := w.Put(t.Context(), named("x"), s, false); err == nil || !strings.Contains(err.Error(), "Invalid Schedule Expression "+s.Expression+".") {
			t.Errorf("%s in %s: %v", s.Expression, s.Zone, err)
		}
	}
	s := wanted(soon, "UTC")
	s.Start, s.End = begin.Add(2*time.Hour), begin.Add(3*time.Hour)
	if err := w.Put(t.Context(), named("x"), s, false); err != nil {
		t.Fatal(err)
	}
	w.at(begin.Add(time.Hour), 1)
	s.Description, s.End = "it has been due", begin.Add(5*time.Hour)
	if err := w.Put(t.Context(), named("x"), s, true); err != nil {
		t.Errorf("a schedule that has been due cannot be changed: %v", err)
	}
	if err := w.Put(t.Context(), named("x"), wanted(past, "UTC"), true); err == nil {
		t.Error("a change to the past is taken")
	}
}

// TestFlexibleWindow: within it, and not before it.
func TestFlexibleWindow(t *testing.T) {
	for range 50 {
		s := &Schedules{groups: map[GroupID]*Group{}, all: map[ID]*planned{}}
		p, err := compile(&Schedule{Expression: "at(2026-11-28T07:00:00)", Zone: "UTC", State: Enabled, Window: time.Hour, Began: begin})
		if err != nil {
			t.Fatal(err)
		}
		s.plan(named("x"), p)
		_, due, found := s.agenda.First()
		if !found || due.Before(begin.Add(time.Hour)) || !due.Before(begin.Add(2*time.Hour)) {
			t.Fatalf("due at %s", due)
		}
	}
}

// TestWhatTargetsGet.
func TestWhatTargetsGet(t *testing.T) {
	p := func(target Target) *planned { return &planned{Schedule: Schedule{Target: target}} }
	due := begin.Add(time.Minute)
	m := p(Target{ARN: "arn:aws:lambda:us-east-1:000000000000:function:f", DeadLetter: queueARN}).message(named("n"), due, begin)
	var event map[string]any
	if err := json.Unmarshal(m.Body, &event); err != nil {
		t.Fatal(err)
	}
	if event["source"] != "aws.scheduler" || event["detail"] != "{}" || event["time"] != "2026-11-28T06:01:00Z" || fmt.Sprint(event["resources"]) != "[arn:aws:scheduler:us-east-1:000000000000:schedule/default/n]" {
		t.Errorf("without an Input: %s", m.Body)
	}
	if d := m.Policy.DeadLetter; d == nil || d.Attributes["SCHEDULE_ARN"].String != named("n").ARN() || d.ErrorCode != "ERROR_CODE" {
		t.Errorf("%+v", d)
	}
	m = p(Target{ARN: queueARN, Input: `{"at": "<aws.scheduler.scheduled-time>", "arn": "<aws.scheduler.schedule-arn>", "id": "<aws.scheduler.execution-id>", "n": <aws.scheduler.attempt-number>}`}).message(named("n"), due, begin)
	if want := `{"at": "2026-11-28T06:01:00Z", "arn": "` + named("n").ARN() + `", "id": "` + m.ID + `", "n": 1}`; string(m.Body) != want {
		t.Errorf("%s, want %s", m.Body, want)
	}
	m = p(Target{ARN: busARN, Source: "s", DetailType: "d"}).message(named("n"), due, begin)
	if string(m.Body) != "{}" || m.Detail[bus.DetailSource] != "s" || m.Detail[bus.DetailType] != "d" {
		t.Errorf("to a bus: %s %v", m.Body, m.Detail)
	}
}

// TestGroupsHoldSchedules, and take them with them.
func TestGroupsHoldSchedules(t *testing.T) {
	w := open(t, openStore(t, t.TempDir()), begin)
	ctx := t.Context()
	g := GroupID{here, "g"}
	wanted := Schedule{Expression: "rate(1 day)", Zone: "UTC", State: Enabled, Target: Target{ARN: queueARN}}
	in := ID{here, "g", "n"}
	if err := w.Put(ctx, in, wanted, false); err == nil || err.Error() != "ResourceNotFoundException: Schedule group g does not exist." {
		t.Error(err)
	}
	if err := w.PutGroup(ctx, g, map[string]string{"a": "1"}); err != nil {
		t.Fatal(err)
	}
	if err := w.PutGroup(ctx, g, nil); err == nil || err.Error() != "ConflictException: Schedule group g already exists." {
		t.Error(err)
	}
	if err := w.Put(ctx, in, wanted, false); err != nil {
		t.Fatal(err)
	}
	if err := w.Put(ctx, in, wanted, false); err == nil || err.Error() != "ConflictException: Schedule n already exists." {
		t.Error(err)
	}
	if err := w.Put(ctx, ID{here, "g", "other"}, wanted, true); err == nil || err.Error() != "ResourceNotFoundException: Schedule other does not exist." {
		t.Error(err)
	}
	if err := w.ChangeTags(ctx, g, func(tags map[string]string) { tags["b"] = "2" }); err != nil {
		t.Error(err)
	}
	w.reopen(begin)
	if found, err := w.Group(g); err != nil || len(found.Tags) != 2 || strings.Join(w.Groups(here), " ") != "default g" {
		t.Errorf("%+v %v %v", found, err, w.Groups(here))
	}
	if err := w.DeleteGroup(ctx, g); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteGroup(ctx, GroupID{here, DefaultGroup}); err == nil {
		t.Error("the default group is deleted")
	}
	if _, err := w.Get(in); err == nil {
		t.Error("a schedule outlives its group")
	}
	if w.reopen(begin); len(w.all) != 0 || len(w.groups) != 0 {
		t.Error("the group comes back")
	}
}

func TestWhatIsRefused(t *testing.T) {
	w := open(t, openStore(t, t.TempDir()), begin)
	good := Schedule{Expression: "rate(1 day)", Zone: "UTC", State: Enabled, Target: Target{ARN: queueARN}}
	for want, change := range map[string]func(*Schedule){
		"Invalid Schedule Expression rate(1 weeks).":                                                      func(s *Schedule) { s.Expression = "rate(1 weeks)" },
		"Invalid Schedule Expression Timezone Mars/Olympus.":                                              func(s *Schedule) { s.Zone = "Mars/Olympus" },
		"Invalid Schedule Expression Timezone Local.":                                                     func(s *Schedule) { s.Zone = "Local" },
		"The StartDate you specify must come before the EndDate you specify.":                             func(s *Schedule) { s.Start, s.End = begin.Add(2*time.Hour), begin.Add(time.Hour) },
		"The EndDate you specify must come after the current time.":                                       func(s *Schedule) { s.End = begin.Add(-time.Hour) },
		"Invalid target ARN q.":                                                                           func(s *Schedule) { s.Target.ARN = "q" },
		"This platform has no targets of the service ecs (arn:aws:ecs:us-east-1:000000000000:cluster/c).": func(s *Schedule) { s.Target.ARN = "arn:aws:ecs:us-east-1:000000000000:cluster/c" },
		"EventBridgeParameters must be specified for a target that is an event bus.":                      func(s *Schedule) { s.Target.ARN = busARN },
		"SqsParameters with a MessageGroupId must be specified for a target that is a FIFO queue.":        func(s *Schedule) { s.Target.ARN = queueARN + ".fifo" },
		"Invalid dead-letter queue ARN x.":                                                                func(s *Schedule) { s.Target.DeadLetter = "x" },
		"Invalid Input: it must be valid JSON for a target of the service lambda.": func(s *Schedule) {
			s.Target = Target{ARN: "arn:aws:lambda:us-east-1:000000000000:function:f", Input: "{"}
		},
	} {
		s := good
		change(&s)
		if err := w.Put(t.Context(), named("n"), s, false); err == nil || err.Error() != "ValidationException: "+want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
