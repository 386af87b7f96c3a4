package resource

import (
	"encoding/json"
	"strings"
	"testing"
)

// proxy is the integration of a function, as templates write it.
func proxy(function *made) values {
	return values{"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST",
		"Uri": "arn:aws:apigateway:" + region + ":lambda:path/2015-03-31/functions/" + function.attributes["Arn"].(string) + "/invocations"}
}

func TestRestAPIsFromADocument(t *testing.T) {
	p := newPlatform(t)
	_, f := p.function("F", nil)
	document := func(path string) values {
		return values{"swagger": "2.0", "info": values{"version": "1.0", "title": "hello"}, "paths": values{path: values{"get": values{"responses": values{},
			"x-amazon-apigateway-integration": values{"type": "aws_proxy", "httpMethod": "POST", "uri": proxy(f)["Uri"]}}}}}
	}
	// As the SAM transform makes it: no Name, the document has the title.
	api := p.create("Api", "AWS::ApiGateway::RestApi", values{"Body": document("/hello"), "EndpointConfiguration": values{"Types": []any{"REGIONAL"}}, "Parameters": values{"endpointConfigurationTypes": "REGIONAL"}, "Tags": tags("a", "1")})
	api.same(values{"Tags": tags("a", "1")})
	if live := p.ask("apigateway", "GetRestApi", values{"restApiId": api.ref}); live["name"] != "hello" {
		t.Errorf("the name is %v, want that of the document", live["name"])
	}
	api.update(values{"Body": document("/other"), "Name": "named", "Description": "d", "BinaryMediaTypes": []any{"image/png"}, "EndpointConfiguration": values{"Types": []any{"REGIONAL"}}})
	api.same(values{"Name": "named", "Description": "d", "BinaryMediaTypes": []any{"image/png"}})
	paths := []string{}
	for _, r := range p.ask("apigateway", "GetResources", values{"restApiId": api.ref})["items"].([]any) {
		paths = append(paths, r.(values)["path"].(string))
	}
	if got := strings.Join(paths, " "); !strings.Contains(got, "/other") || strings.Contains(got, "/hello") {
		t.Errorf("the paths after an update are %s", got)
	}
	p.create("Settings", "AWS::ApiGateway::Account", values{"CloudWatchRoleArn": "arn:aws:iam::" + account + ":role/r"}) // else a stage may not log
	first := p.create("Deployment1", "AWS::ApiGateway::Deployment", values{"RestApiId": api.ref, "Description": "one", "StageName": "Stage"})
	second := p.create("Deployment2", "AWS::ApiGateway::Deployment", values{"RestApiId": api.ref})
	stage := p.create("Stage", "AWS::ApiGateway::Stage", values{"RestApiId": api.ref, "DeploymentId": first.ref, "StageName": "Prod", "Variables": values{"v": "1"},
		"MethodSettings": []any{values{"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": number(10), "MetricsEnabled": true}}, "Tags": tags("a", "1")})
	if stage.ref != "Prod" {
		t.Errorf("Ref of a stage is %s", stage.ref)
	}
	stage.update(values{"RestApiId": api.ref, "DeploymentId": second.ref, "StageName": "Prod", "Variables": values{"w": "2"}, "Description": "d",
		"MethodSettings":   []any{values{"ResourcePath": "/other", "HttpMethod": "GET", "ThrottlingBurstLimit": number(5)}},
		"AccessLogSetting": values{"DestinationArn": "arn:aws:logs:" + region + ":" + account + ":log-group:g", "Format": "$context.requestId"}})
	stage.same(values{"DeploymentId": second.ref, "Variables": values{"w": "2"}, "Description": "d"})
	stage.update(values{"RestApiId": api.ref, "DeploymentId": second.ref, "StageName": "Prod"})
	first.update(values{"RestApiId": api.ref, "Description": "changed", "StageName": "Stage"})
	first.same(values{"Description": "changed"})
	for _, m := range []*made{stage, first, second, api} {
		m.delete()
		m.gone()
	}
}

