package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/logsapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
	"github.com/lambkin-dev/lambkin/internal/guard"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// fixedClock stands until it is moved.
type fixedClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fixedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fixedClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *fixedClock) Sleep(context.Context, time.Duration) error { panic("not used") }

func (c *fixedClock) Timer(time.Duration) (<-chan time.Time, func() bool) { panic("not used") }

var call = &wire.Call{Account: "000000000000", Region: "us-east-1"}

// world is a service over a folder.
type world struct {
	*Logs
	t      *testing.T
	clock  *fixedClock
	folder string
	close  func()
}

func open(t *testing.T) *world {
	w := &world{t: t, folder: t.TempDir(), clock: &fixedClock{now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}}
	w.reopen()
	return w
}

// reopen is a restart without a word: as after a kill.
func (w *world) reopen() {
	w.t.Helper()
	if w.close != nil {
		w.close()
	}
	s, err := localstore.Open(localstore.Config{Folder: filepath.Join(w.folder, "store")})
	if err != nil {
		w.t.Fatal(err)
	}
	w.close = func() { s.Close() }
	w.t.Cleanup(w.close)
	if w.Logs, err = Open(Config{Folder: filepath.Join(w.folder, "logs"), Store: s, Clock: w.clock}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() int64 { return w.clock.Now().UnixMilli() }

func must[T any](t *testing.T) func(*T, error) *T {
	return func(out *T, err error) *T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func p[T any](v T) *T { return &v }

func wantFault(t *testing.T, err error, code, text string) {
	t.Helper()
	f := fault.From(err)
	if f == nil || f.Code != code || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want %s: %s", err, code, text)
	}
}

// group makes group g with stream s.
func (w *world) group(names ...string) {
	w.t.Helper()
	must[logsapi.CreateLogGroupOutput](w.t)(w.createLogGroup(w.t.Context(), call, &logsapi.CreateLogGroupInput{LogGroupName: p("g")}))
	for _, name := range append(names, "s") {
		must[logsapi.CreateLogStreamOutput](w.t)(w.createLogStream(w.t.Context(), call, &logsapi.CreateLogStreamInput{LogGroupName: p("g"), LogStreamName: &name}))
	}
}

// put puts messages at now + their number in ms.
func (w *world) put(stream string, at int64, messages ...string) *logsapi.PutLogEventsOutput {
	w.t.Helper()
	in := &logsapi.PutLogEventsInput{LogGroupName: p("g"), LogStreamName: &stream}
	for i, m := range messages {
		in.LogEvents = append(in.LogEvents, logsapi.InputLogEvent{Timestamp: p(at + int64(i)), Message: &m})
	}
	return must[logsapi.PutLogEventsOutput](w.t)(w.putLogEvents(w.t.Context(), call, in))
}

func (w *world) get(in logsapi.GetLogEventsInput) (*logsapi.GetLogEventsOutput, []string) {
	w.t.Helper()
	in.LogGroupName, in.LogStreamName = p("g"), p("s")
	out := must[logsapi.GetLogEventsOutput](w.t)(w.getLogEvents(w.t.Context(), call, &in))
	var messages []string
	for _, e := range out.Events {
		messages = append(messages, *e.Message)
	}
	return out, messages
}

func (w *world) filter(in logsapi.FilterLogEventsInput) (*logsapi.FilterLogEventsOutput, []string) {
	w.t.Helper()
	in.LogGroupName = p("g")
	out := must[logsapi.FilterLogEventsOutput](w.t)(w.filterLogEvents(w.t.Context(), call, &in))
	var messages []string
	for _, e := range out.Events {
		messages = append(messages, *e.Message)
	}
	return out, messages
}

func wantMessages(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGroupAndStreamErrorsAreAWSs(t *testing.T) {
	w := open(t)
	ctx := t.Context()
	w.group()
	_, err := w.createLogGroup(ctx, call, &logsapi.CreateLogGroupInput{LogGroupName: p("g")})
	wantFault(t, err, "ResourceAlreadyExistsException", "The specified log group already exists")
	_, err = w.createLogStream(ctx, call, &logsapi.CreateLogStreamInput{LogGroupName: p("g"), LogStreamName: p("s")})
	wantFault(t, err, "ResourceAlreadyExistsException", "The specified log stream already exists")
	_, err = w.createLogStream(ctx, call, &logsapi.CreateLogStreamInput{LogGroupName: p("none"), LogStreamName: p("s")})
	wantFault(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
	_, err = w.deleteLogGroup(ctx, call, &logsapi.DeleteLogGroupInput{LogGroupName: p("none")})
	wantFault(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
	_, err = w.deleteLogStream(ctx, call, &logsapi.DeleteLogStreamInput{LogGroupName: p("g"), LogStreamName: p("none")})
	wantFault(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
	events := []logsapi.InputLogEvent{{Timestamp: p(w.now()), Message: p("m")}}
	_, err = w.putLogEvents(ctx, call, &logsapi.PutLogEventsInput{LogGroupName: p("g"), LogStreamName: p("none"), LogEvents: events})
	wantFault(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
	_, err = w.putLogEvents(ctx, call, &logsapi.PutLogEventsInput{LogGroupName: p("none"), LogStreamName: p("s"), LogEvents: events})
	wantFault(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
	_, err = w.getLogEvents(ctx, &wire.Call{Account: "111111111111", Region: "us-east-1"}, &logsapi.GetLogEventsInput{LogGroupName: p("g"), LogStreamName: p("s")})
	wantFault(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
}

func TestEventsSurviveRestart(t *testing.T) {
	w := open(t)
	w.group()
	w.put("s", w.now(), "a\n", "b")
	w.reopen()
	w.put("s", w.now()+5, "c")
	_, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "a\n", "b", "c")
}

// TestRowBehindTheFile is a crash between the write of a block and that of the
// row, with a torn block after it that begins like a whole one.
func TestRowBehindTheFile(t *testing.T) {
	w := open(t)
	w.group()
	w.put("s", w.now(), "a")
	file := w.onlySegment()
	whole := appendBlock(nil, []event{{time: w.now() + 1, message: "b"}}, 2, w.now())
	forged := appendBlock(nil, []event{{time: w.now() + 2, message: "forged"}}, 4, w.now())
	torn := appendBlock(nil, []event{{time: w.now() + 2, message: strings.Repeat("x", 10) + string(forged)}, {time: w.now() + 2, message: "cut"}}, 3, w.now())
	appendFile(t, file, append(whole, torn[:len(torn)-1]...))
	_, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "a", "b")
	w.put("s", w.now()+3, "c")
	_, got = w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "a", "b", "c")
	w.put("s", w.now()+4, "d")
	_, got = w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "a", "b", "c", "d")
}

func (w *world) onlySegment() string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.folder, "logs", "*", "*", "*.seg"))
	if err != nil || len(files) != 1 {
		w.t.Fatalf("segments %v, %v", files, err)
	}
	return files[0]
}

func appendFile(t *testing.T, name string, data []byte) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = file.Write(data)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPutLogEventsRejects(t *testing.T) {
	w := open(t)
	w.group()
	now, day := w.now(), (24 * time.Hour).Milliseconds()
	at := func(times ...int64) (events []logsapi.InputLogEvent) {
		for _, ms := range times {
			events = append(events, logsapi.InputLogEvent{Timestamp: &ms, Message: p("m")})
		}
		return events
	}
	large := []logsapi.InputLogEvent{{Timestamp: &now, Message: p(strings.Repeat("x", maxBatchBytes-eventOverhead+1))}}
	for text, events := range map[string][]logsapi.InputLogEvent{
		"Log events in a single PutLogEvents request must be in chronological order.": at(now, now-1),
		"cannot span more than 24 hours":                                              at(now-day-1, now),
		"Upload too large: 1048577 bytes exceeds limit of 1048576":                    large,
		"Member must have length greater than or equal to 1":                          {{Timestamp: &now, Message: p("")}},
		"'logEvents.1.member.timestamp' failed to satisfy constraint":                 at(-1),
	} {
		_, err := w.putLogEvents(t.Context(), call, &logsapi.PutLogEventsInput{LogGroupName: p("g"), LogStreamName: p("s"), LogEvents: events})
		wantFault(t, err, "InvalidParameterException", text)
	}
	large[0].Message = p((*large[0].Message)[1:])
	must[logsapi.PutLogEventsOutput](t)(w.putLogEvents(t.Context(), call, &logsapi.PutLogEventsInput{LogGroupName: p("g"), LogStreamName: p("s"), LogEvents: large}))
}

func TestRejectedEventsAreNamed(t *testing.T) {
	w := open(t)
	w.group()
	future := w.now() + maxFuture.Milliseconds()
	if info := w.put("s", future-1, "a", "b", "c", "d").RejectedLogEventsInfo; info == nil || info.TooNewLogEventStartIndex == nil || *info.TooNewLogEventStartIndex != 2 {
		t.Errorf("got %+v", info)
	}
	past := w.now() - maxPast.Milliseconds()
	if info := w.put("s", past-2, "e", "f", "g").RejectedLogEventsInfo; info == nil || info.TooOldLogEventEndIndex == nil || *info.TooOldLogEventEndIndex != 2 {
		t.Errorf("got %+v", info)
	}
	_, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "g", "a", "b")
	must[logsapi.PutRetentionPolicyOutput](t)(w.putRetentionPolicy(t.Context(), call, &logsapi.PutRetentionPolicyInput{LogGroupName: p("g"), RetentionInDays: p(int32(1))}))
	old := w.now() - (24 * time.Hour).Milliseconds()
	if info := w.put("s", old-1, "h", "i").RejectedLogEventsInfo; info == nil || info.ExpiredLogEventEndIndex == nil || *info.ExpiredLogEventEndIndex != 1 {
		t.Errorf("got %+v", info)
	}
	_, got = w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "i", "a", "b")
}

