package object

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// uploadIDPart is the place of the upload's id in the key of its row.
const uploadIDPart = 4

// Upload is an object that is being uploaded in parts.
type Upload struct {
	Key        string `json:"-"`
	ID         string
	Initiated  time.Time
	Attributes Attributes
	Algorithm  checksum.Algorithm // of all parts; empty: the client did not say
	Composite  bool               // the object's checksum will be over those of the parts
}

// sum is the algorithm that is computed of each part.
func (u *Upload) sum() checksum.Algorithm {
	if u.Algorithm == "" {
		return checksum.CRC64NVME
	}
	return u.Algorithm
}

// uploadedPart is the row of a part.
type uploadedPart struct {
	Part     part
	ETag     string
	Modified time.Time
}

// UploadedPart is a part of an upload that is not complete.
type UploadedPart struct {
	Number   int32
	Size     int64
	ETag     string
	Modified time.Time
	Checksum Checksum
}

// CreateUpload begins an upload.
func (o *Objects) CreateUpload(ctx context.Context, in Place, u Upload) (id string, err error) {
	if err := CheckKey(in.Key); err != nil {
		return "", err
	}
	if err := u.Attributes.check(); err != nil {
		return "", err
	}
	now := o.config.Clock.Now().UTC()
	u.ID = fmt.Sprintf("%016x", now.UnixNano()) + ids.Hex(uploadBytes) // in the order of time
	u.Initiated = now.Truncate(time.Second)
	gate := o.buckets.of(in.Bucket)
	gate.RLock()
	defer gate.RUnlock()
	b, err := o.Bucket(ctx, in)
	if err != nil {
		return "", err
	}
	if b.Lock == nil && u.Attributes.Keeping != (Keeping{}) {
		return "", noLock()
	}
	batch := &store.Batch{}
	if err := put(batch, uploadKey(b.ID, in.Key, u.ID), u); err != nil {
		return "", err
	}
	return u.ID, o.commit(ctx, batch)
}

// upload reads the row of an upload.
func (o *Objects) upload(snap store.Snap, in Place, id string) (*Bucket, *Upload, store.Version, error) {
	b, err := o.bucket(snap, in)
	if err != nil {
		return nil, nil, 0, err
	}
	u := &Upload{Key: in.Key}
	version, found, err := get(snap, uploadKey(b.ID, in.Key, id), u)
	if err == nil && !found {
		err = noSuchUpload(id)
	}
	return b, u, version, err
}

// Upload finds an upload.
func (o *Objects) Upload(ctx context.Context, in Place, id string) (u *Upload, err error) {
	err = o.snapshot(ctx, func(snap store.Snap) error {
		_, u, _, err = o.upload(snap, in, id)
		return err
	})
	return u, err
}

// UploadPart stores one part; a part of the same number is replaced.
func (o *Objects) UploadPart(ctx context.Context, in Place, id string, number int32, body Body) (*UploadedPart, error) {
	if number < 1 || number > MaxParts {
		return nil, fail(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive", "ArgumentName", "partNumber", "ArgumentValue", strconv.Itoa(int(number)))
	}
	u, err := o.Upload(ctx, in, id)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(body.Algorithms, u.sum()) {
		body.Algorithms = append(slices.Clone(body.Algorithms), u.sum())
	}
	s, err := o.stage(ctx, body, limit.ObjectPutBytes)
	if err != nil {
		return nil, err
	}
	row := uploadedPart{ETag: hex.EncodeToString(s.sums.MD5)}
	for {
		batch := &store.Batch{}
		done, err := o.addPart(ctx, batch, in, u, number, s, &row)
		if err == nil {
			err = o.commit(ctx, batch)
		}
		if done != nil {
			done()
		}
		if conflict(err) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			o.drop(ctx, s)
			return nil, err
		}
		o.committed(batch, false)
		return row.outward(u), nil
	}
}

func (p *uploadedPart) outward(u *Upload) *UploadedPart {
	return &UploadedPart{Number: p.Part.Number, Size: p.Part.Size, ETag: p.ETag, Modified: p.Modified, Checksum: Checksum{Algorithm: u.Algorithm, Value: p.Part.Sum}}
}

func (o *Objects) addPart(ctx context.Context, batch *store.Batch, in Place, u *Upload, number int32, s *staged, row *uploadedPart) (done func(), err error) {
	err = o.snapshot(ctx, func(snap store.Snap) error {
		b, _, version, err := o.upload(snap, in, u.ID)
		if err != nil {
			return err
		}
		var old uploadedPart
		oldVersion, found, err := get(snap, partKey(u.ID, number), &old)
		if err != nil {
			return err
		}
		batch.Checks = append(batch.Checks, store.At(bucketKey(b.Name), b.version), store.At(uploadKey(b.ID, in.Key, u.ID), version), store.At(partKey(u.ID, number), oldVersion))
		if found {
			if err := o.free(batch, &content{Parts: []part{old.Part}}); err != nil {
				return err
			}
		}
		if row.Part, done, err = o.keep(batch, s); err != nil {
			return err
		}
		row.Part.Number, row.Part.Sum = number, s.sums.Text[u.sum()]
		row.Modified = o.config.Clock.Now().UTC().Truncate(time.Second)
		return put(batch, partKey(u.ID, number), row)
	})
	return done, err
}

