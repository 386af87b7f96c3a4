package forms

import (
	"maps"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
)

// Encryption is by AES256, the only one that there is. The key that AWS itself
// manages is one of nobody's own, and gets the same. AWS: encrypts by that key.
func Encryption(v any) any {
	return value.Object{"Rules": value.Each(value.At(v, "ServerSideEncryptionConfiguration"), func(rule any) any {
		out := value.Renamed(rule, map[string]string{"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"})
		by, ok := out["ApplyServerSideEncryptionByDefault"].(value.Object)
		if ok && value.Text(by["SSEAlgorithm"]) == "aws:kms" && (by["KMSMasterKeyID"] == nil || value.Text(by["KMSMasterKeyID"]) == "alias/aws/s3") {
			out["ApplyServerSideEncryptionByDefault"] = value.Object{"SSEAlgorithm": "AES256"}
		}
		return out
	})}
}

// CORS turns the rules of a template into those of the API.
func CORS(v any) any {
	return value.Object{"CORSRules": value.Each(value.At(v, "CorsRules"), func(rule any) any {
		return value.Renamed(rule, map[string]string{"Id": "ID", "ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds"})
	})}
}

// Lifecycle turns the rules of a template into those of the API, whose filter and
// expiration are objects.
func Lifecycle(v any) any {
	return value.Object{"Rules": value.Each(value.At(v, "Rules"), func(rule any) any {
		out := value.Renamed(rule, map[string]string{"Id": "ID"})
		filter, expiration := value.Object{}, value.Object{}
		for _, name := range []string{"Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan"} {
			value.Move(out, name, filter, name)
		}
		value.Move(out, "TagFilters", filter, "Tags")
		value.Move(out, "ExpirationInDays", expiration, "Days")
		value.Move(out, "ExpirationDate", expiration, "Date")
		value.Move(out, "ExpiredObjectDeleteMarker", expiration, "ExpiredObjectDeleteMarker")
		if len(expiration) > 0 {
			out["Expiration"] = expiration
		}
		out["Filter"] = filterOf(filter)
		older := value.Object{}
		value.Move(out, "NoncurrentVersionExpirationInDays", older, "NoncurrentDays")
		if len(older) > 0 {
			out["NoncurrentVersionExpiration"] = older
		}
		for single, several := range map[string]string{"Transition": "Transitions", "NoncurrentVersionTransition": "NoncurrentVersionTransitions"} {
			if one := out[single]; one != nil {
				delete(out, single)
				out[several] = append(value.List(out[several]), one)
			}
		}
		for _, name := range []string{"Transitions", "NoncurrentVersionTransitions"} {
			if out[name] != nil {
				out[name] = value.Each(out[name], func(t any) any {
					return value.Renamed(t, map[string]string{"TransitionInDays": pickName(name), "TransitionDate": "Date"})
				})
			}
		}
		return out
	})}
}

func pickName(of string) string {
	if of == "Transitions" {
		return "Days"
	}
	return "NoncurrentDays"
}

// filterOf has one condition as it is, several as a conjunction.
func filterOf(filter value.Object) value.Object {
	tags := value.List(filter["Tags"])
	switch {
	case len(filter) == 1 && len(tags) == 1:
		return value.Object{"Tag": tags[0]}
	case len(filter) > 1 || len(tags) > 1:
		return value.Object{"And": filter}
	case len(filter) == 0:
		return value.Object{"Prefix": ""}
	}
	return maps.Clone(filter)
}

// notified are the lists of both, and the members of their targets.
var notified = []struct{ from, to, target, arn string }{
	{"LambdaConfigurations", "LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"},
	{"QueueConfigurations", "QueueConfigurations", "Queue", "QueueArn"},
	{"TopicConfigurations", "TopicConfigurations", "Topic", "TopicArn"},
}

