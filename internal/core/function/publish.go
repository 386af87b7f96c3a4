package function

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// publish makes $LATEST as it is in row the next numbered version, in the state
// that row is in: a version of an update under way is Pending, and so is one that
// needs a snapshot.
func (c *change) publish(row *functionRow, description *string) (*versionRow, error) {
	latest := &row.Latest
	n, err := c.nextNumber(tableNumbers, latest.scope(), latest.Name)
	if err != nil {
		return nil, err
	}
	published := *latest
	published.Version.Version = strconv.FormatInt(n, 10)
	published.RevisionID, published.Generation = ids.UUID(), ids.UUID()
	published.Serving = nil
	set(&published.Description, description)
	if latest.waiting() || published.SnapStarts() {
		// AWS: recorded for UpdateFunctionCode with Publish, too: no LastUpdateStatus.
		published.State, published.StateReason, published.StateReasonCode = Pending, reasonCreating, reasonCodeCreating
		published.LastUpdateStatus, published.LastUpdateReason, published.LastUpdateCode = "", "", ""
		c.putPending(&published)
	}
	c.putVersion(&published)
	return &published, nil
}

// nextNumber counts up. The counter outlives what it counts.
func (c *change) nextNumber(table string, s Scope, name string) (int64, error) {
	key := scopeKey(table, s, name)
	var numbers numbersRow
	if _, err := c.get(key, &numbers); err != nil {
		return 0, err
	}
	numbers.Last++
	c.put(key, numbers)
	return numbers.Last, nil
}

// PublishVersion makes $LATEST a numbered version, or answers the newest one if
// nothing has changed since.
func (r *Registry) PublishVersion(ctx context.Context, t Target, in PublishVersionInput) (*Version, error) {
	var made *Version
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		latest := &row.Latest
		if err := checkRevision(in.RevisionID, latest.RevisionID, revisionMismatch); err != nil {
			return err
		}
		if in.CodeSHA256 != nil && *in.CodeSHA256 != latest.CodeSHA256 {
			return &InvalidError{Message: fmt.Sprintf("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", *in.CodeSHA256, latest.CodeSHA256)}
		}
		if err := latest.checkReady(); err != nil {
			return err
		}
		newest, err := c.newest(t)
		if err != nil {
			return err
		}
		if newest != nil && newest.Content == latest.Content {
			made = &newest.Version
			return nil
		}
		published, err := c.publish(row, in.Description)
		if err != nil {
			return err
		}
		// AWS: publishing gives $LATEST a new revision; recorded.
		latest.RevisionID = ids.UUID()
		c.putFunction(row)
		made = &published.Version
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.wake()
	return r.finish(made), nil
}

// newest reads the version that was published last, nil if it is gone.
func (c *change) newest(t Target) (*versionRow, error) {
	var numbers numbersRow
	if _, err := c.get(scopeKey(tableNumbers, t.Scope, t.Name), &numbers); err != nil || numbers.Last == 0 {
		return nil, err
	}
	return c.published(t.Scope, t.Name, numbers.Last)
}

// ListVersions is ListVersionsByFunction: $LATEST first.
func (r *Registry) ListVersions(ctx context.Context, t Target, page Page) (*VersionPage, error) {
	out := &VersionPage{}
	return paged(ctx, r, page, out, &out.NextMarker, func(rd reader, p *pager) error {
		latest, err := rd.version(Target{Scope: t.Scope, Name: t.Name})
		if err != nil {
			return err
		}
		_, err = r.listVersions(rd, p, &functionRow{Latest: *latest}, out)
		return err
	})
}

// listVersions appends $LATEST and the numbered versions of a function until the
// page is full, which makes it false.
func (r *Registry) listVersions(rd reader, p *pager, row *functionRow, out *VersionPage) (bool, error) {
	scope, name := row.Latest.scope(), row.Latest.Name
	lo, hi := scopeRange(tableVersion, scope, name)
	// $LATEST has the number 0 and so comes before the others.
	if key := scopeKey(tableVersion, scope, name, int64(0)); p.wants(key) {
		if !p.take(key) {
			return false, nil
		}
		out.Versions = append(out.Versions, r.finish(&row.Latest.Version))
	}
	goOn := true
	err := rd.scan(p.from(lo), hi, func(e store.Entry) (bool, error) {
		if goOn = p.take(e.Key); !goOn {
			return false, nil
		}
		var version versionRow
		if err := decode(e.Value, &version); err != nil {
			return false, err
		}
		out.Versions = append(out.Versions, r.finish(&version.Version))
		return true, nil
	})
	return goOn, err
}

// List is ListFunctions. With AllVersions each function's $LATEST is followed
// by its numbered versions.
func (r *Registry) List(ctx context.Context, scope Scope, in ListInput) (*VersionPage, error) {
	out := &VersionPage{}
	return paged(ctx, r, in.Page, out, &out.NextMarker, func(rd reader, p *pager) error {
		lo, hi := scopeRange(tableFunction, scope)
		start := p.from(lo)
		if in.AllVersions {
			start = p.fromFunction(scope, lo)
		}
		return rd.scan(start, hi, func(e store.Entry) (bool, error) {
			var row functionRow
			if err := decode(e.Value, &row); err != nil {
				return false, err
			}
			if !in.AllVersions {
				if !p.take(e.Key) {
					return false, nil
				}
				out.Versions = append(out.Versions, r.finish(&row.Latest.Version))
				return true, nil
			}
			return r.listVersions(rd, p, &row, out)
		})
	})
}