// uploaded are the parts of an upload by number.
func uploaded(snap store.Snap, id string) (map[int32]uploadedPart, error) {
	parts := map[int32]uploadedPart{}
	lo, hi := tuple.Range("s3", "part", id)
	err := scan(snap, lo, hi, func(row store.Entry) error {
		var p uploadedPart
		if err := json.Unmarshal(row.Value, &p); err != nil {
			return trouble("read part", err)
		}
		parts[p.Part.Number] = p
		return nil
	})
	return parts, err
}

// CompletedPart is a part as the client lists it.
type CompletedPart struct {
	Number int32
	ETag   string
	Sum    string // of the upload's algorithm, or empty
}

// Completion is how an upload is to be completed.
type Completion struct {
	Parts     []CompletedPart
	Checksum  string // of the whole, without the number of parts; empty: not told
	Size      *int64
	Condition Condition
}

// Complete makes the object of an upload. Asked again after it did, it answers the same.
func (o *Objects) Complete(ctx context.Context, in Place, id string, how Completion) (*Version, error) {
	v := &Version{Key: in.Key}
	err := o.update(ctx, in, func(c *change) (func(), error) {
		*v = Version{Key: in.Key}
		u := &Upload{Key: in.Key}
		row := uploadKey(c.bucket.ID, in.Key, id)
		version, found, err := get(c.snap, row, u)
		if err != nil {
			return nil, err
		}
		if !found {
			if c.current != nil && c.current.Upload == id {
				*v = *c.current
				return nil, nil
			}
			return nil, noSuchUpload(id)
		}
		if err := how.Condition.check(in.Key, c.current); err != nil {
			return nil, err
		}
		c.batch.Checks = append(c.batch.Checks, store.At(row, version))
		c.batch.Deletes = append(c.batch.Deletes, row)
		if err := o.assemble(c, u, v, &how); err != nil {
			return nil, err
		}
		if err := c.insert(v, o.config.Clock.Now()); err != nil {
			return nil, err
		}
		return nil, c.notify(CreatedComplete, v, in.By)
	})
	return v, err
}

