package compute

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/property"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// defaultBatch is how many messages a function gets at once of a queue that SAM made.
const defaultBatch = 10

func numberOf(n int) json.Number { return json.Number(pyjson.Itoa(n)) }

// pullKind is a type of sources that Lambda polls.
type pullKind struct {
	properties *property.Type
	source     string // property with the ARN of the source; "" if there is none
	managed    string // policy of AWS that the function's role needs
	statements func(*translator, *event) *dict
}

const pullProperties = "BatchSize:i StartingPosition~:* StartingPositionTimestamp~:* Enabled:b MaximumBatchingWindowInSeconds:i MaximumRetryAttempts:i" +
	" BisectBatchOnFunctionError:b MaximumRecordAgeInSeconds:i DestinationConfig:d ParallelizationFactor:i Topics:l Queues:l SourceAccessConfigurations:l" +
	" SecretsManagerKmsKeyId:s TumblingWindowInSeconds:i FunctionResponseTypes:l KafkaBootstrapServers:l FilterCriteria:d KmsKeyArn~:* ConsumerGroupId:s" +
	" ScalingConfig:d ProvisionedPollerConfig:d SchemaRegistryConfig:d MetricsConfig:d LoggingConfig:d"

// mapped are the properties that an event source mapping has unchanged.
var mapped = strings.Fields("StartingPosition StartingPositionTimestamp BatchSize Enabled MaximumBatchingWindowInSeconds MaximumRetryAttempts" +
	" BisectBatchOnFunctionError MaximumRecordAgeInSeconds ParallelizationFactor Topics Queues SourceAccessConfigurations TumblingWindowInSeconds" +
	" FunctionResponseTypes FilterCriteria KmsKeyArn ScalingConfig ProvisionedPollerConfig MetricsConfig LoggingConfig")

var pullKinds = sync.OnceValue(func() map[string]*pullKind {
	all := map[string]*pullKind{}
	add := func(name, own, source, managed string, statements func(*translator, *event) *dict) {
		text := pullProperties
		if strings.Contains(own, "StartingPosition!") {
			text = strings.Replace(text, "StartingPosition~", "StartingPosition!~", 1)
		}
		text += strings.TrimSuffix(" "+own, "StartingPosition!")
		all[name] = &pullKind{property.Parse(name, text), source, managed, statements}
	}
	add("Kinesis", "Stream!~:* StartingPosition!", "Stream", "service-role/AWSLambdaKinesisExecutionRole", nil)
	add("DynamoDB", "Stream!~:* StartingPosition!", "Stream", "service-role/AWSLambdaDynamoDBExecutionRole", nil)
	add("SQS", "Queue!~:*", "Queue", "service-role/AWSLambdaSQSQueueExecutionRole", nil)
	add("MSK", "Stream!~:* StartingPosition!", "Stream", "service-role/AWSLambdaMSKExecutionRole", (*translator).managedKafka)
	add("MQ", "Broker!~:* DynamicPolicyName~:b", "Broker", "", (*translator).broker)
	add("SelfManagedKafka", "", "", "", (*translator).kafka)
	add("DocumentDB", "Cluster!~:* DatabaseName!~:* CollectionName~:* FullDocument~:*", "Cluster", "", (*translator).documentDB)
	return all
})

