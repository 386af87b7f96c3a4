package resource

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/engine"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
	"github.com/lambkin-dev/lambkin/internal/engine/store/storetest"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// nameless has the types whose resources have ids of their service's making, and
// no name by which a second try could know them.
const nameless = `
Resources:
  Rest: {Type: AWS::ApiGateway::RestApi, Properties: {Name: same}}
  Part: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Rest, ParentId: !GetAtt Rest.RootResourceId, PathPart: p}}
  Method: {Type: AWS::ApiGateway::Method, Properties: {RestApiId: !Ref Rest, ResourceId: !Ref Part, HttpMethod: GET, AuthorizationType: NONE, RequestValidatorId: !Ref Validator, Integration: {Type: MOCK}}}
  Validator: {Type: AWS::ApiGateway::RequestValidator, Properties: {RestApiId: !Ref Rest, Name: same}}
  Authorizer: {Type: AWS::ApiGateway::Authorizer, Properties: {RestApiId: !Ref Rest, Name: a, Type: TOKEN, IdentitySource: method.request.header.A,
    AuthorizerUri: "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:111122223333:function:f/invocations"}}
  Deployment: {Type: AWS::ApiGateway::Deployment, DependsOn: Method, Properties: {RestApiId: !Ref Rest}}
  Key: {Type: AWS::ApiGateway::ApiKey, Properties: {Name: same, Enabled: true}}
  Plan: {Type: AWS::ApiGateway::UsagePlan, Properties: {UsagePlanName: same}}
  Queue: {Type: AWS::SQS::Queue}
  F: {Type: AWS::Lambda::Function, Properties: {FunctionName: crash-function, Runtime: python3.13, Handler: index.handler, Role: "arn:aws:iam::111122223333:role/crash-role", Code: {ZipFile: ""}}}
  Mapping: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref F, EventSourceArn: !GetAtt Queue.Arn}}
  Web: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: same, ProtocolType: HTTP}}
  Imported: {Type: AWS::ApiGatewayV2::Api, Properties: {Tags: {a: b}, Body: {openapi: 3.0.1, info: {title: same, version: "1"}, paths: {}}}}
  Integration: {Type: AWS::ApiGatewayV2::Integration, Properties: {ApiId: !Ref Web, IntegrationType: HTTP_PROXY, IntegrationMethod: GET, IntegrationUri: "http://127.0.0.1/", PayloadFormatVersion: "1.0"}}
  Route: {Type: AWS::ApiGatewayV2::Route, Properties: {ApiId: !Ref Web, RouteKey: GET /, Target: !Sub "integrations/${Integration}"}}
  WebDeployment: {Type: AWS::ApiGatewayV2::Deployment, DependsOn: Route, Properties: {ApiId: !Ref Web}}
  Layer: {Type: AWS::Lambda::LayerVersion, Properties: {LayerName: same, Content: {S3Bucket: crash-layers, S3Key: layer.zip}}}
  User: {Type: AWS::IAM::User, Properties: {UserName: crash-user}}
  AccessKey: {Type: AWS::IAM::AccessKey, Properties: {UserName: !Ref User}}
Outputs:
  Rest: {Value: !Ref Rest}
  Web: {Value: !Ref Web}
`

// census counts what there is of each type.
func (p *platform) census(s *state.Stack) (found map[string]int) {
	p.t.Helper()
	found = map[string]int{}
	count := func(name, service, action, list string, in values) {
		out, err := p.caller.Call(p.t.Context(), local.Identity{Account: account, Region: region}, service, action, in)
		if err != nil {
			p.t.Fatal(action, err)
		}
		items, _ := out[list].([]any)
		found[name] = len(items)
	}
	count("APIs", "apigateway", "GetRestApis", "items", nil)
	count("keys", "apigateway", "GetApiKeys", "items", nil)
	count("plans", "apigateway", "GetUsagePlans", "items", nil)
	count("HTTP APIs", "apigatewayv2", "GetApis", "Items", nil)
	count("layers", "lambda", "ListLayerVersions", "LayerVersions", values{"LayerName": "same"})
	count("mappings", "lambda", "ListEventSourceMappings", "EventSourceMappings", nil)
	count("users", "iam", "ListUsers", "Users", nil)
	if s == nil {
		return found
	}
	rest, web := values{"restApiId": s.Outputs[0].Value}, values{"ApiId": s.Outputs[1].Value}
	count("resources", "apigateway", "GetResources", "items", rest)
	count("validators", "apigateway", "GetRequestValidators", "items", rest)
	count("authorizers", "apigateway", "GetAuthorizers", "items", rest)
	count("deployments", "apigateway", "GetDeployments", "items", rest)
	count("integrations", "apigatewayv2", "GetIntegrations", "Items", web)
	count("routes", "apigatewayv2", "GetRoutes", "Items", web)
	count("HTTP deployments", "apigatewayv2", "GetDeployments", "Items", web)
	count("access keys", "iam", "ListAccessKeys", "AccessKeyMetadata", values{"UserName": "crash-user"})
	return found
}

