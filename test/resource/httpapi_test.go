package resource

import (
	"strings"
	"testing"
)

func TestHTTPAPIsPieceByPiece(t *testing.T) {
	p := newPlatform(t)
	_, f := p.function("F", nil)
	api := p.create("Api", "AWS::ApiGatewayV2::Api", values{"Name": "pieces", "ProtocolType": "HTTP", "Tags": values{"a": "1"},
		"CorsConfiguration": values{"AllowOrigins": []any{"*"}, "AllowMethods": []any{"GET"}}})
	api.same(values{"Name": "pieces", "CorsConfiguration": api.properties["CorsConfiguration"], "Tags": values{"a": "1"}})
	if endpoint, _ := api.attributes["ApiEndpoint"].(string); !strings.Contains(endpoint, api.ref+".execute-api.") {
		t.Errorf("the endpoint of the API is %q", endpoint)
	}
	api.update(values{"Name": "renamed", "ProtocolType": "HTTP", "Description": "d"})
	api.same(values{"Name": "renamed", "Description": "d", "CorsConfiguration": nil, "Tags": values{}})
	integration := p.create("Integration", "AWS::ApiGatewayV2::Integration", values{"ApiId": api.ref, "IntegrationType": "AWS_PROXY", "IntegrationUri": f.attributes["Arn"], "PayloadFormatVersion": "2.0",
		"RequestParameters":  values{"append:header.X": "$request.path"},
		"ResponseParameters": values{"200": values{"ResponseParameters": []any{values{"Destination": "overwrite:header.Y", "Source": "1"}}}}})
	integration.same(values{"IntegrationType": "AWS_PROXY", "ResponseParameters": integration.properties["ResponseParameters"]})
	integration.update(values{"ApiId": api.ref, "IntegrationType": "AWS_PROXY", "IntegrationUri": f.attributes["Arn"], "PayloadFormatVersion": "1.0", "TimeoutInMillis": number(5000)})
	integration.same(values{"PayloadFormatVersion": "1.0", "TimeoutInMillis": number(5000), "RequestParameters": nil, "ResponseParameters": nil})
	authorizer := p.create("Authorizer", "AWS::ApiGatewayV2::Authorizer", values{"ApiId": api.ref, "Name": "jwt", "AuthorizerType": "JWT", "IdentitySource": []any{"$request.header.Authorization"},
		"JwtConfiguration": values{"Issuer": "https://issuer.example.org", "Audience": []any{"a"}}})
	authorizer.update(values{"ApiId": api.ref, "Name": "jwt", "AuthorizerType": "JWT", "IdentitySource": []any{"$request.header.X"}, "JwtConfiguration": values{"Issuer": "https://issuer.example.org", "Audience": []any{"b"}}})
	authorizer.same(values{"JwtConfiguration": authorizer.properties["JwtConfiguration"], "IdentitySource": []any{"$request.header.X"}})
	route := p.create("Route", "AWS::ApiGatewayV2::Route", values{"ApiId": api.ref, "RouteKey": "GET /a/{b}", "Target": "integrations/" + integration.ref, "AuthorizationType": "JWT", "AuthorizerId": authorizer.ref})
	route.same(values{"RouteKey": "GET /a/{b}", "AuthorizationType": "JWT"})
	route.update(values{"ApiId": api.ref, "RouteKey": "GET /a/{b}", "Target": "integrations/" + integration.ref})
	route.same(values{"AuthorizationType": "NONE"})
	deployment := p.create("Deployment", "AWS::ApiGatewayV2::Deployment", values{"ApiId": api.ref, "Description": "d"})
	stage := p.create("Stage", "AWS::ApiGatewayV2::Stage", values{"ApiId": api.ref, "StageName": "$default", "AutoDeploy": true, "StageVariables": values{"a": "1", "b": "2"}, "Tags": values{"a": "1"},
		"DefaultRouteSettings": values{"ThrottlingBurstLimit": number(5)}, "RouteSettings": values{"GET /a/{b}": values{"ThrottlingRateLimit": number(3)}}})
	stage.same(values{"AutoDeploy": true, "StageVariables": values{"a": "1", "b": "2"}})
	stage.update(values{"ApiId": api.ref, "StageName": "$default", "AutoDeploy": true, "StageVariables": values{"b": "3"}})
	stage.same(values{"StageVariables": values{"b": "3"}, "Tags": values{}})
	manual := p.create("Manual", "AWS::ApiGatewayV2::Stage", values{"ApiId": api.ref, "StageName": "dev", "DeploymentId": deployment.ref})
	domain := p.create("Domain", "AWS::ApiGatewayV2::DomainName", values{"DomainName": "api.example.org",
		"DomainNameConfigurations": []any{values{"EndpointType": "REGIONAL", "CertificateArn": "arn:aws:acm:" + region + ":" + account + ":certificate/c"}}})
	mapping := p.create("Mapping", "AWS::ApiGatewayV2::ApiMapping", values{"ApiId": api.ref, "DomainName": "api.example.org", "Stage": "dev", "ApiMappingKey": "v1"})
	mapping.update(values{"ApiId": api.ref, "DomainName": "api.example.org", "Stage": "$default", "ApiMappingKey": "v2"})
	mapping.same(values{"Stage": "$default", "ApiMappingKey": "v2"})
	for _, m := range []*made{mapping, domain, manual, stage, deployment, route, authorizer, integration, api} {
		m.delete()
		m.gone()
	}
}

func TestHTTPAPIsFromADocument(t *testing.T) {
	p := newPlatform(t)
	_, f := p.function("F", nil)
	document := func(path string) values {
		return values{"openapi": "3.0.1", "info": values{"title": "hello", "version": "1.0"}, "paths": values{path: values{"get": values{"responses": values{},
			"x-amazon-apigateway-integration": values{"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0", "uri": f.attributes["Arn"]}}}}}
	}
	// As the SAM transform makes it.
	api := p.create("Api", "AWS::ApiGatewayV2::Api", values{"Body": document("/a"), "FailOnWarnings": true, "Tags": values{"httpapi:createdBy": "SAM"}})
	api.same(values{"Tags": values{"httpapi:createdBy": "SAM"}})
	api.update(values{"Body": document("/b"), "FailOnWarnings": true, "Description": "d"})
	api.same(values{"Description": "d"})
	routes := p.ask("apigatewayv2", "GetRoutes", values{"ApiId": api.ref})["Items"].([]any)
	if len(routes) != 1 || routes[0].(values)["RouteKey"] != "GET /b" {
		t.Errorf("the routes after an update are %v", routes)
	}
	api.delete()
	api.gone()
}