// mapping makes the event source mapping of a source that Lambda polls.
func (t *translator) mapping(e *event) []*draft.Resource {
	kind := pullKinds()[e.Macro.Kind]
	r := draft.New("AWS::Lambda::EventSourceMapping", e.Macro.ID, e.target.Passed(), "FunctionName", e.target.name(), "EventSourceArn", e.Get(kind.source))
	for _, name := range mapped {
		r.Set(name, e.Get(name))
	}
	e.checkFilter()
	if e.Truthy("KafkaBootstrapServers") {
		r.Set("SelfManagedEventSource", pyjson.New("Endpoints", pyjson.New("KafkaBootstrapServers", e.Get("KafkaBootstrapServers"))))
	}
	e.setKafkaGroup(r)
	destination := e.failureDestination(r)
	if e.Macro.Kind == "DocumentDB" {
		config := pyjson.New("DatabaseName", e.Get("DatabaseName"))
		for _, name := range []string{"CollectionName", "FullDocument"} {
			if e.Truthy(name) {
				config.Set(name, e.Get(name))
			}
		}
		r.Set("DocumentDBEventSourceConfig", config)
	}
	var own *dict
	if kind.statements != nil {
		own = kind.statements(t, e)
	}
	t.grant(e.role, kind.managed, own, destination)
	return []*draft.Resource{r}
}

// setKafkaGroup sets the consumer group and the schema registry of a Kafka source.
func (e *event) setKafkaGroup(r *draft.Resource) {
	property := map[string]string{"MSK": "AmazonManagedKafkaEventSourceConfig", "SelfManagedKafka": "SelfManagedKafkaEventSourceConfig"}[e.Macro.Kind]
	config := pyjson.New()
	if e.Truthy("ConsumerGroupId") {
		if property == "" {
			fail.Event(e.Macro.ID, "Property ConsumerGroupId not defined for resource of type %s.", e.Macro.Kind)
		}
		config.Set("ConsumerGroupId", e.Get("ConsumerGroupId"))
	}
	if e.Truthy("SchemaRegistryConfig") && property != "" {
		config.Set("SchemaRegistryConfig", e.Get("SchemaRegistryConfig"))
	}
	if config.Len() > 0 {
		r.Set(property, config)
	}
}

// failureDestination sets where failed batches go and returns the policy for it.
func (e *event) failureDestination(r *draft.Resource) *dict {
	config := e.Dict("DestinationConfig")
	if config.Len() == 0 {
		return nil
	}
	r.Set("DestinationConfig", config)
	on := fail.EventProperty(e.Macro.ID, "DestinationConfig.OnFailure").Dict(config.Get("OnFailure"))
	if !pyjson.Truthy(on.Get("Type")) {
		return nil
	}
	kind := pyjson.String(on.Get("Type"))
	on.Delete("Type")
	if !slices.Contains([]string{"SQS", "SNS", "S3", "Kafka"}, kind) {
		fail.Event(e.Macro.ID, "The only valid values for 'Type' are 'SQS', 'SNS', 'S3', and 'Kafka'")
	}
	return destinationPolicy(kind, on.Get("Destination"), e.Macro.ID)
}

// grant gives a function's role what a source needs, unless it has it.
func (t *translator) grant(role *draft.Resource, managed string, policies ...*dict) {
	if role == nil {
		return
	}
	if managed != "" {
		list := fail.List(role.Get("ManagedPolicyArns"))
		if arn := t.Env.AWSPolicy(managed); !pyjson.Contains(list, arn) {
			role.Set("ManagedPolicyArns", draft.With(list, arn))
		}
	}
	for _, policy := range policies {
		if policy == nil {
			continue
		}
		list := fail.List(role.Get("Policies"))
		has := slices.ContainsFunc(list, func(p any) bool {
			d, _ := p.(*dict)
			return pyjson.Equal(d.Get("PolicyDocument"), policy.Get("PolicyDocument"))
		})
		if !has {
			role.Set("Policies", draft.With(list, policy))
		}
	}
}

const filterable = "DocumentDB, DynamoDB, Kinesis, MQ, MSK, SelfManagedKafka, SQS"

func (e *event) checkFilter() {
	filter := e.Dict("FilterCriteria")
	if filter.Len() == 0 || intrinsic.Is(filter) {
		return
	}
	if !slices.Contains(strings.Split(filterable, ", "), e.Macro.Kind) {
		fail.Event(e.Relative, "FilterCriteria is only available for %s events.", filterable)
	}
	if filter.Len() != 1 || !filter.Has("Filters") {
		fail.Event(e.Relative, "FilterCriteria field has a wrong format")
	}
}

