package function

import (
	"bytes"
	"context"
	"encoding/base64"

	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// maxPage is AWS's page of every list, and its default.
const maxPage = 50

// pager cuts a list into pages. The marker is the key of the last item given, so
// a page is right even if items come and go between two calls.
type pager struct {
	limit int
	after []byte // key of the last item of the page before; nil: from the start
	last  []byte
	taken int
	more  bool
}

func newPager(page Page) (*pager, error) {
	p := &pager{limit: maxPage}
	if page.MaxItems > 0 {
		p.limit = min(page.MaxItems, maxPage)
	}
	if page.Marker == "" {
		return p, nil
	}
	after, err := base64.RawURLEncoding.DecodeString(page.Marker)
	if err != nil || len(after) == 0 {
		return nil, &InvalidError{Message: "Invalid marker: " + page.Marker}
	}
	p.after = after
	return p, nil
}

// paged reads one page of a list in a view of its own: into has the items, fill
// takes them from the pager until that is full.
func paged[List any](ctx context.Context, r *Registry, page Page, into *List, next *string, fill func(rd reader, p *pager) error) (*List, error) {
	err := r.view(ctx, func(rd reader) error {
		p, err := newPager(page)
		if err != nil {
			return err
		}
		err = fill(rd, p)
		*next = p.next()
		return err
	})
	if err != nil {
		return nil, err
	}
	return into, nil
}

// wants tells whether the key comes after the page before.
func (p *pager) wants(key []byte) bool { return bytes.Compare(key, p.after) > 0 }

// from is where to go on in a range that begins at lo. A marker of another
// range cannot lead out of it: the end of the range stays.
func (p *pager) from(lo []byte) []byte {
	if p.after == nil || bytes.Compare(p.after, lo) < 0 {
		return lo
	}
	return append(bytes.Clone(p.after), 0)
}

// fromFunction is where to go on among functions when the marker is the key of
// a version.
func (p *pager) fromFunction(scope Scope, lo []byte) []byte {
	parts, err := tuple.Parse(p.after)
	const name = 4 // service, table, account, region, name, number
	if err != nil || len(parts) <= name {
		return lo
	}
	text, ok := parts[name].(string)
	if !ok {
		return lo
	}
	return scopeKey(tableFunction, scope, text)
}

// take counts an item; false means that the page was full before it.
func (p *pager) take(key []byte) bool {
	if p.taken == p.limit {
		p.more = true
		return false
	}
	p.taken++
	p.last = key
	return true
}

// next is the marker for the next page, empty after the last.
func (p *pager) next() string {
	if !p.more {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(p.last)
}