func TestGetLogEventsPagesForward(t *testing.T) {
	w := open(t)
	w.group()
	w.put("s", w.now(), "a", "b", "c", "d", "e")
	in := logsapi.GetLogEventsInput{StartFromHead: p(true), Limit: p(int32(2))}
	for _, want := range [][]string{{"a", "b"}, {"c", "d"}, {"e"}, nil} {
		out, got := w.get(in)
		wantMessages(t, got, want...)
		if want == nil && *out.NextForwardToken != *in.NextToken {
			t.Errorf("token %s at the end, want the same: %s", *out.NextForwardToken, *in.NextToken)
		}
		in.NextToken = out.NextForwardToken
	}
	w.put("s", w.now()+10, "f")
	out, got := w.get(in)
	wantMessages(t, got, "f")
	in.NextToken = out.NextBackwardToken
	_, got = w.get(in)
	wantMessages(t, got, "d", "e")
}

func TestGetLogEventsPagesBackward(t *testing.T) {
	w := open(t)
	w.group()
	w.put("s", w.now(), "a", "b", "c", "d", "e")
	in := logsapi.GetLogEventsInput{Limit: p(int32(2))}
	for _, want := range [][]string{{"d", "e"}, {"b", "c"}, {"a"}, nil} {
		out, got := w.get(in)
		wantMessages(t, got, want...)
		if want == nil && *out.NextBackwardToken != *in.NextToken {
			t.Errorf("token %s at the end, want the same: %s", *out.NextBackwardToken, *in.NextToken)
		}
		in.NextToken = out.NextBackwardToken
	}
	out, _ := w.get(in)
	in.NextToken = out.NextForwardToken
	_, got := w.get(in)
	wantMessages(t, got, "a", "b")
	in.NextToken = p("nonsense")
	in.LogGroupName, in.LogStreamName = p("g"), p("s")
	_, err := w.getLogEvents(t.Context(), call, &in)
	wantFault(t, err, "InvalidParameterException", "The specified nextToken is invalid.")
}

