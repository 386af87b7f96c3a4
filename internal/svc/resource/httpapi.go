package resource

import (
	"maps"

	"github.com/lambkin-dev/lambkin/internal/svc/resource/forms"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// httpAPIs are the types of HTTP and WebSocket APIs, version 2 of API Gateway.
func httpAPIs() []*definition {
	all := []*definition{
		httpAPI(),
		route(),
		integration(),
		httpStage(),
		httpDomain(),
		{name: "AWS::ApiGatewayV2::Deployment", ours: []string{"GetDeployment"}, madeID: tokenID(httpPartLength), create: "CreateDeployment", update: "UpdateDeployment", remove: "DeleteDeployment", read: "GetDeployment", identity: apiPart("DeploymentId"),
			physical: member("DeploymentId"), resets: values{"Description": ""}, attributes: own("DeploymentId")},
		{name: "AWS::ApiGatewayV2::Authorizer", ours: []string{"GetAuthorizer"}, madeID: tokenID(httpPartLength), create: "CreateAuthorizer", update: "UpdateAuthorizer", remove: "DeleteAuthorizer", read: "GetAuthorizer", identity: apiPart("AuthorizerId"),
			physical: member("AuthorizerId"), attributes: own("AuthorizerId"),
			resets: values{"AuthorizerCredentialsArn": "", "AuthorizerResultTtlInSeconds": 0, "EnableSimpleResponses": false, "IdentitySource": []any{}, "IdentityValidationExpression": ""}},
		{name: "AWS::ApiGatewayV2::ApiMapping", ours: []string{"GetApiMapping"}, madeID: tokenID(httpPartLength), create: "CreateApiMapping", update: "UpdateApiMapping", remove: "DeleteApiMapping", read: "GetApiMapping", physical: member("ApiMappingId"),
			identity: func(c *call) values {
				return values{"DomainName": c.text("DomainName"), "ApiMappingId": c.physical}
			},
			resets: values{"ApiMappingKey": ""}, attributes: own("ApiMappingId")},
		{name: "AWS::ApiGatewayV2::Model", madeID: tokenID(httpPartLength), create: "CreateModel", update: "UpdateModel", remove: "DeleteModel", read: "GetModel", identity: apiPart("ModelId"), physical: member("ModelId"),
			resets: values{"Description": ""}, attributes: own("ModelId")},
		{name: "AWS::ApiGatewayV2::RouteResponse", madeID: tokenID(httpPartLength), create: "CreateRouteResponse", update: "UpdateRouteResponse", remove: "DeleteRouteResponse", read: "GetRouteResponse",
			physical: member("RouteResponseId"), attributes: own("RouteResponseId"), identity: func(c *call) values {
				return values{"ApiId": c.text("ApiId"), "RouteId": c.text("RouteId"), "RouteResponseId": c.physical}
			}},
		{name: "AWS::ApiGatewayV2::IntegrationResponse", madeID: tokenID(httpPartLength), create: "CreateIntegrationResponse", update: "UpdateIntegrationResponse", remove: "DeleteIntegrationResponse", read: "GetIntegrationResponse",
			physical: member("IntegrationResponseId"), attributes: own("IntegrationResponseId"), identity: func(c *call) values {
				return values{"ApiId": c.text("ApiId"), "IntegrationId": c.text("IntegrationId"), "IntegrationResponseId": c.physical}
			}},
		{name: "AWS::ApiGatewayV2::VpcLink", notYet: "there are no VPCs"},
	}
	for _, d := range all {
		d.service = "apigatewayv2"
	}
	return all
}

// apiPart is the identity of a part of an API.
func apiPart(member string) func(c *call) values {
	return func(c *call) values { return values{"ApiId": c.text("ApiId"), member: c.physical} }
}

// v2Tags are tags of what the path names below the region.
func v2Tags(path func(c *call) string) *tagging {
	t := gatewayTags(path)
	t.resource, t.keys = "ResourceArn", "TagKeys"
	return t
}

func httpAPI() *definition {
	return &definition{name: "AWS::ApiGatewayV2::Api", ours: []string{"GetApi"}, madeID: tokenID(apiIDLength), create: "CreateApi", update: "UpdateApi", remove: "DeleteApi", read: "GetApi", identity: physicalAs("ApiId"), physical: member("ApiId"),
		make: func(c *call) (values, error) {
			body, err := definitionOf(c, c.properties)
			if err != nil || body == nil {
				if err == nil && c.properties["Name"] == nil {
					err = failed("Name and ProtocolType are required where there is no Body.")
				}
				if err != nil {
					return nil, err
				}
				return c.do("CreateApi", c.k.input(c, "CreateApi", nil))
			}
			return c.do("ImportApi", imported(c, body))
		},
		apply: describeImported,
		change: func(c *call, was values) error {
			body, err := definitionOf(c, c.properties)
			if err != nil {
				return err
			}
			if body != nil && (c.r.Again || !value.Equal(was["Body"], c.properties["Body"]) || !value.Equal(was["BodyS3Location"], c.properties["BodyS3Location"])) {
				in := imported(c, body)
				in["ApiId"] = c.physical
				if err := c.run("ReimportApi", in); err != nil {
					return err
				}
			}
			if was["CorsConfiguration"] != nil && c.properties["CorsConfiguration"] == nil && body == nil {
				if err := ignoreAbsent(c.run("DeleteCorsConfiguration", c.identity())); err != nil {
					return err
				}
			}
			in := c.k.input(c, "UpdateApi", was)
			in["ApiId"] = c.physical
			return c.run("UpdateApi", in)
		},
		resets: values{"Description": "", "DisableExecuteApiEndpoint": false, "Version": ""},
		tags:   v2Tags(func(c *call) string { return "/apis/" + c.physical }),
		attributes: func(c *call, live values) values {
			return values{"ApiId": c.physical, "ApiEndpoint": live["ApiEndpoint"], "ExecuteApiArn": c.arn("execute-api", c.physical)}
		},
		handled: []string{"Body", "BodyS3Location", "BasePath", "FailOnWarnings"}, needs: map[string]string{"Body": "ReimportApi", "BodyS3Location": "ReimportApi"}}
}

// imported is the input of an import.
func imported(c *call, body []byte) values {
	in := values{"Body": string(body)}
	for property, member := range map[string]string{"BasePath": "Basepath", "FailOnWarnings": "FailOnWarnings"} {
		if given := c.properties[property]; given != nil {
			in[member] = given
		}
	}
	return in
}

// describeImported gives an API that was imported what the template says beside its
// document.
func describeImported(c *call, was, want values) error {
	if was != nil || want == nil || want["Body"] == nil && want["BodyS3Location"] == nil {
		return nil
	}
	if tags := value.TagMap(want["Tags"]); len(tags) > 0 { // an import takes none
		if err := c.run("TagResource", c.k.tags.input(c, "Tags", tags)); err != nil {
			return err
		}
	}
	in := c.k.input(c, "UpdateApi", nil)
	if len(in) == 0 {
		return nil
	}
	in["ApiId"] = c.physical
	return c.run("UpdateApi", in)
}

func route() *definition {
	return &definition{name: "AWS::ApiGatewayV2::Route", ours: []string{"GetRoute"}, madeID: tokenID(httpPartLength), create: "CreateRoute", update: "UpdateRoute", remove: "DeleteRoute", read: "GetRoute", identity: apiPart("RouteId"), physical: member("RouteId"),
		resets: values{"ApiKeyRequired": false, "AuthorizationScopes": []any{}, "AuthorizationType": "NONE", "AuthorizerId": "", "OperationName": "", "Target": "", "ModelSelectionExpression": "",
			"RouteResponseSelectionExpression": ""},
		attributes: own("RouteId")}
}

func integration() *definition {
	return &definition{name: "AWS::ApiGatewayV2::Integration", ours: []string{"GetIntegration"}, madeID: tokenID(httpPartLength), create: "CreateIntegration", update: "UpdateIntegration", remove: "DeleteIntegration", read: "GetIntegration",
		identity: apiPart("IntegrationId"), physical: member("IntegrationId"), forms: map[string]form{"ResponseParameters": {to: forms.ResponseParameters, from: forms.ResponseParametersBack}}, attributes: own("IntegrationId"),
		change: func(c *call, was values) error {
			in := c.k.input(c, "UpdateIntegration", was)
			maps.Copy(in, c.identity())
			for _, name := range []string{"RequestParameters", "RequestTemplates"} {
				if was[name] != nil {
					in[name] = value.Emptied(was[name], c.properties[name])
				}
			}
			in["ResponseParameters"] = forms.EmptiedStatuses(was["ResponseParameters"], in["ResponseParameters"])
			return c.run("UpdateIntegration", in)
		},
		resets: values{"CredentialsArn": "", "Description": "", "TlsConfig": values{}, "TimeoutInMillis": 30000}}
}

func httpStage() *definition {
	return &definition{name: "AWS::ApiGatewayV2::Stage", create: "CreateStage", update: "UpdateStage", remove: "DeleteStage", read: "GetStage", naming: naming{property: "StageName", fixed: true},
		identity: apiPart("StageName"), resets: values{"Description": "", "AutoDeploy": false, "DefaultRouteSettings": values{}},
		change: func(c *call, was values) error {
			in := c.k.input(c, "UpdateStage", was)
			maps.Copy(in, c.identity())
			if was["StageVariables"] != nil {
				in["StageVariables"] = value.Emptied(was["StageVariables"], c.properties["StageVariables"])
			}
			if value.Text(in["AutoDeploy"]) == "true" {
				delete(in, "DeploymentId")
			}
			if err := c.run("UpdateStage", in); err != nil {
				return err
			}
			if was["AccessLogSettings"] != nil && c.properties["AccessLogSettings"] == nil {
				if err := ignoreAbsent(c.run("DeleteAccessLogSettings", c.identity())); err != nil {
					return err
				}
			}
			before, _ := was["RouteSettings"].(values)
			for key := range before {
				if value.At(c.properties["RouteSettings"], key) != nil {
					continue
				}
				gone := c.identity()
				gone["RouteKey"] = key
				if err := ignoreAbsent(c.run("DeleteRouteSettings", gone)); err != nil {
					return err
				}
			}
			return nil
		},
		tags:    v2Tags(func(c *call) string { return "/apis/" + c.text("ApiId") + "/stages/" + c.physical }),
		refused: map[string]string{"ClientCertificateId": "there are no client certificates"}}
}

func httpDomain() *definition {
	return &definition{name: "AWS::ApiGatewayV2::DomainName", create: "CreateDomainName", update: "UpdateDomainName", remove: "DeleteDomainName", read: "GetDomainName",
		naming: naming{property: "DomainName", fixed: true}, identity: physicalAs("DomainName"), tags: v2Tags(func(c *call) string { return "/domainnames/" + c.physical }),
		attributes: func(c *call, live values) values {
			found := values{"DomainNameArn": value.Text(live["DomainNameArn"]), "RegionalDomainName": "", "RegionalHostedZoneId": ""}
			if found["DomainNameArn"] == "" {
				found["DomainNameArn"] = "arn:aws:apigateway:" + c.r.Region + "::/domainnames/" + c.physical
			}
			for _, configuration := range value.List(live["DomainNameConfigurations"]) {
				found["RegionalDomainName"], found["RegionalHostedZoneId"] = value.Text(value.At(configuration, "ApiGatewayDomainName")), value.Text(value.At(configuration, "HostedZoneId"))
			}
			return found
		},
		refused: map[string]string{"MutualTlsAuthentication": "clients are not asked for certificates", "RoutingMode": noWay}}
}