// Notifications turns a template's configuration, in which each event stands
// alone, into the API's.
func Notifications(v any) value.Object {
	out := value.Object{}
	for _, kind := range notified {
		if value.At(v, kind.from) == nil {
			continue
		}
		out[kind.to] = value.Each(value.At(v, kind.from), func(one any) any {
			in := value.Renamed(one, map[string]string{kind.target: kind.arn})
			if event := in["Event"]; event != nil {
				delete(in, "Event")
				in["Events"] = []any{event}
			}
			if rules := value.At(in["Filter"], "S3Key", "Rules"); rules != nil {
				in["Filter"] = value.Object{"Key": value.Object{"FilterRules": rules}}
			}
			return in
		})
	}
	if on := value.At(v, "EventBridgeConfiguration"); on != nil && value.Text(value.At(on, "EventBridgeEnabled")) != "false" {
		out["EventBridgeConfiguration"] = value.Object{}
	}
	return out
}

// EncryptionBack, CORSBack, LifecycleBack and NotificationsBack turn what the API
// has into what a template would say.
func EncryptionBack(v any) any {
	return value.Object{"ServerSideEncryptionConfiguration": value.Each(value.At(v, "Rules"), func(rule any) any {
		return value.Renamed(rule, map[string]string{"ApplyServerSideEncryptionByDefault": "ServerSideEncryptionByDefault"})
	})}
}

func CORSBack(v any) any {
	return value.Object{"CorsRules": value.Each(value.At(v, "CORSRules"), func(rule any) any {
		return value.Renamed(rule, map[string]string{"ID": "Id", "ExposeHeaders": "ExposedHeaders", "MaxAgeSeconds": "MaxAge"})
	})}
}

func LifecycleBack(v any) any {
	return value.Object{"Rules": value.Each(value.At(v, "Rules"), func(rule any) any {
		out := value.Renamed(rule, map[string]string{"ID": "Id"})
		filter, _ := out["Filter"].(value.Object)
		delete(out, "Filter")
		if and, ok := filter["And"].(value.Object); ok {
			filter = and
		}
		for _, name := range []string{"Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan"} {
			if given := filter[name]; given != nil && given != "" {
				out[name] = given
			}
		}
		tags := value.List(filter["Tags"])
		if one := filter["Tag"]; one != nil {
			tags = append(tags, one)
		}
		if len(tags) > 0 {
			out["TagFilters"] = tags
		}
		expiration, _ := out["Expiration"].(value.Object)
		delete(out, "Expiration")
		value.Move(expiration, "Days", out, "ExpirationInDays")
		value.Move(expiration, "Date", out, "ExpirationDate")
		value.Move(expiration, "ExpiredObjectDeleteMarker", out, "ExpiredObjectDeleteMarker")
		for _, name := range []string{"Transitions", "NoncurrentVersionTransitions"} {
			if out[name] != nil {
				out[name] = value.Each(out[name], func(t any) any {
					return value.Renamed(t, map[string]string{pickName(name): "TransitionInDays", "Date": "TransitionDate"})
				})
			}
		}
		return out
	})}
}

func NotificationsBack(v any) any {
	out := value.Object{}
	for _, kind := range notified {
		for _, one := range value.List(value.At(v, kind.to)) {
			for _, event := range value.List(value.At(one, "Events")) {
				back := value.Object{"Event": event, kind.target: value.At(one, kind.arn)}
				if rules := value.At(one, "Filter", "Key", "FilterRules"); rules != nil {
					back["Filter"] = value.Object{"S3Key": value.Object{"Rules": rules}}
				}
				out[kind.from] = append(value.List(out[kind.from]), back)
			}
		}
	}
	if value.At(v, "EventBridgeConfiguration") != nil {
		out["EventBridgeConfiguration"] = value.Object{"EventBridgeEnabled": true}
	}
	return out
}

// CannedACL is the API's name of an access control: "public-read" of PublicRead.
func CannedACL(name string) string {
	switch name {
	case "", "Private":
		return "private"
	case "AwsExecRead":
		return "aws-exec-read"
	}
	var out strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			out.WriteByte('-')
		}
		out.WriteRune(r)
	}
	return strings.ToLower(out.String())
}
