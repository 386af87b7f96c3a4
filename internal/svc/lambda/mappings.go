package lambda

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/lambdaapi"
	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/mapping"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// Mappings keeps event source mappings; *mapping.Mappings is one.
type Mappings interface {
	Create(ctx context.Context, scope function.Scope, source string, settings mapping.Settings, tags map[string]string) (*mapping.Mapping, error)
	Get(ctx context.Context, scope function.Scope, uuid string) (*mapping.Mapping, error)
	Update(ctx context.Context, scope function.Scope, uuid string, change func(*mapping.Settings)) (*mapping.Mapping, error)
	Delete(ctx context.Context, scope function.Scope, uuid string) (*mapping.Mapping, error)
	List(ctx context.Context, scope function.Scope, l mapping.Listing) ([]*mapping.Mapping, string, error)
	Tag(ctx context.Context, scope function.Scope, uuid string, add map[string]string, remove []string) error
}

func (l *Lambda) createEventSourceMapping(ctx context.Context, call *wire.Call, in *lambdaapi.CreateEventSourceMappingInput) (*lambdaapi.CreateEventSourceMappingOutput, error) {
	t, err := target(call, "CreateEventSourceMapping", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if err := refuseSource(in); err != nil {
		return nil, err
	}
	if err := refuseMappingOptions(in); err != nil {
		return nil, err
	}
	s := mapping.Settings{Name: t.Name, Qualifier: t.Qualifier, Enabled: in.Enabled == nil || *in.Enabled, BatchSize: mapping.DefaultBatchSize}
	changeMapping(&s, in)
	m, err := l.mappings.Create(ctx, scope(call), *in.EventSourceArn, s, in.Tags)
	if err != nil {
		return nil, translate(err)
	}
	return mappingOutput(m), nil
}

// refuseSource refuses what is no queue. The words about StartingPosition and
// about a missing source are AWS's, recorded.
func refuseSource(in *lambdaapi.CreateEventSourceMappingInput) error {
	switch {
	case in.SelfManagedEventSource != nil:
		return unsupported("SelfManagedEventSource", "there is no Kafka client; event sources are SQS queues")
	case value(in.EventSourceArn) == "":
		return lambdaapi.InvalidParameterValueException("Unrecognized event source.")
	}
	a, err := arn.Parse(*in.EventSourceArn)
	switch {
	case err != nil:
		return lambdaapi.InvalidParameterValueException("Unrecognized event source.")
	case a.Service != "sqs":
		return unsupported("An event source of "+a.Service, "event sources are SQS queues; streams and brokers do not exist here yet")
	case in.StartingPosition != nil || in.StartingPositionTimestamp != nil:
		return lambdaapi.InvalidParameterValueException("StartingPosition is not valid for SQS event sources.")
	}
	return nil
}

// refuseMappingOptions refuses what AWS has for streams and brokers, and what has
// no counterpart here. An option in the form that says "none" is accepted.
func refuseMappingOptions(in *lambdaapi.CreateEventSourceMappingInput) error {
	d := in.DestinationConfig
	for _, option := range []struct {
		name  string
		given bool
	}{
		{"ParallelizationFactor", in.ParallelizationFactor != nil},
		{"DestinationConfig", d != nil && (d.OnSuccess != nil && d.OnSuccess.Destination != nil || d.OnFailure != nil && d.OnFailure.Destination != nil)},
		{"MaximumRecordAgeInSeconds", in.MaximumRecordAgeInSeconds != nil},
		{"BisectBatchOnFunctionError", in.BisectBatchOnFunctionError != nil},
		{"MaximumRetryAttempts", in.MaximumRetryAttempts != nil},
		{"TumblingWindowInSeconds", in.TumblingWindowInSeconds != nil},
		{"Topics", len(in.Topics) > 0},
		{"Queues", len(in.Queues) > 0},
		{"SourceAccessConfigurations", len(in.SourceAccessConfigurations) > 0},
		{"AmazonManagedKafkaEventSourceConfig", in.AmazonManagedKafkaEventSourceConfig != nil},
		{"SelfManagedKafkaEventSourceConfig", in.SelfManagedKafkaEventSourceConfig != nil},
		{"DocumentDBEventSourceConfig", in.DocumentDBEventSourceConfig != nil},
	} {
		if option.given {
			// AWS: the words were recorded for DestinationConfig.
			return lambdaapi.InvalidParameterValueException("Unsupported %s parameter for given event source mapping type.", option.name)
		}
	}
	p := in.ProvisionedPollerConfig
	switch {
	case value(in.KMSKeyArn) != "":
		return unsupported("KMSKeyArn", whyNoKMS)
	case in.MetricsConfig != nil && len(in.MetricsConfig.Metrics) > 0:
		return unsupported("MetricsConfig", "there is no CloudWatch service to send the metrics to")
	case in.LoggingConfig != nil && in.LoggingConfig.SystemLogLevel != nil:
		return unsupported("LoggingConfig", "the pollers of a mapping write no log of their own")
	case p != nil && (p.MinimumPollers != nil || p.MaximumPollers != nil || p.PollerGroupName != nil):
		return unsupported("ProvisionedPollerConfig", "a mapping is woken by its messages and needs no pollers ahead; ScalingConfig limits its calls")
	}
	return nil
}

// changeMapping applies what the request has of a mapping's settings.
func changeMapping(s *mapping.Settings, in *lambdaapi.CreateEventSourceMappingInput) {
	if in.BatchSize != nil {
		s.BatchSize = int(*in.BatchSize)
	}
	if in.MaximumBatchingWindowInSeconds != nil {
		s.Window = time.Duration(*in.MaximumBatchingWindowInSeconds) * time.Second
	}
	if in.FilterCriteria != nil { // AWS: an empty one removes the filters
		s.Filters = nil
		for _, f := range in.FilterCriteria.Filters {
			s.Filters = append(s.Filters, value(f.Pattern))
		}
	}
	if in.FunctionResponseTypes != nil {
		s.ReportFailures = len(in.FunctionResponseTypes) > 0 // the model knows one value
	}
	if in.ScalingConfig != nil { // AWS: an empty one removes the limit
		s.MaxConcurrency = 0
		if n := in.ScalingConfig.MaximumConcurrency; n != nil {
			s.MaxConcurrency = int(*n)
		}
	}
}

func (l *Lambda) updateEventSourceMapping(ctx context.Context, call *wire.Call, in *lambdaapi.UpdateEventSourceMappingInput) (*lambdaapi.UpdateEventSourceMappingOutput, error) {
	given := &lambdaapi.CreateEventSourceMappingInput{
		FunctionName: in.FunctionName, Enabled: in.Enabled, BatchSize: in.BatchSize, FilterCriteria: in.FilterCriteria, KMSKeyArn: in.KMSKeyArn,
		MetricsConfig: in.MetricsConfig, LoggingConfig: in.LoggingConfig, ScalingConfig: in.ScalingConfig,
		MaximumBatchingWindowInSeconds: in.MaximumBatchingWindowInSeconds, ParallelizationFactor: in.ParallelizationFactor,
		DestinationConfig: in.DestinationConfig, MaximumRecordAgeInSeconds: in.MaximumRecordAgeInSeconds,
		BisectBatchOnFunctionError: in.BisectBatchOnFunctionError, MaximumRetryAttempts: in.MaximumRetryAttempts,
		TumblingWindowInSeconds: in.TumblingWindowInSeconds, SourceAccessConfigurations: in.SourceAccessConfigurations,
		FunctionResponseTypes: in.FunctionResponseTypes, AmazonManagedKafkaEventSourceConfig: in.AmazonManagedKafkaEventSourceConfig,
		SelfManagedKafkaEventSourceConfig: in.SelfManagedKafkaEventSourceConfig, DocumentDBEventSourceConfig: in.DocumentDBEventSourceConfig,
		ProvisionedPollerConfig: in.ProvisionedPollerConfig,
	}
	if _, err := l.mappings.Get(ctx, scope(call), value(in.UUID)); err != nil { // this refusal goes first
		return nil, translate(err)
	}
	if err := refuseMappingOptions(given); err != nil {
		return nil, err
	}
	var t function.Target
	if in.FunctionName != nil {
		var err error
		if t, err = target(call, "UpdateEventSourceMapping", in.FunctionName, nil); err != nil {
			return nil, err
		}
	}
	m, err := l.mappings.Update(ctx, scope(call), value(in.UUID), func(s *mapping.Settings) {
		if in.FunctionName != nil {
			s.Name, s.Qualifier = t.Name, t.Qualifier
		}
		if in.Enabled != nil {
			s.Enabled = *in.Enabled
		}
		changeMapping(s, given)
	})
	if errors.Is(err, mapping.ErrInUse) {
		return nil, lambdaapi.ResourceInUseException("Cannot update the event source mapping because it is in use.")
	} else if err != nil {
		return nil, translate(err)
	}
	return mappingOutput(m), nil
}

func (l *Lambda) getEventSourceMapping(ctx context.Context, call *wire.Call, in *lambdaapi.GetEventSourceMappingInput) (*lambdaapi.GetEventSourceMappingOutput, error) {
	m, err := l.mappings.Get(ctx, scope(call), value(in.UUID))
	if err != nil {
		return nil, translate(err)
	}
	return mappingOutput(m), nil
}

func (l *Lambda) deleteEventSourceMapping(ctx context.Context, call *wire.Call, in *lambdaapi.DeleteEventSourceMappingInput) (*lambdaapi.DeleteEventSourceMappingOutput, error) {
	m, err := l.mappings.Delete(ctx, scope(call), value(in.UUID))
	if errors.Is(err, mapping.ErrInUse) {
		return nil, lambdaapi.ResourceInUseException("Cannot delete the event source mapping because it is in use.")
	} else if err != nil {
		return nil, translate(err)
	}
	return mappingOutput(m), nil
}

func (l *Lambda) listEventSourceMappings(ctx context.Context, call *wire.Call, in *lambdaapi.ListEventSourceMappingsInput) (*lambdaapi.ListEventSourceMappingsOutput, error) {
	listing := mapping.Listing{Source: value(in.EventSourceArn), Marker: value(in.Marker)}
	if in.MaxItems != nil {
		listing.Max = int(*in.MaxItems)
	}
	if in.FunctionName != nil {
		t, err := target(call, "ListEventSourceMappings", in.FunctionName, nil)
		if err != nil {
			return nil, err
		}
		listing.FunctionARN = t.ARN()
	}
	found, marker, err := l.mappings.List(ctx, scope(call), listing)
	if err != nil {
		return nil, translate(err)
	}
	out := &lambdaapi.ListEventSourceMappingsOutput{EventSourceMappings: []lambdaapi.EventSourceMappingConfiguration{}, NextMarker: member.Optional(marker)}
	for _, m := range found {
		out.EventSourceMappings = append(out.EventSourceMappings, *mappingOutput(m))
	}
	return out, nil
}

// mappingOutput is a mapping as AWS shows one of a queue, recorded: without
// LastProcessingResult, and always with FunctionResponseTypes.
func mappingOutput(m *mapping.Mapping) *lambdaapi.EventSourceMappingConfiguration {
	s := &m.Settings
	batch, window, state, reason := int32(s.BatchSize), int32(s.Window.Seconds()), string(m.State), "USER_INITIATED"
	own, of := m.ARN(), m.Target().ARN()
	out := &lambdaapi.EventSourceMappingConfiguration{
		UUID: &m.UUID, BatchSize: &batch, MaximumBatchingWindowInSeconds: &window, EventSourceArn: &m.Source, FunctionArn: &of,
		LastModified: &m.Modified, State: &state, StateTransitionReason: &reason, FunctionResponseTypes: []string{}, EventSourceMappingArn: &own,
	}
	if s.ReportFailures {
		out.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
	}
	if len(s.Filters) > 0 {
		out.FilterCriteria = &lambdaapi.FilterCriteria{}
		for i := range s.Filters {
			out.FilterCriteria.Filters = append(out.FilterCriteria.Filters, lambdaapi.Filter{Pattern: &s.Filters[i]})
		}
	}
	if s.MaxConcurrency > 0 {
		n := int32(s.MaxConcurrency)
		out.ScalingConfig = &lambdaapi.ScalingConfig{MaximumConcurrency: &n}
	}
	return out
}

// mappingARN has the groups region, account and UUID.
var mappingARN = regexp.MustCompile(`^arn:(?:aws[a-zA-Z-]*):lambda:([a-z0-9-]+):(\d{12}):event-source-mapping:([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})$`)

// taggedMapping gives the UUID if a resource to be tagged is a mapping of the caller's.
func taggedMapping(call *wire.Call, resource string) (uuid string, ok bool) {
	m := mappingARN.FindStringSubmatch(resource)
	if m == nil || m[1] != call.Region || m[2] != call.Account {
		return "", false
	}
	return strings.ToLower(m[3]), true
}
