package s3

import (
	"context"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

// maxCORSRules is the most of a bucket.
const maxCORSRules = 100

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
			if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}, method) {
				return nil, refused(400, "InvalidRequest", "Found unsupported HTTP method in CORS config. Unsupported method is "+method)
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