func TestEmptyStreamGivesATokenThatLaterFindsEvents(t *testing.T) {
	w := open(t)
	w.group()
	out, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got)
	w.put("s", w.now(), "a")
	_, got = w.get(logsapi.GetLogEventsInput{NextToken: out.NextForwardToken})
	wantMessages(t, got, "a")
}

func TestTimeRangeOfGetExcludesItsEndAndOfFilterIncludesIt(t *testing.T) {
	w := open(t)
	w.group()
	w.put("s", w.now(), "a", "b", "c", "d")
	_, got := w.get(logsapi.GetLogEventsInput{StartTime: p(w.now() + 1), EndTime: p(w.now() + 3)})
	wantMessages(t, got, "b", "c")
	_, got = w.filter(logsapi.FilterLogEventsInput{StartTime: p(w.now() + 1), EndTime: p(w.now() + 3)})
	wantMessages(t, got, "b", "c", "d")
}

func TestEventsOfLateBatchesAreSortedByTime(t *testing.T) {
	w := open(t)
	w.group()
	w.put("s", w.now()+2, "c", "d")
	w.put("s", w.now(), "a", "b")
	w.put("s", w.now()+1, "b2")
	in := logsapi.GetLogEventsInput{StartFromHead: p(true), Limit: p(int32(2))}
	var all []string
	for range 3 {
		out, got := w.get(in)
		all = append(all, got...)
		in.NextToken = out.NextForwardToken
	}
	wantMessages(t, all, "a", "b", "b2", "c", "d")
}

