package object

import (
	"context"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Target is one object to be deleted.
type Target struct {
	Key       string
	VersionID string
	Match     *DeleteCondition
	Bypass    bool // of a governance retention
}

// DeleteCondition is what must hold of the object; what is not set is not compared.
type DeleteCondition struct {
	ETag     string
	Modified time.Time
	Size     *int64
}

func (d *DeleteCondition) check(key string, v *Version) error {
	switch {
	case d == nil:
		return nil
	case v == nil || v.Marker:
		return noSuchKey(key)
	case d.ETag != "" && d.ETag != "*" && d.ETag != v.ETag,
		!d.Modified.IsZero() && !d.Modified.Equal(v.Modified),
		d.Size != nil && *d.Size != v.Size:
		return fail(PreconditionFailed, "At least one of the pre-conditions you specified did not hold", "Condition", "If-Match")
	}
	return nil
}

// Outcome is what became of a Target.
type Outcome struct {
	Deleted
	Err error // an *Error
}

// Delete deletes one object.
func (o *Objects) Delete(ctx context.Context, in Place, versionID string, condition *DeleteCondition, bypass bool) (Deleted, error) {
	outcomes, err := o.DeleteMany(ctx, in, []Target{{in.Key, versionID, condition, bypass}})
	if err != nil {
		return Deleted{}, err
	}
	return outcomes[0].Deleted, outcomes[0].Err
}

// DeleteMany deletes objects, in commits of some at a time; the outcomes are in the
// order of the targets.
func (o *Objects) DeleteMany(ctx context.Context, in Place, targets []Target) ([]Outcome, error) {
	if _, err := o.Bucket(ctx, in); err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(targets))
	for start := 0; start < len(targets); {
		n := distinct(targets[start:min(start+deleteBatch, len(targets))])
		if err := o.deleteSome(ctx, in, targets[start:start+n], outcomes[start:start+n]); err != nil {
			return nil, err
		}
		start += n
	}
	return outcomes, nil
}

// distinct is how many targets have different keys: one commit changes a key once.
func distinct(targets []Target) int {
	seen := map[string]bool{}
	for i, t := range targets {
		if seen[t.Key] {
			return i
		}
		seen[t.Key] = true
	}
	return len(targets)
}

func (o *Objects) deleteSome(ctx context.Context, in Place, targets []Target, outcomes []Outcome) error {
	gate := o.buckets.of(in.Bucket)
	gate.RLock()
	defer gate.RUnlock()
	for {
		batch := &store.Batch{}
		told := false
		err := o.snapshot(ctx, func(snap store.Snap) error {
			for i, t := range targets {
				if err := o.deleteOne(snap, batch, Place{in.Account, in.Bucket, t.Key, in.By}, t, &outcomes[i], &told); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && len(batch.Puts)+len(batch.Deletes) > 0 {
			err = o.commit(ctx, batch)
		}
		if !conflict(err) || ctx.Err() != nil {
			o.committed(batch, told)
			return err
		}
	}
}

// deleteOne adds a delete to the batch, or notes why not.
func (o *Objects) deleteOne(snap store.Snap, batch *store.Batch, in Place, t Target, outcome *Outcome, told *bool) error {
	*outcome = Outcome{}
	if err := CheckKey(t.Key); err != nil {
		outcome.Err = err
		return nil
	}
	if t.VersionID != "" && !ValidVersionID(t.VersionID) {
		outcome.Err = fail(InvalidArgument, "Invalid version id specified", "ArgumentName", "versionId", "ArgumentValue", t.VersionID)
		return nil
	}
	checks := len(batch.Checks)
	c, err := o.begin(snap, batch, in)
	if err != nil {
		return err
	}
	if checks > 0 { // the bucket's row is checked once
		batch.Checks = slices.Delete(batch.Checks, checks, checks+1)
	}
	v := c.current
	if t.VersionID != "" {
		if v, err = version(snap, c.bucket.ID, t.Key, t.VersionID); err != nil {
			return err
		}
	}
	if outcome.Err = t.Match.check(t.Key, v); outcome.Err != nil {
		return nil
	}
	if t.VersionID != "" && v != nil && v.Keeping.keeps(o.config.Clock.Now(), t.Bypass) {
		outcome.Err = Locked()
		return nil
	}
	if outcome.Deleted, err = c.delete(t.VersionID, o.config.Clock.Now()); err != nil || outcome.Version == nil {
		return err
	}
	event := Removed
	if outcome.Made {
		event = RemovedMarker
	}
	err = c.notify(event, outcome.Version, in.By)
	*told = *told || c.told
	return err
}