// grantStatement is a statement of a generated policy.
func grantStatement(on any, actions ...any) any {
	return pyjson.New("Action", actions, "Effect", "Allow", "Resource", on)
}

func readSecret(uri any) any { return grantStatement(uri, "secretsmanager:GetSecretValue") }

var networkActions = []any{"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface", "ec2:DescribeVpcs",
	"ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"}

func generated(name string, statements []any) *dict {
	return pyjson.New("PolicyName", name, "PolicyDocument", pyjson.New("Statement", statements))
}

func (e *event) decrypt() (on any, needed bool) {
	if !e.Truthy("SecretsManagerKmsKeyId") {
		return nil, false
	}
	id := fail.EventProperty(e.Relative, "SecretsManagerKmsKeyId").Text(e.Get("SecretsManagerKmsKeyId"))
	return intrinsic.Sub("arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/" + id), true
}

func (t *translator) managedKafka(e *event) *dict {
	statements := t.schemaStatements(e)
	for _, value := range fail.List(e.Get("SourceAccessConfigurations")) {
		config, _ := value.(*dict)
		if pyjson.Is(config.Get("Type"), "CLIENT_CERTIFICATE_TLS_AUTH") && pyjson.Truthy(config.Get("URI")) {
			statements = append(statements, readSecret(config.Get("URI")))
		}
	}
	if len(statements) == 0 {
		return nil
	}
	return generated("MSKExecutionRolePolicy", statements)
}

// accessURI finds the one URI of a type among the ways to get at a source.
func (e *event) accessURI(supported []any, required string) any {
	if !e.Truthy("SourceAccessConfigurations") {
		fail.Event(e.Relative, "No SourceAccessConfigurations for Amazon %s event provided.", e.Macro.Kind)
	}
	list, ok := e.Get("SourceAccessConfigurations").([]any)
	if !ok {
		fail.Event(e.Relative, "Provided SourceAccessConfigurations cannot be parsed into a list.")
	}
	var uri any
	for i, value := range list {
		at := "SourceAccessConfigurations[" + pyjson.Itoa(i) + "]"
		config := fail.EventProperty(e.Relative, at).Dict(value)
		kind := fail.EventProperty(e.Relative, at+".Type").Text(config.Get("Type"))
		if !slices.Contains(supported, any(kind)) {
			fail.Event(e.Relative, "Invalid property Type specified in SourceAccessConfigurations. The supported values are: %s.", pyjson.Repr(supported))
		}
		if kind != required {
			continue
		}
		if pyjson.Truthy(uri) {
			fail.Event(e.Relative, "Multiple %s properties specified in SourceAccessConfigurations.", required)
		}
		if uri = config.Get("URI"); !pyjson.Truthy(uri) {
			fail.Event(e.Relative, "No %s URI property specified in SourceAccessConfigurations.", required)
		}
	}
	if !pyjson.Truthy(uri) {
		fail.Event(e.Relative, "No %s property specified in SourceAccessConfigurations.", required)
	}
	return uri
}

func (t *translator) broker(e *event) *dict {
	statements := []any{readSecret(e.accessURI([]any{"BASIC_AUTH", "VIRTUAL_HOST"}, "BASIC_AUTH")), grantStatement(e.Get("Broker"), "mq:DescribeBroker")}
	if key, needed := e.decrypt(); needed {
		statements = append(statements, pyjson.New("Action", "kms:Decrypt", "Effect", "Allow", "Resource", key))
	}
	name := "SamAutoGeneratedAMQPolicy"
	if e.Truthy("DynamicPolicyName") {
		name = e.Macro.ID + "AMQPolicy"
	}
	return generated(name, statements)
}