func TestFilterMergesStreamsAndPages(t *testing.T) {
	w := open(t)
	w.group("t", "other")
	var want []string
	for i := range 30 {
		message := fmt.Sprintf("m%02d", i)
		want = append(want, message)
		w.put([]string{"s", "t"}[i%2], w.now()+int64(i/3), message) // equal times in both streams
	}
	w.put("other", w.now(), "not asked for")
	for _, limit := range []int32{1, 7, 30, 100} {
		in := logsapi.FilterLogEventsInput{Limit: &limit, LogStreamNames: []string{"s", "t", "s"}, FilterPattern: p("-asked")}
		var all []string
		seen := map[string]bool{}
		for page := 0; ; page++ {
			out, got := w.filter(in)
			all = append(all, got...)
			for _, e := range out.Events {
				seen[*e.EventId] = true
			}
			if in.NextToken = out.NextToken; out.NextToken == nil || page > 60 {
				break
			}
		}
		if len(seen) != 30 {
			t.Errorf("limit %d: %d event ids", limit, len(seen))
		}
		slices.Sort(all) // events of equal times come in the order of the streams
		wantMessages(t, all, want...)
	}
}

func TestFilterByPatternPrefixAndBackward(t *testing.T) {
	w := open(t)
	w.group("web/1", "web/2")
	w.put("s", w.now(), "ERROR s")
	w.put("web/1", w.now()+1, "ERROR one", "INFO one")
	w.put("web/2", w.now()+2, "ERROR two")
	_, got := w.filter(logsapi.FilterLogEventsInput{FilterPattern: p("ERROR"), LogStreamNamePrefix: p("web/")})
	wantMessages(t, got, "ERROR one", "ERROR two")
	_, got = w.filter(logsapi.FilterLogEventsInput{FilterPattern: p("ERROR"), StartFromHead: p(false), Limit: p(int32(2))})
	wantMessages(t, got, "ERROR one", "ERROR two")
	_, err := w.filterLogEvents(t.Context(), call, &logsapi.FilterLogEventsInput{LogGroupName: p("g"), FilterPattern: p("a$b")})
	wantFault(t, err, "InvalidParameterException", "invalid character(s) in term 'a$b'")
}

