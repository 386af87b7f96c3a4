// Package events is the EventBridge API: it translates between the wire and
// core/bus.
//
// It promises AWS's codes and texts of errors; what a bus does is core/bus's.
// What needs services that are not there (partner sources, API destinations,
// endpoints, encryption keys) is refused.
//
// No goroutines, no locks. Start reading at Service.
package events

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/eventsapi"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

type api struct{ buses *bus.Buses }

// Service is the table of the operations.
func Service(buses *bus.Buses) *wire.Service {
	a := &api{buses: buses}
	return wire.NewService(eventsapi.Model,
		eventsapi.HandleCreateEventBus(wrap(a.createEventBus)),
		eventsapi.HandleDescribeEventBus(wrap(a.describeEventBus)),
		eventsapi.HandleUpdateEventBus(wrap(a.updateEventBus)),
		eventsapi.HandleDeleteEventBus(wrap(a.deleteEventBus)),
		eventsapi.HandleListEventBuses(wrap(a.listEventBuses)),
		eventsapi.HandlePutPermission(wrap(a.putPermission)),
		eventsapi.HandleRemovePermission(wrap(a.removePermission)),

		eventsapi.HandlePutRule(wrap(a.putRule)),
		eventsapi.HandleDescribeRule(wrap(a.describeRule)),
		eventsapi.HandleDeleteRule(wrap(a.deleteRule)),
		eventsapi.HandleEnableRule(wrap(a.enableRule)),
		eventsapi.HandleDisableRule(wrap(a.disableRule)),
		eventsapi.HandleListRules(wrap(a.listRules)),
		eventsapi.HandleListRuleNamesByTarget(wrap(a.listRuleNamesByTarget)),
		eventsapi.HandlePutTargets(wrap(a.putTargets)),
		eventsapi.HandleRemoveTargets(wrap(a.removeTargets)),
		eventsapi.HandleListTargetsByRule(wrap(a.listTargetsByRule)),
		eventsapi.HandleTestEventPattern(wrap(a.testEventPattern)),
		eventsapi.HandlePutEvents(wrap(a.putEvents)),

		eventsapi.HandleCreateArchive(wrap(a.createArchive)),
		eventsapi.HandleUpdateArchive(wrap(a.updateArchive)),
		eventsapi.HandleDescribeArchive(wrap(a.describeArchive)),
		eventsapi.HandleDeleteArchive(wrap(a.deleteArchive)),
		eventsapi.HandleListArchives(wrap(a.listArchives)),
		eventsapi.HandleStartReplay(wrap(a.startReplay)),
		eventsapi.HandleCancelReplay(wrap(a.cancelReplay)),
		eventsapi.HandleDescribeReplay(wrap(a.describeReplay)),
		eventsapi.HandleListReplays(wrap(a.listReplays)),

		eventsapi.HandleTagResource(wrap(a.tagResource)),
		eventsapi.HandleUntagResource(wrap(a.untagResource)),
		eventsapi.HandleListTagsForResource(wrap(a.listTagsForResource)),
	)
}

// wrap translates the errors of an operation.
func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wire.Translated(do, translate)
}

// faults are the errors of core/bus that the API model has.
var faults = map[bus.Code]func(string, ...any) *fault.Fault{
	bus.NotFound: eventsapi.ResourceNotFoundException, bus.AlreadyExists: eventsapi.ResourceAlreadyExistsException,
	bus.InvalidPattern: eventsapi.InvalidEventPatternException, bus.LimitExceeded: eventsapi.LimitExceededException,
	bus.IllegalStatus: eventsapi.IllegalStatusException,
}

func translate(err error) error {
	var refusal *bus.Error
	if !errors.As(err, &refusal) {
		return err
	}
	if known := faults[refusal.Code]; known != nil {
		return known("%s", refusal.Message)
	}
	return &fault.Fault{Code: string(refusal.Code), Message: refusal.Message, Status: http.StatusBadRequest, Sender: true}
}

func invalid(message string) error { return &bus.Error{Code: bus.Validation, Message: message} }

// refused tells of an option that would have no effect here.
func refused(option, reason string) error {
	return invalid("Parameter " + option + " is not valid. Reason: " + reason)
}

func scope(call *wire.Call) bus.Scope { return bus.Scope{Account: call.Account, Region: call.Region} }

