package object

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// The states of a bucket's versioning; empty is never switched on.
const (
	Enabled   = "Enabled"
	Suspended = "Suspended"
)

// Bucket is a bucket with all its settings. Who gets one must not change it.
type Bucket struct {
	Name         string
	ID           string // of its rows: a bucket that is made again has another
	Account      string
	Region       string
	Created      time.Time
	Versioning   string                     `json:",omitempty"`
	Lock         *Lock                      `json:",omitempty"` // nil: there is none
	Notification Notification               `json:",omitzero"`
	Lifecycle    []Rule                     `json:",omitempty"`
	Settings     map[string]json.RawMessage `json:",omitempty"` // of no matter here, by the name of the sub-resource
	version      store.Version
}

// ARN is the bucket's Amazon Resource Name.
func ARN(name string) string { return arn.New("s3", "", "", name).String() }

// bucketCache saves decoding a row that has not changed.
type bucketCache struct {
	mu   sync.Mutex
	rows map[string]cachedBucket // guarded by mu; emptied when full
}

type cachedBucket struct {
	version store.Version
	bucket  *Bucket
}

// bucket reads the row of a bucket; an *Error if there is none or it is another account's.
func (o *Objects) bucket(snap store.Snap, in Place) (*Bucket, error) {
	data, version, err := snap.Get(bucketKey(in.Bucket))
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchBucket(in.Bucket)
	} else if err != nil {
		return nil, trouble("read bucket", err)
	}
	b, err := o.cache.decode(in.Bucket, version, data)
	if err != nil {
		return nil, err
	}
	if in.Account != "" && in.Account != b.Account { // policies are not evaluated
		return nil, fail(AccessDenied, "Access Denied")
	}
	return b, nil
}

func (c *bucketCache) decode(name string, version store.Version, data []byte) (*Bucket, error) {
	c.mu.Lock()
	cached, ok := c.rows[name]
	c.mu.Unlock()
	if ok && cached.version == version {
		return cached.bucket, nil
	}
	b := &Bucket{}
	if err := json.Unmarshal(data, b); err != nil {
		return nil, trouble("read bucket "+name, err)
	}
	b.version = version
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rows) >= MaxBuckets {
		clear(c.rows)
	}
	c.rows[name] = cachedBucket{version, b}
	return b, nil
}

// Bucket finds a bucket of the caller.
func (o *Objects) Bucket(ctx context.Context, in Place) (b *Bucket, err error) {
	err = o.snapshot(ctx, func(snap store.Snap) error {
		b, err = o.bucket(snap, in)
		return err
	})
	return b, err
}

