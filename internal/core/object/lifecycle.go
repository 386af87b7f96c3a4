package object

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Rule is a rule of a bucket's lifecycle. What is zero does not happen.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
type Rule struct {
	ID       string            `json:",omitempty"`
	Disabled bool              `json:",omitempty"`
	Prefix   string            `json:",omitempty"`
	Tags     map[string]string `json:",omitempty"` // all of them
	Above    *int64            `json:",omitempty"` // only larger objects
	Below    *int64            `json:",omitempty"` // only smaller ones

	Days         int       `json:",omitempty"` // age at which the current version expires
	Date         time.Time `json:",omitzero"`  // or the day from which on all do
	LoneMarkers  bool      `json:",omitempty"` // delete markers without older versions go
	OldDays      int       `json:",omitempty"` // how long other versions stay
	OldKept      int       `json:",omitempty"` // how many of them stay in any case
	AbortUploads int       `json:",omitempty"` // days after which an upload is aborted
}

// covers tells whether the rule is about a version.
func (r *Rule) covers(v *Version) bool {
	if r.Disabled || !strings.HasPrefix(v.Key, r.Prefix) || r.Above != nil && v.Size <= *r.Above || r.Below != nil && v.Size >= *r.Below {
		return false
	}
	for name, value := range r.Tags {
		if got, ok := v.Tags[name]; !ok || got != value {
			return false
		}
	}
	return true
}

// due is the midnight after that many days.
func due(from time.Time, days int) time.Time {
	const day = 24 * time.Hour
	return from.UTC().Add(time.Duration(days)*day + day - 1).Truncate(day)
}

// expires tells whether the current version is to go.
func (r *Rule) expires(v *Version, now time.Time) bool {
	switch {
	case !r.covers(v):
		return false
	case v.Marker:
		return r.LoneMarkers || r.Days > 0 && !now.Before(due(v.Modified, r.Days))
	}
	return r.Days > 0 && !now.Before(due(v.Modified, r.Days)) || !r.Date.IsZero() && !now.Before(r.Date)
}

// Expiry tells when a lifecycle will let the current version v go, and by which rule;
// zero for never.
func (b *Bucket) Expiry(v *Version) (at time.Time, rule string) {
	for i := range b.Lifecycle {
		r := &b.Lifecycle[i]
		when := r.Date
		if r.Days > 0 {
			when = due(v.Modified, r.Days)
		}
		if r.covers(v) && !v.Marker && !when.IsZero() && (at.IsZero() || when.Before(at)) {
			at, rule = when, r.ID
		}
	}
	return at, rule
}

// expiresOld tells whether a version is to go that has not been the current one since
// then; newer is how many others of its kind are newer.
func (r *Rule) expiresOld(v *Version, since time.Time, newer int, now time.Time) bool {
	return r.OldDays > 0 && newer >= r.OldKept && r.covers(v) && !now.Before(due(since, r.OldDays))
}

// expire does what the lifecycles of all buckets say.
func (o *Objects) expire(ctx context.Context) error {
	var buckets []*Bucket
	err := o.eachBucket(ctx, func(_ store.Snap, b *Bucket) error {
		if len(b.Lifecycle) > 0 {
			buckets = append(buckets, b)
		}
		return nil
	})
	for _, b := range buckets {
		if err == nil {
			err = o.expireBucket(ctx, b)
		}
		if errors.Is(err, noSuchBucket("")) {
			err = nil // it is gone meanwhile
		}
	}
	return err
}

// expireBucket walks all versions of a bucket.
func (o *Objects) expireBucket(ctx context.Context, b *Bucket) error {
	in := Place{Bucket: b.Name}
	var successor time.Time // when the version before, of the same key, came
	newer := 0
	for q := (Query{Max: MaxPage}); ctx.Err() == nil; {
		page, err := o.ListVersions(ctx, in, q)
		if err != nil {
			return err
		}
		for _, v := range page.Versions {
			if err := o.expireVersion(ctx, b, v, successor, newer); err != nil {
				return err
			}
			if newer++; v.Latest {
				newer = 0
			}
			successor = v.Modified
		}
		if !page.Truncated {
			return o.expireUploads(ctx, b)
		}
		q.After, q.Version = page.Next, page.NextID
	}
	return ctx.Err()
}

func (o *Objects) expireVersion(ctx context.Context, b *Bucket, v *Version, successor time.Time, newer int) error {
	now := o.config.Clock.Now()
	for i := range b.Lifecycle {
		r := &b.Lifecycle[i]
		if v.Latest && r.expires(v, now) || !v.Latest && r.expiresOld(v, successor, newer, now) {
			return o.expireOne(ctx, b, v)
		}
	}
	return nil
}

// expireOne lets one version go, if it is still what was looked at.
func (o *Objects) expireOne(ctx context.Context, b *Bucket, seen *Version) error {
	err := o.update(ctx, Place{Bucket: b.Name, Key: seen.Key}, func(c *change) (func(), error) {
		v, err := version(c.snap, c.bucket.ID, c.key, seen.ID)
		if err != nil || v == nil || v.Order != seen.Order || v.Latest != seen.Latest {
			return nil, err
		}
		id := ""
		if !v.Latest {
			id = v.ID
		}
		if v.Marker && v.Latest {
			lo, hi := tuple.Range("s3", "version", c.bucket.ID, c.key)
			if rows, err := c.snap.Scan(lo, hi, 1, false); err != nil || len(rows) > 0 {
				return nil, err // it hides older versions
			}
			id = v.ID
		}
		if id != "" && v.Keeping.keeps(o.config.Clock.Now(), false) {
			return nil, errKept
		}
		done, err := c.delete(id, o.config.Clock.Now())
		if err != nil {
			return nil, err
		}
		event := Expired
		if done.Made {
			event = ExpiredMarker
		}
		return nil, c.notify(event, done.Version, Caller{PrincipalID: "s3.amazonaws.com"})
	})
	if errors.Is(err, noSuchBucket("")) || errors.Is(err, errKept) {
		return nil
	}
	return err
}

// errKept tells that a version is kept by object lock: its lifecycle waits.
var errKept = errors.New("kept by object lock")

// expireUploads aborts the uploads that were begun too long ago.
func (o *Objects) expireUploads(ctx context.Context, b *Bucket) error {
	in := Place{Bucket: b.Name}
	for q := (Query{Max: MaxPage}); ctx.Err() == nil; {
		page, uploads, err := o.Uploads(ctx, in, q)
		if err != nil {
			return err
		}
		for _, u := range uploads {
			if !abortDue(b.Lifecycle, u, o.config.Clock.Now()) {
				continue
			}
			if err := o.Abort(ctx, Place{Bucket: b.Name, Key: u.Key}, u.ID); err != nil && !errors.Is(err, noSuchUpload("")) {
				return err
			}
		}
		if !page.Truncated {
			return nil
		}
		q.After, q.Version = page.Next, page.NextID
	}
	return ctx.Err()
}

func abortDue(rules []Rule, u *Upload, now time.Time) bool {
	for i := range rules {
		r := &rules[i]
		if !r.Disabled && r.AbortUploads > 0 && strings.HasPrefix(u.Key, r.Prefix) && !now.Before(due(u.Initiated, r.AbortUploads)) {
			return true
		}
	}
	return false
}
