package function

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// The tables. DESIGN.md lists what each row holds and which row guards it.
const (
	tableFunction          = "function"
	tableVersion           = "version"
	tableNumbers           = "numbers"
	tableAlias             = "alias"
	tablePolicy            = "policy"
	tableTags              = "tags"
	tableConcurrency       = "concurrency"
	tableConcurrencyGuard  = "concurrency-guard"
	tableProvisioned       = "provisioned"
	tableRecursion         = "recursion"
	tableRuntimeManagement = "runtime-management"
	tableEventInvoke       = "event-invoke"
	tableURL               = "url"
	tableLayer             = "layer"
	tableLayerVersion      = "layer-version"
	tableLayerPolicy       = "layer-policy"
	tablePending           = "pending"

	service = "lambda"
)

// functionTables are the tables with rows below (account, region, name) of a
// function, all of which go when it is deleted. Its number counter stays:
// version numbers are never reused, not even after the function was recreated.
var functionTables = []string{tableFunction, tableVersion, tableAlias, tablePolicy, tableTags, tableConcurrency, tableProvisioned, tableRecursion, tableRuntimeManagement, tableEventInvoke, tableURL, tablePending}

func scopeKey(table string, s Scope, parts ...any) []byte {
	return tuple.Key(append([]any{service, table, s.Account, s.Region}, parts...)...)
}

func scopeRange(table string, s Scope, parts ...any) (lo, hi []byte) {
	return tuple.Range(append([]any{service, table, s.Account, s.Region}, parts...)...)
}

// functionRow is a function: $LATEST. Every change of anything that belongs to
// the function writes this row again and checks its version, so all changes of a
// function happen one after the other.
type functionRow struct {
	Latest versionRow
}

// versionRow is one version as stored.
type versionRow struct {
	Version
	// Serving is what runs while Version is an update that is not active (yet).
	Serving *Version `json:",omitempty"`
	// Content is the hash of what a publisher would call the same: of a published
	// version, that of $LATEST when it was published.
	Content string
	// CodeBytes and LayerBytes are the unpacked sizes.
	CodeBytes, LayerBytes int64
}

// serving is what an invocation runs; nil if there is nothing.
func (row *versionRow) serving() *Version {
	switch {
	case row.Serving != nil:
		return row.Serving
	case row.State == Active && row.LastUpdateStatus != updateInProgress && row.LastUpdateStatus != updateFailed:
		return &row.Version
	}
	return nil
}

// waiting tells that Run has work with this version.
func (row *versionRow) waiting() bool {
	return row.State == Pending || row.LastUpdateStatus == updateInProgress
}

// The values of LastUpdateStatus.
const (
	updateInProgress = "InProgress"
	updateSuccessful = "Successful"
	updateFailed     = "Failed"
)