// CreateBucket makes a bucket with these settings; one with object lock has versions.
func (o *Objects) CreateBucket(ctx context.Context, in Place, region string, locked bool, settings map[string]json.RawMessage) error {
	if !ValidBucketName(in.Bucket) {
		return fail(InvalidBucketName, "The specified bucket is not valid.", "BucketName", in.Bucket)
	}
	b := Bucket{Name: in.Bucket, ID: ids.Hex(bucketIDBytes), Account: in.Account, Region: region, Created: o.config.Clock.Now().UTC().Truncate(time.Second), Settings: settings}
	if locked {
		b.Versioning, b.Lock = Enabled, &Lock{}
	}
	buckets, err := o.Buckets(ctx, in.Account)
	if err != nil {
		return err
	}
	if len(buckets) >= MaxBuckets {
		return fail(TooManyBuckets, "You have attempted to create more buckets than allowed")
	}
	batch := &store.Batch{Checks: []store.Check{store.Absent(bucketKey(in.Bucket))}}
	if err := put(batch, bucketKey(in.Bucket), b); err != nil {
		return err
	}
	err = o.commit(ctx, batch)
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	existing, err := o.Bucket(ctx, Place{Bucket: in.Bucket})
	switch {
	case errors.Is(err, noSuchBucket("")):
		return o.CreateBucket(ctx, in, region, locked, settings) // it was deleted just now
	case err != nil:
		return err
	case existing.Account != in.Account:
		return fail(BucketAlreadyExists, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.", "BucketName", in.Bucket)
	}
	return fail(BucketAlreadyOwnedByYou, "Your previous request to create the named bucket succeeded and you already own it.", "BucketName", in.Bucket)
}

// ValidBucketName tells whether S3 takes the name for a general purpose bucket.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func ValidBucketName(name string) bool {
	if len(name) < 3 || len(name) > 63 || strings.Contains(name, "..") || !alphanumeric(name[0]) || !alphanumeric(name[len(name)-1]) {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && c != '-' && c != '.' {
			return false
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	for _, prefix := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// Buckets are those of an account, by name.
func (o *Objects) Buckets(ctx context.Context, account string) (all []*Bucket, err error) {
	err = o.eachBucket(ctx, func(_ store.Snap, b *Bucket) error {
		if b.Account == account {
			all = append(all, b)
		}
		return nil
	})
	return all, err
}

// eachBucket walks all buckets in one view.
func (o *Objects) eachBucket(ctx context.Context, visit func(store.Snap, *Bucket) error) error {
	return o.snapshot(ctx, func(snap store.Snap) error {
		lo, hi := rangeOf("bucket")
		return scan(snap, lo, hi, func(row store.Entry) error {
			b := &Bucket{}
			if err := json.Unmarshal(row.Value, b); err != nil {
				return trouble("read bucket", err)
			}
			b.version = row.Version
			return visit(snap, b)
		})
	})
}

// scan calls visit with all rows of a range.
func scan(snap store.Snap, lo, hi []byte, visit func(store.Entry) error) error {
	for {
		rows, err := snap.Scan(lo, hi, scanRows, false)
		if err != nil {
			return trouble("scan objects", err)
		}
		for _, row := range rows {
			if err := visit(row); err != nil {
				return err
			}
		}
		if len(rows) < scanRows {
			return nil
		}
		lo = after(rows[len(rows)-1].Key)
	}
}

// Change changes the settings of a bucket; edit gets a copy to write to.
func (o *Objects) Change(ctx context.Context, in Place, edit func(*Bucket) error) error {
	return o.change(ctx, in, func(b *Bucket, _ *store.Batch) error { return edit(b) })
}

// change is Change with a batch for what belongs to it.
func (o *Objects) change(ctx context.Context, in Place, edit func(*Bucket, *store.Batch) error) error {
	for {
		b, err := o.Bucket(ctx, in)
		if err != nil {
			return err
		}
		changed := *b
		changed.Settings = maps.Clone(b.Settings)
		if changed.Settings == nil {
			changed.Settings = map[string]json.RawMessage{}
		}
		batch := &store.Batch{Checks: []store.Check{store.At(bucketKey(in.Bucket), b.version)}}
		if err := edit(&changed, batch); err != nil {
			return err
		}
		if err := put(batch, bucketKey(in.Bucket), changed); err != nil {
			return err
		}
		if size := len(batch.Puts[len(batch.Puts)-1].Value); size > bucketRowBytes {
			return fail(InvalidRequest, fmt.Sprintf("The settings of the bucket are too large: %d bytes, %d are allowed.", size, bucketRowBytes))
		}
		if err := o.commit(ctx, batch); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// DeleteBucket removes a bucket that holds no object; uploads in it are aborted.
func (o *Objects) DeleteBucket(ctx context.Context, in Place) error {
	gate := o.buckets.of(in.Bucket) // no change of an object is between its look at the bucket and its commit
	gate.Lock()
	defer gate.Unlock()
	for {
		batch, err := o.emptied(ctx, in)
		if err == nil {
			err = o.commit(ctx, batch)
		}
		if !errors.Is(err, store.ErrConflict) { // else a setting was changed
			o.wakeCollector()
			return err
		}
	}
}

// emptied is the batch that removes a bucket; an error if it is not empty.
func (o *Objects) emptied(ctx context.Context, in Place) (batch *store.Batch, err error) {
	err = o.snapshot(ctx, func(snap store.Snap) error {
		b, err := o.bucket(snap, in)
		if err != nil {
			return err
		}
		lo, hi := tuple.Range("s3", "object", b.ID) // a key with versions always has a current one
		rows, err := snap.Scan(lo, hi, 1, false)
		if err != nil {
			return trouble("delete bucket", err)
		}
		if len(rows) > 0 {
			message := "The bucket you tried to delete is not empty"
			if b.Versioning != "" {
				message += ". You must delete all versions in the bucket."
			}
			return fail(BucketNotEmpty, message, "BucketName", in.Bucket)
		}
		batch = &store.Batch{Checks: []store.Check{store.At(bucketKey(in.Bucket), b.version)}, Deletes: [][]byte{bucketKey(in.Bucket)}}
		return put(batch, garbageKey(o.garbageID()), garbage{Bucket: b.ID})
	})
	return batch, err
}
