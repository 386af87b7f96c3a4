package function

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function/archive"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// size of a preparation: large ones, and those that run a function's
// initialisation, have workers of their own, so that they do not delay the small ones.
type size int

const (
	small size = iota
	large
	initialising
	sizes
)

const (
	largeBytes = 4 << 20 // zipped; below, unpacking takes milliseconds
	workers    = 3       // for each size
	// retryAfter is the pause after a fault of the machine, such as a full disk.
	retryAfter = 2 * time.Second
)

// queue hands pending versions of one size to its workers. What is pending is in
// the store; the queue only knows what is in work.
type queue struct {
	wake chan struct{} // holds a token when somebody should look

	mu      sync.Mutex
	claimed map[string]bool // keys of pending rows
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // somebody will look anyway
	}
}

// claim makes the caller the only worker on a pending row.
func (q *queue) claim(key []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.claimed[string(key)] {
		return false
	}
	q.claimed[string(key)] = true
	return true
}

func (q *queue) release(key []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.claimed, string(key))
}

// Run makes Pending versions Active and updates Successful, and collects what
// nothing refers to any more, until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	if err := r.trees.Prepare(); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(r.config.Folder, sourcesFolder)); err != nil {
		return fmt.Errorf("remove the sources of an earlier run: %w", err)
	}
	r.wake() // for what was pending when the process ended
	group, groupCtx := errgroup.WithContext(ctx)
	for s, q := range r.queues {
		for range workers {
			// ends when ctx ends
			group.Go(func() error { return r.work(groupCtx, size(s), q) })
		}
	}
	group.Go(func() error { return r.forgetAlways(groupCtx) })  // ends when ctx ends
	group.Go(func() error { return r.collectAlways(groupCtx) }) // ends when ctx ends
	if err := group.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// work prepares pending versions of one size until ctx ends.
func (r *Registry) work(ctx context.Context, s size, q *queue) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-q.wake:
		}
		for {
			t, key, err := r.next(ctx, s, q)
			if err == nil && key == nil {
				break
			}
			if err == nil {
				q.signal() // there may be more: let another worker look
				err = r.prepare(ctx, t)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				r.config.Logger.Error("prepare a function", "function", t.Name, "version", t.Qualifier, "err", err)
				if err := r.config.Clock.Sleep(ctx, retryAfter); err != nil {
					return err
				}
				q.signal()
			}
			if key != nil {
				q.release(key)
			}
		}
	}
}

// next claims a pending version; a nil key means that there is none.
func (r *Registry) next(ctx context.Context, s size, q *queue) (t Target, key []byte, err error) {
	lo, hi := tuple.Range(service, tablePending)
	err = r.view(ctx, func(rd reader) error {
		return rd.scan(lo, hi, func(e store.Entry) (bool, error) {
			var row pendingRow
			if err := decode(e.Value, &row); err != nil {
				return false, err
			}
			if row.size() != s || !q.claim(e.Key) {
				return true, nil
			}
			key = e.Key
			t, err = parsePending(e.Key)
			return false, err
		})
	})
	return t, key, err
}

// parsePending reads the key of a pending row.
func parsePending(key []byte) (Target, error) {
	parts, err := tuple.Parse(key)
	const length = 6 // service, table, account, region, name, number
	if err != nil || len(parts) != length {
		return Target{}, fmt.Errorf("%w: key of a pending version", store.ErrCorrupt)
	}
	account, ok1 := parts[2].(string)
	region, ok2 := parts[3].(string)
	name, ok3 := parts[4].(string)
	number, ok4 := parts[5].(int64)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return Target{}, fmt.Errorf("%w: key of a pending version", store.ErrCorrupt)
	}
	t := Target{Scope: Scope{Account: account, Region: region}, Name: name, Qualifier: Latest}
	if number != 0 {
		t.Qualifier = fmt.Sprint(number)
	}
	return t, nil
}

// failure is why a version cannot run: an outcome, not an error of ours.
type failure struct{ reason, code string }

// prepare unpacks what a pending version needs and commits its new state.
func (r *Registry) prepare(ctx context.Context, t Target) error {
	var version Version
	var waiting bool
	err := r.view(ctx, func(rd reader) error {
		row, err := rd.version(t)
		if err == nil {
			version, waiting = row.Version, row.waiting()
		}
		return err
	})
	if isNotFound(err) {
		waiting = false // deleted meanwhile
	} else if err != nil {
		return err
	}
	if !waiting {
		return r.dropPending(ctx, t)
	}
	release := r.trees.Use(treesOf(&version))
	defer release()
	failed, err := r.build(ctx, &version)
	if err != nil {
		return err
	}
	done, err := r.settle(ctx, t, &version, failed)
	// A version that is new has no environments that could be stale.
	if err == nil && done && failed == nil && version.LastUpdateStatus == updateInProgress {
		r.changed(t.Scope, t.Name, t.Qualifier)
	}
	return err
}

