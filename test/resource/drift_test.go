package resource

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/engine"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/engine/store/storetest"
)

// everything has resources of all types, with properties of many forms.
const everything = `
Resources:
  Dead: {Type: AWS::SQS::Queue}
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 60, DelaySeconds: "5", RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}, SqsManagedSseEnabled: true, Tags: [{Key: a, Value: "1"}]}}
  QueuePolicy: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref Queue], PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: "*"}]}}}
  QueueInline: {Type: AWS::SQS::QueueInlinePolicy, Properties: {Queue: !Ref Dead, PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: "*"}]}}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: [lambda.amazonaws.com, scheduler.amazonaws.com]}, Action: "sts:AssumeRole"}]}
      Description: d
      MaxSessionDuration: 7200
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]
      Policies: [{PolicyName: one, PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "*"}]}}]
  Group: {Type: AWS::IAM::Group, Properties: {ManagedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]}}
  User: {Type: AWS::IAM::User, Properties: {Path: /a/, Groups: [!Ref Group]}}
  Other: {Type: AWS::IAM::Group}
  Person: {Type: AWS::IAM::User}
  Plain: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}}}
  Addition: {Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: !Ref Other, Users: [!Ref Person]}}
  AccessKey: {Type: AWS::IAM::AccessKey, Properties: {UserName: !Ref User, Status: Active}}
  Policy: {Type: AWS::IAM::Policy, Properties: {PolicyName: several, Roles: [!Ref Plain], Users: [!Ref User], PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sqs:*", Resource: "*"}]}}}
  RolePolicy: {Type: AWS::IAM::RolePolicy, Properties: {PolicyName: r, RoleName: !Ref Plain, PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sns:*", Resource: "*"}]}}}
  UserPolicy: {Type: AWS::IAM::UserPolicy, Properties: {PolicyName: u, UserName: !Ref User, PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sns:*", Resource: "*"}]}}}
  GroupPolicy: {Type: AWS::IAM::GroupPolicy, Properties: {PolicyName: g, GroupName: !Ref Group, PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sns:*", Resource: "*"}]}}}
  Managed: {Type: AWS::IAM::ManagedPolicy, Properties: {Description: d, Roles: [!Ref Plain], PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "events:*", Resource: "*"}]}}}
  Profile: {Type: AWS::IAM::InstanceProfile, Properties: {Roles: [!Ref Role]}}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Role: !GetAtt Role.Arn
      Runtime: python3.13
      Handler: index.handler
      Code: {ZipFile: "def handler(event, context):\n    return 1\n"}
      MemorySize: 256
      Timeout: "9"
      Environment: {Variables: {NUMBER: 1, TRUTH: true}}
      ReservedConcurrentExecutions: 5
      RecursiveLoop: Allow
      RuntimeManagementConfig: {UpdateRuntimeOn: FunctionUpdate}
      EphemeralStorage: {Size: 600}
      TracingConfig: {Mode: Active}
      DeadLetterConfig: {TargetArn: !GetAtt Dead.Arn}
      Layers: [!Ref Layer]
      LoggingConfig: {LogFormat: JSON}
      Tags: [{Key: a, Value: "1"}]
  Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Function, Description: v}}
  Alias: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Function, FunctionVersion: !GetAtt Version.Version, Name: live, ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}}}
  Permission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !GetAtt Function.Arn, Action: "lambda:InvokeFunction", Principal: sns.amazonaws.com, SourceArn: !Ref Topic, SourceAccount: !Ref "AWS::AccountId"}}
  Url: {Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: !Ref Function, AuthType: NONE, InvokeMode: RESPONSE_STREAM, Cors: {AllowOrigins: ["*"], MaxAge: 9}}}
  InvokeConfig: {Type: AWS::Lambda::EventInvokeConfig, Properties: {FunctionName: !Ref Function, Qualifier: $LATEST, MaximumRetryAttempts: 1, DestinationConfig: {OnFailure: {Destination: !GetAtt Queue.Arn}}}}
  Mapping: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !GetAtt Function.Arn, EventSourceArn: !GetAtt Queue.Arn, BatchSize: 5, Enabled: false, FilterCriteria: {Filters: [{Pattern: '{"body":["x"]}'}]}, ScalingConfig: {MaximumConcurrency: 2}}}
  Layer: {Type: AWS::Lambda::LayerVersion, Properties: {LayerName: drift, Content: {S3Bucket: drift-layers, S3Key: layer.zip}, CompatibleRuntimes: [python3.13], LicenseInfo: MIT}}
  LayerPermission: {Type: AWS::Lambda::LayerVersionPermission, Properties: {LayerVersionArn: !Ref Layer, Action: "lambda:GetLayerVersion", Principal: "*"}}
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      VersioningConfiguration: {Status: Enabled}
      PublicAccessBlockConfiguration: {BlockPublicAcls: true}
      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforced}]}
      BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: "aws:kms"}}]}
      CorsConfiguration: {CorsRules: [{AllowedMethods: [GET], AllowedOrigins: ["*"], ExposedHeaders: [etag], MaxAge: 3}]}
      LifecycleConfiguration: {Rules: [{Id: x, Status: Enabled, ExpirationInDays: 3, Prefix: a/}, {Status: Enabled, NoncurrentVersionExpirationInDays: 2, TagFilters: [{Key: k, Value: v}]}, {Status: Disabled, ExpirationDate: "2040-01-01T00:00:00.000Z"}]}
      NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}
      Tags: [{Key: b, Value: "2"}, {Key: a, Value: "1"}]
  BucketPolicy: {Type: AWS::S3::BucketPolicy, Properties: {Bucket: !Ref Bucket, PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: !Ref "AWS::AccountId"}, Action: "s3:GetObject", Resource: !Sub "${Bucket.Arn}/*"}]}}}
  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: d, Subscription: [{Protocol: sqs, Endpoint: !GetAtt Dead.Arn}], DeliveryStatusLogging: [{Protocol: sqs, SuccessFeedbackSampleRate: "5"}]}}
  Subscription: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref Topic, Protocol: sqs, Endpoint: !GetAtt Queue.Arn, FilterPolicy: {a: [b]}, RawMessageDelivery: true}}
  TopicPolicy: {Type: AWS::SNS::TopicPolicy, Properties: {Topics: [!Ref Topic], PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: "*", Action: "sns:Publish", Resource: "*"}]}}}
  Second: {Type: AWS::SNS::Topic}
  TopicInline: {Type: AWS::SNS::TopicInlinePolicy, Properties: {TopicArn: !Ref Second, PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: "*", Action: "sns:Publish", Resource: "*"}]}}}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: drift, Description: d}}
  BusPolicy: {Type: AWS::Events::EventBusPolicy, Properties: {EventBusName: !Ref Bus, StatementId: s, Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::444455556666:root"}, Action: "events:PutEvents", Resource: !GetAtt Bus.Arn}}}
  Rule: {Type: AWS::Events::Rule, Properties: {EventBusName: !Ref Bus, EventPattern: {source: [a]}, State: ENABLED, Targets: [{Id: q, Arn: !GetAtt Queue.Arn, RetryPolicy: {MaximumRetryAttempts: 2}}]}}
  Archive: {Type: AWS::Events::Archive, Properties: {SourceArn: !GetAtt Bus.Arn, RetentionDays: 3, EventPattern: {source: [a]}}}
  ScheduleGroup: {Type: AWS::Scheduler::ScheduleGroup, Properties: {Tags: [{Key: a, Value: "1"}]}}
  Schedule: {Type: AWS::Scheduler::Schedule, Properties: {GroupName: !Ref ScheduleGroup, ScheduleExpression: rate(1 day), StartDate: "2040-01-01T00:00:00.000Z", FlexibleTimeWindow: {Mode: "OFF"}, Target: {Arn: !GetAtt Queue.Arn, RoleArn: !GetAtt Role.Arn, Input: '{"a": 1}'}}}
  Parameter: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: v, Description: d, Tags: {a: "1"}}}
  Secret: {Type: AWS::SecretsManager::Secret, Properties: {Description: d, SecretString: hush, Tags: [{Key: a, Value: "1"}]}}
  SecretPolicy: {Type: AWS::SecretsManager::ResourcePolicy, Properties: {SecretId: !Ref Secret, ResourcePolicy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root"}, Action: "secretsmanager:GetSecretValue", Resource: "*"}]}}}
  LogGroup: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7, Tags: [{Key: a, Value: "1"}]}}
  LogStream: {Type: AWS::Logs::LogStream, Properties: {LogGroupName: !Ref LogGroup}}
  Repository: {Type: AWS::ECR::Repository, Properties: {ImageTagMutability: IMMUTABLE, EncryptionConfiguration: {EncryptionType: AES256}, ImageScanningConfiguration: {ScanOnPush: true}, LifecyclePolicy: {LifecyclePolicyText: '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}'}, RepositoryPolicyText: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: "*", Action: "ecr:BatchGetImage"}]}}}
  Rest: {Type: AWS::ApiGateway::RestApi, Properties: {Name: drift, Description: d, EndpointConfiguration: {Types: [REGIONAL]}, BinaryMediaTypes: [image/png], Tags: [{Key: a, Value: "1"}]}}
  Part: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Rest, ParentId: !GetAtt Rest.RootResourceId, PathPart: p}}
  Method:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Rest, ResourceId: !Ref Part, HttpMethod: POST, AuthorizationType: NONE, RequestParameters: {method.request.header.A: true}, RequestModels: {application/json: !Ref Model},
      MethodResponses: [{StatusCode: 200, ResponseParameters: {method.response.header.A: true}}],
      Integration: {Type: AWS, IntegrationHttpMethod: POST, Uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations", PassthroughBehavior: NEVER, RequestTemplates: {application/json: "{}"},
        IntegrationResponses: [{StatusCode: 200, ResponseParameters: {method.response.header.A: "'x'"}}]}}
  RestDeployment: {Type: AWS::ApiGateway::Deployment, DependsOn: Method, Properties: {RestApiId: !Ref Rest, Description: d}}
  RestStage: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Rest, StageName: prod, DeploymentId: !Ref RestDeployment, Description: d, Variables: {name: value}, MethodSettings: [{ResourcePath: /*, HttpMethod: "*", ThrottlingRateLimit: 5, ThrottlingBurstLimit: 6}, {ResourcePath: /p, HttpMethod: POST, LoggingLevel: INFO}],
    AccessLogSetting: {DestinationArn: !GetAtt LogGroup.Arn, Format: $context.requestId}}}
  RestAuthorizer: {Type: AWS::ApiGateway::Authorizer, Properties: {RestApiId: !Ref Rest, Name: a, Type: TOKEN, IdentitySource: method.request.header.A, AuthorizerUri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"}}
  Model: {Type: AWS::ApiGateway::Model, Properties: {RestApiId: !Ref Rest, ContentType: application/json, Description: d, Schema: {type: object}}}
  Validator: {Type: AWS::ApiGateway::RequestValidator, Properties: {RestApiId: !Ref Rest, Name: v, ValidateRequestBody: true}}
  Response: {Type: AWS::ApiGateway::GatewayResponse, Properties: {RestApiId: !Ref Rest, ResponseType: DEFAULT_4XX, StatusCode: "418", ResponseTemplates: {application/json: "{}"}}}
  Plan: {Type: AWS::ApiGateway::UsagePlan, Properties: {UsagePlanName: p, Description: d, ApiStages: [{ApiId: !Ref Rest, Stage: !Ref RestStage}], Throttle: {RateLimit: 5, BurstLimit: 6}, Quota: {Limit: 7, Period: DAY}}}
  Key: {Type: AWS::ApiGateway::ApiKey, Properties: {Name: k, Enabled: true, Description: d}}
  PlanKey: {Type: AWS::ApiGateway::UsagePlanKey, Properties: {KeyId: !Ref Key, KeyType: API_KEY, UsagePlanId: !Ref Plan}}
  RestDomain: {Type: AWS::ApiGateway::DomainName, Properties: {DomainName: rest.example.com, RegionalCertificateArn: "arn:aws:acm:eu-west-1:111122223333:certificate/1", SecurityPolicy: TLS_1_2, EndpointConfiguration: {Types: [REGIONAL]}}}
  BasePath: {Type: AWS::ApiGateway::BasePathMapping, Properties: {DomainName: !Ref RestDomain, RestApiId: !Ref Rest, Stage: !Ref RestStage, BasePath: b}}
  TheAccount: {Type: AWS::ApiGateway::Account, Properties: {CloudWatchRoleArn: !GetAtt Role.Arn}}
  Web: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: drift, ProtocolType: HTTP, Description: d, CorsConfiguration: {AllowOrigins: ["*"], MaxAge: 5}, Tags: {a: "1"}}}
  WebIntegration: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Web, IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt Function.Arn, PayloadFormatVersion: "2.0", TimeoutInMillis: 5000, RequestParameters: {"append:header.a": b}}}
  WebRoute: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Web, RouteKey: GET /x, Target: !Sub "integrations/${WebIntegration}", AuthorizationType: JWT, AuthorizerId: !Ref WebAuthorizer, AuthorizationScopes: [s]}}
  WebStage: {Type: AWS::ApiGatewayV2::Stage, DependsOn: WebRoute, Properties: {ApiId: !Ref Web, StageName: live, AutoDeploy: true, Description: d, DefaultRouteSettings: {ThrottlingBurstLimit: 5, ThrottlingRateLimit: 6}, StageVariables: {name: value}}}
  WebDeployment: {Type: AWS::ApiGatewayV2::Deployment, DependsOn: WebRoute, Properties: {ApiId: !Ref Web, Description: d}}
  WebAuthorizer: {Type: AWS::ApiGatewayV2::Authorizer, Properties: {ApiId: !Ref Web, Name: j, AuthorizerType: JWT, IdentitySource: [$request.header.Authorization], JwtConfiguration: {Audience: [a], Issuer: "https://issuer.example.com"}}}
  WebDomain: {Type: AWS::ApiGatewayV2::DomainName, Properties: {DomainName: web.example.com, DomainNameConfigurations: [{CertificateArn: "arn:aws:acm:eu-west-1:111122223333:certificate/1", EndpointType: REGIONAL}]}}
  WebMapping: {Type: AWS::ApiGatewayV2::ApiMapping, Properties: {ApiId: !Ref Web, DomainName: !Ref WebDomain, Stage: !Ref WebStage, ApiMappingKey: k}}
  Socket: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: socket, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}}
  SocketIntegration: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Socket, IntegrationType: MOCK, RequestTemplates: {"200": '{"statusCode":200}'}, TemplateSelectionExpression: "200"}}
  SocketRoute: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Socket, RouteKey: hello, Target: !Sub "integrations/${SocketIntegration}", RouteResponseSelectionExpression: $default}}
  SocketAnswer: {Type: AWS::ApiGatewayV2::RouteResponse, Properties: {ApiId: !Ref Socket, RouteId: !Ref SocketRoute, RouteResponseKey: $default}}
  SocketResponse: {Type: AWS::ApiGatewayV2::IntegrationResponse, Properties: {ApiId: !Ref Socket, IntegrationId: !Ref SocketIntegration, IntegrationResponseKey: $default, TemplateSelectionExpression: t}}
  SocketModel: {Type: AWS::ApiGatewayV2::Model, Properties: {ApiId: !Ref Socket, Name: order, ContentType: application/json, Description: d, Schema: {type: object, maxProperties: 3}}}
  Statistics: {Type: AWS::CDK::Metadata, Properties: {Analytics: x}}
`