// where stacks are.
var where = state.Scope{Account: account, Region: region}

// live runs an engine on the folder, over a store that may die, until do is done,
// whose context ends with the death. It tells whether it died.
func (p *platform) live(folder string, mortal *storetest.Mortal, do func(ctx context.Context, e *engine.Engine) error) (died bool) {
	p.t.Helper()
	opened := must[*localstore.Store](p.t)(localstore.Open(localstore.Config{Folder: folder}))
	defer opened.Close()
	e := must[*engine.Engine](p.t)(engine.New(engine.Config{Store: mortal.Over(opened), Secret: []byte("0123456789abcdef0123456789abcdef"), Types: stack.Table(p.types)}))
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }() // ends with ctx
	defer func() { cancel(); <-ended }()
	go func() { // ends with the life
		select {
		case <-mortal.Dead:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := do(ctx, e)
	select {
	case <-mortal.Dead:
		return true
	default:
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return false
}

// TestNothingIsMadeTwice lets the engine die at each of its commits, before it is
// made or after: what the services have made by then is found again, so there is one
// of each, and none when the stack is deleted.
func TestNothingIsMadeTwice(t *testing.T) {
	p := newPlatform(t)
	bucket := p.create("Bucket", "AWS::S3::Bucket", values{"BucketName": "crash-layers"})
	p.put(bucket.ref, "layer.zip", archive(t))
	p.create("Role", "AWS::IAM::Role", values{"RoleName": "crash-role", "AssumeRolePolicyDocument": trust})
	steps := 1
	if testing.Short() {
		steps = 7
	}
	for commit, dies := 1, true; dies; commit += steps {
		folder := filepath.Join(t.TempDir(), "store")
		var made *state.Stack
		create := func(ctx context.Context, e *engine.Engine) (err error) {
			if _, err := e.Describe(ctx, where, "crash"); err != nil {
				if _, err := e.Create(ctx, where, "crash", &engine.Input{Template: nameless, Capabilities: []string{"CAPABILITY_NAMED_IAM"}, Caller: stack.Caller{ARN: "arn:aws:iam::" + account + ":root", Endpoint: endpoint}}); err != nil {
					return err
				}
			}
			made, err = e.Wait(ctx, where, "crash")
			return err
		}
		if dies = p.live(folder, storetest.NewMortal(commit, commit%2 == 0), create); dies {
			p.live(folder, storetest.NewMortal(0, false), create)
		}
		if made.Status != state.CreateComplete {
			t.Fatalf("the death at commit %d: %s, %s", commit, made.Status, made.Reason)
		}
		for name, n := range p.census(made) {
			if want := map[string]int{"resources": 2, "HTTP APIs": 2}[name]; n != max(want, 1) {
				t.Errorf("the death at commit %d: there are %d %s", commit, n, name)
			}
		}
		p.live(folder, storetest.NewMortal(0, false), func(ctx context.Context, e *engine.Engine) error {
			if err := e.Delete(ctx, where, "crash", &engine.Deletion{Caller: made.Operation.Caller}); err != nil {
				return err
			}
			_, err := e.Wait(ctx, where, made.ARN())
			return err
		})
		for name, n := range p.census(nil) {
			if n > 0 {
				t.Errorf("the death at commit %d: %d %s are left", commit, n, name)
			}
		}
		if t.Failed() {
			return
		}
	}
}
