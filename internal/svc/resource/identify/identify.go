// Package identify finds resources without a stack: what the primary identifier
// of a type has to do with the physical id of its resources, and which resources
// of a type there are.
//
// Most types follow a rule, and the tables hold those that do not. Functions and
// tables that never change; no goroutines, no locks. Start reading at Locate, then
// list.go.
package identify

import (
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// named are the parts of identifiers that alone are the physical id, where the
// rule would take all of them.
var named = map[string]string{
	"AWS::ApiGateway::Model": "Name", "AWS::ApiGateway::Stage": "StageName", "AWS::ApiGatewayV2::Stage": "StageName", "AWS::Logs::LogStream": "LogStreamName",
}

// noBasePath is the API's word for an empty base path.
const noBasePath = "(none)"

// physicalPart is the part of an identifier that is the physical id, or "".
func physicalPart(f *stack.Facts) string {
	if part := named[f.Type]; part != "" {
		return part
	}
	if len(f.Primary) == 1 {
		return f.Primary[0]
	}
	found := ""
	for _, name := range f.Primary {
		if _, settable := f.Properties[name]; settable {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

// Locate gives the physical id of the resource that the values of its primary
// identifier name, and the properties that they tell.
func Locate(f *stack.Facts, parts map[string]string) (physical string, properties map[string]any) {
	properties = map[string]any{}
	joined := make([]string, len(f.Primary))
	for i, name := range f.Primary {
		joined[i] = parts[name]
		if _, settable := f.Properties[name]; settable && parts[name] != noBasePath {
			properties[name] = parts[name]
		}
	}
	if part := physicalPart(f); part != "" {
		physical = parts[part]
	} else {
		physical = strings.Join(joined, "|")
	}
	if tell := told[f.Type]; tell != nil {
		physical = tell(physical, properties)
	}
	return physical, properties
}

// told are what physical ids tell of their resources beyond the identifier. The
// result is the physical id.
var told = map[string]func(physical string, properties map[string]any) string{
	"AWS::ApiGateway::GatewayResponse": func(physical string, p map[string]any) string {
		p["RestApiId"], p["ResponseType"] = cut(physical, "|")
		return physical
	},
	"AWS::ApiGateway::UsagePlanKey": func(physical string, p map[string]any) string {
		p["KeyId"], p["UsagePlanId"] = cut(physical, ":")
		return physical
	},
	"AWS::Events::Rule": func(physical string, p map[string]any) string {
		_, name, isARN := strings.Cut(physical, ":rule/")
		if !isARN {
			return physical
		}
		bus, rule, onBus := strings.Cut(name, "/")
		if !onBus {
			return name
		}
		p["EventBusName"] = bus
		return bus + "|" + rule
	},
	"AWS::Lambda::Alias": func(physical string, p map[string]any) string {
		// arn:aws:lambda:REGION:ACCOUNT:function:NAME:ALIAS
		if parts := strings.Split(physical, ":"); len(parts) == 8 {
			p["FunctionName"], p["Name"] = parts[6], parts[7]
		}
		return physical
	},
	"AWS::Lambda::LayerVersion": func(physical string, p map[string]any) string {
		if parts := strings.Split(physical, ":"); len(parts) == 8 { // likewise, behind layer
			p["LayerName"] = parts[6]
		}
		return physical
	},
	"AWS::Lambda::LayerVersionPermission": func(physical string, p map[string]any) string {
		p["LayerVersionArn"], _ = cut(physical, "#")
		return physical
	},
	"AWS::Lambda::Url": func(physical string, p map[string]any) string {
		// arn:aws:lambda:REGION:ACCOUNT:function:NAME, and a qualifier
		if parts := strings.Split(physical, ":"); len(parts) == 8 {
			p["Qualifier"] = parts[7]
			p["TargetFunctionArn"] = strings.TrimSuffix(physical, ":"+parts[7])
		} else {
			p["TargetFunctionArn"] = physical
		}
		return physical
	},
	"AWS::SecretsManager::ResourcePolicy": func(physical string, p map[string]any) string {
		p["SecretId"] = physical
		return physical
	},
}

func cut(text, separator string) (before, after any) {
	b, a, _ := strings.Cut(text, separator)
	return b, a
}

// Identify gives the values of the primary identifier of a resource.
func Identify(f *stack.Facts, physical string, properties, attributes map[string]any) map[string]string {
	parts := map[string]string{}
	for _, name := range f.Primary {
		switch {
		case attributes[name] != nil:
			parts[name] = value.Text(attributes[name])
		case name == physicalPart(f):
			parts[name] = physical
		default:
			parts[name] = value.Text(properties[name])
		}
	}
	switch f.Type {
	case "AWS::ApiGateway::BasePathMapping":
		if parts["BasePath"] == "" {
			parts["BasePath"] = noBasePath
		}
	case "AWS::Events::EventBusPolicy":
		if parts["EventBusName"] == "" {
			parts["EventBusName"] = defaultBus
		}
	}
	return parts
}

const defaultBus = "default"