func isNotFound(err error) bool {
	var missing *NotFoundError
	return errors.As(err, &missing)
}

// dropPending removes a request to prepare what needs no preparation, so that
// it does not come up again and again.
func (r *Registry) dropPending(ctx context.Context, t Target) error {
	return r.update(ctx, func(c *change) error {
		// Every change of the function, also its creation, writes this row.
		if _, err := c.get(scopeKey(tableFunction, t.Scope, t.Name), &functionRow{}); err != nil {
			return err
		}
		n, _ := t.number()
		row, err := c.version(t)
		if err == nil && row.waiting() || err != nil && !isNotFound(err) {
			return err
		}
		c.delete(scopeKey(tablePending, t.Scope, t.Name, n))
		return nil
	})
}

// settle writes the outcome, unless the version is another one by now.
func (r *Registry) settle(ctx context.Context, t Target, built *Version, failed *failure) (done bool, err error) {
	err = r.updateFunction(ctx, t, func(c *change, function *functionRow) error {
		done = false
		row := &function.Latest
		n, _ := t.number()
		if n != 0 {
			published, err := c.published(t.Scope, t.Name, n)
			if err != nil || published == nil {
				return err
			}
			row = published
		}
		if row.Generation != built.Generation || !row.waiting() {
			return nil
		}
		row.settle(failed)
		row.Preload = built.Preload
		row.RevisionID = ids.UUID()
		if n != 0 {
			c.putVersion(row)
		}
		c.putFunction(function)
		c.delete(scopeKey(tablePending, t.Scope, t.Name, n))
		done = true
		return nil
	})
	if isNotFound(err) {
		return false, nil
	}
	return done, err
}

// settle ends a creation or an update.
func (row *versionRow) settle(failed *failure) {
	row.LastUpdateReason, row.LastUpdateCode = "", ""
	if failed == nil {
		row.State, row.StateReason, row.StateReasonCode = Active, "", ""
		row.LastUpdateStatus, row.Serving = updateSuccessful, nil
		return
	}
	if row.State != Active {
		row.State, row.StateReason, row.StateReasonCode = Failed, failed.reason, failed.code
	}
	if row.LastUpdateStatus == updateInProgress {
		row.LastUpdateStatus, row.LastUpdateReason, row.LastUpdateCode = updateFailed, failed.reason, failed.code
	}
}

// build makes every tree of a version and notes what it will import. An error is the machine's fault and
// worth another try.
func (r *Registry) build(ctx context.Context, v *Version) (*failure, error) {
	if r.config.Runtime != nil {
		if err := r.config.Runtime(ctx, v.Runtime); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return &failure{reason: err.Error(), code: "InvalidRuntime"}, nil
		}
	}
	err := r.trees.Ensure(ctx, codeTree(v), func(dir string) error {
		if err := r.unpack(v.Code, dir); err != nil {
			return err
		}
		return r.compile(ctx, v.Runtime, dir)
	})
	var layers []string
	for _, l := range v.Layers {
		if err == nil {
			err = r.trees.Ensure(ctx, layerTree(l), func(dir string) error { return r.unpack(l.Code, dir) })
		}
		layers = append(layers, r.trees.Path(layerTree(l)))
	}
	if id := layersTree(v); err == nil && id != "" {
		err = r.trees.Ensure(ctx, id, func(dir string) error {
			if err := archive.Merge(dir, layers...); err != nil {
				return err
			}
			return r.compile(ctx, v.Runtime, dir)
		})
	}
	switch {
	case errors.Is(err, archive.ErrFormat), errors.Is(err, archive.ErrTooLarge):
		return &failure{reason: archiveError(err).Error(), code: "InvalidZipFileException"}, nil
	case errors.Is(err, fs.ErrNotExist):
		return &failure{reason: "The code of the function is gone from the data folder: " + err.Error(), code: "InternalError"}, nil
	}
	if err == nil && r.config.Preload != nil {
		v.Preload = r.config.Preload(ctx, r.finish(v))
	}
	if err != nil {
		return nil, err
	}
	return r.snapshot(ctx, v)
}

// unpack fills a folder with what is in one zip.
func (r *Registry) unpack(code, dir string) error {
	f, err := r.config.Blobs.Open(code)
	if err != nil {
		return fmt.Errorf("open code: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open code: %w", err)
	}
	return archive.Unpack(f, info.Size(), dir, codeLimits)
}

func (r *Registry) compile(ctx context.Context, runtime, dir string) error {
	if r.config.Compile == nil {
		return nil
	}
	if err := r.config.Compile(ctx, runtime, dir); err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	return nil
}
