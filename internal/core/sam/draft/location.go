package draft

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// Location is that of an object in S3.
type Location struct{ Bucket, Key, Version, Mode any }

var unsupportedReference = regexp.MustCompile(`\{\{resolve:(ssm|ssm-secure|secretsmanager):[a-zA-Z0-9_.\-/]+(:\d+)?\}\}`)

// S3Location reads a location, written as s3://bucket/key?versionId=x or as a map.
// For code it refuses references that CloudFormation would resolve too late.
func S3Location(id, name string, value any, code bool) Location {
	d, isDict := value.(*dict)
	text, isText := pyjson.Text(value)
	switch {
	case isDict:
		if !pyjson.Truthy(d.Get("Bucket")) || !pyjson.Truthy(d.Get("Key")) {
			fail.Resource(id, "'%s' requires Bucket and Key properties to be specified.", name)
		}
		return Location{d.Get("Bucket"), d.Get("Key"), present(d, "Version"), present(d, "StorageMode")}
	case code && !isText:
		fail.Resource(id, "'%s' must be of type dict or string.", name)
	case code && strings.Contains(unsupportedReference.FindString(text), "/"):
		fail.Resource(id, "Unsupported dynamic reference detected in '%s'. Please consider using alternative 'FunctionCode' object format.", name)
	}
	at, ok := parseS3(value)
	if !ok {
		fail.Resource(id, "'%s' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter.", name)
	}
	return at
}

func present(d *dict, key string) any {
	if d.Has(key) {
		return d.Get(key)
	}
	return nil
}

func parseS3(value any) (Location, bool) {
	text, _ := pyjson.Text(value)
	text, _, _ = strings.Cut(text, "#")
	rest, found := cutScheme(text)
	rest, query, _ := strings.Cut(rest, "?")
	bucket, key, hasKey := strings.Cut(rest, "/")
	if !found || bucket == "" || !hasKey || strings.ContainsAny(bucket, "[]") {
		return Location{}, false
	}
	at := Location{Bucket: pyjson.As(value, bucket), Key: pyjson.As(value, strings.TrimLeft(key, "/"))}
	if values, _ := url.ParseQuery(query); len(values["versionId"]) == 1 && values.Get("versionId") != "" {
		at.Version = pyjson.As(value, values.Get("versionId"))
	}
	return at, true
}

func cutScheme(text string) (string, bool) {
	const scheme = "s3://"
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return text, false
	}
	return text[len(scheme):], true
}
