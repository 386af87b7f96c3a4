package forms

import (
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/svc/resource/patch"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// APILeaves are the settings of a REST API.
func APILeaves(p value.Object) patch.Leaves {
	l := patch.Leaves{}
	l.Set("/name", p["Name"])
	l.Set("/description", p["Description"])
	l.Set("/version", p["Version"])
	l.Set("/policy", p["Policy"])
	l.Set("/minimumCompressionSize", p["MinimumCompressionSize"])
	l.Always("/apiKeySource", p["ApiKeySourceType"], "HEADER")
	l.Always("/disableExecuteApiEndpoint", p["DisableExecuteApiEndpoint"], "false")
	l.Elements("/binaryMediaTypes", p["BinaryMediaTypes"])
	if types := value.Texts(value.At(p["EndpointConfiguration"], "Types")); len(types) > 0 {
		l["/endpointConfiguration/types/0"] = types[0]
	}
	return l
}

// DescribedStage are the leaves of a stage that its deployment describes, whose
// settings for all methods stand outside the list.
func DescribedStage(v any) patch.Leaves {
	p, ok := v.(value.Object)
	if !ok {
		return patch.Leaves{}
	}
	all := value.Renamed(p, nil)
	general := value.Object{"ResourcePath": "/*", "HttpMethod": "*"}
	for _, name := range []string{"LoggingLevel", "MetricsEnabled", "DataTraceEnabled", "ThrottlingBurstLimit", "ThrottlingRateLimit", "CachingEnabled", "CacheTtlInSeconds", "CacheDataEncrypted"} {
		value.Move(all, name, general, name)
	}
	if len(general) > 2 {
		all["MethodSettings"] = append(value.List(all["MethodSettings"]), general)
	}
	return SettingLeaves(all)
}

// SettingLeaves are the parts of a stage that CreateStage does not take.
func SettingLeaves(p value.Object) patch.Leaves {
	l := patch.Leaves{}
	l.Set("/accessLogSettings/destinationArn", value.At(p["AccessLogSetting"], "DestinationArn"))
	l.Set("/accessLogSettings/format", value.At(p["AccessLogSetting"], "Format"))
	for _, setting := range value.List(p["MethodSettings"]) {
		path := value.Text(value.At(setting, "ResourcePath"))
		if path == "/*" || path == "" {
			path = "*"
		}
		of := value.Text(value.At(setting, "HttpMethod"))
		if of == "" {
			of = "*"
		}
		below := "/" + patch.Escaped(path) + "/" + of
		for name, leaf := range map[string]string{"MetricsEnabled": "/metrics/enabled", "LoggingLevel": "/logging/loglevel", "DataTraceEnabled": "/logging/dataTrace",
			"ThrottlingBurstLimit": "/throttling/burstLimit", "ThrottlingRateLimit": "/throttling/rateLimit", "CachingEnabled": "/caching/enabled", "CacheTtlInSeconds": "/caching/ttlInSeconds",
			"CacheDataEncrypted": "/caching/dataEncrypted"} {
			l.Set(below+leaf, value.At(setting, name))
		}
	}
	return l
}

// StageLeaves are all settings of a stage.
func StageLeaves(p value.Object) patch.Leaves {
	l := SettingLeaves(p)
	l.Always("/deploymentId", p["DeploymentId"], "")
	l.Set("/description", p["Description"])
	l.Entries("/variables", p["Variables"])
	l.Always("/tracingEnabled", p["TracingEnabled"], "false")
	return l
}

// PlanLeaves are the settings of a usage plan.
func PlanLeaves(p value.Object) patch.Leaves {
	l := patch.Leaves{}
	l.Set("/name", p["UsagePlanName"])
	l.Set("/description", p["Description"])
	for name, leaf := range map[string]string{"Limit": "/quota/limit", "Offset": "/quota/offset", "Period": "/quota/period"} {
		l.Set(leaf, value.At(p["Quota"], name))
	}
	l.Set("/throttle/rateLimit", value.At(p["Throttle"], "RateLimit"))
	l.Set("/throttle/burstLimit", value.At(p["Throttle"], "BurstLimit"))
	return l
}

// ResponseParameters are of a template "ResponseParameters" of each status, a list
// of destinations and sources; of the API an object by destination.
func ResponseParameters(v any) any {
	out := value.Object{}
	statuses, _ := v.(value.Object)
	for status, of := range statuses {
		if elements := value.At(of, "ResponseParameters"); elements != nil {
			parameters := value.Object{}
			for _, p := range value.List(elements) {
				parameters[value.Text(value.At(p, "Destination"))] = value.Text(value.At(p, "Source"))
			}
			out[status] = parameters
		} else {
			out[status] = of
		}
	}
	return out
}

// ResponseParametersBack is the reverse.
func ResponseParametersBack(v any) any {
	out := value.Object{}
	statuses, _ := v.(value.Object)
	for status, of := range statuses {
		parameters, _ := of.(value.Object)
		elements := []any{}
		for _, destination := range slices.Sorted(maps.Keys(parameters)) {
			elements = append(elements, value.Object{"Destination": destination, "Source": parameters[destination]})
		}
		out[status] = value.Object{"ResponseParameters": elements}
	}
	return out
}

// EmptiedStatuses has those of want, and those that are no longer set empty, as the
// API wants what it shall remove.
func EmptiedStatuses(was, want any) value.Object {
	out := value.Object{}
	before, _ := was.(value.Object)
	for status := range before {
		out[status] = value.Object{}
	}
	after, _ := want.(value.Object)
	maps.Copy(out, after)
	return out
}

// ListBack turns answers by their status into a list of them.
func ListBack(v any) any {
	by, _ := v.(value.Object)
	all := []any{}
	for _, status := range slices.Sorted(maps.Keys(by)) {
		one := value.Renamed(by[status], nil)
		one["statusCode"] = status
		all = append(all, one)
	}
	return all
}

// IntegrationBack is an integration with its answers as a list.
func IntegrationBack(v any) any {
	out := value.Renamed(v, map[string]string{"httpMethod": "integrationHttpMethod"})
	if answers := out["integrationResponses"]; answers != nil {
		out["integrationResponses"] = ListBack(answers)
	}
	return out
}

// MethodSettingsBack turns the settings of methods by their paths into a list.
func MethodSettingsBack(v any) any {
	by, _ := v.(value.Object)
	all := []any{}
	for _, path := range slices.Sorted(maps.Keys(by)) {
		resource, method := path, ""
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			resource, method = path[:i], path[i+1:]
		}
		if resource = strings.ReplaceAll(resource, "~1", "/"); resource == "*" {
			resource = "/*"
		}
		one := value.Renamed(by[path], map[string]string{
			"metricsEnabled": "MetricsEnabled", "loggingLevel": "LoggingLevel", "dataTraceEnabled": "DataTraceEnabled", "throttlingBurstLimit": "ThrottlingBurstLimit",
			"throttlingRateLimit": "ThrottlingRateLimit", "cachingEnabled": "CachingEnabled", "cacheTtlInSeconds": "CacheTtlInSeconds", "cacheDataEncrypted": "CacheDataEncrypted",
		})
		one["ResourcePath"], one["HttpMethod"] = resource, method
		all = append(all, one)
	}
	return all
}
