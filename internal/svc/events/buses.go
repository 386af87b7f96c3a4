package events

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/api/eventsapi"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// checkBusOptions refuses what would have no effect here.
func checkBusOptions(key *string, dead *eventsapi.DeadLetterConfig, log *eventsapi.LogConfig) error {
	switch {
	case member.Text(key) != "":
		return refused("KmsKeyIdentifier", "this platform has no customer managed keys")
	case dead != nil && member.Text(dead.Arn) != "":
		return refused("DeadLetterConfig", "a bus has no use for it without customer managed keys; targets of rules have dead-letter queues of their own")
	case log != nil && member.Text(log.Level) != "" && member.Text(log.Level) != "OFF":
		return refused("LogConfig", "this platform does not log the work of event buses")
	}
	return nil
}

func (a *api) createEventBus(ctx context.Context, call *wire.Call, in *eventsapi.CreateEventBusRequest) (*eventsapi.CreateEventBusResponse, error) {
	if err := checkBusOptions(in.KmsKeyIdentifier, in.DeadLetterConfig, in.LogConfig); err != nil {
		return nil, err
	}
	if member.Text(in.EventSourceName) != "" {
		return nil, refused("EventSourceName", "this platform has no partner event sources")
	}
	made := id(call, in.Name)
	b, err := a.buses.Create(ctx, made, bus.Bus{Description: member.Text(in.Description), Tags: tagsIn(in.Tags)})
	if err != nil {
		return nil, err
	}
	return &eventsapi.CreateEventBusResponse{EventBusArn: member.Optional(made.ARN()), Description: member.Optional(b.Description)}, nil
}

func (a *api) describeEventBus(_ context.Context, call *wire.Call, in *eventsapi.DescribeEventBusRequest) (*eventsapi.DescribeEventBusResponse, error) {
	wanted := id(call, in.Name)
	b, err := a.buses.Get(wanted)
	if err != nil {
		return nil, err
	}
	out := &eventsapi.DescribeEventBusResponse{Name: &wanted.Name, Arn: member.Optional(wanted.ARN()), Description: member.Optional(b.Description), Policy: member.Optional(b.Policy)}
	if !b.Created.IsZero() {
		out.CreationTime, out.LastModifiedTime = &b.Created, &b.Modified
	}
	return out, nil
}

