package resource

import (
	"io"
	"strings"
	"unicode"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/forms"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/patch"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// restAPIs are the types of REST APIs, version 1 of API Gateway.
func restAPIs() []*definition {
	all := []*definition{
		restAPI(),
		apiResource(),
		method(),
		deployment(),
		stage(),
		{name: "AWS::ApiGateway::Account", handled: []string{"CloudWatchRoleArn"}, attributes: own("Id"), reread: func(c *call) (values, error) {
			out, err := c.do("GetAccount", values{})
			return values{"CloudWatchRoleArn": out["cloudwatchRoleArn"]}, err
		}, apply: func(c *call, was, want values) error {
			if want == nil { // it is the account's: AWS leaves it as it is, too
				return nil
			}
			before, after := patch.Leaves{}, patch.Leaves{}
			before.Set("/cloudwatchRoleArn", was["CloudWatchRoleArn"])
			after.Set("/cloudwatchRoleArn", want["CloudWatchRoleArn"])
			return repair(c, "UpdateAccount", before, after)
		}},
		authorizer(),
		{name: "AWS::ApiGateway::Model", create: "CreateModel", remove: "DeleteModel", read: "GetModel", naming: naming{property: "Name"},
			make: func(c *call) (values, error) {
				in := c.k.input(c, "CreateModel", nil)
				c.physical = alphanumeric(c.name())
				in["name"] = c.physical
				if in["contentType"] == nil {
					in["contentType"] = "application/json"
				}
				return c.do("CreateModel", in)
			},
			physical: func(c *call, _ values) string { return alphanumeric(c.name()) },
			identity: func(c *call) values {
				return values{"restApiId": c.text("RestApiId"), "modelName": alphanumeric(c.physical)}
			},
			change: patchedBy("UpdateModel", func(p values) patch.Leaves {
				l := patch.Leaves{}
				l.Set("/description", p["Description"])
				l.Always("/schema", p["Schema"], "{}")
				return l
			})},
		{name: "AWS::ApiGateway::RequestValidator", madeID: tokenID(restPartLength), create: "CreateRequestValidator", remove: "DeleteRequestValidator", read: "GetRequestValidator", identity: partOf("requestValidatorId"),
			naming: naming{property: "Name"}, physical: member("id"), attributes: own("RequestValidatorId"),
			change: patchedBy("UpdateRequestValidator", func(p values) patch.Leaves {
				l := patch.Leaves{}
				l.Always("/validateRequestBody", p["ValidateRequestBody"], "false")
				l.Always("/validateRequestParameters", p["ValidateRequestParameters"], "false")
				return l
			})},
		{name: "AWS::ApiGateway::GatewayResponse", create: "PutGatewayResponse", update: "PutGatewayResponse", remove: "DeleteGatewayResponse", attributes: own("Id"),
			live: func(c *call) (values, error) {
				out, err := c.do("GetGatewayResponse", c.identity())
				if err == nil && value.Text(out["defaultResponse"]) == "true" {
					err = stack.ErrAbsent
				}
				return out, err
			},
			identity: func(c *call) values {
				return values{"restApiId": c.text("RestApiId"), "responseType": c.text("ResponseType")}
			},
			physical: func(c *call, _ values) string { return c.text("RestApiId") + "|" + c.text("ResponseType") }},
	}
	all = append(all, usagePlans()...)
	all = append(all, domains()...)
	for _, d := range all {
		d.service = "apigateway"
	}
	return all
}

func authorizer() *definition {
	return &definition{name: "AWS::ApiGateway::Authorizer", ours: []string{"GetAuthorizer"}, madeID: tokenID(restPartLength), create: "CreateAuthorizer", remove: "DeleteAuthorizer", read: "GetAuthorizer", identity: partOf("authorizerId"), physical: member("id"), attributes: own("AuthorizerId"),
		change: patchedBy("UpdateAuthorizer", func(p values) patch.Leaves {
			l := patch.Leaves{}
			l.Always("/name", p["Name"], "")
			l.Always("/type", p["Type"], "TOKEN")
			l.Always("/authorizerUri", p["AuthorizerUri"], "")
			l.Always("/authorizerResultTtlInSeconds", p["AuthorizerResultTtlInSeconds"], "300")
			l.Set("/authType", p["AuthType"])
			l.Set("/authorizerCredentials", p["AuthorizerCredentials"])
			l.Set("/identitySource", p["IdentitySource"])
			l.Set("/identityValidationExpression", p["IdentityValidationExpression"])
			return l
		}), refused: map[string]string{"ProviderARNs": "there are no Cognito user pools"}, inert: map[string]string{"AuthType": "it says what documents show"}}
}

// partOf is the identity of a part of an API.
func partOf(member string) func(c *call) values {
	return func(c *call) values { return values{"restApiId": c.text("RestApiId"), member: c.physical} }
}

// alphanumeric is a name without anything else.
func alphanumeric(name string) string {
	return strings.Map(func(r rune) rune {
		if r <= unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return -1
	}, name)
}

// gatewayTags are tags of what the path names below the region.
func gatewayTags(path func(c *call) string) *tagging {
	return &tagging{tag: "TagResource", untag: "UntagResource", list: "GetTags", resource: "resourceArn", keys: "tagKeys",
		of: func(c *call) any { return "arn:aws:apigateway:" + c.r.Region + "::" + path(c) }}
}

func restAPI() *definition {
	return &definition{name: "AWS::ApiGateway::RestApi", madeID: tokenID(apiIDLength), create: "CreateRestApi", remove: "DeleteRestApi", read: "GetRestApi", identity: physicalAs("restApiId"), physical: member("id"),
		members: values{"ApiKeySourceType": "apiKeySource"},
		make: func(c *call) (values, error) {
			in := c.k.input(c, "CreateRestApi", nil)
			body, err := definitionOf(c, c.properties)
			if err != nil {
				return nil, err
			}
			if in["name"] == nil && body != nil {
				in["name"] = titleOf(body)
			}
			return c.do("CreateRestApi", in)
		},
		steps: []step{{property: "Body", apply: importBody}, {property: "BodyS3Location", apply: importBody}},
		change: func(c *call, was values) error {
			before, want := forms.APILeaves(was), forms.APILeaves(c.properties)
			if c.properties["Name"] == nil { // it is that of the document, which is imported again
				delete(before, "/name")
			}
			return repair(c, "UpdateRestApi", before, want)
		},
		tags:       gatewayTags(func(c *call) string { return "/restapis/" + c.physical }),
		attributes: pick("RestApiId", "id", "RootResourceId", "rootResourceId"),
		handled:    []string{"Parameters", "FailOnWarnings", "Mode"},
		inert: map[string]string{"FailOnWarnings": "there are no warnings: what cannot be imported is an error", "EndpointAccessMode": noModes,
			"SecurityPolicy": noModes}}
}

// noModes is why the modes of addresses change nothing.
const noModes = "kept and shown; addresses are those of this platform"

// maxBodyBytes bounds an API's document in a bucket.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const maxBodyBytes = 6 << 20

// definitionOf is the document of an API: in the template or in a bucket; nil if there is none.
func definitionOf(c *call, properties values) ([]byte, error) {
	if body := properties["Body"]; body != nil {
		return []byte(value.Document(body)), nil
	}
	place, ok := properties["BodyS3Location"].(values)
	if !ok {
		return nil, nil
	}
	in := values{"Bucket": place["Bucket"], "Key": place["Key"]}
	if version := place["Version"]; version != nil {
		in["VersionId"] = version
	}
	out, err := c.of("s3", "GetObject", in)
	if err != nil {
		return nil, err
	}
	stream, ok := out["Body"].(io.ReadCloser)
	if !ok {
		return nil, failed("The document of the API cannot be read.")
	}
	defer stream.Close()
	body, err := io.ReadAll(io.LimitReader(stream, maxBodyBytes+1))
	if err == nil && len(body) > maxBodyBytes {
		err = failed("The document of the API is longer than %d bytes.", maxBodyBytes)
	}
	return body, err
}

// titleOf is the name that a document gives to its API.
func titleOf(body []byte) any {
	if title := value.At(value.Parsed(string(body)), "info", "title"); title != nil {
		return value.Text(title)
	}
	return "api" // a document in YAML: the import takes its title
}

// importBody makes the API what its document says.
func importBody(c *call, _, want any) error {
	if want == nil {
		return nil
	}
	body, err := definitionOf(c, c.properties)
	if err != nil || body == nil {
		return err
	}
	in := values{"restApiId": c.physical, "mode": "overwrite", "body": body}
	for property, member := range map[string]string{"Mode": "mode", "FailOnWarnings": "failOnWarnings"} {
		if given := c.properties[property]; given != nil {
			in[member] = given
		}
	}
	if parameters, ok := c.properties["Parameters"].(values); ok {
		in["parameters"] = parameters
	}
	if err := c.run("PutRestApi", in); err != nil {
		return err
	}
	after := forms.APILeaves(c.properties) // what the template says itself counts more than the document
	for path, property := range map[string]string{"/apiKeySource": "ApiKeySourceType", "/disableExecuteApiEndpoint": "DisableExecuteApiEndpoint"} {
		if c.properties[property] == nil {
			delete(after, path)
		}
	}
	return patchEach(c, "UpdateRestApi", patch.Operations(patch.Leaves{}, after))
}

func apiResource() *definition {
	return &definition{name: "AWS::ApiGateway::Resource", madeID: tokenID(restPartLength), read: "GetResource", ours: []string{"GetResource"}, create: "CreateResource", remove: "DeleteResource", identity: partOf("resourceId"), physical: member("id"), attributes: own("ResourceId")}
}

// method is a method with its integration and their answers. A change makes it
// anew: what is served is the snapshot of a deployment, so nobody sees it missing.
func method() *definition {
	return &definition{name: "AWS::ApiGateway::Method", create: "PutMethod", remove: "DeleteMethod", read: "GetMethod",
		identity: func(c *call) values {
			return values{"restApiId": c.text("RestApiId"), "resourceId": c.text("ResourceId"), "httpMethod": c.text("HttpMethod")}
		},
		physical: func(c *call, _ values) string {
			return c.text("RestApiId") + "|" + c.text("ResourceId") + "|" + c.text("HttpMethod")
		},
		make: func(c *call) (values, error) {
			err := putMethod(c, c.r.Again)
			if exists(err) { // it is another's
				return nil, err
			}
			return values{}, err
		},
		change:  func(c *call, _ values) error { return putMethod(c, true) },
		handled: []string{"Integration", "MethodResponses"}, members: values{"Integration": "methodIntegration"},
		forms: map[string]form{"Integration": {from: forms.IntegrationBack}, "MethodResponses": {from: forms.ListBack}}, inert: map[string]string{"AuthorizationScopes": "they are for Cognito user pools"}}
}

func putMethod(c *call, anew bool) error {
	if anew {
		if err := ignoreAbsent(c.run("DeleteMethod", c.identity())); err != nil {
			return err
		}
	}
	in := c.k.input(c, "PutMethod", nil)
	if in["authorizationType"] == nil {
		in["authorizationType"] = "NONE"
	}
	if err := c.run("PutMethod", in); err != nil {
		return err
	}
	if err := putEach(c, "PutMethodResponse", c.properties["MethodResponses"]); err != nil {
		return err
	}
	integration, ok := c.properties["Integration"].(values)
	if !ok {
		return nil
	}
	in = c.identity()
	for name, given := range integration {
		if name != "IntegrationResponses" {
			in[name] = given
		}
	}
	if err := c.run("PutIntegration", in); err != nil {
		return err
	}
	return putEach(c, "PutIntegrationResponse", integration["IntegrationResponses"])
}

func putEach(c *call, operation string, elements any) error {
	for _, element := range value.List(elements) {
		in := c.identity()
		members, _ := element.(values)
		for name, given := range members {
			in[name] = given
		}
		if err := c.run(operation, in); err != nil {
			return err
		}
	}
	return nil
}

// deployment is a snapshot.
func deployment() *definition {
	return &definition{name: "AWS::ApiGateway::Deployment", madeID: tokenID(restPartLength), create: "CreateDeployment", remove: "DeleteDeployment", read: "GetDeployment", identity: partOf("deploymentId"), physical: member("id"),
		attributes: own("DeploymentId"),
		make: func(c *call) (values, error) {
			in := values{"restApiId": c.text("RestApiId")}
			for property, member := range map[string]string{"StageName": "stageName", "Description": "description", "DeploymentCanarySettings": "canarySettings"} {
				if given := c.properties[property]; given != nil {
					in[member] = given
				}
			}
			for name, member := range map[string]string{"Description": "stageDescription", "Variables": "variables", "TracingEnabled": "tracingEnabled", "CacheClusterEnabled": "cacheClusterEnabled"} {
				if given := value.At(c.properties["StageDescription"], name); given != nil {
					in[member] = given
				}
			}
			return c.do("CreateDeployment", in)
		},
		steps: []step{{property: "StageDescription", apply: func(c *call, was, want any) error {
			name := c.text("StageName")
			if name == "" {
				return nil
			}
			operations := patch.Operations(forms.DescribedStage(was), forms.DescribedStage(want))
			if len(operations) == 0 {
				return nil
			}
			return c.run("UpdateStage", values{"restApiId": c.text("RestApiId"), "stageName": name, "patchOperations": operations})
		}}},
		change: patchedBy("UpdateDeployment", func(p values) patch.Leaves {
			l := patch.Leaves{}
			l.Set("/description", p["Description"])
			return l
		}),
		drop: func(c *call) error {
			// The stage that the deployment made goes with it, if it does not show a later one.
			if name := c.text("StageName"); name != "" {
				in := values{"restApiId": c.text("RestApiId"), "stageName": name}
				out, err := c.do("GetStage", in)
				if err == nil && value.Text(out["deploymentId"]) == c.physical {
					err = c.run("DeleteStage", in)
				}
				if ignoreAbsent(err) != nil {
					return err
				}
			}
			return c.run("DeleteDeployment", c.identity())
		},
		handled: []string{"StageName", "StageDescription", "DeploymentCanarySettings"}, inert: map[string]string{"DeploymentCanarySettings": "kept and shown; all requests meet the deployment of the stage"}}
}

func stage() *definition {
	return &definition{name: "AWS::ApiGateway::Stage", create: "CreateStage", remove: "DeleteStage", read: "GetStage", naming: naming{property: "StageName", fixed: true}, identity: partOf("stageName"),
		make: func(c *call) (values, error) {
			in := c.k.input(c, "CreateStage", nil)
			delete(in, "canarySettings")
			return c.do("CreateStage", in)
		},
		steps: []step{
			{property: "MethodSettings", apply: func(c *call, was, want any) error {
				return patchStage(c, values{"MethodSettings": was}, values{"MethodSettings": want})
			}, live: stageSettings("MethodSettings", "methodSettings", forms.MethodSettingsBack)},
			{property: "AccessLogSetting", apply: func(c *call, was, want any) error {
				return patchStage(c, values{"AccessLogSetting": was}, values{"AccessLogSetting": want})
			}, live: stageSettings("AccessLogSetting", "accessLogSettings", nil)},
		},
		change: func(c *call, was values) error {
			without := func(p values) patch.Leaves {
				p = value.Renamed(p, nil)
				delete(p, "MethodSettings")
				delete(p, "AccessLogSetting")
				return forms.StageLeaves(p)
			}
			return repair(c, "UpdateStage", without(was), without(c.properties))
		},
		tags: gatewayTags(func(c *call) string { return "/restapis/" + c.text("RestApiId") + "/stages/" + c.physical }),
		refused: map[string]string{"CacheClusterSize": "answers are not cached", "ClientCertificateId": "there are no client certificates", "DocumentationVersion": "there are no versions of documentation",
			"CanarySetting": "all requests meet the deployment of the stage"},
		inert: map[string]string{"CacheClusterEnabled": "only false is accepted: answers are not cached", "TracingEnabled": "kept and shown; nothing records traces"}}
}

// stageSettings reads settings back; they are as deployed if they have the same leaves.
func stageSettings(property, member string, back func(any) any) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		out, err := c.do("GetStage", c.identity())
		live := out[member]
		if err != nil || live == nil {
			return nil, err
		}
		if back != nil {
			live = back(live)
		}
		have, want := forms.SettingLeaves(values{property: live}), forms.SettingLeaves(values{property: c.properties[property]})
		for path, given := range want {
			if have[path] != given {
				return live, nil
			}
		}
		if len(want) > 0 {
			return c.properties[property], nil
		}
		return live, nil
	}
}

