package object

import (
	"context"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Modes of a retention. Nobody shortens or lifts Compliance; Governance can be
// bypassed.
const (
	Governance = "GOVERNANCE"
	Compliance = "COMPLIANCE"
)

// Lock is the object lock of a bucket, which is never switched off. Days and Years are
// how long new versions are kept without saying so; zero: they are not.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
type Lock struct {
	Mode        string `json:",omitempty"`
	Days, Years int    `json:",omitempty"`
}

// Retention keeps a version until a time.
type Retention struct {
	Mode  string
	Until time.Time
}

// Keeping is what keeps a version from being deleted.
type Keeping struct {
	Retention *Retention `json:",omitempty"`
	Hold      bool       `json:",omitempty"` // a legal hold
}

// keeps tells whether the version cannot be deleted now.
func (k *Keeping) keeps(now time.Time, bypass bool) bool {
	r := k.Retention
	return k.Hold || r != nil && now.Before(r.Until) && !(bypass && r.Mode == Governance)
}

// noLock is the error of an option that needs object lock.
func noLock() *Error {
	return fail(InvalidRequest, "Bucket is missing Object Lock Configuration")
}

// Locked is the error of a change that a lock forbids.
func Locked() *Error {
	return fail(AccessDenied, "Access Denied because object protected by object lock.")
}

// Now is the time by which retentions are judged.
func (o *Objects) Now() time.Time { return o.config.Clock.Now() }

// keep gives a new version what keeps it: what came with it, or the bucket's default.
func (c *change) keep(v *Version, now time.Time) error {
	lock := c.bucket.Lock
	switch {
	case v.Marker:
		return nil // AWS: markers are never kept
	case lock == nil && v.Keeping != (Keeping{}):
		return noLock()
	case lock != nil && v.Keeping.Retention == nil && lock.Mode != "":
		v.Keeping.Retention = &Retention{lock.Mode, now.UTC().AddDate(lock.Years, 0, lock.Days).Truncate(time.Second)}
	}
	return nil
}

// SetKeeping changes what keeps a version. edit gets a copy to write to.
func (o *Objects) SetKeeping(ctx context.Context, in Place, versionID string, edit func(k *Keeping) error) error {
	return o.update(ctx, in, func(c *change) (func(), error) {
		if c.bucket.Lock == nil {
			return nil, noLock()
		}
		v, err := pick(c.snap, c.bucket, in.Key, versionID)
		if err != nil {
			return nil, err
		}
		changed := v.Keeping
		if err := edit(&changed); err != nil {
			return nil, err
		}
		v.Keeping = changed
		return nil, c.rewrite(v)
	})
}

// rewrite writes the row of a version that is there again.
func (c *change) rewrite(v *Version) error {
	row := objectKey(c.bucket.ID, c.key)
	if !v.Latest {
		row = versionKey(c.bucket.ID, c.key, v.Order)
		c.batch.Checks = append(c.batch.Checks, store.At(row, v.version))
	}
	return put(c.batch, row, v)
}

// Weaker tells whether a retention may not follow another one: it is shorter, or less.
func (r *Retention) Weaker(than *Retention, now time.Time, bypass bool) bool {
	if than == nil || !now.Before(than.Until) || bypass && than.Mode == Governance {
		return false
	}
	return r == nil || r.Until.Before(than.Until) || than.Mode == Compliance && r.Mode != Compliance
}
