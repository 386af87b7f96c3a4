package s3

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// maxCORSRules is the most of a bucket.
const maxCORSRules = 100

// corsMethods are those that a rule may allow.
var corsMethods = []string{"GET", "PUT", "POST", "DELETE", "HEAD"}

func (a *api) getBucketCORS(ctx context.Context, call *wire.Call, in *s3api.GetBucketCorsInput) (*s3api.GetBucketCorsOutput, error) {
	out := &s3api.GetBucketCorsOutput{}
	return out, a.get(ctx, call, in.Bucket, corsSetting, &out.CORSRules)
}

func (a *api) putBucketCORS(ctx context.Context, call *wire.Call, in *s3api.PutBucketCorsInput) (*struct{}, error) {
	if in.CORSConfiguration == nil || len(in.CORSConfiguration.CORSRules) == 0 || len(in.CORSConfiguration.CORSRules) > maxCORSRules {
		return nil, malformedXML()
	}
	for _, rule := range in.CORSConfiguration.CORSRules {
		if len(rule.AllowedMethods) == 0 || len(rule.AllowedOrigins) == 0 {
			return nil, malformedXML()
		}
		for _, method := range rule.AllowedMethods {
			if !slices.Contains(corsMethods, method) {
				return nil, refused(400, "InvalidRequest", "Found unsupported HTTP method in CORS config. Unsupported method is "+method)
			}
		}
		for _, header := range rule.AllowedHeaders {
			if strings.Count(header, "*") > 1 {
				return nil, refused(400, "InvalidRequest", `AllowedHeader "`+header+`" can not have more than one wildcard.`)
			}
		}
		for _, origin := range rule.AllowedOrigins {
			if strings.Count(origin, "*") > 1 {
				return nil, refused(400, "InvalidRequest", `AllowedOrigin "`+origin+`" can not have more than one wildcard.`)
			}
		}
	}
	return nil, a.set(ctx, call, in.Bucket, corsSetting, in.CORSConfiguration.CORSRules)
}

func (a *api) deleteBucketCORS(ctx context.Context, call *wire.Call, in *s3api.DeleteBucketCorsInput) (*struct{}, error) {
	return a.deleteSetting(ctx, call, in.Bucket, corsSetting)
}

// forbidden is AWS's answer to a question of CORS that has no good one.
func forbidden(why, method, kind string) error {
	return refused(http.StatusForbidden, "AccessForbidden", "CORSResponse: "+why, "Method", method, "ResourceType", kind)
}

// Origins answers web pages: what a request to a bucket from their origin gets. It
// returns the headers of the reply, or a fault: NoSuchBucket, or that the bucket's CORS
// configuration does not allow it, which refuses a preflight and concerns no other request.
//
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html; the texts are those of S3's replies.
func Origins(objects *object.Objects) func(ctx context.Context, bucket string, r *http.Request) (http.Header, error) {
	return func(ctx context.Context, bucket string, r *http.Request) (http.Header, error) {
		b, err := objects.Bucket(ctx, object.Place{Bucket: bucket})
		if err != nil {
			return nil, translate(err)
		}
		origin, method, wanted := r.Header.Get("Origin"), r.Method, []string(nil)
		if r.Method == http.MethodOptions {
			method, wanted = r.Header.Get("Access-Control-Request-Method"), list(r.Header.Get("Access-Control-Request-Headers"))
			switch {
			case origin == "":
				return nil, refused(400, "BadRequest", "Insufficient information. Origin request header needed.")
			case method == "":
				return nil, refused(400, "BadRequest", "Invalid Access-Control-Request-Method: null")
			case !slices.Contains(corsMethods, method):
				return nil, refused(400, "BadRequest", "Invalid Access-Control-Request-Method: "+method)
			}
		}
		kind := "BUCKET"
		if strings.Contains(strings.Trim(r.URL.Path, "/"), "/") {
			kind = "OBJECT"
		}
		data, ok := b.Settings[corsSetting]
		if !ok {
			return nil, forbidden("CORS is not enabled for this bucket.", method, kind)
		}
		var rules []s3api.CORSRule
		if err := json.Unmarshal(data, &rules); err != nil {
			return nil, err
		}
		for i := range rules {
			if headers := allows(&rules[i], origin, method, wanted); headers != nil {
				return headers, nil
			}
		}
		return nil, forbidden("This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.", method, kind)
	}
}

// allows is the headers of the reply to a request that the rule allows, else nil.
func allows(rule *s3api.CORSRule, origin, method string, wanted []string) http.Header {
	named := slices.IndexFunc(rule.AllowedOrigins, func(pattern string) bool { return like(pattern, origin) })
	if named < 0 || !slices.Contains(rule.AllowedMethods, method) {
		return nil
	}
	for _, header := range wanted {
		if !slices.ContainsFunc(rule.AllowedHeaders, func(pattern string) bool { return like(strings.ToLower(pattern), strings.ToLower(header)) }) {
			return nil
		}
	}
	h := http.Header{"Vary": {"Origin, Access-Control-Request-Headers, Access-Control-Request-Method"}}
	if rule.AllowedOrigins[named] == "*" {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(rule.AllowedMethods, ", "))
	if len(wanted) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.ToLower(strings.Join(wanted, ", ")))
	}
	if len(rule.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(rule.ExposeHeaders, ", "))
	}
	if rule.MaxAgeSeconds != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(*rule.MaxAgeSeconds)))
	}
	return h
}

// like compares with a pattern that has at most one "*".
func like(pattern, text string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	return len(text) >= len(before)+len(after) && strings.HasPrefix(text, before) && strings.HasSuffix(text, after)
}

// list reads the names of a header.
func list(header string) (names []string) {
	for _, name := range strings.Split(header, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
