package events

import (
	"context"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/eventsapi"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// archiveState is that of every archive: it is there at once.
const archiveState = "ENABLED"

func days(n *int32) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(*n) * 24 * time.Hour
}

func daysOut(d time.Duration) *int32 {
	n := int32(d / (24 * time.Hour))
	return &n
}

func refuseKey(key *string) error {
	if member.Text(key) != "" {
		return refused("KmsKeyIdentifier", "this platform has no customer managed keys")
	}
	return nil
}

func (a *api) createArchive(ctx context.Context, call *wire.Call, in *eventsapi.CreateArchiveRequest) (*eventsapi.CreateArchiveResponse, error) {
	if err := refuseKey(in.KmsKeyIdentifier); err != nil {
		return nil, err
	}
	made, err := a.buses.CreateArchive(ctx, scope(call), *in.ArchiveName, bus.Archive{Source: *in.EventSourceArn, Description: member.Text(in.Description), Pattern: member.Text(in.EventPattern), Retention: days(in.RetentionDays)})
	if err != nil {
		return nil, err
	}
	return &eventsapi.CreateArchiveResponse{ArchiveArn: member.Optional(scope(call).ArchiveARN(*in.ArchiveName)), State: member.Optional(archiveState), CreationTime: &made.Created}, nil
}

func (a *api) updateArchive(ctx context.Context, call *wire.Call, in *eventsapi.UpdateArchiveRequest) (*eventsapi.UpdateArchiveResponse, error) {
	if err := refuseKey(in.KmsKeyIdentifier); err != nil {
		return nil, err
	}
	changed, err := a.buses.UpdateArchive(ctx, scope(call), *in.ArchiveName, func(archive *bus.Archive) {
		if in.Description != nil {
			archive.Description = *in.Description
		}
		if in.EventPattern != nil {
			archive.Pattern = *in.EventPattern
		}
		if in.RetentionDays != nil {
			archive.Retention = days(in.RetentionDays)
		}
	})
	if err != nil {
		return nil, err
	}
	return &eventsapi.UpdateArchiveResponse{ArchiveArn: member.Optional(scope(call).ArchiveARN(*in.ArchiveName)), State: member.Optional(archiveState), CreationTime: &changed.Created}, nil
}

func (a *api) describeArchive(ctx context.Context, call *wire.Call, in *eventsapi.DescribeArchiveRequest) (*eventsapi.DescribeArchiveResponse, error) {
	archive, counts, err := a.buses.Archive(ctx, scope(call), *in.ArchiveName)
	if err != nil {
		return nil, err
	}
	return &eventsapi.DescribeArchiveResponse{ArchiveArn: member.Optional(scope(call).ArchiveARN(*in.ArchiveName)), ArchiveName: in.ArchiveName, EventSourceArn: &archive.Source,
		Description: member.Optional(archive.Description), EventPattern: member.Optional(archive.Pattern), State: member.Optional(archiveState), RetentionDays: daysOut(archive.Retention),
		SizeBytes: &counts.Bytes, EventCount: &counts.Events, CreationTime: &archive.Created}, nil
}

func (a *api) deleteArchive(ctx context.Context, call *wire.Call, in *eventsapi.DeleteArchiveRequest) (*eventsapi.DeleteArchiveResponse, error) {
	return &eventsapi.DeleteArchiveResponse{}, a.buses.DeleteArchive(ctx, scope(call), *in.ArchiveName)
}

// oneFilter refuses a list that is asked by more than one.
func oneFilter(operation string, filters ...*string) error {
	given := 0
	for _, f := range filters {
		if f != nil {
			given++
		}
	}
	if given > 1 {
		return invalid("At most one filter is allowed for " + operation + ". Use either : State, EventSourceArn, or NamePrefix.")
	}
	return nil
}

