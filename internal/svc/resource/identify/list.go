package identify

import (
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// listings are how the resources of a type are listed: service, operation and the
// member of its answer that holds them, where it is called with Member=Property of
// the model or Member='text', and behind ">" the parts of the identifier with what
// an item has for them: a member, "." for the item itself, or $Property of the model.
var listings = map[string]string{
	"AWS::ApiGateway::ApiKey":                "apigateway GetApiKeys items > APIKeyId=id",
	"AWS::ApiGateway::Authorizer":            "apigateway GetAuthorizers items restApiId=RestApiId > RestApiId=$RestApiId AuthorizerId=id",
	"AWS::ApiGateway::BasePathMapping":       "apigateway GetBasePathMappings items domainName=DomainName > DomainName=$DomainName BasePath=basePath",
	"AWS::ApiGateway::Deployment":            "apigateway GetDeployments items restApiId=RestApiId > RestApiId=$RestApiId DeploymentId=id",
	"AWS::ApiGateway::DomainName":            "apigateway GetDomainNames items > DomainName=domainName",
	"AWS::ApiGateway::Model":                 "apigateway GetModels items restApiId=RestApiId > RestApiId=$RestApiId Name=name",
	"AWS::ApiGateway::RequestValidator":      "apigateway GetRequestValidators items restApiId=RestApiId > RestApiId=$RestApiId RequestValidatorId=id",
	"AWS::ApiGateway::Resource":              "apigateway GetResources items restApiId=RestApiId > RestApiId=$RestApiId ResourceId=id",
	"AWS::ApiGateway::RestApi":               "apigateway GetRestApis items > RestApiId=id",
	"AWS::ApiGateway::Stage":                 "apigateway GetStages item restApiId=RestApiId > RestApiId=$RestApiId StageName=stageName",
	"AWS::ApiGateway::UsagePlan":             "apigateway GetUsagePlans items > Id=id",
	"AWS::ApiGatewayV2::Api":                 "apigatewayv2 GetApis Items > ApiId=ApiId",
	"AWS::ApiGatewayV2::ApiMapping":          "apigatewayv2 GetApiMappings Items DomainName=DomainName > DomainName=$DomainName ApiMappingId=ApiMappingId",
	"AWS::ApiGatewayV2::Authorizer":          "apigatewayv2 GetAuthorizers Items ApiId=ApiId > ApiId=$ApiId AuthorizerId=AuthorizerId",
	"AWS::ApiGatewayV2::Deployment":          "apigatewayv2 GetDeployments Items ApiId=ApiId > ApiId=$ApiId DeploymentId=DeploymentId",
	"AWS::ApiGatewayV2::DomainName":          "apigatewayv2 GetDomainNames Items > DomainName=DomainName",
	"AWS::ApiGatewayV2::Integration":         "apigatewayv2 GetIntegrations Items ApiId=ApiId > ApiId=$ApiId IntegrationId=IntegrationId",
	"AWS::ApiGatewayV2::IntegrationResponse": "apigatewayv2 GetIntegrationResponses Items ApiId=ApiId IntegrationId=IntegrationId > ApiId=$ApiId IntegrationId=$IntegrationId IntegrationResponseId=IntegrationResponseId",
	"AWS::ApiGatewayV2::Route":               "apigatewayv2 GetRoutes Items ApiId=ApiId > ApiId=$ApiId RouteId=RouteId",
	"AWS::ApiGatewayV2::RouteResponse":       "apigatewayv2 GetRouteResponses Items ApiId=ApiId RouteId=RouteId > ApiId=$ApiId RouteId=$RouteId RouteResponseId=RouteResponseId",
	"AWS::ApiGatewayV2::Stage":               "apigatewayv2 GetStages Items ApiId=ApiId > ApiId=$ApiId StageName=StageName",
	"AWS::ECR::Repository":                   "ecr DescribeRepositories repositories > RepositoryName=repositoryName",
	"AWS::Events::Archive":                   "events ListArchives Archives > ArchiveName=ArchiveName",
	"AWS::Events::EventBus":                  "events ListEventBuses EventBuses > Name=Name",
	"AWS::IAM::Group":                        "iam ListGroups Groups > GroupName=GroupName",
	"AWS::IAM::InstanceProfile":              "iam ListInstanceProfiles InstanceProfiles > InstanceProfileName=InstanceProfileName",
	"AWS::IAM::ManagedPolicy":                "iam ListPolicies Policies Scope='Local' > PolicyArn=Arn",
	"AWS::IAM::Role":                         "iam ListRoles Roles > RoleName=RoleName",
	"AWS::IAM::User":                         "iam ListUsers Users > UserName=UserName",
	"AWS::Lambda::Alias":                     "lambda ListAliases Aliases FunctionName=FunctionName > AliasArn=AliasArn",
	"AWS::Lambda::EventSourceMapping":        "lambda ListEventSourceMappings EventSourceMappings > Id=UUID",
	"AWS::Lambda::Function":                  "lambda ListFunctions Functions > FunctionName=FunctionName",
	"AWS::Lambda::LayerVersion":              "lambda ListLayerVersions LayerVersions LayerName=LayerName > LayerVersionArn=LayerVersionArn",
	"AWS::Lambda::Url":                       "lambda ListFunctionUrlConfigs FunctionUrlConfigs FunctionName=TargetFunctionArn > FunctionArn=FunctionArn",
	"AWS::Lambda::Version":                   "lambda ListVersionsByFunction Versions FunctionName=FunctionName > FunctionArn=FunctionArn",
	"AWS::Logs::LogGroup":                    "logs DescribeLogGroups logGroups > LogGroupName=logGroupName",
	"AWS::Logs::LogStream":                   "logs DescribeLogStreams logStreams logGroupName=LogGroupName > LogGroupName=$LogGroupName LogStreamName=logStreamName",
	"AWS::S3::Bucket":                        "s3 ListBuckets Buckets > BucketName=Name",
	"AWS::SNS::Subscription":                 "sns ListSubscriptions Subscriptions > Arn=SubscriptionArn",
	"AWS::SNS::Topic":                        "sns ListTopics Topics > TopicArn=TopicArn",
	"AWS::SQS::Queue":                        "sqs ListQueues QueueUrls > QueueUrl=.",
	"AWS::SSM::Parameter":                    "ssm DescribeParameters Parameters > Name=Name",
	"AWS::Scheduler::Schedule":               "scheduler ListSchedules Schedules GroupName='default' > Name=Name",
	"AWS::Scheduler::ScheduleGroup":          "scheduler ListScheduleGroups ScheduleGroups > Name=Name",
	"AWS::SecretsManager::Secret":            "secretsmanager ListSecrets SecretList > Id=ARN",
}

// Call calls an operation of a service.
type Call func(service, operation string, in map[string]any) (map[string]any, error)

// others are types whose resources are found by more than one call.
var others = map[string]func(model map[string]any, call Call) ([]map[string]string, error){
	"AWS::ApiGateway::GatewayResponse":    gatewayResponses,
	"AWS::ApiGateway::UsagePlanKey":       usagePlanKeys,
	"AWS::Events::EventBusPolicy":         busPolicies,
	"AWS::Events::Rule":                   rules,
	"AWS::Lambda::EventInvokeConfig":      invokeConfigs,
	"AWS::Lambda::LayerVersionPermission": layerPermissions,
	"AWS::Lambda::Permission":             permissions,
	"AWS::S3::BucketPolicy":               bucketPolicies,
	"AWS::SecretsManager::ResourcePolicy": secretPolicies,
}

// Listed are the types whose resources can be listed, sorted.
func Listed() []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(listings)), maps.Keys(others))
	slices.Sort(all)
	return all
}