func TestPagesAreCutAtOneMegabyte(t *testing.T) {
	w := open(t)
	w.group()
	for i := range 5 {
		w.put("s", w.now()+int64(i), strings.Repeat("x", 400_000))
	}
	in := logsapi.FilterLogEventsInput{}
	var sizes []int
	for {
		out, got := w.filter(in)
		sizes = append(sizes, len(got))
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("pages of %v events", sizes)
	}
}

func TestSearchStopsAtItsBudget(t *testing.T) {
	w := open(t)
	w.group()
	for i := range 50 {
		w.put("s", w.now()+int64(i), fmt.Sprint("m", i))
	}
	g, err := w.findGroup(t.Context(), scope{call.Account, call.Region}, "g")
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.findStream(t.Context(), g, "s")
	if err != nil {
		t.Fatal(err)
	}
	for _, backward := range []bool{false, true} {
		s := search{streams: []*streamRow{r}, limit: 100, budget: 1, backward: backward, lo: position{time: minTime}, hi: position{time: maxTime},
			match: func(m string) bool { return strings.HasSuffix(m, "7") }}
		var all []string
		pages := 0
		for {
			page, err := w.search(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.events {
				all = append(all, e.message)
			}
			if pages++; page.done || pages > 200 {
				break
			}
			if backward {
				s.hi = page.rest
			} else {
				s.lo = page.rest
			}
		}
		if backward {
			slices.Reverse(all)
		}
		wantMessages(t, all, "m7", "m17", "m27", "m37", "m47")
		if pages < 10 || pages > 100 {
			t.Errorf("%d pages", pages)
		}
	}
}

func TestDescribeGroups(t *testing.T) {
	w := open(t)
	for _, name := range []string{"/aws/lambda/a", "/aws/lambda/b", "/aws/lambda/c", "other"} {
		must[logsapi.CreateLogGroupOutput](t)(w.createLogGroup(t.Context(), call, &logsapi.CreateLogGroupInput{LogGroupName: &name}))
	}
	names := func(in logsapi.DescribeLogGroupsInput) (all []string) {
		for {
			out := must[logsapi.DescribeLogGroupsOutput](t)(w.describeLogGroups(t.Context(), call, &in))
			for _, g := range out.LogGroups {
				all = append(all, *g.LogGroupName)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return all
			}
		}
	}
	wantMessages(t, names(logsapi.DescribeLogGroupsInput{Limit: p(int32(1))}), "/aws/lambda/a", "/aws/lambda/b", "/aws/lambda/c", "other")
	wantMessages(t, names(logsapi.DescribeLogGroupsInput{LogGroupNamePrefix: p("/aws/lambda/"), Limit: p(int32(2))}), "/aws/lambda/a", "/aws/lambda/b", "/aws/lambda/c")
	wantMessages(t, names(logsapi.DescribeLogGroupsInput{LogGroupNamePattern: p("lambda/b")}), "/aws/lambda/b")
	out := must[logsapi.DescribeLogGroupsOutput](t)(w.describeLogGroups(t.Context(), call, &logsapi.DescribeLogGroupsInput{LogGroupNamePrefix: p("other")}))
	if g := out.LogGroups[0]; *g.Arn != "arn:aws:logs:us-east-1:000000000000:log-group:other:*" || *g.LogGroupArn != "arn:aws:logs:us-east-1:000000000000:log-group:other" || g.RetentionInDays != nil {
		t.Errorf("got %+v", g)
	}
}

func TestDescribeStreams(t *testing.T) {
	w := open(t)
	w.group("a", "b", "c")
	w.put("b", w.now()+1, "m")
	w.put("c", w.now()+2, "m", "m")
	names := func(in logsapi.DescribeLogStreamsInput) (all []string) {
		in.LogGroupName = p("g")
		for {
			out := must[logsapi.DescribeLogStreamsOutput](t)(w.describeLogStreams(t.Context(), call, &in))
			for _, s := range out.LogStreams {
				all = append(all, *s.LogStreamName)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return all
			}
		}
	}
	for _, limit := range []int32{1, 3, 50} {
		wantMessages(t, names(logsapi.DescribeLogStreamsInput{Limit: &limit}), "a", "b", "c", "s")
		wantMessages(t, names(logsapi.DescribeLogStreamsInput{Limit: &limit, Descending: p(true)}), "s", "c", "b", "a")
		wantMessages(t, names(logsapi.DescribeLogStreamsInput{Limit: &limit, OrderBy: p("LastEventTime"), Descending: p(true)}), "c", "b", "s", "a")
		wantMessages(t, names(logsapi.DescribeLogStreamsInput{Limit: &limit, LogStreamNamePrefix: p("b")}), "b")
	}
	out := must[logsapi.DescribeLogStreamsOutput](t)(w.describeLogStreams(t.Context(), call, &logsapi.DescribeLogStreamsInput{LogGroupIdentifier: p("arn:aws:logs:us-east-1:000000000000:log-group:g:*"), LogStreamNamePrefix: p("c")}))
	s := out.LogStreams[0]
	if *s.FirstEventTimestamp != w.now()+2 || *s.LastEventTimestamp != w.now()+3 || *s.LastIngestionTime != w.now() || *s.Arn != "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:c" {
		t.Errorf("got %+v", s)
	}
	_, err := w.describeLogStreams(t.Context(), call, &logsapi.DescribeLogStreamsInput{LogGroupName: p("g"), OrderBy: p("LastEventTime"), LogStreamNamePrefix: p("c")})
	wantFault(t, err, "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
}

func TestDeletedGroupBeginsEmptyAgain(t *testing.T) {
	w := open(t)
	w.group()
	w.put("s", w.now(), "old")
	must[logsapi.DeleteLogGroupOutput](t)(w.deleteLogGroup(t.Context(), call, &logsapi.DeleteLogGroupInput{LogGroupName: p("g")}))
	w.group()
	_, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got)
	must[logsapi.DeleteLogStreamOutput](t)(w.deleteLogStream(t.Context(), call, &logsapi.DeleteLogStreamInput{LogGroupName: p("g"), LogStreamName: p("s")}))
	_, err := w.getLogEvents(t.Context(), call, &logsapi.GetLogEventsInput{LogGroupName: p("g"), LogStreamName: p("s")})
	wantFault(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
}

func TestProtectedGroupIsNotDeleted(t *testing.T) {
	w := open(t)
	must[logsapi.CreateLogGroupOutput](t)(w.createLogGroup(t.Context(), call, &logsapi.CreateLogGroupInput{LogGroupName: p("g"), DeletionProtectionEnabled: p(true)}))
	_, err := w.deleteLogGroup(t.Context(), call, &logsapi.DeleteLogGroupInput{LogGroupName: p("g")})
	wantFault(t, err, "ValidationException", "deletion protection")
	must[logsapi.PutLogGroupDeletionProtectionOutput](t)(w.putLogGroupDeletionProtection(t.Context(), call, &logsapi.PutLogGroupDeletionProtectionInput{LogGroupIdentifier: p("g"), DeletionProtectionEnabled: p(false)}))
	must[logsapi.DeleteLogGroupOutput](t)(w.deleteLogGroup(t.Context(), call, &logsapi.DeleteLogGroupInput{LogGroupName: p("g")}))
}

func TestTags(t *testing.T) {
	w := open(t)
	w.group()
	resource := p("arn:aws:logs:us-east-1:000000000000:log-group:g")
	must[logsapi.TagResourceOutput](t)(w.tagResource(t.Context(), call, &logsapi.TagResourceInput{ResourceArn: resource, Tags: map[string]string{"a": "1", "b": "2"}}))
	must[logsapi.TagLogGroupOutput](t)(w.tagLogGroup(t.Context(), call, &logsapi.TagLogGroupInput{LogGroupName: p("g"), Tags: map[string]string{"c": "3"}}))
	must[logsapi.UntagResourceOutput](t)(w.untagResource(t.Context(), call, &logsapi.UntagResourceInput{ResourceArn: resource, TagKeys: []string{"a"}}))
	must[logsapi.UntagLogGroupOutput](t)(w.untagLogGroup(t.Context(), call, &logsapi.UntagLogGroupInput{LogGroupName: p("g"), Tags: []string{"c"}}))
	out := must[logsapi.ListTagsForResourceOutput](t)(w.listTagsForResource(t.Context(), call, &logsapi.ListTagsForResourceInput{ResourceArn: resource}))
	if len(out.Tags) != 1 || out.Tags["b"] != "2" {
		t.Errorf("got %v", out.Tags)
	}
	many := map[string]string{}
	for i := range maxTags {
		many[fmt.Sprint("k", i)] = "v"
	}
	_, err := w.tagResource(t.Context(), call, &logsapi.TagResourceInput{ResourceArn: resource, Tags: many})
	wantFault(t, err, "TooManyTagsException", "")
}

func TestRetentionHidesAndRemoves(t *testing.T) {
	w := open(t)
	w.group()
	_, err := w.putRetentionPolicy(t.Context(), call, &logsapi.PutRetentionPolicyInput{LogGroupName: p("g"), RetentionInDays: p(int32(2))})
	wantFault(t, err, "InvalidParameterException", "Member must satisfy enum value set: [1, 3, 5,")
	must[logsapi.PutRetentionPolicyOutput](t)(w.putRetentionPolicy(t.Context(), call, &logsapi.PutRetentionPolicyInput{LogGroupName: p("g"), RetentionInDays: p(int32(3))}))
	w.put("s", w.now(), "first day")
	w.clock.move(25 * time.Hour)
	w.put("s", w.now(), "second day")
	w.clock.move(48 * time.Hour)
	_, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "second day")
	if err := w.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if file := w.onlySegment(); filepath.Base(file) != "00000002.seg" {
		t.Errorf("segment %s is left", file)
	}
	must[logsapi.DeleteRetentionPolicyOutput](t)(w.deleteRetentionPolicy(t.Context(), call, &logsapi.DeleteRetentionPolicyInput{LogGroupName: p("g")}))
	_, got = w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "second day")
}