func TestRestAPIsPieceByPiece(t *testing.T) {
	p := newPlatform(t)
	_, f := p.function("F", nil)
	api := p.create("Api", "AWS::ApiGateway::RestApi", values{"Name": "pieces", "ApiKeySourceType": "HEADER", "Policy": statement("execute-api:Invoke")})
	root := api.attributes["RootResourceId"]
	resource := p.create("Resource", "AWS::ApiGateway::Resource", values{"RestApiId": api.ref, "ParentId": root, "PathPart": "{proxy+}"})
	model := p.create("Model", "AWS::ApiGateway::Model", values{"RestApiId": api.ref, "ContentType": "application/json", "Schema": values{"type": "object"}})
	model.update(values{"RestApiId": api.ref, "ContentType": "application/json", "Schema": values{"type": "array"}, "Description": "d"})
	model.same(values{"Schema": values{"type": "array"}, "Description": "d"})
	validator := p.create("Validator", "AWS::ApiGateway::RequestValidator", values{"RestApiId": api.ref, "ValidateRequestBody": true})
	validator.update(values{"RestApiId": api.ref, "ValidateRequestParameters": true})
	validator.same(values{"ValidateRequestBody": false, "ValidateRequestParameters": true})
	authorizer := p.create("Authorizer", "AWS::ApiGateway::Authorizer", values{"RestApiId": api.ref, "Name": "a", "Type": "TOKEN", "AuthorizerUri": proxy(f)["Uri"], "IdentitySource": "method.request.header.Authorization"})
	authorizer.update(values{"RestApiId": api.ref, "Name": "a", "Type": "TOKEN", "AuthorizerUri": proxy(f)["Uri"], "IdentitySource": "method.request.header.X", "AuthorizerResultTtlInSeconds": number(0)})
	authorizer.same(values{"IdentitySource": "method.request.header.X", "AuthorizerResultTtlInSeconds": number(0)})
	method := p.create("Method", "AWS::ApiGateway::Method", values{"RestApiId": api.ref, "ResourceId": resource.ref, "HttpMethod": "ANY", "AuthorizationType": "CUSTOM", "AuthorizerId": authorizer.ref, "Integration": proxy(f)})
	method.same(values{"AuthorizationType": "CUSTOM", "AuthorizerId": authorizer.ref})
	mock := values{"Type": "MOCK", "RequestTemplates": values{"application/json": `{"statusCode": 200}`}, "IntegrationResponses": []any{values{"StatusCode": "200", "ResponseParameters": values{"method.response.header.X": "'1'"}}}}
	method.update(values{"RestApiId": api.ref, "ResourceId": resource.ref, "HttpMethod": "ANY", "ApiKeyRequired": true, "Integration": mock, "RequestValidatorId": validator.ref,
		"RequestModels": values{"application/json": model.ref}, "MethodResponses": []any{values{"StatusCode": "200", "ResponseParameters": values{"method.response.header.X": true}}}})
	method.same(values{"ApiKeyRequired": true, "AuthorizationType": "NONE"})
	response := p.create("Response", "AWS::ApiGateway::GatewayResponse", values{"RestApiId": api.ref, "ResponseType": "DEFAULT_4XX", "ResponseParameters": values{"gatewayresponse.header.X": "'1'"}})
	response.update(values{"RestApiId": api.ref, "ResponseType": "DEFAULT_4XX", "StatusCode": "418"})
	response.same(values{"StatusCode": "418"})
	deployment := p.create("Deployment", "AWS::ApiGateway::Deployment", values{"RestApiId": api.ref, "StageName": "dev", "StageDescription": values{"Variables": values{"a": "1"}, "ThrottlingBurstLimit": number(3)}})
	key := p.create("Key", "AWS::ApiGateway::ApiKey", values{"Enabled": true, "Tags": tags("a", "1"), "Description": "d"})
	key.update(values{"Enabled": false})
	key.same(values{"Enabled": false, "Tags": tags()})
	plan := p.create("Plan", "AWS::ApiGateway::UsagePlan", values{"UsagePlanName": "p", "Quota": values{"Limit": number(10), "Period": "DAY"}, "ApiStages": []any{values{"ApiId": api.ref, "Stage": "dev"}}})
	member := p.create("Member", "AWS::ApiGateway::UsagePlanKey", values{"KeyId": key.ref, "KeyType": "API_KEY", "UsagePlanId": plan.ref})
	plan.update(values{"UsagePlanName": "p", "Throttle": values{"RateLimit": json.Number("1.5"), "BurstLimit": number(2)}, "Description": "d"})
	plan.same(values{"Description": "d", "Throttle": plan.properties["Throttle"], "Quota": nil})
	plan.update(values{"UsagePlanName": "p", "ApiStages": []any{values{"ApiId": api.ref, "Stage": "dev"}}})
	settings := p.create("Settings", "AWS::ApiGateway::Account", values{"CloudWatchRoleArn": "arn:aws:iam::" + account + ":role/r"})
	domain := p.create("Domain", "AWS::ApiGateway::DomainName", values{"DomainName": "api.example.org", "RegionalCertificateArn": "arn:aws:acm:" + region + ":" + account + ":certificate/c", "EndpointConfiguration": values{"Types": []any{"REGIONAL"}}})
	mapping := p.create("Mapping", "AWS::ApiGateway::BasePathMapping", values{"DomainName": "api.example.org", "RestApiId": api.ref, "Stage": "dev"})
	mapping.update(values{"DomainName": "api.example.org", "RestApiId": api.ref})
	settings.delete()
	for _, m := range []*made{mapping, domain, member, plan, key, deployment, response, method, authorizer, validator, model, resource, api} {
		m.delete()
		m.gone()
	}
}
