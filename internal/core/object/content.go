package object

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/blob"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// content is the bytes of an object: its parts one after the other. Of many parts
// the list is in manifest rows.
type content struct {
	Parts    []part `json:",omitempty"`
	Manifest string `json:",omitempty"` // names the rows that have the parts
	Rows     int    `json:",omitempty"` // how many rows these are
	Count    int    `json:",omitempty"` // of parts of a multipart upload; 0: it was not one
}

// part is bytes in one place: a row or a blob.
type part struct {
	Number int32 `json:",omitempty"`
	Size   int64
	Row    string `json:",omitempty"` // id of the data row, or
	Blob   string `json:",omitempty"` // id of the blob, with
	Ref    string `json:",omitempty"` // the name of the row that keeps it
	Sum    string `json:",omitempty"` // checksum of a part of an upload
}

// id names the content while it is read; empty for one without blobs.
func (c *content) id() string {
	if c.Manifest != "" {
		return c.Manifest
	}
	for _, p := range c.Parts {
		if p.Blob != "" {
			return p.Ref
		}
	}
	return ""
}

// parts are all parts, in order.
func (c *content) parts(snap store.Snap) ([]part, error) {
	if c.Manifest == "" {
		return c.Parts, nil
	}
	all := make([]part, 0, c.Count)
	for n := range c.Rows {
		var some []part
		if _, found, err := get(snap, manifestKey(c.Manifest, n), &some); err != nil {
			return nil, err
		} else if !found {
			return nil, fmt.Errorf("read objects: row %d of manifest %s is missing", n, c.Manifest)
		}
		all = append(all, some...)
	}
	return all, nil
}

// newContent is content of these parts of an upload; its manifest rows join the batch.
func newContent(batch *store.Batch, parts []part) (content, error) {
	c := content{Count: len(parts)}
	if len(parts) <= partsInRow {
		c.Parts = parts
		return c, nil
	}
	c.Manifest = ids.Hex(refBytes)
	for rest := parts; len(rest) > 0; c.Rows++ {
		n := min(len(rest), partsInManifest)
		if err := put(batch, manifestKey(c.Manifest, c.Rows), rest[:n]); err != nil {
			return c, err
		}
		rest = rest[n:]
	}
	return c, nil
}

// free gives the content up with the commit of the batch. Readers that have it
// open go on.
func (o *Objects) free(batch *store.Batch, c *content) error {
	if c.id() != "" {
		return put(batch, garbageKey(o.garbageID()), garbage{Content: c})
	}
	for _, p := range c.Parts {
		batch.Deletes = append(batch.Deletes, dataKey(p.Row))
	}
	return nil
}

// Sums are the size and the digests of a body.
type Sums struct {
	Size int64
	MD5  []byte
	Text map[checksum.Algorithm]string // of the algorithms that were asked for
}

// Body is what is to be stored.
type Body struct {
	Reader     io.Reader
	Algorithms []checksum.Algorithm
	// Check looks at the sums when the reader has ended: trailers are known then.
	Check func(*Sums) error
}

// staged is a body on its way: in memory, or durable without a name.
type staged struct {
	sums   Sums
	inline []byte
	blob   *blob.Staged // nil: inline
	kept   bool
}

