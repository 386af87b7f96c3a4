package function

import (
	"context"
	"errors"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

const (
	// graceTime is how long what nothing refers to stays: an upload has it to
	// commit its row, a running environment to end.
	graceTime = time.Hour
	// collectEvery is the pause between two collections.
	collectEvery = 20 * time.Minute
)

// collectAlways collects until ctx ends. Its failures are logged: they cost
// space, not correctness.
func (r *Registry) collectAlways(ctx context.Context) error {
	orphanSince := map[string]time.Time{}
	for {
		if err := r.collect(ctx, orphanSince); err != nil && ctx.Err() == nil {
			r.config.Logger.Error("collect unused code", "err", err)
		}
		if err := r.config.Clock.Sleep(ctx, collectEvery); err != nil {
			return err
		}
	}
}

// needs is what the rows of one snapshot refer to.
type needs struct {
	blobs, trees map[string]bool
	serving      []*Version // whose trees must be there
}

func (r *Registry) needs(ctx context.Context) (*needs, error) {
	n := &needs{blobs: map[string]bool{}, trees: map[string]bool{}}
	err := r.view(ctx, func(rd reader) error {
		return errors.Join(
			rd.every(tableFunction, func(value []byte) error {
				var row functionRow
				err := decode(value, &row)
				n.add(&row.Latest)
				return err
			}),
			rd.every(tableVersion, func(value []byte) error {
				var row versionRow
				err := decode(value, &row)
				n.add(&row)
				return err
			}),
			rd.every(tableLayerVersion, func(value []byte) error {
				var row layerRow
				err := decode(value, &row)
				n.blobs[row.Code] = true
				return err
			}),
		)
	})
	return n, err
}

// every gives f all rows of a table, of all accounts.
func (rd reader) every(table string, f func(value []byte) error) error {
	lo, hi := tuple.Range(service, table)
	return rd.scan(lo, hi, func(e store.Entry) (bool, error) { return true, f(e.Value) })
}

func (n *needs) add(row *versionRow) {
	for _, v := range []*Version{&row.Version, row.Serving} {
		if v == nil {
			continue
		}
		n.blobs[v.Code] = true
		for _, l := range v.Layers {
			n.blobs[l.Code] = true
		}
		for _, name := range treesOf(v) {
			n.trees[name] = true
		}
	}
	if v := row.serving(); v != nil {
		n.serving = append(n.serving, v)
	}
}

// collect removes what nothing has referred to for graceTime and makes again
// what is missing. orphanSince is its memory between two runs.
func (r *Registry) collect(ctx context.Context, orphanSince map[string]time.Time) error {
	need, err := r.needs(ctx)
	if err != nil {
		return err
	}
	err = r.restore(ctx, need.serving)
	for id, walkErr := range r.config.Blobs.All() {
		if walkErr != nil {
			err = errors.Join(err, walkErr)
			break
		}
		if !need.blobs[id] {
			_, deleteErr := r.config.Blobs.DeleteOlder(id, graceTime)
			err = errors.Join(err, deleteErr)
		}
	}
	return errors.Join(err, r.collectTrees(ctx, need, orphanSince))
}

func (r *Registry) collectTrees(ctx context.Context, need *needs, orphanSince map[string]time.Time) error {
	names, err := r.trees.All()
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
		if need.trees[name] {
			delete(orphanSince, name)
			continue
		}
		since, known := orphanSince[name]
		if !known {
			orphanSince[name] = r.config.Clock.Now()
			continue
		}
		if r.config.Clock.Now().Sub(since) < graceTime {
			continue
		}
		_, collectErr := r.trees.Collect(ctx, name, func() (bool, error) {
			now, err := r.needs(ctx)
			return err == nil && !now.trees[name], err
		})
		err = errors.Join(err, collectErr)
	}
	for name := range orphanSince {
		if !there[name] {
			delete(orphanSince, name)
		}
	}
	return err
}

// restore builds the trees that versions in service have lost: somebody has
// removed them, or the data folder was restored without them.
func (r *Registry) restore(ctx context.Context, serving []*Version) error {
	var all error
	for _, v := range serving {
		release := r.trees.Use(treesOf(v))
		for _, name := range treesOf(v) {
			if r.trees.Exists(name) {
				continue
			}
			r.config.Logger.Warn("unpack a function again", "function", v.Name, "version", v.Version)
			failed, err := r.build(ctx, v)
			if failed != nil {
				err = errors.New(failed.reason)
			}
			all = errors.Join(all, err)
			break
		}
		release()
	}
	return all
}