// change is what somebody does behind the stack's back: a call, in which "@Name" is
// the physical id of a resource and "@Name.Attribute" an attribute, and the first
// path of a property that is no longer as deployed; "": the resource is gone.
type change struct {
	service, operation string
	in                 values
	path               string
}

var deny = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sns:Publish","Resource":"*"}]}`

func patches(path string, value any) []any {
	return []any{values{"op": "replace", "path": path, "value": value}}
}

// changes are by logical ids, in the order of which they are made.
var changes = map[string]change{
	"Queue":           {"sqs", "SetQueueAttributes", values{"QueueUrl": "@Queue", "Attributes": values{"DelaySeconds": "6"}}, "/DelaySeconds"},
	"QueuePolicy":     {"sqs", "SetQueueAttributes", values{"QueueUrl": "@Queue", "Attributes": values{"Policy": ""}}, ""},
	"QueueInline":     {"sqs", "SetQueueAttributes", values{"QueueUrl": "@Dead", "Attributes": values{"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}`}}, "/PolicyDocument/Statement/0"},
	"Role":            {"iam", "UpdateRole", values{"RoleName": "@Role", "MaxSessionDuration": 3600}, "/MaxSessionDuration"},
	"Group":           {"iam", "DetachGroupPolicy", values{"GroupName": "@Group", "PolicyArn": basicExecution}, "/ManagedPolicyArns/0"},
	"User":            {"iam", "RemoveUserFromGroup", values{"UserName": "@User", "GroupName": "@Group"}, "/Groups/0"},
	"Addition":        {"iam", "RemoveUserFromGroup", values{"UserName": "@Person", "GroupName": "@Other"}, "/Users/0"},
	"AccessKey":       {"iam", "UpdateAccessKey", values{"UserName": "@User", "AccessKeyId": "@AccessKey", "Status": "Inactive"}, "/Status"},
	"Policy":          {"iam", "DeleteUserPolicy", values{"UserName": "@User", "PolicyName": "several"}, "/Users/0"},
	"RolePolicy":      {"iam", "PutRolePolicy", values{"RoleName": "@Plain", "PolicyName": "r", "PolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sns:*","Resource":"*"}]}`}, "/PolicyDocument/Statement/0"},
	"UserPolicy":      {"iam", "DeleteUserPolicy", values{"UserName": "@User", "PolicyName": "u"}, ""},
	"GroupPolicy":     {"iam", "DeleteGroupPolicy", values{"GroupName": "@Group", "PolicyName": "g"}, ""},
	"Managed":         {"iam", "DetachRolePolicy", values{"RoleName": "@Plain", "PolicyArn": "@Managed"}, "/Roles/0"},
	"Profile":         {"iam", "RemoveRoleFromInstanceProfile", values{"RoleName": "@Role", "InstanceProfileName": "@Profile"}, "/Roles/0"},
	"Function":        {"lambda", "PutFunctionRecursionConfig", values{"FunctionName": "@Function", "RecursiveLoop": "Terminate"}, "/RecursiveLoop"},
	"Alias":           {"lambda", "DeleteProvisionedConcurrencyConfig", values{"FunctionName": "@Function", "Qualifier": "live"}, "/ProvisionedConcurrencyConfig"},
	"Permission":      {"lambda", "RemovePermission", values{"FunctionName": "@Function", "StatementId": "@Permission"}, ""},
	"Url":             {"lambda", "UpdateFunctionUrlConfig", values{"FunctionName": "@Function", "InvokeMode": "BUFFERED"}, "/InvokeMode"},
	"InvokeConfig":    {"lambda", "UpdateFunctionEventInvokeConfig", values{"FunctionName": "@Function", "MaximumRetryAttempts": 2}, "/MaximumRetryAttempts"},
	"Mapping":         {"lambda", "UpdateEventSourceMapping", values{"UUID": "@Mapping", "BatchSize": 6}, "/BatchSize"},
	"LayerPermission": {"lambda", "RemoveLayerVersionPermission", values{"LayerName": "drift", "VersionNumber": 1, "StatementId": "@LayerPermission#"}, ""},
	"Bucket":          {"s3", "PutBucketVersioning", values{"Bucket": "@Bucket", "VersioningConfiguration": values{"Status": "Suspended"}}, "/VersioningConfiguration/Status"},
	"BucketPolicy":    {"s3", "DeleteBucketPolicy", values{"Bucket": "@Bucket"}, ""},
	"Topic":           {"sns", "SetTopicAttributes", values{"TopicArn": "@Topic", "AttributeName": "DisplayName", "AttributeValue": "e"}, "/DisplayName"},
	"Subscription":    {"sns", "SetSubscriptionAttributes", values{"SubscriptionArn": "@Subscription", "AttributeName": "FilterPolicy", "AttributeValue": `{"a":["c"]}`}, "/FilterPolicy/a/0"},
	"TopicPolicy":     {"sns", "SetTopicAttributes", values{"TopicArn": "@Topic", "AttributeName": "Policy", "AttributeValue": deny}, "/PolicyDocument/Statement/0"},
	"TopicInline":     {"sns", "SetTopicAttributes", values{"TopicArn": "@Second", "AttributeName": "Policy", "AttributeValue": deny}, "/PolicyDocument/Statement/0"},
	"Bus":             {"events", "UpdateEventBus", values{"Name": "drift", "Description": "e"}, "/Description"},
	"BusPolicy":       {"events", "RemovePermission", values{"EventBusName": "drift", "StatementId": "s"}, ""},
	"Rule":            {"events", "DisableRule", values{"EventBusName": "drift", "Name": "@Rule|"}, "/State"},
	"Archive":         {"events", "UpdateArchive", values{"ArchiveName": "@Archive", "RetentionDays": 4}, "/RetentionDays"},
	"ScheduleGroup":   {"scheduler", "UntagResource", values{"ResourceArn": "@ScheduleGroup.Arn", "TagKeys": []any{"a"}}, "/Tags/0"},
	"Schedule":        {"scheduler", "UpdateSchedule", values{"GroupName": "@ScheduleGroup", "Name": "@Schedule", "ScheduleExpression": "rate(2 days)", "StartDate": "2040-01-01T00:00:00Z", "FlexibleTimeWindow": values{"Mode": "OFF"}, "Target": values{"Arn": "@Queue.Arn", "RoleArn": "@Role.Arn", "Input": `{"a": 1}`}}, "/ScheduleExpression"},
	"Parameter":       {"ssm", "PutParameter", values{"Name": "@Parameter", "Value": "w", "Overwrite": true}, "/Value"},
	"Secret":          {"secretsmanager", "UntagResource", values{"SecretId": "@Secret", "TagKeys": []any{"a"}}, "/Tags/0"},
	"SecretPolicy":    {"secretsmanager", "DeleteResourcePolicy", values{"SecretId": "@Secret"}, ""},
	"LogGroup":        {"logs", "PutRetentionPolicy", values{"logGroupName": "@LogGroup", "retentionInDays": 14}, "/RetentionInDays"},
	"LogStream":       {"logs", "DeleteLogStream", values{"logGroupName": "@LogGroup", "logStreamName": "@LogStream"}, ""},
	"Repository":      {"ecr", "PutLifecyclePolicy", values{"repositoryName": "@Repository", "lifecyclePolicyText": `{"rules":[{"rulePriority":2,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}`}, "/LifecyclePolicy/LifecyclePolicyText"},
	"Rest":            {"apigateway", "UpdateRestApi", values{"restApiId": "@Rest", "patchOperations": patches("/description", "e")}, "/Description"},
	"Method":          {"apigateway", "UpdateIntegration", values{"restApiId": "@Rest", "resourceId": "@Part", "httpMethod": "POST", "patchOperations": patches("/passthroughBehavior", "WHEN_NO_MATCH")}, "/Integration/PassthroughBehavior"},
	"RestDeployment":  {"apigateway", "UpdateDeployment", values{"restApiId": "@Rest", "deploymentId": "@RestDeployment", "patchOperations": patches("/description", "e")}, "/Description"},
	"RestStage":       {"apigateway", "UpdateStage", values{"restApiId": "@Rest", "stageName": "prod", "patchOperations": patches("/*/*/throttling/burstLimit", "7")}, "/MethodSettings/0"},
	"RestAuthorizer":  {"apigateway", "UpdateAuthorizer", values{"restApiId": "@Rest", "authorizerId": "@RestAuthorizer", "patchOperations": patches("/name", "b")}, "/Name"},
	"Model":           {"apigateway", "UpdateModel", values{"restApiId": "@Rest", "modelName": "@Model", "patchOperations": patches("/description", "e")}, "/Description"},
	"Validator":       {"apigateway", "UpdateRequestValidator", values{"restApiId": "@Rest", "requestValidatorId": "@Validator", "patchOperations": patches("/validateRequestBody", "false")}, "/ValidateRequestBody"},
	"Response":        {"apigateway", "DeleteGatewayResponse", values{"restApiId": "@Rest", "responseType": "DEFAULT_4XX"}, ""},
	"Plan":            {"apigateway", "UpdateUsagePlan", values{"usagePlanId": "@Plan", "patchOperations": patches("/throttle/burstLimit", "7")}, "/Throttle/BurstLimit"},
	"Key":             {"apigateway", "UpdateApiKey", values{"apiKey": "@Key", "patchOperations": patches("/enabled", "false")}, "/Enabled"},
	"PlanKey":         {"apigateway", "DeleteUsagePlanKey", values{"usagePlanId": "@Plan", "keyId": "@Key"}, ""},
	"BasePath":        {"apigateway", "DeleteBasePathMapping", values{"domainName": "rest.example.com", "basePath": "b"}, ""},
	"Web":             {"apigatewayv2", "UpdateApi", values{"ApiId": "@Web", "Description": "e"}, "/Description"},
	"WebIntegration":  {"apigatewayv2", "UpdateIntegration", values{"ApiId": "@Web", "IntegrationId": "@WebIntegration", "TimeoutInMillis": 6000}, "/TimeoutInMillis"},
	"WebRoute":        {"apigatewayv2", "UpdateRoute", values{"ApiId": "@Web", "RouteId": "@WebRoute", "RouteKey": "GET /y"}, "/RouteKey"},
	"WebStage":        {"apigatewayv2", "UpdateStage", values{"ApiId": "@Web", "StageName": "live", "Description": "e"}, "/Description"},
	"WebDeployment":   {"apigatewayv2", "UpdateDeployment", values{"ApiId": "@Web", "DeploymentId": "@WebDeployment", "Description": "e"}, "/Description"},
	"WebAuthorizer":   {"apigatewayv2", "UpdateAuthorizer", values{"ApiId": "@Web", "AuthorizerId": "@WebAuthorizer", "Name": "k"}, "/Name"},
	"WebMapping":      {"apigatewayv2", "UpdateApiMapping", values{"ApiId": "@Web", "DomainName": "web.example.com", "ApiMappingId": "@WebMapping", "ApiMappingKey": "l"}, "/ApiMappingKey"},
	"SocketAnswer":    {"apigatewayv2", "DeleteRouteResponse", values{"ApiId": "@Socket", "RouteId": "@SocketRoute", "RouteResponseId": "@SocketAnswer"}, ""},
	"SocketResponse":  {"apigatewayv2", "UpdateIntegrationResponse", values{"ApiId": "@Socket", "IntegrationId": "@SocketIntegration", "IntegrationResponseId": "@SocketResponse", "TemplateSelectionExpression": "u"}, "/TemplateSelectionExpression"},
	"SocketModel":     {"apigatewayv2", "UpdateModel", values{"ApiId": "@Socket", "ModelId": "@SocketModel", "Schema": `{"type":"object","maxProperties":4}`}, "/Schema/maxProperties"},
	"TheAccount":      {"apigateway", "UpdateAccount", values{"patchOperations": []any{values{"op": "remove", "path": "/cloudwatchRoleArn"}}}, "/CloudWatchRoleArn"},
}

// unchangeable are resources in which nobody can change what a template sets, or
// whose parts others of the table change; their types are there otherwise.
var unchangeable = []string{"Dead", "Other", "Person", "Plain", "Second", "Version", "Layer", "Part", "RestDomain", "WebDomain", "Socket", "SocketIntegration", "SocketRoute", "Statistics"}

// resolve puts physical ids and attributes into the input of a change.
func resolve(v any, of map[string]*state.Resource) any {
	switch v := v.(type) {
	case map[string]any:
		out := values{}
		for name, below := range v {
			out[name] = resolve(below, of)
		}
		return out
	case []any:
		out := []any{}
		for _, below := range v {
			out = append(out, resolve(below, of))
		}
		return out
	case string:
		name, found := strings.CutPrefix(v, "@")
		if !found {
			return v
		}
		for _, separator := range []string{"#", "|"} { // what comes behind it in the id
			if name, found := strings.CutSuffix(name, separator); found {
				id := of[name].PhysicalID
				return id[strings.LastIndex(id, separator)+1:]
			}
		}
		name, attribute, found := strings.Cut(name, ".")
		if found {
			return of[name].Attributes[attribute]
		}
		return of[name].PhysicalID
	}
	return v
}

// TestDriftOfEveryType makes resources of all types and finds no drift; then each is
// changed or removed by its API, and the detection says what.
func TestDriftOfEveryType(t *testing.T) {
	p := newPlatform(t)
	bucket := p.create("Layers", "AWS::S3::Bucket", values{"BucketName": "drift-layers"})
	p.put(bucket.ref, "layer.zip", archive(t))
	caller := stack.Caller{ARN: "arn:aws:iam::" + account + ":root", Endpoint: endpoint}
	p.live(filepath.Join(t.TempDir(), "store"), storetest.NewMortal(0, false), func(ctx context.Context, e *engine.Engine) error {
		if _, err := e.Create(ctx, where, "drift", &engine.Input{Template: everything, Capabilities: []string{"CAPABILITY_NAMED_IAM"}, Caller: caller}); err != nil {
			return err
		}
		made, err := e.Wait(ctx, where, "drift")
		if err != nil {
			return err
		}
		_, rows, err := e.Resources(ctx, where, "drift", "")
		if err != nil {
			return err
		}
		of, left := map[string]*state.Resource{}, maps.Clone(p.types)
		for _, r := range rows {
			of[r.LogicalID] = r
			delete(left, r.Type)
		}
		if made.Status != state.CreateComplete {
			_, events, _, err := e.Events(ctx, where, made.ARN(), 0, func(e *state.Event) bool { return e.Status == state.CreateFailed })
			for _, event := range events {
				t.Log(event.LogicalID, event.Reason)
			}
			t.Fatal(made.Status, err)
		}
		for name, kind := range left {
			if kind.Facts().NotYet == "" {
				t.Errorf("the template has no %s", name)
			}
		}
		p.drifts(ctx, e, caller, nil)
		for _, name := range slices.Sorted(maps.Keys(changes)) {
			c := changes[name]
			p.ask(c.service, c.operation, resolve(c.in, of).(values))
		}
		for name := range of {
			if _, changed := changes[name]; !changed && !slices.Contains(unchangeable, name) {
				t.Errorf("%s is not changed", name)
			}
		}
		p.drifts(ctx, e, caller, changes)
		return nil
	})
}

// drifts detects, and wants what was changed to be found, with the path of the first
// difference, and of the rest nothing.
func (p *platform) drifts(ctx context.Context, e *engine.Engine, caller stack.Caller, changed map[string]change) {
	p.t.Helper()
	_, found, err := e.DetectDrift(ctx, where, "drift", nil, caller)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, d := range found {
		c, expected := changed[d.LogicalID]
		want := state.InSync
		switch {
		case d.Type == "AWS::CDK::Metadata":
			want = state.NotChecked
		case expected && c.path == "":
			want = state.Deleted
		case expected:
			want = state.Modified
		case slices.Contains(unchangeable, d.LogicalID) && changed != nil:
			continue // others have changed a part of it
		}
		if d.Status != want || d.Reason != "" || expected && c.path != "" && (len(d.Differences) == 0 || d.Differences[0].Path != c.path) {
			p.t.Errorf("%s (%s) is %s, want %s %s: %s %+v", d.LogicalID, d.Type, d.Status, want, c.path, d.Reason, d.Differences)
		}
	}
}

// imported is a stack of resources that are there already, of types whose physical
// id is not their primary identifier.
const imported = `
Resources:
  Part: {Type: AWS::ApiGateway::Resource, DeletionPolicy: Retain, Properties: {RestApiId: %[1]s, ParentId: %[2]s, PathPart: p}}
  Permission: {Type: AWS::Lambda::Permission, DeletionPolicy: Retain, Properties: {FunctionName: %[3]s, Action: "lambda:InvokeFunction", Principal: sns.amazonaws.com}}
  Rule: {Type: AWS::Events::Rule, DeletionPolicy: Retain, Properties: {Name: mine, EventPattern: {source: [a]}}}
Outputs:
  Rule: {Value: !Ref Rule}
`

func TestImportByTheIdentifiersOfTypes(t *testing.T) {
	p := newPlatform(t)
	api := p.create("Api", "AWS::ApiGateway::RestApi", values{"Name": "a"})
	part := p.create("Part", "AWS::ApiGateway::Resource", values{"RestApiId": api.ref, "ParentId": api.attributes["RootResourceId"], "PathPart": "p"})
	_, f := p.function("F", nil)
	permission := p.create("Permission", "AWS::Lambda::Permission", values{"FunctionName": f.ref, "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"})
	rule := p.create("Rule", "AWS::Events::Rule", values{"Name": "mine", "EventPattern": values{"source": []any{"a"}}})
	caller := stack.Caller{ARN: "arn:aws:iam::" + account + ":root", Endpoint: endpoint}
	text := fmt.Sprintf(imported, api.ref, api.attributes["RootResourceId"], f.ref)
	p.live(filepath.Join(t.TempDir(), "store"), storetest.NewMortal(0, false), func(ctx context.Context, e *engine.Engine) error {
		in := &engine.ChangeSetInput{Name: "take", Kind: "IMPORT", Input: engine.Input{Template: text, Caller: caller, Adopt: map[string]map[string]string{
			"Part":       {"RestApiId": api.ref, "ResourceId": part.ref},
			"Permission": {"FunctionName": f.ref, "Id": permission.ref},
			"Rule":       {"Arn": fmt.Sprint(rule.attributes["Arn"])},
		}}, AdoptTypes: map[string]string{"Part": "AWS::ApiGateway::Resource", "Permission": "AWS::Lambda::Permission", "Rule": "AWS::Events::Rule"}}
		if c, err := e.CreateChangeSet(ctx, where, "taken", in); err != nil || c.Status != state.ChangeComplete {
			t.Fatalf("%+v, %v", c, err)
		}
		if err := e.ExecuteChangeSet(ctx, where, "taken", "take", &engine.Input{Caller: caller}); err != nil {
			return err
		}
		made, err := e.Wait(ctx, where, "taken")
		if err != nil {
			return err
		}
		_, rows, err := e.Resources(ctx, where, "taken", "")
		if made.Status != state.ImportComplete || err != nil {
			t.Fatal(made.Status, made.Reason, err, rows)
		}
		want := map[string]string{"Part": part.id, "Permission": permission.id, "Rule": rule.id}
		for _, r := range rows {
			if r.PhysicalID != want[r.LogicalID] {
				t.Errorf("%s is %s, want %s", r.LogicalID, r.PhysicalID, want[r.LogicalID])
			}
		}
		return nil
	})
}
