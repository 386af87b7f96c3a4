package object

import (
	"context"
	"encoding/hex"

	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Source is the object that is copied.
type Source struct {
	Place
	VersionID string
	Check     func(*Version) error // refuses it, or nil
}

// Copying is how an object is copied.
type Copying struct {
	Attributes                    *Attributes // nil: those of the source, but for
	StorageClass, WebsiteRedirect string
	Tags                          map[string]string
	ReplaceTags                   bool
	Algorithm                     checksum.Algorithm // empty: that of the source
	Condition                     Condition
	Keeping                       Keeping // AWS: that of the source is not copied
}

// OpenSource finds the object that is to be copied.
func (o *Objects) OpenSource(ctx context.Context, from Source) (*Found, error) {
	f, err := o.Find(ctx, from.Place, from.VersionID)
	if err != nil {
		return nil, err
	}
	if from.Check != nil {
		if err := from.Check(f.Version); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// Copy makes an object of the bytes of another one.
func (o *Objects) Copy(ctx context.Context, from Source, to Place, how Copying) (made, source *Version, err error) {
	if err := CheckKey(to.Key); err != nil {
		return nil, nil, err
	}
	f, err := o.OpenSource(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if f.Size > MaxCopyBytes {
		return nil, nil, fail(InvalidRequest, "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	v := &Version{Key: to.Key, Size: f.Size, ETag: f.ETag, Headers: f.Headers, Metadata: f.Metadata, Tags: f.Tags, Checksum: f.Checksum, Keeping: how.Keeping}
	v.Headers.WebsiteRedirect, v.Headers.StorageClass = how.WebsiteRedirect, how.StorageClass // AWS: not copied
	if how.Attributes != nil {
		if err := how.Attributes.check(); err != nil {
			return nil, nil, err
		}
		v.Headers, v.Metadata = how.Attributes.Headers, how.Attributes.Metadata
	}
	if how.ReplaceTags {
		if err := CheckTags(how.Tags, MaxObjectTags); err != nil {
			return nil, nil, err
		}
		v.Tags = how.Tags
	}
	sameSum := how.Algorithm == "" || how.Algorithm == f.Checksum.Algorithm
	if f.Content.Count == 0 && f.inline == nil && f.Size > 0 && sameSum {
		return v, f.Version, o.share(ctx, f, to, v, how.Condition)
	}
	return v, f.Version, o.rewrite(ctx, f, to, v, how)
}

// share makes v of the blob that the source has. The look at the source pins it.
func (o *Objects) share(ctx context.Context, f *Found, to Place, v *Version, condition Condition) error {
	return o.update(ctx, to, func(c *change) (func(), error) {
		if err := condition.check(to.Key, c.current); err != nil {
			return nil, err
		}
		p := f.Content.Parts[0]
		p.Ref = ids.Hex(refBytes)
		v.Content = content{Parts: []part{p}}
		c.batch.Puts = append(c.batch.Puts, store.KV{Key: refKey(p.Blob, p.Ref), Value: []byte{1}})
		if err := c.insert(v, o.config.Clock.Now()); err != nil {
			return nil, err
		}
		return nil, c.notify(CreatedCopy, v, to.By)
	})
}

// rewrite makes v of the bytes that are read from the source.
func (o *Objects) rewrite(ctx context.Context, f *Found, to Place, v *Version, how Copying) error {
	algorithm := how.Algorithm
	if algorithm == "" {
		algorithm = f.Checksum.Algorithm
	}
	in, err := f.Read(ctx, 0, f.Size)
	if err != nil {
		return err
	}
	defer in.Close()
	s, err := o.stage(ctx, Body{Reader: in, Algorithms: []checksum.Algorithm{algorithm}}, MaxCopyBytes)
	if err != nil {
		return err
	}
	v.ETag, v.Checksum = hex.EncodeToString(s.sums.MD5), Checksum{Algorithm: algorithm, Value: s.sums.Text[algorithm]}
	return o.store(ctx, to, v, s, how.Condition, CreatedCopy)
}
