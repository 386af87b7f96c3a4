package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

func (a *api) getBucketLifecycle(ctx context.Context, call *wire.Call, in *s3api.GetBucketLifecycleConfigurationInput) (*s3api.GetBucketLifecycleConfigurationOutput, error) {
	out := &s3api.GetBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: ptr("all_storage_classes_128K")}
	return out, a.get(ctx, call, in.Bucket, lifecycleSetting, &out.Rules)
}

func (a *api) deleteBucketLifecycle(ctx context.Context, call *wire.Call, in *s3api.DeleteBucketLifecycleInput) (*struct{}, error) {
	return nil, a.objects.Change(ctx, place(call, in.Bucket, nil), func(b *object.Bucket) error {
		delete(b.Settings, lifecycleSetting)
		b.Lifecycle = nil
		return nil
	})
}

func (a *api) putBucketLifecycle(ctx context.Context, call *wire.Call, in *s3api.PutBucketLifecycleConfigurationInput) (*s3api.PutBucketLifecycleConfigurationOutput, error) {
	if in.LifecycleConfiguration == nil || len(in.LifecycleConfiguration.Rules) == 0 || len(in.LifecycleConfiguration.Rules) > object.MaxLifecycleRules {
		return nil, malformedXML()
	}
	given := in.LifecycleConfiguration.Rules
	var rules []object.Rule
	seen := map[string]bool{}
	for i := range given {
		if given[i].ID == nil || *given[i].ID == "" {
			given[i].ID = ptr(ids.UUID())
		}
		id := *given[i].ID
		if seen[id] || len(id) > maxRuleID {
			return nil, invalidArgument("Rule ID must be unique. Found same ID for more than one rule, or one that is longer than 255 characters", "ID", id)
		}
		seen[id] = true
		rule, err := lifecycleRule(&given[i])
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	data, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	err = a.objects.Change(ctx, place(call, in.Bucket, nil), func(b *object.Bucket) error {
		b.Settings[lifecycleSetting], b.Lifecycle = data, rules
		return nil
	})
	return &s3api.PutBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: in.TransitionDefaultMinimumObjectSize}, err
}

// expiration is the header that tells when a version will go; nil for never.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, x-amz-expiration
func expiration(b *object.Bucket, v *object.Version) *string {
	at, rule := b.Expiry(v)
	if at.IsZero() || !v.Latest {
		return nil
	}
	return ptr(`expiry-date="` + at.Format(http.TimeFormat) + `", rule-id="` + strings.ReplaceAll(url.QueryEscape(rule), "+", "%20") + `"`)
}

// expirationOf is expiration of a version that was just made.
func (a *api) expirationOf(ctx context.Context, in object.Place, v *object.Version) *string {
	b, err := a.objects.Bucket(ctx, in)
	if err != nil || len(b.Lifecycle) == 0 {
		return nil // the object is stored: the header is not worth an error
	}
	made := *v
	made.Latest = true
	return expiration(b, &made)
}

// maxRuleID is the longest name of a rule.
const maxRuleID = 255

// lifecycleRule reads one rule.
func lifecycleRule(in *s3api.LifecycleRule) (r object.Rule, err error) {
	if len(in.Transitions)+len(in.NoncurrentVersionTransitions) > 0 {
		return r, notImplemented("Transition", "there is one class of storage")
	}
	r.ID = member.Text(in.ID)
	switch member.Text(in.Status) {
	case "Enabled":
	case "Disabled":
		r.Disabled = true
	default:
		return r, malformedXML()
	}
	if in.Expiration == nil && in.NoncurrentVersionExpiration == nil && in.AbortIncompleteMultipartUpload == nil {
		return r, refused(400, "InvalidRequest", "At least one action needs to be specified in a rule")
	}
	if err := lifecycleFilter(in, &r); err != nil {
		return r, err
	}
	if e := in.Expiration; e != nil {
		if err := lifecycleExpiration(e, &r); err != nil {
			return r, err
		}
	}
	if n := in.NoncurrentVersionExpiration; n != nil {
		if r.OldDays, err = positive(n.NoncurrentDays, "NoncurrentDays"); err != nil {
			return r, err
		}
		if n.NewerNoncurrentVersions != nil {
			if r.OldKept, err = positive(n.NewerNoncurrentVersions, "NewerNoncurrentVersions"); err != nil {
				return r, err
			}
		}
	}
	if u := in.AbortIncompleteMultipartUpload; u != nil {
		if len(r.Tags) > 0 || r.Above != nil || r.Below != nil {
			return r, refused(400, "InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes")
		}
		r.AbortUploads, err = positive(u.DaysAfterInitiation, "DaysAfterInitiation")
	}
	return r, err
}

func lifecycleExpiration(e *s3api.LifecycleExpiration, r *object.Rule) (err error) {
	given := 0
	if e.Days != nil {
		given++
		if r.Days, err = positive(e.Days, "Days"); err != nil {
			return err
		}
	}
	if e.Date != nil {
		given++
		if r.Date = e.Date.UTC(); !r.Date.Equal(r.Date.Truncate(24 * time.Hour)) {
			return invalidArgument("'Date' must be at midnight GMT", "Date", r.Date.Format(time.RFC3339))
		}
	}
	if e.ExpiredObjectDeleteMarker != nil {
		given++
		r.LoneMarkers = *e.ExpiredObjectDeleteMarker
	}
	if given != 1 {
		return malformedXML()
	}
	return nil
}

func positive(days *int32, name string) (int, error) {
	if days == nil {
		return 0, malformedXML()
	}
	if *days <= 0 {
		return 0, invalidArgument(fmt.Sprintf("'%s' for an action must be a positive integer", name), name, fmt.Sprint(*days))
	}
	return int(*days), nil
}

// lifecycleFilter reads which objects a rule is about.
func lifecycleFilter(in *s3api.LifecycleRule, r *object.Rule) error {
	f := in.Filter
	switch {
	case f == nil && in.Prefix == nil, f != nil && in.Prefix != nil:
		return malformedXML()
	case f == nil:
		r.Prefix = *in.Prefix
		return nil
	}
	tags := []s3api.Tag{}
	if f.Tag != nil {
		tags = append(tags, *f.Tag)
	}
	r.Prefix, r.Above, r.Below = member.Text(f.Prefix), f.ObjectSizeGreaterThan, f.ObjectSizeLessThan
	if and := f.And; and != nil {
		if f.Prefix != nil || f.Tag != nil || f.ObjectSizeGreaterThan != nil || f.ObjectSizeLessThan != nil {
			return malformedXML()
		}
		r.Prefix, r.Above, r.Below, tags = member.Text(and.Prefix), and.ObjectSizeGreaterThan, and.ObjectSizeLessThan, and.Tags
	}
	if len(tags) == 0 {
		return nil
	}
	var err error
	r.Tags, err = tagMap(tags)
	return err
}
