package sam

import (
	"sync"

	"github.com/lambkin-dev/lambkin/internal/core/sam/compute"
	"github.com/lambkin-dev/lambkin/internal/core/sam/connector"
	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/gateway"
	"github.com/lambkin-dev/lambkin/internal/core/sam/graphql"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// Rounds in which resources are transformed.
const (
	functionRound = iota
	webFunctionRound
	stateMachineRound
	apiRound
	otherRound
	connectorRound
	lastRound = connectorRound
)

// kindOf finds the kind of a SAM resource, nil if it is none.
func kindOf(resource *dict) *kind {
	name, _ := pyjson.Text(resource.Get("Type"))
	return kinds()[name]
}

// shared makes a transform of another package one of ours.
func shared(transform func(*draft.Transform, *draft.Macro) []*draft.Resource) func(*translator, *draft.Macro) []*draft.Resource {
	return func(t *translator, m *draft.Macro) []*draft.Resource { return transform(t.Transform, m) }
}

var kinds = sync.OnceValue(func() map[string]*kind {
	all := map[string]*kind{}
	add := func(name string, round int, transform func(*translator, *draft.Macro) []*draft.Resource, properties string, references map[string]string) {
		all[name] = &kind{property.Parse(name, properties), round, transform, references}
	}
	add(draft.FunctionType, functionRound, shared(compute.Function), compute.FunctionProperties, map[string]string{
		"Alias": "AWS::Lambda::Alias", "Version": "AWS::Lambda::Version", "DestinationTopic": "AWS::SNS::Topic", "DestinationQueue": "AWS::SQS::Queue"})
	add(draft.StateMachineType, stateMachineRound, shared(compute.StateMachine), compute.StateMachineProperties, nil)
	add(draft.APIType, apiRound, shared(gateway.REST), gateway.RESTProperties, map[string]string{
		"Stage": "AWS::ApiGateway::Stage", "Deployment": "AWS::ApiGateway::Deployment", "DomainName": "AWS::ApiGateway::DomainName",
		"DomainNameV2": "AWS::ApiGateway::DomainNameV2", "UsagePlan": "AWS::ApiGateway::UsagePlan",
		"UsagePlanKey": "AWS::ApiGateway::UsagePlanKey", "ApiKey": "AWS::ApiGateway::ApiKey"})
	v2 := map[string]string{"Stage": "AWS::ApiGatewayV2::Stage", "DomainName": "AWS::ApiGatewayV2::DomainName"}
	add(draft.HTTPAPIType, apiRound, shared(gateway.HTTP), gateway.HTTPProperties, v2)
	add(draft.WebSocketType, apiRound, shared(gateway.WebSocket), gateway.WebSocketProperties, v2)
	add(draft.SimpleTableType, otherRound, (*translator).simpleTable, "PointInTimeRecoverySpecification~:* PrimaryKey:{s} ProvisionedThroughput:{i|d}"+
		" TableName:s|d Tags:d SSESpecification:d", nil)
	add(draft.ApplicationType, otherRound, (*translator).application, "Location!:s|d TemplateUrl:s Parameters:d NotificationARNs:[s|d] Tags:d TimeoutInMinutes:i", nil)
	add(draft.LayerType, otherRound, (*translator).layer, "LayerName:s|d Description:s PublishLambdaVersion:b ContentUri!:s|d CompatibleArchitectures:[s|d]"+
		" CompatibleRuntimes:[s|d] LicenseInfo:s RetentionPolicy:s", nil)
	add(draft.ConnectorType, connectorRound, shared(connector.Transform), connector.Properties, nil)
	add(draft.WebFunctionType, webFunctionRound, shared(compute.WebFunction), compute.WebFunctionProperties, nil)
	add(draft.CapacityProviderType, otherRound, shared(compute.CapacityProvider), compute.CapacityProviderProperties, nil)
	add(draft.NetworkConnectorType, otherRound, shared(compute.NetworkConnector), compute.NetworkConnectorProperties, nil)
	add(draft.MicroVMImageType, otherRound, shared(compute.MicroVMImage), compute.MicroVMImageProperties, nil)
	add(draft.GraphQLType, otherRound, shared(graphql.Transform), graphql.Properties, nil)
	return all
})