// List gives the primary identifiers of the resources of a type; the model tells
// what they are in, where the type wants that.
func List(name string, model map[string]any, call Call) ([]map[string]string, error) {
	if several := others[name]; several != nil {
		return several(model, call)
	}
	head, tail, _ := strings.Cut(listings[name], ">")
	fields := strings.Fields(head)
	in := map[string]any{}
	for _, field := range fields[3:] {
		member, from, _ := strings.Cut(field, "=")
		if text, fixed := strings.CutPrefix(from, "'"); fixed {
			in[member] = strings.TrimSuffix(text, "'")
		} else if given := model[from]; given != nil {
			in[member] = given
		}
	}
	items, err := all(call, fields[0], fields[1], fields[2], in)
	if err != nil {
		return nil, err
	}
	found := []map[string]string{}
	for _, item := range items {
		if name == "AWS::Lambda::Version" && value.At(item, "Version") == "$LATEST" {
			continue
		}
		parts := map[string]string{}
		for _, field := range strings.Fields(tail) {
			part, from, _ := strings.Cut(field, "=")
			if property, fixed := strings.CutPrefix(from, "$"); fixed {
				parts[part] = value.Text(model[property])
			} else if from == "." {
				parts[part] = value.Text(item)
			} else {
				parts[part] = value.Text(value.At(item, from))
			}
		}
		found = append(found, parts)
	}
	return found, nil
}

// pages are the members by which answers name their next page, and requests ask for it.
var pages = []struct{ of, in string }{{"NextToken", "NextToken"}, {"nextToken", "nextToken"}, {"NextMarker", "Marker"}, {"Marker", "Marker"}, {"position", "position"}, {"ContinuationToken", "ContinuationToken"}}

// maxPages bounds a listing.
const maxPages = 1000

// all are the items of all pages.
func all(call Call, service, operation, items string, in map[string]any) (found []any, err error) {
	given := in
	in = map[string]any{}
	maps.Copy(in, given)
	for range maxPages {
		out, err := call(service, operation, in)
		if err != nil {
			return nil, err
		}
		found = append(found, value.List(out[items])...)
		more := false
		for _, p := range pages {
			if token := value.Text(out[p.of]); token != "" && !more {
				in[p.in], more = token, true
			}
		}
		if !more {
			break
		}
	}
	return found, nil
}