func (t *translator) documentDB(e *event) *dict {
	regional := func(resource string) any { return intrinsic.Sub(draft.ARN("${AWS::Partition}", "rds", resource)) }
	statements := []any{
		readSecret(e.accessURI([]any{"BASIC_AUTH"}, "BASIC_AUTH")),
		grantStatement(regional("cluster-pg:*"), "rds:DescribeDBClusterParameters"),
		grantStatement(regional("subgrp:*"), "rds:DescribeDBSubnetGroups"),
		grantStatement(e.Get("Cluster"), "rds:DescribeDBClusters"),
		grantStatement("*", networkActions...),
	}
	if key, needed := e.decrypt(); needed {
		statements = append(statements, grantStatement(key, "kms:Decrypt"))
	}
	return generated("SamAutoGeneratedDocumentDBPolicy", statements)
}

// Types of access to Kafka that need a secret, and those that do not.
var (
	kafkaSecrets = []string{"SASL_SCRAM_256_AUTH", "SASL_SCRAM_512_AUTH", "BASIC_AUTH", "CLIENT_CERTIFICATE_TLS_AUTH", "OAUTHBEARER_AUTH"}
	kafkaRoles   = []string{"IAM_AUTH", "IAM_OAUTHBEARER_AUTH"}
	kafkaOAuth   = []string{"OAUTHBEARER_SCOPE", "OAUTHBEARER_AUDIENCE", "OAUTHBEARER_LOGICAL_CLUSTER", "OAUTHBEARER_IDENTITY_POOL"}
)

func (t *translator) kafka(e *event) *dict {
	if !e.Truthy("KafkaBootstrapServers") {
		fail.Event(e.Relative, "No KafkaBootstrapServers provided for self managed kafka as an event source")
	}
	if !e.Truthy("Topics") {
		fail.Event(e.Relative, "No Topics provided for self managed kafka as an event source")
	}
	if topics, ok := e.Get("Topics").([]any); ok && len(topics) != 1 {
		fail.Event(e.Relative, "Topics for self managed kafka only supports single configuration entry.")
	}
	if !e.Truthy("SourceAccessConfigurations") {
		fail.Event(e.Relative, "No SourceAccessConfigurations for self managed kafka event provided.")
	}
	statements := e.kafkaAccess()
	if key, needed := e.decrypt(); needed {
		statements = append(statements, grantStatement(key, "kms:Decrypt"))
	}
	if statements = append(statements, t.schemaStatements(e)...); len(statements) == 0 {
		return nil
	}
	policy := generated("SelfManagedKafkaExecutionRolePolicy", statements)
	policy.Get("PolicyDocument").(*dict).Set("Version", "2012-10-17")
	return policy
}

// kafkaAccess reads how a cluster is reached, and returns what that needs.
func (e *event) kafkaAccess() (statements []any) {
	list, ok := e.Get("SourceAccessConfigurations").([]any)
	if !ok {
		fail.Event(e.Relative, "SourceAccessConfigurations for self managed kafka event should be a list.")
	}
	var subnet, group, mechanism bool
	var secret, certificate any
	for _, value := range list {
		config := fail.Property(e.Relative, "SourceAccessConfigurations").Dict(value)
		uri := config.Get("URI")
		kind, _ := pyjson.Text(config.Get("Type"))
		isSecret := slices.Contains(kafkaSecrets, kind)
		switch {
		case kind == "VPC_SUBNET":
			e.checkKafkaURI(uri, kind)
			subnet = true
		case kind == "VPC_SECURITY_GROUP":
			e.checkKafkaURI(uri, kind)
			group = true
		case isSecret || slices.Contains(kafkaRoles, kind):
			if mechanism {
				fail.Event(e.Relative, "Multiple auth mechanism properties specified in SourceAccessConfigurations for self managed kafka event.")
			}
			if mechanism = true; isSecret {
				e.checkKafkaURI(uri, "auth mechanism")
				secret = uri
			}
		case kind == "SERVER_ROOT_CA_CERTIFICATE":
			e.checkKafkaURI(uri, kind)
			certificate = uri
		case slices.Contains(kafkaOAuth, kind):
			e.checkKafkaURI(uri, kind)
		default:
			fail.Event(e.Relative, "Invalid SourceAccessConfigurations Type provided for self managed kafka event.")
		}
	}
	if subnet != group {
		fail.Event(e.Relative, "VPC_SUBNET and VPC_SECURITY_GROUP in SourceAccessConfigurations for SelfManagedKafka must be both provided.")
	}
	for _, uri := range []any{secret, certificate} {
		if pyjson.Truthy(uri) {
			statements = append(statements, readSecret(uri))
		}
	}
	if subnet {
		statements = append(statements, grantStatement("*", networkActions...))
	}
	return statements
}