// contentHash is equal for two readings that differ in nothing but identity,
// state and time.
func contentHash(v Version) string {
	v.Version, v.RevisionID, v.Generation, v.LastModified = "", "", "", time.Time{}
	v.State, v.StateReason, v.StateReasonCode, v.Preload = "", "", "", ""
	v.LastUpdateStatus, v.LastUpdateReason, v.LastUpdateCode = "", "", ""
	encoded, err := json.Marshal(v)
	if err != nil {
		panic("a Version must be writable as JSON: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

// numbersRow counts the versions of a function or layer.
type numbersRow struct{ Last int64 }

// pendingRow asks Run to prepare a version.
type pendingRow struct {
	ZipBytes int64 // decides which workers take it
	Snapshot bool  `json:",omitempty"` // decides that, too
}

func (row *pendingRow) size() size {
	switch {
	case row.Snapshot:
		return initialising
	case row.ZipBytes >= largeBytes:
		return large
	default:
		return small
	}
}

// layerRow is one published layer version.
type layerRow struct {
	Layer
	UnpackedBytes int64
	Token         string `json:",omitempty"` // of the call that published it
}

// reader reads rows of one snapshot.
type reader struct{ snap store.Snap }

// read fills row from the key; false if there is none.
func (r reader) read(key []byte, row any) (bool, error) {
	value, _, err := r.snap.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a row: %w", err)
	}
	return true, decode(value, row)
}

func decode(value []byte, row any) error {
	if err := json.Unmarshal(value, row); err != nil {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return nil
}

// scanPage bounds how many rows one Scan fetches.
const scanPage = 512

// scan calls each for the rows of a range in order until it returns false.
func (r reader) scan(lo, hi []byte, each func(e store.Entry) (bool, error)) error {
	for {
		entries, err := r.snap.Scan(lo, hi, scanPage, false)
		if err != nil {
			return fmt.Errorf("scan rows: %w", err)
		}
		for _, e := range entries {
			if goOn, err := each(e); err != nil || !goOn {
				return err
			}
		}
		if len(entries) < scanPage {
			return nil
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

// view runs f on one snapshot.
func (r *Registry) view(ctx context.Context, f func(reader) error) error {
	snap, err := r.config.Store.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("open a snapshot: %w", err)
	}
	defer snap.Close()
	return f(reader{snap})
}

// change collects what one operation reads and writes, to be committed as one
// batch that fails if anything it has read by get has changed.
type change struct {
	reader
	batch store.Batch
}

// get reads a row and makes the change depend on it.
func (c *change) get(key []byte, row any) (bool, error) {
	value, version, err := c.snap.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		c.batch.Checks = append(c.batch.Checks, store.Absent(key))
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a row: %w", err)
	}
	c.batch.Checks = append(c.batch.Checks, store.At(key, version))
	return true, decode(value, row)
}

func (c *change) put(key []byte, row any) {
	value, err := json.Marshal(row)
	if err != nil {
		panic("a row must be writable as JSON: " + err.Error())
	}
	c.batch.Puts = append(c.batch.Puts, store.KV{Key: key, Value: value})
}

func (c *change) delete(key []byte) { c.batch.Deletes = append(c.batch.Deletes, key) }

func (c *change) deleteRange(lo, hi []byte) {
	c.batch.DeleteRanges = append(c.batch.DeleteRanges, store.Range{Lo: lo, Hi: hi})
}

// maxAttempts bounds how often a change is tried anew because another one came
// first.
const maxAttempts = 100

// update runs f, which must have no effect of its own, and commits its change;
// after a conflict all of it again on a new snapshot.
func (r *Registry) update(ctx context.Context, f func(*change) error) error {
	for range maxAttempts {
		c := &change{}
		err := r.view(ctx, func(rd reader) error {
			c.reader = rd
			return f(c)
		})
		if err != nil {
			return err
		}
		if len(c.batch.Puts)+len(c.batch.Deletes)+len(c.batch.DeleteRanges) == 0 {
			return nil
		}
		_, err = r.config.Store.Commit(ctx, &c.batch)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	}
	return &ConflictError{Message: "The function could not be updated due to a concurrent update operation."}
}

// updateFunction is update for a change of one function: what is cached of it
// is dropped whatever the outcome, since an error may leave it unknown.
func (r *Registry) updateFunction(ctx context.Context, t Target, f func(*change, *functionRow) error) error {
	defer r.forget(t.Scope, t.Name)
	return r.update(ctx, func(c *change) error {
		var row functionRow
		found, err := c.get(scopeKey(tableFunction, t.Scope, t.Name), &row)
		if err != nil {
			return err
		}
		if !found {
			return notFound(Target{Scope: t.Scope, Name: t.Name})
		}
		return f(c, &row)
	})
}

// putFunction writes the function's row, changed or not: see functionRow.
func (c *change) putFunction(row *functionRow) {
	c.put(scopeKey(tableFunction, row.Latest.scope(), row.Latest.Name), row)
}

func (c *change) putVersion(row *versionRow) {
	c.put(scopeKey(tableVersion, row.scope(), row.Name, row.number()), row)
}

// putPending asks Run for the version.
func (c *change) putPending(row *versionRow) {
	c.put(scopeKey(tablePending, row.scope(), row.Name, row.number()), pendingRow{ZipBytes: row.zipBytes(), Snapshot: row.SnapStarts()})
}

func (v *Version) scope() Scope { return Scope{Account: v.Account, Region: v.Region} }

// number is 0 for $LATEST.
func (v *Version) number() int64 {
	n, _ := versionNumber(v.Version)
	return n
}

// zipBytes is how much there is to unpack.
func (v *Version) zipBytes() int64 {
	n := v.CodeSizeBytes
	for _, l := range v.Layers {
		n += l.SizeBytes
	}
	return n
}

func notFound(t Target) *NotFoundError {
	return &NotFoundError{Resource: t.ARN(), Message: "Function not found: " + t.ARN()}
}