// patchStage changes settings; those of a method that are gone go together.
func patchStage(c *call, was, want values) error {
	before, after := forms.SettingLeaves(was), forms.SettingLeaves(want)
	operations := []any{}
	removed := map[string]bool{}
	for _, one := range patch.Operations(before, after) {
		path := value.Text(value.At(one, "path"))
		if value.At(one, "op") != "remove" || path == "/accessLogSettings" || strings.HasPrefix(path, "/accessLogSettings/") {
			operations = append(operations, one)
			continue
		}
		parts := strings.Split(path, "/")
		if of := "/" + parts[1] + "/" + parts[2]; !removed[of] { // all of it goes; what stays is set again
			removed[of] = true
			operations = append(operations, values{"op": "remove", "path": of})
			for path, given := range after {
				if strings.HasPrefix(path, of+"/") {
					operations = append(operations, values{"op": "replace", "path": path, "value": given})
				}
			}
		}
	}
	if len(operations) == 0 {
		return nil
	}
	in := c.identity()
	in["patchOperations"] = operations
	return c.run("UpdateStage", in)
}

func usagePlans() []*definition {
	return []*definition{
		{name: "AWS::ApiGateway::ApiKey", madeID: tokenID(apiIDLength), create: "CreateApiKey", remove: "DeleteApiKey", read: "GetApiKey", naming: naming{property: "Name"}, identity: physicalAs("apiKey"), physical: member("id"),
			make: func(c *call) (values, error) {
				in := c.k.input(c, c.k.create, nil)
				delete(in, "stageKeys") // the CDK still sends them, with a usage plan of the same stage
				return c.do(c.k.create, in)
			},
			change: patchedBy("UpdateApiKey", func(p values) patch.Leaves {
				l := patch.Leaves{}
				l.Set("/description", p["Description"])
				l.Set("/customerId", p["CustomerId"])
				l.Always("/enabled", p["Enabled"], "false")
				return l
			}),
			tags: gatewayTags(func(c *call) string { return "/apikeys/" + c.physical }), attributes: own("APIKeyId"),
			inert: map[string]string{"StageKeys": "usage plans alone tie keys to stages, as at API Gateway since there are plans", "GenerateDistinctId": "a key's id is always another than its value"}},
		{name: "AWS::ApiGateway::UsagePlan", madeID: tokenID(restPartLength), create: "CreateUsagePlan", remove: "DeleteUsagePlan", read: "GetUsagePlan", members: values{"UsagePlanName": "name"}, naming: naming{property: "UsagePlanName"},
			identity: physicalAs("usagePlanId"), physical: member("id"), change: patchedBy("UpdateUsagePlan", forms.PlanLeaves),
			drop: func(c *call) error {
				stages := patch.Leaves{}
				for _, s := range planStages(c.properties) {
					stages["+/apiStages "+s] = ""
				}
				if err := ignoreAbsent(patchPlan(c, stages, patch.Leaves{})); err != nil {
					return err
				}
				return c.run("DeleteUsagePlan", c.identity())
			},
			steps: []step{{property: "ApiStages", apply: func(c *call, was, want any) error {
				if c.r.Previous == nil { // CreateUsagePlan has taken them
					return nil
				}
				before, after := patch.Leaves{}, patch.Leaves{}
				for _, s := range planStages(values{"ApiStages": was}) {
					before["+/apiStages "+s] = ""
				}
				for _, s := range planStages(values{"ApiStages": want}) {
					after["+/apiStages "+s] = ""
				}
				return patchPlan(c, before, after)
			}}},
			tags: gatewayTags(func(c *call) string { return "/usageplans/" + c.physical }), attributes: own("Id")},
		{name: "AWS::ApiGateway::UsagePlanKey", create: "CreateUsagePlanKey", remove: "DeleteUsagePlanKey", attributes: own("Id"), live: func(c *call) (values, error) {
			out, err := c.do("GetUsagePlanKey", c.identity())
			if err != nil {
				return nil, err
			}
			return values{"KeyId": out["id"], "KeyType": out["type"], "UsagePlanId": c.text("UsagePlanId")}, nil
		},
			identity: func(c *call) values {
				return values{"usagePlanId": c.text("UsagePlanId"), "keyId": c.text("KeyId")}
			},
			physical: func(c *call, _ values) string { return c.text("KeyId") + ":" + c.text("UsagePlanId") }},
	}
}