func (a *api) listArchives(ctx context.Context, call *wire.Call, in *eventsapi.ListArchivesRequest) (*eventsapi.ListArchivesResponse, error) {
	if err := oneFilter("ListArchives", in.NamePrefix, in.EventSourceArn, in.State); err != nil {
		return nil, err
	}
	names, next, err := page(a.buses.Archives(scope(call)), in.NamePrefix, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &eventsapi.ListArchivesResponse{Archives: []eventsapi.Archive{}, NextToken: next}
	for _, name := range names {
		archive, counts, err := a.buses.Archive(ctx, scope(call), name)
		if err != nil || in.EventSourceArn != nil && archive.Source != *in.EventSourceArn || in.State != nil && *in.State != archiveState {
			continue // it was deleted just now, or is not asked for
		}
		out.Archives = append(out.Archives, eventsapi.Archive{ArchiveName: &name, EventSourceArn: &archive.Source, State: member.Optional(archiveState), RetentionDays: daysOut(archive.Retention),
			SizeBytes: &counts.Bytes, EventCount: &counts.Events, CreationTime: &archive.Created})
	}
	return out, nil
}

func (a *api) startReplay(ctx context.Context, call *wire.Call, in *eventsapi.StartReplayRequest) (*eventsapi.StartReplayResponse, error) {
	var rules []string
	for _, filter := range in.Destination.FilterArns {
		rules = append(rules, filter[strings.LastIndexByte(filter, '/')+1:])
	}
	r, err := a.buses.StartReplay(ctx, scope(call), *in.ReplayName, bus.Replay{Description: member.Text(in.Description), Archive: *in.EventSourceArn, Destination: member.Text(in.Destination.Arn), Rules: rules,
		Filters: in.Destination.FilterArns, From: *in.EventStartTime, To: *in.EventEndTime})
	if err != nil {
		return nil, err
	}
	return &eventsapi.StartReplayResponse{ReplayArn: member.Optional(scope(call).ReplayARN(*in.ReplayName)), State: &r.State, ReplayStartTime: &r.Started}, nil
}

func (a *api) cancelReplay(ctx context.Context, call *wire.Call, in *eventsapi.CancelReplayRequest) (*eventsapi.CancelReplayResponse, error) {
	r, err := a.buses.CancelReplay(ctx, scope(call), *in.ReplayName)
	if err != nil {
		return nil, err
	}
	return &eventsapi.CancelReplayResponse{ReplayArn: member.Optional(scope(call).ReplayARN(*in.ReplayName)), State: &r.State}, nil
}

// moment is nil for a time that has not come.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (a *api) describeReplay(_ context.Context, call *wire.Call, in *eventsapi.DescribeReplayRequest) (*eventsapi.DescribeReplayResponse, error) {
	r, err := a.buses.Replay(scope(call), *in.ReplayName)
	if err != nil {
		return nil, err
	}
	return &eventsapi.DescribeReplayResponse{ReplayName: in.ReplayName, ReplayArn: member.Optional(scope(call).ReplayARN(*in.ReplayName)), Description: member.Optional(r.Description), State: &r.State,
		EventSourceArn: &r.Archive, Destination: &eventsapi.ReplayDestination{Arn: &r.Destination, FilterArns: r.Filters}, EventStartTime: &r.From, EventEndTime: &r.To,
		EventLastReplayedTime: moment(r.Last), ReplayStartTime: &r.Started, ReplayEndTime: moment(r.Ended)}, nil
}

func (a *api) listReplays(_ context.Context, call *wire.Call, in *eventsapi.ListReplaysRequest) (*eventsapi.ListReplaysResponse, error) {
	if err := oneFilter("ListReplays", in.NamePrefix, in.EventSourceArn, in.State); err != nil {
		return nil, err
	}
	names, next, err := page(a.buses.Replays(scope(call)), in.NamePrefix, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &eventsapi.ListReplaysResponse{Replays: []eventsapi.Replay{}, NextToken: next}
	for _, name := range names {
		r, err := a.buses.Replay(scope(call), name)
		if err != nil || in.EventSourceArn != nil && r.Archive != *in.EventSourceArn || in.State != nil && *in.State != r.State {
			continue
		}
		out.Replays = append(out.Replays, eventsapi.Replay{ReplayName: &name, EventSourceArn: &r.Archive, State: &r.State, EventStartTime: &r.From, EventEndTime: &r.To,
			EventLastReplayedTime: moment(r.Last), ReplayStartTime: &r.Started, ReplayEndTime: moment(r.Ended)})
	}
	return out, nil
}
