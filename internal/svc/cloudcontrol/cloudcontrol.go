// Package cloudcontrol is the Cloud Control API: it translates between the wire
// and core/stack/control.
//
// It promises AWS's codes, statuses and texts of errors, as far as they are known.
// What a request does is core/stack/control's; what a resource is, its type's.
//
// No goroutines, no locks. Start reading at Service.
package cloudcontrol

import (
	"context"
	"errors"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/api/cloudcontrolapi"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/control"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

type api struct{ control *control.Control }

// Service is the table of the operations.
func Service(c *control.Control) *wire.Service {
	a := &api{c}
	return wire.NewService(cloudcontrolapi.Model,
		cloudcontrolapi.HandleCreateResource(wrap(a.createResource)),
		cloudcontrolapi.HandleUpdateResource(wrap(a.updateResource)),
		cloudcontrolapi.HandleDeleteResource(wrap(a.deleteResource)),
		cloudcontrolapi.HandleGetResource(wrap(a.getResource)),
		cloudcontrolapi.HandleListResources(wrap(a.listResources)),
		cloudcontrolapi.HandleGetResourceRequestStatus(wrap(a.getResourceRequestStatus)),
		cloudcontrolapi.HandleListResourceRequests(wrap(a.listResourceRequests)),
		cloudcontrolapi.HandleCancelResourceRequest(wrap(a.cancelResourceRequest)),
	)
}

// wrap translates the errors of an operation.
func wrap[In, Out any](do func(context.Context, *wire.Call, *In) (*Out, error)) func(context.Context, *wire.Call, *In) (*Out, error) {
	return wire.Translated(do, translate)
}

// faults are the errors that the API model has.
var faults = map[control.Code]func(string, ...any) *fault.Fault{
	control.AlreadyExists: cloudcontrolapi.AlreadyExistsException, control.ClientTokenConflict: cloudcontrolapi.ClientTokenConflictException,
	control.ConcurrentOperation: cloudcontrolapi.ConcurrentOperationException, control.GeneralService: cloudcontrolapi.GeneralServiceException,
	control.InvalidRequest: cloudcontrolapi.InvalidRequestException, control.NotUpdatable: cloudcontrolapi.NotUpdatableException,
	control.RequestNotFound: cloudcontrolapi.RequestTokenNotFoundException, control.ResourceConflict: cloudcontrolapi.ResourceConflictException,
	control.NotFound: cloudcontrolapi.ResourceNotFoundException, control.ServiceInternal: cloudcontrolapi.ServiceInternalErrorException,
	control.LimitExceeded: cloudcontrolapi.ServiceLimitExceededException, control.Throttling: cloudcontrolapi.ThrottlingException,
	control.TypeNotFound: cloudcontrolapi.TypeNotFoundException, control.UnsupportedAction: cloudcontrolapi.UnsupportedActionException,
}

// translate makes AWS's error; one that is not the caller's stays as it is. Those
// of what is not valid and not allowed are common to AWS's services and in no model.
func translate(err error) error {
	var refusal *control.Error
	switch {
	case !errors.As(err, &refusal):
		return err
	case faults[refusal.Code] != nil:
		return faults[refusal.Code]("%s", refusal.Message)
	}
	return &fault.Fault{Code: string(refusal.Code), Message: refusal.Message, Status: http.StatusBadRequest, Sender: true}
}

// input is what the operations share.
func input(call *wire.Call, name, version, role *string) (*control.Input, error) {
	if version != nil {
		return nil, &control.Error{Code: control.Validation, Message: "TypeVersionId is not supported: there are no private types, which have versions."}
	}
	return &control.Input{
		Scope:  state.Scope{Account: call.Account, Region: call.Region},
		Caller: stack.Caller{AccessKeyID: call.AccessKeyID, ARN: call.CallerARN, UserID: call.UserID, Endpoint: call.Endpoint, Function: call.Function, Session: call.Session},
		Type:   member.Text(name), Role: member.Text(role),
	}, nil
}

func event(r *control.Request) *cloudcontrolapi.ProgressEvent {
	return &cloudcontrolapi.ProgressEvent{TypeName: &r.Type, Identifier: member.Optional(r.Identifier), RequestToken: &r.Token, Operation: (*string)(&r.Operation), OperationStatus: (*string)(&r.Status),
		EventTime: &r.Time, ResourceModel: member.Optional(r.Model), StatusMessage: member.Optional(r.Message), ErrorCode: member.Optional(r.Code)}
}

func (a *api) createResource(ctx context.Context, call *wire.Call, in *cloudcontrolapi.CreateResourceInput) (*cloudcontrolapi.CreateResourceOutput, error) {
	asked, err := input(call, in.TypeName, in.TypeVersionId, in.RoleArn)
	if err != nil {
		return nil, err
	}
	asked.Desired, asked.ClientToken = *in.DesiredState, member.Text(in.ClientToken)
	r, err := a.control.Create(ctx, asked)
	if err != nil {
		return nil, err
	}
	return &cloudcontrolapi.CreateResourceOutput{ProgressEvent: event(r)}, nil
}

func (a *api) updateResource(ctx context.Context, call *wire.Call, in *cloudcontrolapi.UpdateResourceInput) (*cloudcontrolapi.UpdateResourceOutput, error) {
	asked, err := input(call, in.TypeName, in.TypeVersionId, in.RoleArn)
	if err != nil {
		return nil, err
	}
	asked.Identifier, asked.Patch, asked.ClientToken = *in.Identifier, *in.PatchDocument, member.Text(in.ClientToken)
	r, err := a.control.Update(ctx, asked)
	if err != nil {
		return nil, err
	}
	return &cloudcontrolapi.UpdateResourceOutput{ProgressEvent: event(r)}, nil
}

func (a *api) deleteResource(ctx context.Context, call *wire.Call, in *cloudcontrolapi.DeleteResourceInput) (*cloudcontrolapi.DeleteResourceOutput, error) {
	asked, err := input(call, in.TypeName, in.TypeVersionId, in.RoleArn)
	if err != nil {
		return nil, err
	}
	asked.Identifier, asked.ClientToken = *in.Identifier, member.Text(in.ClientToken)
	r, err := a.control.Delete(ctx, asked)
	if err != nil {
		return nil, err
	}
	return &cloudcontrolapi.DeleteResourceOutput{ProgressEvent: event(r)}, nil
}

func (a *api) getResource(ctx context.Context, call *wire.Call, in *cloudcontrolapi.GetResourceInput) (*cloudcontrolapi.GetResourceOutput, error) {
	asked, err := input(call, in.TypeName, in.TypeVersionId, in.RoleArn)
	if err != nil {
		return nil, err
	}
	asked.Identifier = *in.Identifier
	found, err := a.control.Get(ctx, asked)
	if err != nil {
		return nil, err
	}
	return &cloudcontrolapi.GetResourceOutput{TypeName: in.TypeName, ResourceDescription: &cloudcontrolapi.ResourceDescription{Identifier: &found.Identifier, Properties: &found.Properties}}, nil
}

func (a *api) listResources(ctx context.Context, call *wire.Call, in *cloudcontrolapi.ListResourcesInput) (*cloudcontrolapi.ListResourcesOutput, error) {
	asked, err := input(call, in.TypeName, in.TypeVersionId, in.RoleArn)
	if err != nil {
		return nil, err
	}
	asked.Model, asked.After, asked.Max = member.Text(in.ResourceModel), member.Text(in.NextToken), most(in.MaxResults)
	page, next, err := a.control.List(ctx, asked)
	if err != nil {
		return nil, err
	}
	out := &cloudcontrolapi.ListResourcesOutput{TypeName: in.TypeName, NextToken: member.Optional(next), ResourceDescriptions: []cloudcontrolapi.ResourceDescription{}}
	for i := range page {
		out.ResourceDescriptions = append(out.ResourceDescriptions, cloudcontrolapi.ResourceDescription{Identifier: &page[i].Identifier, Properties: &page[i].Properties})
	}
	return out, nil
}

func most(n *int32) int {
	if n == nil {
		return 0
	}
	return int(*n)
}

func (a *api) getResourceRequestStatus(ctx context.Context, call *wire.Call, in *cloudcontrolapi.GetResourceRequestStatusInput) (*cloudcontrolapi.GetResourceRequestStatusOutput, error) {
	r, err := a.control.Status(ctx, state.Scope{Account: call.Account, Region: call.Region}, *in.RequestToken)
	if err != nil {
		return nil, err
	}
	return &cloudcontrolapi.GetResourceRequestStatusOutput{ProgressEvent: event(r)}, nil
}

func (a *api) listResourceRequests(ctx context.Context, call *wire.Call, in *cloudcontrolapi.ListResourceRequestsInput) (*cloudcontrolapi.ListResourceRequestsOutput, error) {
	asked, err := input(call, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	asked.After, asked.Max = member.Text(in.NextToken), most(in.MaxResults)
	if filter := in.ResourceRequestStatusFilter; filter != nil {
		asked.Operations, asked.Statuses = filter.Operations, filter.OperationStatuses
	}
	page, next, err := a.control.Requests(ctx, asked)
	if err != nil {
		return nil, err
	}
	out := &cloudcontrolapi.ListResourceRequestsOutput{NextToken: member.Optional(next), ResourceRequestStatusSummaries: []cloudcontrolapi.ProgressEvent{}}
	for _, r := range page {
		out.ResourceRequestStatusSummaries = append(out.ResourceRequestStatusSummaries, *event(r))
	}
	return out, nil
}

func (a *api) cancelResourceRequest(ctx context.Context, call *wire.Call, in *cloudcontrolapi.CancelResourceRequestInput) (*cloudcontrolapi.CancelResourceRequestOutput, error) {
	r, err := a.control.Cancel(ctx, state.Scope{Account: call.Account, Region: call.Region}, *in.RequestToken)
	if err != nil {
		return nil, err
	}
	return &cloudcontrolapi.CancelResourceRequestOutput{ProgressEvent: event(r)}, nil
}
