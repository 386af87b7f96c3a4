package object

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// garbage is a row about what nothing names any more.
type garbage struct {
	Content *content `json:",omitempty"`
	Bucket  string   `json:",omitempty"` // ID of a bucket that was deleted, with uploads perhaps
	Upload  string   `json:",omitempty"` // ID of an upload that ended, with parts that were not used
}

// garbageID makes the name of a garbage row; older ones come first.
func (o *Objects) garbageID() string {
	return fmt.Sprintf("%016x", o.config.Clock.Now().UnixNano()) + ids.Hex(refBytes)
}

func (o *Objects) wakeCollector() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Run collects garbage and expires what lifecycles say until ctx ends.
func (o *Objects) Run(ctx context.Context) error {
	var swept, expired time.Time
	for ctx.Err() == nil {
		now := o.config.Clock.Now()
		if swept.IsZero() || now.Sub(swept) >= sweepEvery {
			swept = now
			o.attempt(ctx, "look for blobs that no object names", o.sweep)
		}
		if expired.IsZero() || now.Sub(expired) >= lifecycleEvery {
			expired = now
			o.attempt(ctx, "expire objects", o.expire)
		}
		o.attempt(ctx, "free what deleted objects held", o.collect)
		clock.Wait(ctx, o.config.Clock, o.wake, collectInterval)
	}
	return nil
}

// attempt logs an error: the work is tried again.
func (o *Objects) attempt(ctx context.Context, what string, do func(context.Context) error) {
	if err := do(ctx); err != nil && ctx.Err() == nil {
		o.config.Logger.Warn("could not "+what+"; it is tried again", "err", err)
	}
}

// collect frees what garbage rows name, but for what is being read.
func (o *Objects) collect(ctx context.Context) error {
	lo, hi := rangeOf("garbage")
	for ctx.Err() == nil {
		var rows []store.Entry
		err := o.snapshot(ctx, func(snap store.Snap) (err error) {
			rows, err = snap.Scan(lo, hi, collectBatch, false)
			return err
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := o.collectRow(ctx, row); err != nil {
				return err
			}
		}
		lo = after(rows[len(rows)-1].Key)
	}
	return nil
}

func (o *Objects) collectRow(ctx context.Context, row store.Entry) error {
	var g garbage
	if err := json.Unmarshal(row.Value, &g); err != nil {
		return trouble("read garbage", err)
	}
	var err error
	switch {
	case g.Bucket != "":
		err = o.freeBucket(ctx, g.Bucket)
	case g.Upload != "":
		err = o.freeParts(ctx, g.Upload)
	case g.Content != nil && o.pins.isHeld(g.Content.id()):
		return nil // the next round sees it again
	case g.Content != nil:
		err = o.freeContent(ctx, g.Content)
	}
	if err != nil {
		return err
	}
	return o.commit(ctx, &store.Batch{Deletes: [][]byte{row.Key}, Durability: store.Relaxed})
}

// freeContent removes rows and blobs of a content. It may have done a part of it
// already, before a crash.
func (o *Objects) freeContent(ctx context.Context, c *content) error {
	var parts []part
	err := o.snapshot(ctx, func(snap store.Snap) (err error) {
		for n := range c.Rows {
			var some []part
			if _, _, err := get(snap, manifestKey(c.Manifest, n), &some); err != nil {
				return err
			}
			parts = append(parts, some...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := o.freeAll(ctx, append(parts, c.Parts...)); err != nil || c.Manifest == "" {
		return err
	}
	lo, hi := tuple.Range("s3", "manifest", c.Manifest)
	return o.commit(ctx, &store.Batch{DeleteRanges: []store.Range{{Lo: lo, Hi: hi}}, Durability: store.Relaxed})
}

// freeAll removes the refs and rows of parts, then the blobs that lost their last ref.
func (o *Objects) freeAll(ctx context.Context, parts []part) error {
	for len(parts) > 0 && ctx.Err() == nil {
		some := parts[:min(len(parts), partsInManifest)]
		parts = parts[len(some):]
		batch := &store.Batch{Durability: store.Relaxed}
		for _, p := range some {
			if p.Row != "" {
				batch.Deletes = append(batch.Deletes, dataKey(p.Row))
			} else if p.Blob != "" {
				batch.Deletes = append(batch.Deletes, refKey(p.Blob, p.Ref))
			}
		}
		if err := o.commit(ctx, batch); err != nil {
			return err
		}
		for _, p := range some {
			if p.Blob == "" {
				continue
			}
			if err := o.removeBlob(ctx, p.Blob); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// removeBlob removes a blob if no ref names it.
func (o *Objects) removeBlob(ctx context.Context, id string) error {
	gate := o.blobs.of(id) // nobody is between naming the blob and committing its ref
	gate.Lock()
	defer gate.Unlock()
	var refs []store.Entry
	err := o.snapshot(ctx, func(snap store.Snap) (err error) {
		lo, hi := tuple.Range("s3", "ref", id)
		refs, err = snap.Scan(lo, hi, 1, false)
		return err
	})
	if err != nil || len(refs) > 0 {
		return err
	}
	return o.config.Blobs.Delete(id)
}

// sweep removes the blobs that a crash left between their naming and their commit.
func (o *Objects) sweep(ctx context.Context) error {
	for id, err := range o.config.Blobs.All() {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = o.removeBlob(ctx, id)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// freeBucket aborts the uploads of a bucket that is gone.
func (o *Objects) freeBucket(ctx context.Context, bucketID string) error {
	lo, hi := tuple.Range("s3", "upload", bucketID)
	for ctx.Err() == nil {
		var rows []store.Entry
		err := o.snapshot(ctx, func(snap store.Snap) (err error) {
			rows, err = snap.Scan(lo, hi, collectBatch, false)
			return err
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			id, err := keyOf(row.Key, uploadIDPart)
			if err == nil {
				err = o.freeParts(ctx, id)
			}
			if err == nil {
				err = o.commit(ctx, &store.Batch{Deletes: [][]byte{row.Key}, Durability: store.Relaxed})
			}
			if err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// freeParts frees the parts of an upload that ended.
func (o *Objects) freeParts(ctx context.Context, uploadID string) error {
	lo, hi := tuple.Range("s3", "part", uploadID)
	var parts []part
	err := o.snapshot(ctx, func(snap store.Snap) error {
		return scan(snap, lo, hi, func(row store.Entry) error {
			var p uploadedPart
			if err := json.Unmarshal(row.Value, &p); err != nil {
				return trouble("read part", err)
			}
			parts = append(parts, p.Part)
			return nil
		})
	})
	if err != nil || len(parts) == 0 {
		return err
	}
	if err := o.freeAll(ctx, parts); err != nil {
		return err
	}
	return o.commit(ctx, &store.Batch{DeleteRanges: []store.Range{{Lo: lo, Hi: hi}}, Durability: store.Relaxed})
}
