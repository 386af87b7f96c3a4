package object

import (
	"bytes"
	"context"
	"io"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Found is a version that is being looked at. The caller closes it or the reader
// that it gave.
type Found struct {
	*Version
	Bucket  *Bucket
	objects *Objects
	inline  []byte // of an object that is a row
	release func()
}

// pick finds the version of that id, of an empty id the current one; an *Error for
// none and for a marker.
func pick(snap store.Snap, b *Bucket, key, id string) (v *Version, err error) {
	if id == "" {
		v, err = current(snap, b.ID, key)
	} else {
		v, err = version(snap, b.ID, key, id)
	}
	switch {
	case err != nil:
		return nil, err
	case v == nil && id != "":
		return nil, noSuchVersion(key, id)
	case v == nil:
		return nil, noSuchKey(key)
	case v.Marker && id == "":
		e := noSuchKey(key)
		e.Marker = v
		return nil, e
	case v.Marker:
		e := fail(MethodNotAllowed, "The specified method is not allowed against this resource.", "Method", "GET", "ResourceType", "DeleteMarker")
		e.Marker = v
		return nil, e
	}
	return v, nil
}

// Find finds a version of an object; of an empty id the current one.
func (o *Objects) Find(ctx context.Context, in Place, versionID string) (*Found, error) {
	for {
		f, err := o.find(ctx, in, versionID)
		if err != nil {
			return nil, err
		}
		if f.Content.id() == "" {
			return f, nil
		}
		// Was it still there when the pin was set? Then nobody collects it.
		again, err := o.find(ctx, in, versionID)
		if err != nil {
			f.Close()
			return nil, err
		}
		again.Close()
		if again.version == f.version {
			return f, nil
		}
		f.Close()
	}
}

func (o *Objects) find(ctx context.Context, in Place, versionID string) (f *Found, err error) {
	err = o.snapshot(ctx, func(snap store.Snap) error {
		b, err := o.bucket(snap, in)
		if err != nil {
			return err
		}
		v, err := pick(snap, b, in.Key, versionID)
		if err != nil {
			return err
		}
		f = &Found{Version: v, Bucket: b, objects: o, release: o.hold(&v.Content)}
		if v.Content.id() == "" && len(v.Content.Parts) > 0 { // nothing pins the row of a small object
			if f.inline, _, err = snap.Get(dataKey(v.Content.Parts[0].Row)); err != nil {
				return trouble("read object", err)
			}
		}
		return nil
	})
	return f, err
}

// ReadAll reads a small object whole.
func (o *Objects) ReadAll(ctx context.Context, in Place, versionID string, most int64) ([]byte, error) {
	f, err := o.Find(ctx, in, versionID)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size > most {
		return nil, fail(EntityTooLarge, "The object is larger than "+strconv.FormatInt(most, 10)+" bytes")
	}
	r, err := f.Read(ctx, 0, f.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, f.Size)
	_, err = io.ReadFull(r, data)
	return data, err
}

// Close ends the look at the version.
func (f *Found) Close() { f.release() }

// Read gives size bytes from offset on; it closes the look when it is closed.
func (f *Found) Read(ctx context.Context, offset, size int64) (io.ReadCloser, error) {
	if f.inline != nil || size == 0 {
		return io.NopCloser(bytes.NewReader(f.inline[min(offset, int64(len(f.inline))):][:size])), nil
	}
	var r *reader
	err := f.objects.snapshot(ctx, func(snap store.Snap) (err error) {
		r, err = f.objects.newReader(snap, &f.Content, offset, size)
		return err
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	r.release = f.release
	return r, nil
}

// Part is the place of a part of an object, from 1 on. An object that was not
// uploaded in parts is one part.
func (f *Found) Part(ctx context.Context, number int) (p Part, err error) {
	if f.Content.Count == 0 {
		if number != 1 {
			return Part{}, noSuchPart()
		}
		return Part{Number: 1, Size: f.Size}, nil
	}
	all, err := f.Parts(ctx)
	if err != nil {
		return Part{}, err
	}
	if number < 1 || number > len(all) {
		return Part{}, noSuchPart()
	}
	return all[number-1], nil
}

func noSuchPart() error {
	return fail("InvalidPartNumber", "The requested partnumber is not satisfiable")
}

// Part is a part of an object or of an upload.
type Part struct {
	Number   int32
	Offset   int64
	Size     int64
	Checksum string
}

// Parts are the parts of an object that was uploaded in parts.
func (f *Found) Parts(ctx context.Context) (all []Part, err error) {
	err = f.objects.snapshot(ctx, func(snap store.Snap) error {
		parts, err := f.Content.parts(snap)
		offset := int64(0)
		for i, p := range parts {
			all = append(all, Part{Number: int32(i + 1), Offset: offset, Size: p.Size, Checksum: p.Sum})
			offset += p.Size
		}
		return err
	})
	return all, err
}
