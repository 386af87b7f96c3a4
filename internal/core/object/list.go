package object

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Query asks for the keys of a bucket.
type Query struct {
	Prefix    string
	Delimiter string // keys that have it after the prefix are rolled up
	After     string // only keys above it, and prefixes that it is not below
	Version   string // of List Versions: after this version of the key After
	Max       int
}

// Page is a part of a list.
type Page struct {
	Versions  []*Version // with their keys
	Prefixes  []string   // of keys that were rolled up
	Truncated bool
	Next      string // the last key or prefix of the page: Query.After of the next one
	NextID    string // Query.Version of the next one
}

func (p *Page) full(most int) bool { return len(p.Versions)+len(p.Prefixes) >= most }

// List lists the objects of a bucket, by key.
func (o *Objects) List(ctx context.Context, in Place, q Query) (*Page, error) {
	page := &Page{}
	err := o.list(ctx, in, q, page, func(_ store.Snap, _ *Bucket, v *Version) (bool, error) {
		if v.Marker {
			return true, nil
		}
		return page.add(v, q.Max), nil
	})
	return page, err
}

// add adds a version; false when the page is full already.
func (p *Page) add(v *Version, most int) bool {
	if p.full(most) {
		p.Truncated = true
		return false
	}
	p.Versions = append(p.Versions, v)
	p.Next, p.NextID = v.Key, v.ID
	return true
}

// ListVersions lists all versions and delete markers, by key, the newest first.
func (o *Objects) ListVersions(ctx context.Context, in Place, q Query) (*Page, error) {
	page := &Page{}
	if q.Version != "" && q.After != "" {
		if err := o.restOfKey(ctx, in, q, page); err != nil || page.Truncated {
			return page, err
		}
	}
	err := o.list(ctx, in, q, page, func(snap store.Snap, b *Bucket, v *Version) (bool, error) {
		if !page.add(v, q.Max) {
			return false, nil
		}
		return o.olderVersions(snap, b, v.Key, "", q.Max, page)
	})
	return page, err
}

// restOfKey adds the versions of the key q.After that are older than q.Version.
func (o *Objects) restOfKey(ctx context.Context, in Place, q Query, page *Page) error {
	return o.snapshot(ctx, func(snap store.Snap) error {
		b, err := o.bucket(snap, in)
		if err != nil {
			return err
		}
		_, err = o.olderVersions(snap, b, q.After, q.Version, q.Max, page)
		return err
	})
}

// olderVersions adds the versions of a key that are not the current one, those after
// the version afterID if it is given. False when the page is full.
func (o *Objects) olderVersions(snap store.Snap, b *Bucket, key, afterID string, most int, page *Page) (bool, error) {
	lo, hi := tuple.Range("s3", "version", b.ID, key)
	if afterID != "" {
		v, err := version(snap, b.ID, key, afterID)
		if err != nil {
			return false, err
		}
		switch order, ok := orderOf(afterID); {
		case v != nil && !v.Latest:
			lo = after(versionKey(b.ID, key, v.Order))
		case v == nil && ok: // it is gone; its order tells where it was
			lo = after(versionKey(b.ID, key, order))
		}
	}
	for {
		rows, err := snap.Scan(lo, hi, min(most+1, scanRows), false)
		if err != nil {
			return false, trouble("list versions", err)
		}
		for _, row := range rows {
			v := &Version{}
			if err := json.Unmarshal(row.Value, v); err != nil {
				return false, trouble("list versions", err)
			}
			v.Key = key
			if !page.add(v, most) {
				return false, nil
			}
		}
		if len(rows) < min(most+1, scanRows) {
			return true, nil
		}
		lo = after(rows[len(rows)-1].Key)
	}
}

// list walks the current versions of a bucket, in order, and rolls keys up; add
// returns false to end it.
func (o *Objects) list(ctx context.Context, in Place, q Query, page *Page, add func(store.Snap, *Bucket, *Version) (bool, error)) error {
	return o.snapshot(ctx, func(snap store.Snap) error {
		b, err := o.bucket(snap, in)
		if err != nil || q.Max == 0 {
			return err
		}
		return walk(snap, []any{"s3", "object", b.ID}, q, page, func(key string, row store.Entry) (bool, error) {
			v := &Version{}
			if err := json.Unmarshal(row.Value, v); err != nil {
				return false, trouble("list objects", err)
			}
			v.Key, v.Latest, v.version = key, true, row.Version
			return add(snap, b, v)
		})
	})
}

// walk visits the rows below the parts whose next part is a key that the query
// asks for; keys with the delimiter become prefixes of the page and are skipped.
func walk(snap store.Snap, parts []any, q Query, page *Page, visit func(key string, row store.Entry) (bool, error)) error {
	below := func(prefix string) (lo, hi []byte) {
		return tuple.PrefixRange(append(parts[:len(parts):len(parts)], prefix)...)
	}
	lo, hi := below(q.Prefix)
	switch {
	case q.After == "":
	case q.rolled(q.After) == q.After:
		_, lo = below(q.After) // a prefix that the page before ended with
	case q.After >= q.Prefix:
		_, lo = tuple.Range(append(parts[:len(parts):len(parts)], q.After)...)
	}
	limit := firstScan
	if q.Delimiter == "" {
		limit = min(scanRows, q.Max+1)
	}
	for {
		rows, err := snap.Scan(lo, hi, limit, false)
		if err != nil {
			return trouble("list objects", err)
		}
		skipped := false
		for _, row := range rows {
			key, err := keyOf(row.Key, len(parts))
			if err != nil {
				return err
			}
			if prefix := q.rolled(key); prefix != "" {
				if page.full(q.Max) {
					page.Truncated = true
					return nil
				}
				page.Prefixes, page.Next, page.NextID = append(page.Prefixes, prefix), prefix, ""
				_, lo = below(prefix)
				skipped = true
				break
			}
			if more, err := visit(key, row); err != nil || !more {
				return err
			}
		}
		switch {
		case skipped:
			limit = firstScan
		case len(rows) < limit:
			return nil
		default:
			lo, limit = after(rows[len(rows)-1].Key), min(2*limit, scanRows)
		}
	}
}

// rolled is the prefix that a key is rolled up to, or "".
func (q *Query) rolled(key string) string {
	rest, ok := strings.CutPrefix(key, q.Prefix)
	if !ok || q.Delimiter == "" {
		return ""
	}
	if i := strings.Index(rest, q.Delimiter); i >= 0 {
		return key[:len(q.Prefix)+i+len(q.Delimiter)]
	}
	return ""
}

// keyOf reads part n of the key of a row.
func keyOf(row []byte, n int) (string, error) {
	parts, err := tuple.Parse(row)
	if err == nil && n < len(parts) {
		if key, ok := parts[n].(string); ok {
			return key, nil
		}
	}
	return "", trouble("read a row of objects", tuple.ErrMalformed)
}