// assemble makes the content of v of the parts of the upload.
func (o *Objects) assemble(c *change, u *Upload, v *Version, how *Completion) error {
	have, err := uploaded(c.snap, u.ID)
	if err != nil {
		return err
	}
	if !slices.IsSortedFunc(how.Parts, func(a, b CompletedPart) int {
		if a.Number == b.Number {
			return -1 // twice is not in order either
		}
		return int(a.Number - b.Number)
	}) {
		return fail(InvalidPartOrder, "The list of parts was not in ascending order. Parts must be ordered by part number.", "UploadId", u.ID)
	}
	var parts []part
	digests := md5.New()
	for i, asked := range how.Parts {
		p, ok := have[asked.Number]
		if !ok || asked.ETag != p.ETag || asked.Sum != "" && asked.Sum != p.Part.Sum {
			return fail(InvalidPart, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
				"UploadId", u.ID, "PartNumber", strconv.Itoa(int(asked.Number)), "ETag", asked.ETag)
		}
		if i < len(how.Parts)-1 && p.Part.Size < MinPartBytes {
			return fail(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size",
				"ProposedSize", strconv.FormatInt(p.Part.Size, 10), "MinSizeAllowed", strconv.Itoa(MinPartBytes), "PartNumber", strconv.Itoa(int(asked.Number)), "ETag", p.ETag)
		}
		parts = append(parts, p.Part)
		v.Size += p.Part.Size
		digest, _ := hex.DecodeString(p.ETag) // is our own
		digests.Write(digest)
		delete(have, asked.Number)
	}
	switch {
	case v.Size > MaxObjectBytes:
		return fail(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size", "MaxSizeAllowed", strconv.FormatInt(MaxObjectBytes, 10))
	case how.Size != nil && *how.Size != v.Size:
		return fail(InvalidRequest, "The provided 'x-amz-mp-object-size' header value "+strconv.FormatInt(*how.Size, 10)+" does not match what was computed: "+strconv.FormatInt(v.Size, 10))
	}
	v.ETag = hex.EncodeToString(digests.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	v.Upload, v.Headers, v.Metadata, v.Tags, v.Keeping = u.ID, u.Attributes.Headers, u.Attributes.Metadata, u.Attributes.Tags, u.Attributes.Keeping
	v.Checksum = u.whole(parts)
	if how.Checksum != "" && how.Checksum != v.Checksum.Value {
		return fail(BadDigest, "The "+string(u.sum())+" you specified did not match the calculated checksum.")
	}
	if v.Content, err = newContent(c.batch, parts); err != nil {
		return err
	}
	return o.endUpload(c.batch, u.ID, have)
}

// whole is the checksum of the object.
func (u *Upload) whole(parts []part) Checksum {
	sum := Checksum{Algorithm: u.sum(), Composite: u.Composite}
	if !u.Composite {
		for i, p := range parts {
			if i == 0 {
				sum.Value = p.Sum
			} else {
				sum.Value = sum.Algorithm.Combine(sum.Value, p.Sum, p.Size)
			}
		}
		return sum
	}
	h := sum.Algorithm.New()
	for _, p := range parts {
		h.Write(checksum.Bytes(p.Sum))
	}
	sum.Value = checksum.Text(h)
	return sum
}

// endUpload removes the rows of all parts; what is left of them is garbage.
func (o *Objects) endUpload(batch *store.Batch, id string, left map[int32]uploadedPart) error {
	lo, hi := tuple.Range("s3", "part", id)
	batch.DeleteRanges = append(batch.DeleteRanges, store.Range{Lo: lo, Hi: hi})
	var parts []part
	for _, p := range left {
		parts = append(parts, p.Part)
	}
	for some := range slices.Chunk(parts, partsInManifest) {
		if err := put(batch, garbageKey(o.garbageID()), garbage{Content: &content{Parts: some}}); err != nil {
			return err
		}
	}
	return nil
}

// Abort ends an upload without an object.
func (o *Objects) Abort(ctx context.Context, in Place, id string) error {
	for {
		batch := &store.Batch{}
		err := o.snapshot(ctx, func(snap store.Snap) error {
			b, _, version, err := o.upload(snap, in, id)
			if err != nil {
				return err
			}
			row := uploadKey(b.ID, in.Key, id)
			batch.Checks = append(batch.Checks, store.At(row, version))
			batch.Deletes = append(batch.Deletes, row)
			return put(batch, garbageKey(o.garbageID()), garbage{Upload: id})
		})
		if err == nil {
			err = o.commit(ctx, batch)
		}
		if !conflict(err) {
			o.committed(batch, false)
			return err
		}
	}
}

// Uploads lists the uploads that are not complete by key, then by time. Query.Version
// is the upload of the key Query.After that the page before ended with.
func (o *Objects) Uploads(ctx context.Context, in Place, q Query) (page *Page, uploads []*Upload, err error) {
	page = &Page{}
	err = o.snapshot(ctx, func(snap store.Snap) error {
		b, err := o.bucket(snap, in)
		if err != nil || q.Max == 0 {
			return err
		}
		visit := func(key string, row store.Entry) (bool, error) {
			u := &Upload{Key: key}
			if err := json.Unmarshal(row.Value, u); err != nil {
				return false, trouble("list uploads", err)
			}
			if len(uploads)+len(page.Prefixes) >= q.Max {
				page.Truncated = true
				return false, nil
			}
			uploads, page.Next, page.NextID = append(uploads, u), key, u.ID
			return true, nil
		}
		if q.Version != "" {
			_, hi := tuple.Range("s3", "upload", b.ID, q.After)
			rows, err := snap.Scan(after(uploadKey(b.ID, q.After, q.Version)), hi, q.Max+1, false)
			if err != nil {
				return trouble("list uploads", err)
			}
			for _, row := range rows {
				if more, err := visit(q.After, row); err != nil || !more {
					return err
				}
			}
		}
		full := q
		full.Max = q.Max - len(uploads)
		return walk(snap, []any{"s3", "upload", b.ID}, full, page, visit)
	})
	return page, uploads, err
}

// Parts lists the parts of an upload whose number is above after.
func (o *Objects) Parts(ctx context.Context, in Place, id string, above, most int) (u *Upload, parts []*UploadedPart, more bool, err error) {
	err = o.snapshot(ctx, func(snap store.Snap) error {
		if _, u, _, err = o.upload(snap, in, id); err != nil || most == 0 {
			return err
		}
		_, hi := tuple.Range("s3", "part", id)
		rows, err := snap.Scan(after(partKey(id, int32(min(above, MaxParts)))), hi, most+1, false)
		if err != nil {
			return trouble("list parts", err)
		}
		if more = len(rows) > most; more {
			rows = rows[:most]
		}
		for _, row := range rows {
			var p uploadedPart
			if err := json.Unmarshal(row.Value, &p); err != nil {
				return trouble("list parts", err)
			}
			parts = append(parts, p.outward(u))
		}
		return nil
	})
	return u, parts, more, err
}