// planStages are the stages of a plan: "API:STAGE".
func planStages(p values) (all []string) {
	for _, s := range value.List(p["ApiStages"]) {
		all = append(all, value.Text(value.At(s, "ApiId"))+":"+value.Text(value.At(s, "Stage")))
	}
	return all
}

// patchPlan adds and removes stages, which are values of one path.
func patchPlan(c *call, was, want patch.Leaves) error {
	for _, one := range patch.Operations(was, want) {
		path, stage, _ := strings.Cut(value.Text(value.At(one, "path")), " ")
		in := c.identity()
		in["patchOperations"] = []any{values{"op": value.At(one, "op"), "path": path, "value": stage}}
		if err := c.run("UpdateUsagePlan", in); err != nil && !(c.r.Again && (absent(err) || exists(err))) {
			return err
		}
	}
	return nil
}

// noCertificate is why certificates change nothing.
const noCertificate = "kept and shown; this platform's own certificate is served"

func domains() []*definition {
	return []*definition{
		{name: "AWS::ApiGateway::DomainName", create: "CreateDomainName", remove: "DeleteDomainName", read: "GetDomainName", naming: naming{property: "DomainName", fixed: true}, identity: physicalAs("domainName"),
			change: patchedBy("UpdateDomainName", func(p values) patch.Leaves {
				l := patch.Leaves{}
				l.Set("/certificateArn", p["CertificateArn"])
				l.Set("/regionalCertificateArn", p["RegionalCertificateArn"])
				l.Set("/securityPolicy", p["SecurityPolicy"])
				return l
			}),
			tags: gatewayTags(func(c *call) string { return "/domainnames/" + c.physical }),
			attributes: func(c *call, live values) values {
				found := values{}
				for _, name := range []string{"DomainNameArn", "RegionalHostedZoneId", "DistributionDomainName", "RegionalDomainName", "DistributionHostedZoneId"} {
					found[name] = value.Text(live[strings.ToLower(name[:1])+name[1:]])
				}
				return found
			},
			inert: map[string]string{"CertificateArn": noCertificate, "RegionalCertificateArn": noCertificate, "OwnershipVerificationCertificateArn": noCertificate, "SecurityPolicy": noCertificate,
				"EndpointAccessMode": noModes},
			refused: map[string]string{"MutualTlsAuthentication": "clients are not asked for certificates", "RoutingMode": noWay}},
		{name: "AWS::ApiGateway::BasePathMapping", create: "CreateBasePathMapping", remove: "DeleteBasePathMapping", read: "GetBasePathMapping",
			identity: func(c *call) values { return values{"domainName": c.text("DomainName"), "basePath": basePath(c)} },
			physical: func(c *call, _ values) string { return c.text("DomainName") + "|" + basePath(c) },
			change: patchedBy("UpdateBasePathMapping", func(p values) patch.Leaves {
				l := patch.Leaves{}
				l.Set("/restapiId", p["RestApiId"])
				l.Always("/stage", p["Stage"], "")
				return l
			})},
	}
}

// noBasePath is the API's word for none.
const noBasePath = "(none)"

func basePath(c *call) string {
	if path := c.text("BasePath"); path != "" {
		return path
	}
	return noBasePath
}

// repair brings a resource from was to want by an operation that takes patches. A
// second try does each alone: some are done already.
func repair(c *call, operation string, was, want patch.Leaves) error {
	operations := patch.Operations(was, want)
	if len(operations) == 0 {
		return nil
	}
	if !c.r.Again {
		in := c.identity()
		in["patchOperations"] = operations
		return c.run(operation, in)
	}
	return patchEach(c, operation, operations)
}

// patchEach does each operation alone; one that is done already is well.
func patchEach(c *call, operation string, operations []any) error {
	for _, one := range operations {
		in := c.identity()
		in["patchOperations"] = []any{one}
		if err := c.run(operation, in); err != nil && !absent(err) && !exists(err) {
			return err
		}
	}
	return nil
}

// patchedBy is the change of a type whose leaves say what can be patched.
func patchedBy(operation string, of func(properties values) patch.Leaves) func(c *call, was values) error {
	return func(c *call, was values) error { return repair(c, operation, of(was), of(c.properties)) }
}