func (e *event) checkKafkaURI(uri any, what string) {
	if !pyjson.Truthy(uri) {
		fail.Event(e.Relative, "No %s URI property specified in SourceAccessConfigurations for self managed kafka event.", what)
	}
	if _, ok := pyjson.Text(uri); !ok && !intrinsic.Is(uri) {
		fail.Event(e.Relative, "Wrong Type for %s URI property specified in SourceAccessConfigurations for self managed kafka event.", what)
	}
}

// schemaStatements are what a schema registry needs.
func (t *translator) schemaStatements(e *event) (statements []any) {
	if !e.Truthy("SchemaRegistryConfig") {
		return nil
	}
	config := fail.EventProperty(e.Relative, "SchemaRegistryConfig").Dict(e.Get("SchemaRegistryConfig"))
	for _, access := range e.checkSchemaRegistry(config) {
		statements = append(statements, readSecret(access.(*dict).Get("URI")))
	}
	uri := config.Get("SchemaRegistryURI")
	text, _ := pyjson.Text(uri)
	if d, ok := uri.(*dict); ok {
		resolved, _ := t.Resolver.Resolve(d.Copy()).(*dict)
		text, _ = pyjson.Text(resolved.Get("Fn::Sub"))
	}
	const segments = 6
	parts := strings.Split(text, ":")
	if !strings.HasPrefix(text, "arn") || len(parts) < segments {
		return statements
	}
	name, found := strings.CutPrefix(parts[segments-1], "registry/")
	if !found {
		return statements
	}
	schemas := intrinsic.Sub(draft.ARN("${AWS::Partition}", "glue", "schema/"+name+"/*"))
	return append(statements, grantStatement(uri, "glue:GetRegistry"), grantStatement([]any{schemas}, "glue:GetSchemaVersion"))
}

// checkSchemaRegistry checks a schema registry and returns the ways to get at it.
func (e *event) checkSchemaRegistry(config *dict) []any {
	for _, name := range []string{"SchemaRegistryURI", "EventRecordFormat", "SchemaValidationConfigs"} {
		if !config.Has(name) {
			fail.Event(e.Relative, "Missing required field %s in SchemaRegistryConfig", name)
		}
	}
	if format := config.Get("EventRecordFormat"); !pyjson.Is(format, "JSON") && !pyjson.Is(format, "SOURCE") {
		fail.Event(e.Relative, "EventRecordFormat in SchemaRegistryConfig must be either 'JSON' or 'SOURCE'")
	}
	if _, ok := config.Get("SchemaValidationConfigs").([]any); !ok {
		fail.Event(e.Relative, "SchemaValidationConfigs must be a list")
	}
	access := config.Get("AccessConfigs")
	if !pyjson.Truthy(access) {
		return nil
	}
	list, ok := access.([]any)
	if !ok {
		fail.Event(e.Relative, "AccessConfigs in SchemaRegistryConfig must be a list")
	}
	for _, value := range list {
		if d, ok := value.(*dict); !ok || !d.Has("Type") || !d.Has("URI") {
			fail.Event(e.Relative, "Each AccessConfig must be a dict with 'Type' and 'URI' fields")
		}
	}
	return list
}