func gatewayResponses(model map[string]any, call Call) (found []map[string]string, err error) {
	items, err := all(call, "apigateway", "GetGatewayResponses", "items", map[string]any{"restApiId": model["RestApiId"]})
	for _, item := range items {
		if value.Text(value.At(item, "defaultResponse")) != "true" {
			found = append(found, map[string]string{"Id": value.Text(model["RestApiId"]) + "|" + value.Text(value.At(item, "responseType"))})
		}
	}
	return found, err
}

func usagePlanKeys(model map[string]any, call Call) (found []map[string]string, err error) {
	items, err := all(call, "apigateway", "GetUsagePlanKeys", "items", map[string]any{"usagePlanId": model["UsagePlanId"]})
	for _, item := range items {
		found = append(found, map[string]string{"Id": value.Text(value.At(item, "id")) + ":" + value.Text(model["UsagePlanId"])})
	}
	return found, err
}

func buses(call Call) ([]any, error) {
	return all(call, "events", "ListEventBuses", "EventBuses", nil)
}

func busPolicies(_ map[string]any, call Call) (found []map[string]string, err error) {
	items, err := buses(call)
	for _, bus := range items {
		for _, statement := range statements(value.At(bus, "Policy")) {
			found = append(found, map[string]string{"EventBusName": value.Text(value.At(bus, "Name")), "StatementId": value.Text(value.At(statement, "Sid"))})
		}
	}
	return found, err
}

// statements are those of a policy that is text.
func statements(policy any) []any {
	return value.List(value.At(value.Parsed(value.Text(policy)), "Statement"))
}

func rules(_ map[string]any, call Call) (found []map[string]string, err error) {
	items, err := buses(call)
	for _, bus := range items {
		rules, err := all(call, "events", "ListRules", "Rules", map[string]any{"EventBusName": value.At(bus, "Name")})
		if err != nil {
			return nil, err
		}
		for _, rule := range rules {
			found = append(found, map[string]string{"Arn": value.Text(value.At(rule, "Arn"))})
		}
	}
	return found, err
}

func invokeConfigs(model map[string]any, call Call) (found []map[string]string, err error) {
	items, err := all(call, "lambda", "ListFunctionEventInvokeConfigs", "FunctionEventInvokeConfigs", map[string]any{"FunctionName": model["FunctionName"]})
	for _, item := range items {
		arn := value.Text(value.At(item, "FunctionArn"))
		found = append(found, map[string]string{"FunctionName": value.Text(model["FunctionName"]), "Qualifier": arn[strings.LastIndexByte(arn, ':')+1:]})
	}
	return found, err
}

// ifThere takes it that there is nothing for no error.
func ifThere(out map[string]any, err error) (map[string]any, error) {
	if f := fault.From(err); f != nil && strings.Contains(f.Code, "NotFound") {
		return nil, nil
	}
	return out, err
}

func permissions(model map[string]any, call Call) (found []map[string]string, err error) {
	out, err := ifThere(call("lambda", "GetPolicy", map[string]any{"FunctionName": model["FunctionName"]}))
	for _, statement := range statements(out["Policy"]) {
		found = append(found, map[string]string{"FunctionName": value.Text(model["FunctionName"]), "Id": value.Text(value.At(statement, "Sid"))})
	}
	return found, err
}

func layerPermissions(model map[string]any, call Call) (found []map[string]string, err error) {
	arn := value.Text(model["LayerVersionArn"])
	colon := strings.LastIndexByte(arn, ':')
	out, err := ifThere(call("lambda", "GetLayerVersionPolicy", map[string]any{"LayerName": arn[:max(colon, 0)], "VersionNumber": arn[colon+1:]}))
	for _, statement := range statements(out["Policy"]) {
		found = append(found, map[string]string{"Id": arn + "#" + value.Text(value.At(statement, "Sid"))})
	}
	return found, err
}

func bucketPolicies(_ map[string]any, call Call) (found []map[string]string, err error) {
	items, err := all(call, "s3", "ListBuckets", "Buckets", nil)
	for _, bucket := range items {
		if _, err := call("s3", "GetBucketPolicy", map[string]any{"Bucket": value.At(bucket, "Name")}); err == nil {
			found = append(found, map[string]string{"Bucket": value.Text(value.At(bucket, "Name"))})
		}
	}
	return found, err
}

func secretPolicies(_ map[string]any, call Call) (found []map[string]string, err error) {
	items, err := all(call, "secretsmanager", "ListSecrets", "SecretList", nil)
	for _, secret := range items {
		arn := value.At(secret, "ARN")
		if out, err := call("secretsmanager", "GetResourcePolicy", map[string]any{"SecretId": arn}); err == nil && value.Text(out["ResourcePolicy"]) != "" {
			found = append(found, map[string]string{"Id": value.Text(arn)})
		}
	}
	return found, err
}
