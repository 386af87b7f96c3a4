package logs

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/logsapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

func (l *Logs) putLogEvents(ctx context.Context, call *wire.Call, in *logsapi.PutLogEventsInput) (*logsapi.PutLogEventsOutput, error) {
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	g, err := l.group(ctx, scopeOf(call), *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	events, rejected := l.accept(g, in.LogEvents)
	out := &logsapi.PutLogEventsOutput{RejectedLogEventsInfo: rejected}
	if in.Entity != nil {
		// The events are taken, the entity is not kept: AWS's way to say so.
		unsupported := "UnsupportedLogGroupType"
		out.RejectedEntityInfo = &logsapi.RejectedEntityInfo{ErrorType: &unsupported}
	}
	if len(events) > 0 {
		err = l.keep(ctx, g, *in.LogStreamName, events)
		if errors.Is(err, errGone) {
			err = l.explainGone(ctx, g.scope, g.Name, *in.LogStreamName)
		}
		if err != nil {
			return nil, err
		}
	}
	r, err := l.stream(ctx, g, *in.LogStreamName)
	if err != nil {
		return nil, err
	}
	token := sequenceToken(r)
	out.NextSequenceToken = &token
	return out, nil
}

// explainGone says what is missing.
func (l *Logs) explainGone(ctx context.Context, s scope, group, stream string) error {
	g, err := l.group(ctx, s, group)
	if err != nil {
		return err
	}
	if _, err := l.stream(ctx, g, stream); err != nil {
		return err
	}
	return logsapi.ServiceUnavailableException("The log stream was made again at the same time.")
}

// stream finds a stream or answers as AWS does.
func (l *Logs) stream(ctx context.Context, g *groupRow, name string) (*streamRow, error) {
	r, err := l.findStream(ctx, g, name)
	if err == nil && r == nil {
		return nil, logsapi.ResourceNotFoundException(textStreamMissing)
	}
	return r, err
}

// checkBatch holds a batch to the rules that reject it as a whole.
//
// AWS: the reference page of PutLogEvents; the texts are those that clients
// (fluent-bit, the CloudWatch agent, watchtower) have recorded.
func checkBatch(events []logsapi.InputLogEvent) error {
	total := 0
	for i, e := range events {
		if *e.Timestamp < 0 {
			return logsapi.InvalidParameterException("1 validation error detected: Value '%d' at 'logEvents.%d.member.timestamp' failed to satisfy constraint: Member must have value greater than or equal to 0", *e.Timestamp, i+1)
		}
		if *e.Message == "" {
			return logsapi.InvalidParameterException("1 validation error detected: Value '' at 'logEvents.%d.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1", i+1)
		}
		if i > 0 && *e.Timestamp < *events[i-1].Timestamp {
			return logsapi.InvalidParameterException("Log events in a single PutLogEvents request must be in chronological order.")
		}
		total += len(*e.Message) + eventOverhead
	}
	if total > maxBatchBytes {
		return logsapi.InvalidParameterException("Upload too large: %d bytes exceeds limit of %d", total, maxBatchBytes)
	}
	if n := len(events); n > 0 && *events[n-1].Timestamp-*events[0].Timestamp > maxBatchSpan.Milliseconds() {
		return logsapi.InvalidParameterException("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// accept takes the events that are neither too old nor too new; the indices say
// which are not taken: ends are exclusive.
func (l *Logs) accept(g *groupRow, in []logsapi.InputLogEvent) ([]event, *logsapi.RejectedLogEventsInfo) {
	now := l.clock.Now()
	newest, oldest, expired := now.Add(maxFuture).UnixMilli(), now.Add(-maxPast).UnixMilli(), l.oldest(g)
	var info logsapi.RejectedLogEventsInfo
	var events []event
	for i, e := range in {
		switch t := *e.Timestamp; {
		case t > newest:
			if info.TooNewLogEventStartIndex == nil {
				info.TooNewLogEventStartIndex = index(i)
			}
		case t < expired:
			info.ExpiredLogEventEndIndex = index(i + 1)
		case t < oldest:
			info.TooOldLogEventEndIndex = index(i + 1)
		default:
			events = append(events, event{time: t, message: *e.Message})
		}
	}
	if info == (logsapi.RejectedLogEventsInfo{}) {
		return events, nil
	}
	return events, &info
}

func index(i int) *int32 {
	n := int32(i)
	return &n
}

// eventLimit is the number of events of a page.
func eventLimit(limit *int32) int {
	if limit == nil {
		return maxPageEvents
	}
	return int(*limit)
}

// timeRange is [start, end) in ms, cut at the retention.
func (l *Logs) timeRange(g *groupRow, start, end *int64) (lo, hi position) {
	lo, hi = position{time: l.oldest(g)}, position{time: maxTime}
	if start != nil {
		lo.time = max(lo.time, *start)
	}
	if end != nil {
		hi.time = min(hi.time, *end)
	}
	return lo, hi
}

// getLogEvents pages through one stream. A token is a place between two events
// and a direction; a page that has nothing more gives the same token back.
func (l *Logs) getLogEvents(ctx context.Context, call *wire.Call, in *logsapi.GetLogEventsInput) (*logsapi.GetLogEventsOutput, error) {
	g, err := l.identifiedFlushed(ctx, scopeOf(call), in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	r, err := l.stream(ctx, g, *in.LogStreamName)
	if err != nil {
		return nil, err
	}
	s := search{streams: []*streamRow{r}, limit: eventLimit(in.Limit), match: anything, budget: maxTime, backward: !value(in.StartFromHead)}
	s.lo, s.hi = l.timeRange(g, in.StartTime, in.EndTime)
	first, last := s.lo, s.lo // of an empty page: events may still come forward of its start
	if in.NextToken != nil {
		place, backward, err := parsePlace(*in.NextToken)
		if err != nil {
			return nil, err
		}
		place.stream = r.ID
		if s.backward = backward; backward {
			s.hi = earlier(s.hi, place)
		} else {
			s.lo = later(s.lo, place)
		}
		first, last = place, place
	}
	page, err := l.search(ctx, s)
	if err != nil {
		return nil, err
	}
	if n := len(page.events); n > 0 {
		first, last = page.events[0].at(), page.events[n-1].after()
	}
	forward, backward := placeToken("f", last), placeToken("b", first)
	out := &logsapi.GetLogEventsOutput{Events: []logsapi.OutputLogEvent{}, NextForwardToken: &forward, NextBackwardToken: &backward}
	for i := range page.events {
		e := &page.events[i]
		out.Events = append(out.Events, logsapi.OutputLogEvent{Timestamp: &e.time, Message: &e.message, IngestionTime: &e.ingested})
	}
	return out, nil
}

func earlier(p, q position) position {
	if p.compare(q) < 0 {
		return p
	}
	return q
}

func later(p, q position) position {
	if p.compare(q) > 0 {
		return p
	}
	return q
}

func anything(string) bool { return true }

// The digits of a token: AWS's have 56 as well.
const (
	timeDigits = 28
	seqDigits  = 28
)

// placeToken writes a place as AWS's tokens look: f/ or b/ and 56 digits.
func placeToken(direction string, p position) string {
	return fmt.Sprintf("%s/%0*d%0*d", direction, timeDigits, max(p.time, 0), seqDigits, p.seq)
}

func parsePlace(token string) (p position, backward bool, err error) {
	direction, digits, ok := strings.Cut(token, "/")
	invalid := logsapi.InvalidParameterException(textBadToken)
	if !ok || direction != "f" && direction != "b" || len(digits) != timeDigits+seqDigits {
		return p, false, invalid
	}
	time, err := strconv.ParseUint(digits[:timeDigits], 10, 62)
	if err != nil {
		return p, false, invalid
	}
	if p.seq, err = strconv.ParseUint(digits[timeDigits:], 10, 64); err != nil {
		return p, false, invalid
	}
	p.time = int64(time)
	return p, direction == "b", nil
}

// filterPlace is where a page of FilterLogEvents begins.
type filterPlace struct {
	Time   int64  `json:"t"`
	Stream string `json:"s,omitempty"`
	Seq    uint64 `json:"n,omitempty"`
}

// filterLogEvents searches the streams of a group, merged by time (AWS ignores
// "interleaved" since 2019 and always does so).
func (l *Logs) filterLogEvents(ctx context.Context, call *wire.Call, in *logsapi.FilterLogEventsInput) (*logsapi.FilterLogEventsOutput, error) {
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, logsapi.InvalidParameterException("Cannot specify both logStreamNames and logStreamNamePrefix.")
	}
	if len(in.LogStreamNames) > maxStreamFilter {
		return nil, logsapi.InvalidParameterException("No more than %d logStreamNames can be specified.", maxStreamFilter)
	}
	match, err := parsePattern(value(in.FilterPattern))
	if err != nil {
		return nil, logsapi.InvalidParameterException("Invalid filter pattern: %s", err)
	}
	place := filterPlace{Time: minTime}
	if err := decodeToken(in.NextToken, &place); err != nil {
		return nil, err
	}
	g, err := l.identifiedFlushed(ctx, scopeOf(call), in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	s := search{limit: eventLimit(in.Limit), match: match, budget: scanBudgetBytes, backward: in.StartFromHead != nil && !*in.StartFromHead}
	end := in.EndTime
	if end != nil {
		after := min(*end, maxTime-1) + 1 // AWS: events at endTime are part of it, unlike in GetLogEvents
		end = &after
	}
	s.lo, s.hi = l.timeRange(g, in.StartTime, end)
	if in.NextToken != nil {
		at := position{place.Time, place.Stream, place.Seq}
		if s.backward {
			s.hi = earlier(s.hi, at)
		} else {
			s.lo = later(s.lo, at)
		}
	}
	if s.streams, err = l.chosenStreams(ctx, g, in, s.lo.time, s.hi.time); err != nil {
		return nil, err
	}
	page, err := l.search(ctx, s)
	if err != nil {
		return nil, err
	}
	return showFiltered(page), nil
}

// chosenStreams are the streams that may have events in the range.
func (l *Logs) chosenStreams(ctx context.Context, g *groupRow, in *logsapi.FilterLogEventsInput, lo, hi int64) ([]*streamRow, error) {
	var streams []*streamRow
	names := slices.Compact(slices.Sorted(slices.Values(in.LogStreamNames)))
	for _, name := range names {
		r, err := l.stream(ctx, g, name)
		if err != nil {
			return nil, err
		}
		streams = append(streams, r)
	}
	if len(names) > 0 {
		return streams, nil
	}
	err := l.eachStream(ctx, g, value(in.LogStreamNamePrefix), func(r *streamRow) (bool, error) {
		// A row may lag behind its files by the last write, never by a later first event.
		if err := l.catchUp(r); err != nil {
			return false, err
		}
		if first, last, any := r.times(); any && first <= hi && last >= lo {
			streams = append(streams, r)
		}
		return true, nil
	})
	return streams, err
}

func showFiltered(page *result) *logsapi.FilterLogEventsOutput {
	out := &logsapi.FilterLogEventsOutput{Events: []logsapi.FilteredLogEvent{}, SearchedLogStreams: []logsapi.SearchedLogStream{}}
	for i := range page.events {
		e := &page.events[i]
		id := eventID(e)
		out.Events = append(out.Events, logsapi.FilteredLogEvent{
			LogStreamName: &e.stream.Name, Timestamp: &e.time, Message: &e.message, IngestionTime: &e.ingested, EventId: &id,
		})
	}
	if !page.done {
		out.NextToken = encodeToken(filterPlace{page.rest.time, page.rest.stream, page.rest.seq})
	}
	return out
}

// eventID is unique in the group and orders as the events do: AWS's are 56
// digits as well.
func eventID(e *found) string {
	hash := fnv.New64a()
	hash.Write([]byte(e.stream.ID))
	return fmt.Sprintf("%017d%019d%020d", e.time, hash.Sum64()%1e19, e.seq)
}
