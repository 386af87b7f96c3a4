package lambda

import (
	"context"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/async"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// configurable is target for the operations on event invoke configurations.
func (l *Lambda) configurable(call *wire.Call, action string, name, qualifier *string) (function.Target, error) {
	if l.queue == nil {
		return function.Target{}, unsupported(action, "this server has no durable queue of asynchronous calls")
	}
	return target(call, action, name, qualifier)
}

func (l *Lambda) putFunctionEventInvokeConfig(ctx context.Context, call *wire.Call, in *lambdaapi.PutFunctionEventInvokeConfigInput) (*lambdaapi.PutFunctionEventInvokeConfigOutput, error) {
	t, err := l.configurable(call, "PutFunctionEventInvokeConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	s, err := l.queue.PutSettings(ctx, t, asyncSettings(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig))
	if err != nil {
		return nil, translate(err)
	}
	return eventInvokeConfig(t, &s), nil
}

func (l *Lambda) updateFunctionEventInvokeConfig(ctx context.Context, call *wire.Call, in *lambdaapi.UpdateFunctionEventInvokeConfigInput) (*lambdaapi.UpdateFunctionEventInvokeConfigOutput, error) {
	t, err := l.configurable(call, "UpdateFunctionEventInvokeConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	s, err := l.queue.UpdateSettings(ctx, t, asyncSettings(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig))
	if err != nil {
		return nil, translate(err)
	}
	return eventInvokeConfig(t, &s), nil
}

func (l *Lambda) getFunctionEventInvokeConfig(ctx context.Context, call *wire.Call, in *lambdaapi.GetFunctionEventInvokeConfigInput) (*lambdaapi.GetFunctionEventInvokeConfigOutput, error) {
	t, err := l.configurable(call, "GetFunctionEventInvokeConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	s, err := l.queue.GetSettings(ctx, t)
	if err != nil {
		return nil, translate(err)
	}
	return eventInvokeConfig(t, &s), nil
}

func (l *Lambda) deleteFunctionEventInvokeConfig(ctx context.Context, call *wire.Call, in *lambdaapi.DeleteFunctionEventInvokeConfigInput) (*lambdaapi.DeleteFunctionEventInvokeConfigOutput, error) {
	t, err := l.configurable(call, "DeleteFunctionEventInvokeConfig", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, translate(l.queue.DeleteSettings(ctx, t))
}

func (l *Lambda) listFunctionEventInvokeConfigs(ctx context.Context, call *wire.Call, in *lambdaapi.ListFunctionEventInvokeConfigsInput) (*lambdaapi.ListFunctionEventInvokeConfigsOutput, error) {
	t, err := l.configurable(call, "ListFunctionEventInvokeConfigs", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	list, next, err := l.queue.ListSettings(ctx, t, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, translate(err)
	}
	out := &lambdaapi.ListFunctionEventInvokeConfigsOutput{NextMarker: member.Optional(next), FunctionEventInvokeConfigs: []lambdaapi.FunctionEventInvokeConfig{}}
	for i := range list {
		out.FunctionEventInvokeConfigs = append(out.FunctionEventInvokeConfigs, *eventInvokeConfig(list[i].Target, &list[i].Settings))
	}
	return out, nil
}

// asyncSettings reads what a request gives. A DestinationConfig gives both
// destinations, also those that it leaves out.
//
// AWS: recorded for Put; an empty member is an answer of both operations.
func asyncSettings(retries, age *int32, destinations *lambdaapi.DestinationConfig) async.Settings {
	s := async.Settings{MaxRetries: integer(retries), MaxAge: seconds(age)}
	if destinations == nil {
		return s
	}
	var onSuccess, onFailure string
	if d := destinations.OnSuccess; d != nil {
		onSuccess = value(d.Destination)
	}
	if d := destinations.OnFailure; d != nil {
		onFailure = value(d.Destination)
	}
	s.OnSuccess, s.OnFailure = &onSuccess, &onFailure
	return s
}

// eventInvokeConfig is what all operations answer: the destinations are there
// even when they are empty (recorded), the rest when it was given.
func eventInvokeConfig(t function.Target, s *async.Settings) *lambdaapi.FunctionEventInvokeConfig {
	name, modified := async.SettingsARN(t), s.LastModified
	c := &lambdaapi.FunctionEventInvokeConfig{
		FunctionArn: &name, LastModified: &modified,
		DestinationConfig: &lambdaapi.DestinationConfig{OnSuccess: &lambdaapi.OnSuccess{}, OnFailure: &lambdaapi.OnFailure{}},
	}
	if s.MaxRetries != nil {
		n := int32(*s.MaxRetries)
		c.MaximumRetryAttempts = &n
	}
	if s.MaxAge != nil {
		n := int32(*s.MaxAge / time.Second)
		c.MaximumEventAgeInSeconds = &n
	}
	if s.OnSuccess != nil {
		c.DestinationConfig.OnSuccess.Destination = member.Optional(*s.OnSuccess)
	}
	if s.OnFailure != nil {
		c.DestinationConfig.OnFailure.Destination = member.Optional(*s.OnFailure)
	}
	return c
}

// deadLetter reads a DeadLetterConfig; nil when it was not given.
//
// AWS: takes standard queues and topics only
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq);
// the words of its refusals are not known.
func (l *Lambda) deadLetter(c *lambdaapi.DeadLetterConfig) (*string, error) {
	if c == nil {
		return nil, nil
	}
	to := value(c.TargetArn)
	if to == "" {
		return &to, nil
	}
	const option = "DeadLetterConfig"
	a, err := arn.Parse(to)
	switch {
	case err != nil || a.Service != "sqs" && a.Service != "sns":
		return nil, unsupported(option+" "+to, "a dead letter goes to an SQS queue or an SNS topic")
	case strings.HasSuffix(a.Resource, ".fifo"):
		return nil, unsupported(option+" "+to, "a dead letter goes to a standard queue or topic, not to a FIFO one")
	case l.queue == nil || !l.queue.Serves(to):
		return nil, unsupported(option+" "+to, "this server has no service "+a.Service+" that would take a dead letter")
	}
	return &to, nil
}
