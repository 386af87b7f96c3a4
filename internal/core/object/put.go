package object

import (
	"bytes"
	"context"
	"encoding/hex"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Attributes are what a new object has besides its bytes.
type Attributes struct {
	Headers  Headers
	Metadata map[string]string
	Tags     map[string]string
	Keeping  Keeping `json:",omitzero"`
}

// Condition is what must hold of the current version of a key.
type Condition struct {
	Match  string // its ETag; "*" for any
	Absent bool   // there is none
}

// check compares the condition with the current version.
func (c Condition) check(key string, v *Version) error {
	exists := v != nil && !v.Marker
	switch {
	case c.Absent && exists:
		return fail(PreconditionFailed, "At least one of the pre-conditions you specified did not hold", "Condition", "If-None-Match")
	case c.Match != "" && !exists:
		return noSuchKey(key)
	case c.Match != "" && c.Match != "*" && c.Match != v.ETag:
		return fail(PreconditionFailed, "At least one of the pre-conditions you specified did not hold", "Condition", "If-Match")
	}
	return nil
}

// CheckKey refuses a key that S3 does not take.
func CheckKey(key string) error {
	if len(key) > MaxKeyBytes {
		return fail(KeyTooLongError, "Your key is too long", "Size", strconv.Itoa(len(key)), "MaxSizeAllowed", strconv.Itoa(MaxKeyBytes))
	}
	return nil
}

// check refuses attributes that S3 does not take.
func (a *Attributes) check() error {
	size := 0
	for name, value := range a.Metadata {
		size += len(name) + len(value)
	}
	if size > MaxMetadataBytes {
		return fail(MetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size", "Size", strconv.Itoa(size), "MaxSizeAllowed", strconv.Itoa(MaxMetadataBytes))
	}
	return CheckTags(a.Tags, MaxObjectTags)
}

// Put stores an object. Sum is the algorithm of the checksum that is kept, event is how
// it came.
func (o *Objects) Put(ctx context.Context, in Place, attributes Attributes, body Body, sum checksum.Algorithm, condition Condition, event Event) (*Version, error) {
	if err := CheckKey(in.Key); err != nil {
		return nil, err
	}
	if err := attributes.check(); err != nil {
		return nil, err
	}
	if err := o.precheck(ctx, in, condition); err != nil { // before the body is read
		return nil, err
	}
	s, err := o.stage(ctx, body, limit.ObjectPutBytes)
	if err != nil {
		return nil, err
	}
	v := &Version{
		Key: in.Key, Size: s.sums.Size, ETag: hex.EncodeToString(s.sums.MD5),
		Headers: attributes.Headers, Metadata: attributes.Metadata, Tags: attributes.Tags, Keeping: attributes.Keeping,
		Checksum: Checksum{Algorithm: sum, Value: s.sums.Text[sum]},
	}
	return v, o.store(ctx, in, v, s, condition, event)
}

// precheck tells early what store would refuse.
func (o *Objects) precheck(ctx context.Context, in Place, condition Condition) error {
	return o.snapshot(ctx, func(snap store.Snap) error {
		b, err := o.bucket(snap, in)
		if err != nil || condition == (Condition{}) {
			return err
		}
		v, err := current(snap, b.ID, in.Key)
		if err != nil {
			return err
		}
		return condition.check(in.Key, v)
	})
}

// store commits a new version with its staged bytes.
func (o *Objects) store(ctx context.Context, in Place, v *Version, s *staged, condition Condition, event Event) error {
	err := o.update(ctx, in, func(c *change) (func(), error) {
		if err := condition.check(in.Key, c.current); err != nil {
			return nil, err
		}
		p, done, err := o.keep(c.batch, s)
		if err != nil {
			return nil, err
		}
		v.Content = content{}
		if p.Size > 0 {
			v.Content.Parts = []part{p}
		}
		if err := c.insert(v, o.config.Clock.Now()); err != nil {
			return done, err
		}
		return done, c.notify(event, v, in.By)
	})
	if err != nil {
		o.drop(ctx, s)
	}
	return err
}

// update commits a change of a key, as often as others were faster. edit fills the
// batch; what it returns is called after the commit, also after an error.
func (o *Objects) update(ctx context.Context, in Place, edit func(*change) (done func(), err error)) error {
	gate := o.buckets.of(in.Bucket)
	gate.RLock()
	defer gate.RUnlock()
	for {
		batch := &store.Batch{}
		var done func()
		told := false
		err := o.snapshot(ctx, func(snap store.Snap) error {
			c, err := o.begin(snap, batch, in)
			if err == nil {
				done, err = edit(c)
				told = c.told
			}
			return err
		})
		if err == nil {
			err = o.commit(ctx, batch)
		}
		if done != nil {
			done()
		}
		if conflict(err) && ctx.Err() == nil {
			continue
		}
		if err == nil {
			o.committed(batch, told)
		}
		return err
	}
}

// committed wakes those that work on what a commit left to do.
func (o *Objects) committed(batch *store.Batch, told bool) {
	if told {
		o.config.Outbox.Wake()
	}
	lo, _ := rangeOf("garbage")
	for _, row := range batch.Puts {
		if bytes.HasPrefix(row.Key, lo) {
			o.wakeCollector()
			return
		}
	}
}