func TestSweepRemovesFilesThatNobodyOwns(t *testing.T) {
	w := open(t)
	w.group()
	w.put("s", w.now(), "kept")
	kept := w.onlySegment()
	for _, orphan := range []string{filepath.Join(w.folder, "logs", "gone", "x"), filepath.Join(filepath.Dir(filepath.Dir(kept)), "gone")} {
		if err := os.MkdirAll(orphan, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := w.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(orphan); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", orphan, err)
		}
	}
	_, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "kept")
}

var functionStream = telemetry.LogStream{Account: call.Account, Region: call.Region, Group: "g", Stream: "s"}

func TestFunctionLogsAppearAtOnce(t *testing.T) {
	w := open(t)
	events := []telemetry.LogEvent{{Time: w.clock.Now(), Message: "START\n"}, {Time: w.clock.Now(), Message: "END\n"}}
	w.Append(functionStream, events)
	events[0].Message = "changed"
	_, got := w.get(logsapi.GetLogEventsInput{}) // without Run: readers flush what they look at
	wantMessages(t, got, "START\n", "END\n")
	w.Append(functionStream, []telemetry.LogEvent{{Time: w.clock.Now(), Message: "again\n"}})
	_, got = w.filter(logsapi.FilterLogEventsInput{})
	wantMessages(t, got, "START\n", "END\n", "again\n")
}

