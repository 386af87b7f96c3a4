package s3

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
	"github.com/lambkin-dev/lambkin/internal/wire/xmlvalue"
)

// firstRegion is the one that S3 names by no location constraint.
const firstRegion = "us-east-1"

func (a *api) createBucket(ctx context.Context, call *wire.Call, in *s3api.CreateBucketInput) (*s3api.CreateBucketOutput, error) {
	region, err := location(call.Region, in.CreateBucketConfiguration)
	if err != nil {
		return nil, err
	}
	switch owner := member.Text(in.ObjectOwnership); {
	case owner != "" && owner != ownerEnforced:
		return nil, notImplemented("x-amz-object-ownership", whyNoACLs)
	case member.Text(in.BucketNamespace) != "" && *in.BucketNamespace != "global":
		return nil, notImplemented("x-amz-bucket-namespace", "there is one namespace of buckets")
	}
	settings, err := firstSettings(in.CreateBucketConfiguration)
	if err != nil {
		return nil, err
	}
	err = a.objects.CreateBucket(ctx, place(call, in.Bucket, nil), region, yes(in.ObjectLockEnabledForBucket), settings)
	if again := (&object.Error{Code: object.BucketAlreadyOwnedByYou}); errors.Is(err, again) && region == firstRegion {
		err = nil // AWS: in this region only
	}
	if err != nil {
		return nil, err
	}
	return &s3api.CreateBucketOutput{Location: ptr("/" + *in.Bucket), BucketArn: ptr(object.ARN(*in.Bucket))}, nil
}

// location is the region of a new bucket.
func location(signed string, given *s3api.CreateBucketConfiguration) (string, error) {
	constraint := ""
	if given != nil {
		constraint = member.Text(given.LocationConstraint)
		if given.Location != nil || given.Bucket != nil {
			return "", notImplemented("Location", "there are no directory buckets")
		}
	}
	if constraint == "EU" {
		constraint = "eu-west-1"
	}
	switch {
	case constraint == "" && signed == firstRegion:
		return firstRegion, nil
	case constraint == "":
		return "", refused(400, "IllegalLocationConstraintException", "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	case constraint == firstRegion && signed == firstRegion:
		return "", refused(400, "InvalidLocationConstraint", "The specified location-constraint is not valid", "LocationConstraint", constraint)
	case signed != firstRegion && constraint != signed:
		return "", refused(400, "IllegalLocationConstraintException", "The "+constraint+" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	return constraint, nil
}

// firstSettings are those of every new bucket, and the tags that it is made with.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html
func firstSettings(given *s3api.CreateBucketConfiguration) (map[string]json.RawMessage, error) {
	settings := map[string]any{
		ownershipSetting: s3api.OwnershipControls{Rules: []s3api.OwnershipControlsRule{{ObjectOwnership: ptr(ownerEnforced)}}},
		accessSetting:    s3api.PublicAccessBlockConfiguration{BlockPublicAcls: ptr(true), IgnorePublicAcls: ptr(true), BlockPublicPolicy: ptr(true), RestrictPublicBuckets: ptr(true)},
	}
	if given != nil && len(given.Tags) > 0 {
		tags, err := tagMap(given.Tags)
		if err == nil {
			err = object.CheckTags(tags, object.MaxBucketTags)
		}
		if err != nil {
			return nil, err
		}
		settings[tagSetting] = given.Tags
	}
	rows := map[string]json.RawMessage{}
	for name, value := range settings {
		data, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		rows[name] = data
	}
	return rows, nil
}

func (a *api) deleteBucket(ctx context.Context, call *wire.Call, in *s3api.DeleteBucketInput) (*struct{}, error) {
	return nil, a.objects.DeleteBucket(ctx, place(call, in.Bucket, nil))
}

func (a *api) headBucket(ctx context.Context, call *wire.Call, in *s3api.HeadBucketInput) (*s3api.HeadBucketOutput, error) {
	b, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	if err != nil {
		return nil, err
	}
	header(call, "Content-Type", "application/xml")
	return &s3api.HeadBucketOutput{BucketRegion: &b.Region, BucketArn: ptr(object.ARN(b.Name)), AccessPointAlias: ptr(false)}, nil
}

// getBucketLocation answers with an element whose text is the region: a form that no
// codec has.
func (a *api) getBucketLocation(ctx context.Context, call *wire.Call, in *s3api.GetBucketLocationInput) (*s3api.GetBucketLocationOutput, error) {
	b, err := a.objects.Bucket(ctx, place(call, in.Bucket, nil))
	if err != nil {
		return nil, err
	}
	region := b.Region
	if region == firstRegion {
		region = ""
	}
	var out strings.Builder
	out.WriteString(xmlvalue.Declaration + `<LocationConstraint xmlns="` + a.model.XMLNamespace + `">`)
	if err := xml.EscapeText(&out, []byte(region)); err != nil {
		return nil, err
	}
	out.WriteString("</LocationConstraint>")
	header(call, "Content-Type", "application/xml")
	return &s3api.GetBucketLocationOutput{LocationConstraint: ptr(out.String())}, nil
}

func (a *api) listBuckets(ctx context.Context, call *wire.Call, in *s3api.ListBucketsInput) (*s3api.ListBucketsOutput, error) {
	buckets, err := a.objects.Buckets(ctx, call.Account)
	if err != nil {
		return nil, err
	}
	most := object.MaxBuckets
	if in.MaxBuckets != nil {
		if most = int(*in.MaxBuckets); most < 1 || most > object.MaxBuckets {
			return nil, invalidArgument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", call.Request.URL.Query().Get("max-buckets"))
		}
	}
	after, err := base64.RawURLEncoding.DecodeString(member.Text(in.ContinuationToken))
	if err != nil {
		return nil, invalidArgument("The continuation token provided is incorrect", "continuation-token", member.Text(in.ContinuationToken))
	}
	out := &s3api.ListBucketsOutput{Buckets: []s3api.Bucket{}, Owner: owner(call.Account), Prefix: in.Prefix}
	paged := in.MaxBuckets != nil || in.ContinuationToken != nil || in.Prefix != nil || in.BucketRegion != nil
	for _, b := range buckets {
		if b.Name <= string(after) || !strings.HasPrefix(b.Name, member.Text(in.Prefix)) || in.BucketRegion != nil && b.Region != *in.BucketRegion {
			continue
		}
		if len(out.Buckets) == most {
			last := *out.Buckets[most-1].Name
			out.ContinuationToken = ptr(base64.RawURLEncoding.EncodeToString([]byte(last)))
			break
		}
		entry := s3api.Bucket{Name: &b.Name, CreationDate: &b.Created, BucketArn: ptr(object.ARN(b.Name))}
		if paged { // AWS: only then
			entry.BucketRegion = &b.Region
		}
		out.Buckets = append(out.Buckets, entry)
	}
	return out, nil
}