// stage reads the body. The caller keeps or drops it.
func (o *Objects) stage(ctx context.Context, body Body, most int64) (*staged, error) {
	digest := md5.New()
	hashes := map[checksum.Algorithm]hash.Hash{}
	writers := []io.Writer{digest}
	for _, algorithm := range body.Algorithms {
		h := algorithm.New()
		hashes[algorithm], writers = h, append(writers, h)
	}
	in := io.TeeReader(body.Reader, io.MultiWriter(writers...))
	s := &staged{inline: make([]byte, 0, 512)}
	first := bytes.NewBuffer(s.inline)
	size, err := io.CopyN(first, in, inlineBytes+1)
	s.inline = first.Bytes()
	if err == nil {
		s.inline = nil
		s.blob, err = o.config.Blobs.Stage(ctx, io.MultiReader(first, in), most)
		if errors.Is(err, blob.ErrTooLarge) {
			return nil, fail(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size", "MaxSizeAllowed", fmt.Sprint(most))
		}
		if err == nil {
			size = s.blob.Size
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	s.sums = Sums{Size: size, MD5: digest.Sum(nil), Text: map[checksum.Algorithm]string{}}
	for algorithm, h := range hashes {
		s.sums.Text[algorithm] = checksum.Text(h)
	}
	if body.Check != nil {
		if err := body.Check(&s.sums); err != nil {
			o.drop(ctx, s)
			return nil, err
		}
	}
	return s, nil
}

// keep adds the rows of the staged bytes to the batch. done must be called after the commit.
func (o *Objects) keep(batch *store.Batch, s *staged) (p part, done func(), err error) {
	p = part{Size: s.sums.Size}
	switch {
	case s.sums.Size == 0:
		return p, func() {}, nil
	case s.blob == nil:
		p.Row = ids.Hex(refBytes)
		batch.Puts = append(batch.Puts, store.KV{Key: dataKey(p.Row), Value: s.inline})
		return p, func() {}, nil
	}
	gate := o.blobs.of(s.blob.ID)
	gate.RLock()
	if !s.kept {
		if err := s.blob.Keep(); err != nil {
			gate.RUnlock()
			return p, nil, trouble("store object", err)
		}
		s.kept = true
	}
	p.Blob, p.Ref = s.blob.ID, ids.Hex(refBytes)
	batch.Puts = append(batch.Puts, store.KV{Key: refKey(p.Blob, p.Ref), Value: []byte{1}})
	return p, gate.RUnlock, nil
}

// drop forgets staged bytes that no commit named.
func (o *Objects) drop(ctx context.Context, s *staged) {
	switch {
	case s.blob == nil:
	case !s.kept:
		s.blob.Drop()
	default:
		if err := o.removeBlob(context.WithoutCancel(ctx), s.blob.ID); err != nil {
			o.config.Logger.Warn("a blob that nobody needs was left behind", "blob", s.blob.ID, "err", err)
		}
	}
}

// reader reads a piece of a content.
type reader struct {
	objects *Objects
	parts   []part // that are left
	skip    int64  // bytes of the first of them
	left    int64
	current io.ReadCloser
	inline  map[string][]byte // data rows
	release func()            // of the pin
}

// newReader reads size bytes from offset on. Rows are read now, files when they are due.
func (o *Objects) newReader(snap store.Snap, c *content, offset, size int64) (*reader, error) {
	parts, err := c.parts(snap)
	if err != nil {
		return nil, err
	}
	r := &reader{objects: o, left: size, inline: map[string][]byte{}, release: func() {}}
	var total int64
	for _, p := range parts {
		if offset >= p.Size {
			offset -= p.Size
			continue
		}
		if r.parts == nil {
			r.skip = offset
		}
		offset = 0
		if p.Row != "" {
			data, _, err := snap.Get(dataKey(p.Row))
			if err != nil {
				return nil, trouble("read object", err)
			}
			r.inline[p.Row] = data
		}
		r.parts = append(r.parts, p)
		if total += p.Size; total-r.skip >= size {
			break
		}
	}
	return r, nil
}

// Read reads from the present part and opens the next one when it has ended.
func (r *reader) Read(p []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		if r.current == nil {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		if int64(len(p)) > r.left {
			p = p[:r.left]
		}
		n, err := r.current.Read(p)
		r.left -= int64(n)
		if errors.Is(err, io.EOF) {
			err = r.current.Close()
			r.current = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (r *reader) next() error {
	if len(r.parts) == 0 {
		return errors.New("read object: there is less than its size")
	}
	p, skip := r.parts[0], r.skip
	r.parts, r.skip = r.parts[1:], 0
	if p.Row != "" {
		r.current = io.NopCloser(bytes.NewReader(r.inline[p.Row][skip:]))
		return nil
	}
	file, err := r.objects.config.Blobs.Open(p.Blob)
	if err != nil {
		return trouble("read object", err)
	}
	if _, err := file.Seek(skip, io.SeekStart); err != nil {
		return errors.Join(trouble("read object", err), file.Close())
	}
	r.current = file
	return nil
}

var _ io.ReadCloser = (*reader)(nil)

// Close releases the file and lets the content be collected.
func (r *reader) Close() error {
	r.left = 0
	r.release()
	if r.current == nil {
		return nil
	}
	current := r.current
	r.current = nil
	return current.Close()
}

// hold pins a content; the function that it returns releases it, once.
func (o *Objects) hold(c *content) func() {
	id := c.id()
	if id == "" {
		return func() {}
	}
	o.pins.hold(id)
	return sync.OnceFunc(func() { o.pins.release(id) })
}