// id is the bus that a request means.
func id(call *wire.Call, name *string) bus.ID { return bus.ParseID(scope(call), member.Text(name)) }

// maxPage is how many names an answer has at most (API model).
const maxPage = 100

// page cuts the names, which are sorted, to those with the prefix that come after
// the token.
func page(names []string, prefix, token *string, limit *int32) (cut []string, next *string, err error) {
	after := ""
	if token != nil {
		decoded, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil {
			return nil, nil, invalid("Provided token is invalid.")
		}
		after = string(decoded)
	}
	most := maxPage
	if limit != nil {
		most = int(*limit)
	}
	for _, name := range names {
		if name <= after || !strings.HasPrefix(name, member.Text(prefix)) {
			continue
		}
		if len(cut) == most {
			encoded := base64.RawURLEncoding.EncodeToString([]byte(cut[most-1]))
			return cut, &encoded, nil
		}
		cut = append(cut, name)
	}
	return cut, nil, nil
}

// tagged is what has tags: a bus or a rule.
type tagged struct {
	bus  bus.ID
	rule string
}

func (a *api) tagged(resource *string) (*tagged, error) {
	parsed, err := arn.Parse(member.Text(resource))
	where := bus.Scope{Account: parsed.Account, Region: parsed.Region}
	if name, found := strings.CutPrefix(parsed.Resource, "event-bus/"); err == nil && found {
		return &tagged{bus: bus.ID{Scope: where, Name: name}}, nil
	}
	path, found := strings.CutPrefix(parsed.Resource, "rule/")
	if err != nil || !found {
		return nil, invalid("Parameter ResourceARN is not valid. Reason: " + member.Text(resource) + " is neither a rule nor an event bus.")
	}
	name := bus.DefaultBus
	if onBus, rule, custom := strings.Cut(path, "/"); custom {
		name, path = onBus, rule
	}
	return &tagged{bus: bus.ID{Scope: where, Name: name}, rule: path}, nil
}

func (a *api) changeTags(ctx context.Context, resource *string, change func(map[string]string)) error {
	t, err := a.tagged(resource)
	if err != nil {
		return err
	}
	if t.rule != "" {
		return a.buses.ChangeTags(ctx, t.bus, t.rule, change)
	}
	_, err = a.buses.Update(ctx, t.bus, func(b *bus.Bus) error {
		tags := map[string]string{}
		for key, value := range b.Tags {
			tags[key] = value
		}
		change(tags)
		b.Tags = tags
		return bus.CheckTags(tags)
	})
	return err
}

func (a *api) tagResource(ctx context.Context, _ *wire.Call, in *eventsapi.TagResourceRequest) (*eventsapi.TagResourceResponse, error) {
	return &eventsapi.TagResourceResponse{}, a.changeTags(ctx, in.ResourceARN, func(tags map[string]string) {
		for key, value := range tagsIn(in.Tags) {
			tags[key] = value
		}
	})
}

func (a *api) untagResource(ctx context.Context, _ *wire.Call, in *eventsapi.UntagResourceRequest) (*eventsapi.UntagResourceResponse, error) {
	return &eventsapi.UntagResourceResponse{}, a.changeTags(ctx, in.ResourceARN, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
}

func (a *api) listTagsForResource(_ context.Context, _ *wire.Call, in *eventsapi.ListTagsForResourceRequest) (*eventsapi.ListTagsForResourceResponse, error) {
	t, err := a.tagged(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	var tags map[string]string
	if t.rule != "" {
		r, err := a.buses.Rule(t.bus, t.rule)
		if err != nil {
			return nil, err
		}
		tags = r.Tags
	} else {
		b, err := a.buses.Get(t.bus)
		if err != nil {
			return nil, err
		}
		tags = b.Tags
	}
	out := &eventsapi.ListTagsForResourceResponse{Tags: []eventsapi.Tag{}}
	for key, value := range tags {
		out.Tags = append(out.Tags, eventsapi.Tag{Key: &key, Value: &value})
	}
	slices.SortFunc(out.Tags, func(x, y eventsapi.Tag) int { return strings.Compare(*x.Key, *y.Key) })
	return out, nil
}

func tagsIn(tags []eventsapi.Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	all := make(map[string]string, len(tags))
	for _, t := range tags {
		all[member.Text(t.Key)] = member.Text(t.Value)
	}
	return all
}