func (a *api) updateEventBus(ctx context.Context, call *wire.Call, in *eventsapi.UpdateEventBusRequest) (*eventsapi.UpdateEventBusResponse, error) {
	if err := checkBusOptions(in.KmsKeyIdentifier, in.DeadLetterConfig, in.LogConfig); err != nil {
		return nil, err
	}
	wanted := id(call, in.Name)
	b, err := a.buses.Update(ctx, wanted, func(b *bus.Bus) error {
		if in.Description != nil {
			b.Description = *in.Description
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &eventsapi.UpdateEventBusResponse{Arn: member.Optional(wanted.ARN()), Name: &wanted.Name, Description: member.Optional(b.Description)}, nil
}

func (a *api) deleteEventBus(ctx context.Context, call *wire.Call, in *eventsapi.DeleteEventBusRequest) (*struct{}, error) {
	return nil, a.buses.Delete(ctx, id(call, in.Name))
}

func (a *api) listEventBuses(_ context.Context, call *wire.Call, in *eventsapi.ListEventBusesRequest) (*eventsapi.ListEventBusesResponse, error) {
	var names []string
	all := map[string]*bus.Bus{}
	a.buses.List(scope(call), func(name string, b *bus.Bus) { names, all[name] = append(names, name), b })
	names, next, err := page(names, in.NamePrefix, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &eventsapi.ListEventBusesResponse{EventBuses: []eventsapi.EventBus{}, NextToken: next}
	for _, name := range names {
		b := all[name]
		listed := eventsapi.EventBus{Name: &name, Arn: member.Optional(bus.ID{Scope: scope(call), Name: name}.ARN()), Description: member.Optional(b.Description), Policy: member.Optional(b.Policy)}
		if !b.Created.IsZero() {
			listed.CreationTime, listed.LastModifiedTime = &b.Created, &b.Modified
		}
		out.EventBuses = append(out.EventBuses, listed)
	}
	return out, nil
}

// policy is a resource policy, as far as this API changes it.
type policy struct {
	Version   string
	Statement []json.RawMessage
}

func (a *api) putPermission(ctx context.Context, call *wire.Call, in *eventsapi.PutPermissionRequest) (*struct{}, error) {
	_, err := a.buses.Update(ctx, id(call, in.EventBusName), func(b *bus.Bus) error {
		if in.Policy != nil {
			if !json.Valid([]byte(*in.Policy)) {
				return invalid("Parameter Policy is not valid. Reason: it is no JSON.")
			}
			b.Policy = *in.Policy
			return checkPolicy(b)
		}
		if member.Text(in.StatementId) == "" || member.Text(in.Principal) == "" || member.Text(in.Action) == "" {
			return invalid("Parameter(s) Action, Principal and StatementId must be specified.")
		}
		return addStatement(b, call, in)
	})
	return nil, err
}

func checkPolicy(b *bus.Bus) error {
	if len(b.Policy) > bus.MaxPolicyBytes {
		return eventsapi.PolicyLengthExceededException("The event bus policy is too long.")
	}
	return nil
}

func addStatement(b *bus.Bus, call *wire.Call, in *eventsapi.PutPermissionRequest) error {
	p, err := readPolicy(b)
	if err != nil {
		return err
	}
	p.remove(*in.StatementId)
	var principal any = *in.Principal
	if *in.Principal != "*" {
		principal = map[string]string{"AWS": "arn:aws:iam::" + *in.Principal + ":root"}
	}
	statement := map[string]any{"Sid": *in.StatementId, "Effect": "Allow", "Principal": principal, "Action": *in.Action, "Resource": id(call, in.EventBusName).ARN()}
	if c := in.Condition; c != nil {
		statement["Condition"] = map[string]any{member.Text(c.Type): map[string]string{member.Text(c.Key): member.Text(c.Value)}}
	}
	encoded, err := json.Marshal(statement)
	if err != nil {
		return err
	}
	p.Statement = append(p.Statement, encoded)
	return p.write(b)
}

func readPolicy(b *bus.Bus) (*policy, error) {
	p := &policy{Version: "2012-10-17"}
	if b.Policy == "" {
		return p, nil
	}
	return p, json.Unmarshal([]byte(b.Policy), p)
}

func (p *policy) remove(statement string) (found bool) {
	p.Statement = slices.DeleteFunc(p.Statement, func(text json.RawMessage) bool {
		var s struct{ Sid string }
		match := json.Unmarshal(text, &s) == nil && s.Sid == statement
		found = found || match
		return match
	})
	return found
}

func (p *policy) write(b *bus.Bus) error {
	b.Policy = ""
	if len(p.Statement) > 0 {
		encoded, err := json.Marshal(p)
		if err != nil {
			return err
		}
		b.Policy = string(encoded)
	}
	return checkPolicy(b)
}

func (a *api) removePermission(ctx context.Context, call *wire.Call, in *eventsapi.RemovePermissionRequest) (*struct{}, error) {
	_, err := a.buses.Update(ctx, id(call, in.EventBusName), func(b *bus.Bus) error {
		if in.RemoveAllPermissions != nil && *in.RemoveAllPermissions {
			b.Policy = ""
			return nil
		}
		if b.Policy == "" {
			return &bus.Error{Code: bus.NotFound, Message: "EventBus does not have a policy."}
		}
		p, err := readPolicy(b)
		if err != nil {
			return err
		}
		if !p.remove(member.Text(in.StatementId)) {
			return &bus.Error{Code: bus.NotFound, Message: "Statement with the provided id does not exist."}
		}
		return p.write(b)
	})
	return nil, err
}