func TestRunFlushesAtTheEnd(t *testing.T) {
	w := open(t)
	w.Append(functionStream, []telemetry.LogEvent{{Time: w.clock.Now(), Message: "last words"}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	_, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "last words")
}

// A flush that the timer began just before the end of the server has taken the
// events out of the sink: they must not be lost with its context.
func TestFlushOutlivesItsContext(t *testing.T) {
	w := open(t)
	w.Append(functionStream, []telemetry.LogEvent{{Time: w.clock.Now(), Message: "last words"}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.flush(ctx, everything)
	w.reopen()
	_, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "last words")
}

// TestFloodIsBoundedAndCounted is a function that prints far more than a stream may buffer.
func TestFloodIsBoundedAndCounted(t *testing.T) {
	w := open(t)
	line := strings.Repeat("x", 1000)
	const lines = 5000
	for range lines {
		w.Append(functionStream, []telemetry.LogEvent{{Time: w.clock.Now(), Message: line}})
	}
	if w.sink.bytes > maxStreamBuffer {
		t.Errorf("%d bytes are buffered", w.sink.bytes)
	}
	quiet := functionStream
	quiet.Stream = "quiet"
	w.Append(quiet, []telemetry.LogEvent{{Time: w.clock.Now(), Message: "heard"}})
	_, got := w.filter(logsapi.FilterLogEventsInput{LogStreamNames: []string{"quiet"}})
	wantMessages(t, got, "heard")
	_, got = w.get(logsapi.GetLogEventsInput{Limit: p(int32(10_000))})
	kept := len(got) - 1
	if want := fmt.Sprintf("LAMBKIN dropped %d log events (%d bytes)", lines-w.kept(t), (lines-w.kept(t))*len(line)); !strings.HasPrefix(got[kept], want) {
		t.Errorf("last line %.100q, want %q", got[kept], want)
	}
}

// kept counts the flood's lines over all pages.
func (w *world) kept(t *testing.T) (n int) {
	in := logsapi.FilterLogEventsInput{LogStreamNames: []string{"s"}, FilterPattern: p("xxx")}
	for {
		out, got := w.filter(in)
		n += len(got)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return n
		}
	}
}

func TestSegmentsRotate(t *testing.T) {
	w := open(t)
	w.group()
	message := strings.Repeat("x", 1<<20-eventOverhead)
	const n = segmentBytes>>20 + 2
	for i := range n {
		w.put("s", w.now()+int64(i), message)
	}
	files, _ := filepath.Glob(filepath.Join(w.folder, "logs", "*", "*", "*.seg"))
	if len(files) != 2 {
		t.Errorf("segments %v", files)
	}
	if got := w.kept(t); got != n {
		t.Errorf("%d events, want %d", got, n)
	}
}

func TestConcurrentWritersOfOneStream(t *testing.T) {
	w := open(t)
	w.group()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 20 {
				w.put("s", w.now(), fmt.Sprint("xxx", i, "/", j))
			}
		})
	}
	group.Wait()
	w.reopen()
	if got := w.kept(t); got != 160 {
		t.Errorf("%d events, want 160", got)
	}
}

func TestDamagedBlockIsLeftOut(t *testing.T) {
	w := open(t)
	w.group()
	w.put("s", w.now(), "aaaa")
	w.put("s", w.now()+1, "bbbb")
	w.put("s", w.now()+2, "cccc")
	name := w.onlySegment()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(data), "bbbb", "bbxb", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, got := w.get(logsapi.GetLogEventsInput{})
	wantMessages(t, got, "aaaa", "cccc")
}

func TestEveryOperationHasItsPermission(t *testing.T) {
	for _, gap := range guard.Gaps(open(t).Service()) {
		t.Error(gap)
	}
}
