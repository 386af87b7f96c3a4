package logs

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/logsapi"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

func sprint(v any) string { return fmt.Sprint(v) }

// encodeToken makes an opaque token of a place; decodeToken reads it back.
func encodeToken(place any) *string {
	text, err := json.Marshal(place)
	if err != nil {
		panic(err) // places are plain structs
	}
	token := base64.RawURLEncoding.EncodeToString(text)
	return &token
}

func decodeToken(token *string, place any) error {
	if token == nil {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*token)
	if err == nil {
		err = json.Unmarshal(text, place)
	}
	if err != nil {
		return logsapi.InvalidParameterException(textBadToken)
	}
	return nil
}

// pageLimit is the number of rows of a page of the describing operations.
func pageLimit(limit *int32) int {
	if limit == nil {
		return maxPageRows
	}
	return int(*limit)
}

// groupPlace is where a page of groups begins.
type groupPlace struct {
	After string `json:"after"` // name
}

func (l *Logs) describeLogGroups(ctx context.Context, call *wire.Call, in *logsapi.DescribeLogGroupsInput) (*logsapi.DescribeLogGroupsOutput, error) {
	switch {
	case in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil:
		return nil, logsapi.InvalidParameterException("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	case value(in.IncludeLinkedAccounts) || len(in.AccountIdentifiers) > 0:
		return nil, logsapi.InvalidParameterException("Cross-account observability is not supported.")
	}
	s := scopeOf(call)
	var place groupPlace
	if err := decodeToken(in.NextToken, &place); err != nil {
		return nil, err
	}
	l.flushGroup(ctx, s, "")
	out := &logsapi.DescribeLogGroupsOutput{LogGroups: []logsapi.LogGroup{}}
	limit := pageLimit(in.Limit)
	err := l.eachGroup(ctx, s, value(in.LogGroupNamePrefix), func(g *groupRow) (bool, error) {
		if in.NextToken != nil && g.Name <= place.After || !wanted(g, in) {
			return true, nil
		}
		if len(out.LogGroups) == limit {
			out.NextToken = encodeToken(groupPlace{After: *out.LogGroups[limit-1].LogGroupName})
			return false, nil
		}
		shown, err := l.showGroup(ctx, g)
		out.LogGroups = append(out.LogGroups, shown)
		return true, err
	})
	return out, err
}

// wanted applies the filters of DescribeLogGroups besides the prefix.
func wanted(g *groupRow, in *logsapi.DescribeLogGroupsInput) bool {
	// AWS: the pattern is a case-sensitive substring; "^" at its front anchors it.
	if pattern := value(in.LogGroupNamePattern); pattern != "" {
		if anchored, ok := strings.CutPrefix(pattern, "^"); ok && !strings.HasPrefix(g.Name, anchored) || !ok && !strings.Contains(g.Name, pattern) {
			return false
		}
	}
	if len(in.LogGroupIdentifiers) > 0 && !slices.ContainsFunc(in.LogGroupIdentifiers, func(id string) bool { return nameOf(g.scope, id) == g.Name }) {
		return false
	}
	return in.LogGroupClass == nil || *in.LogGroupClass == classStandard
}

func (l *Logs) showGroup(ctx context.Context, g *groupRow) (logsapi.LogGroup, error) {
	bytes := int64(0)
	err := l.eachStream(ctx, g, "", func(r *streamRow) (bool, error) {
		bytes += r.bytes()
		return true, nil
	})
	arn, class, filters := g.arn(), classStandard, int32(0)
	all := arn + ":*"
	shown := logsapi.LogGroup{
		LogGroupName: &g.Name, CreationTime: &g.Created, Arn: &all, LogGroupArn: &arn, LogGroupClass: &class,
		StoredBytes: &bytes, MetricFilterCount: &filters, DeletionProtectionEnabled: &g.Protected,
	}
	if g.Retention != 0 {
		shown.RetentionInDays = &g.Retention
	}
	return shown, err
}

// streamPlace is where a page of streams begins.
type streamPlace struct {
	Last int64  `json:"last"` // time of the last event, when ordered by it
	Name string `json:"name"`
}

func (l *Logs) describeLogStreams(ctx context.Context, call *wire.Call, in *logsapi.DescribeLogStreamsInput) (*logsapi.DescribeLogStreamsOutput, error) {
	byTime := value(in.OrderBy) == "LastEventTime"
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, logsapi.InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	g, err := l.identifiedFlushed(ctx, scopeOf(call), in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	var place streamPlace
	if err := decodeToken(in.NextToken, &place); err != nil {
		return nil, err
	}
	order := func(a, b streamPlace) int {
		c := cmp.Compare(a.Name, b.Name)
		if byTime {
			c = cmp.Or(cmp.Compare(a.Last, b.Last), c)
		}
		if value(in.Descending) {
			return -c
		}
		return c
	}
	placeOf := func(r *streamRow) streamPlace {
		_, last, _ := r.times()
		return streamPlace{Last: last, Name: r.Name}
	}
	// Only the rows of the page and one more are kept.
	limit := pageLimit(in.Limit)
	var rows []*streamRow
	err = l.eachStream(ctx, g, value(in.LogStreamNamePrefix), func(r *streamRow) (bool, error) {
		if in.NextToken != nil && order(placeOf(r), place) <= 0 {
			return true, nil
		}
		at, _ := slices.BinarySearchFunc(rows, placeOf(r), func(x *streamRow, p streamPlace) int { return order(placeOf(x), p) })
		if at <= limit {
			rows = slices.Insert(rows, at, r)
			rows = rows[:min(len(rows), limit+1)]
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	out := &logsapi.DescribeLogStreamsOutput{LogStreams: []logsapi.LogStream{}}
	for i, r := range rows {
		if i == limit {
			out.NextToken = encodeToken(placeOf(rows[limit-1]))
			break
		}
		if err := l.catchUp(r); err != nil {
			return nil, err
		}
		out.LogStreams = append(out.LogStreams, r.show())
	}
	return out, nil
}

// identifiedFlushed is identified, after what functions logged to the group was
// written; that may make it.
func (l *Logs) identifiedFlushed(ctx context.Context, s scope, name, identifier *string) (*groupRow, error) {
	if identifier != nil && name == nil {
		l.flushGroup(ctx, s, nameOf(s, *identifier))
	} else {
		l.flushGroup(ctx, s, value(name))
	}
	return l.identified(ctx, s, name, identifier)
}

func (r *streamRow) show() logsapi.LogStream {
	arn, token, none := r.group.arn()+":log-stream:"+r.Name, sequenceToken(r), int64(0)
	shown := logsapi.LogStream{
		LogStreamName: &r.Name, CreationTime: &r.Created, Arn: &arn, UploadSequenceToken: &token,
		StoredBytes: &none, // AWS: always 0 since 2019
	}
	if first, last, any := r.times(); any {
		shown.FirstEventTimestamp, shown.LastEventTimestamp, shown.LastIngestionTime = &first, &last, &r.Ingested
	}
	return shown
}

// sequenceToken is what clients of old still pass around; nothing checks it.
func sequenceToken(r *streamRow) string { return fmt.Sprintf("%056d", r.Seq+1) }
