package topic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/chunk"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Bounds of one commit of deliveries, well below those of the store.
const (
	maxCommitBytes    = 6 << 20
	maxCommitMessages = 1500
	parcelOverhead    = 2 << 10
)

// pending is a fan-out that takes more than one commit, as the store has it.
type pending struct {
	Topic  ID
	Chunks int    // of the publications
	After  string // id of the last subscription whose deliveries are committed
}

func pendingKey(key, id string) []byte { return tuple.Key("sns", "pending", key, id) }

// pendingRange bounds what is pending of a topic.
func pendingRange(key string) store.Range {
	lo, hi := tuple.Range("sns", "pending", key)
	return store.Range{Lo: lo, Hi: hi}
}

// fanOutInParts commits the publications and then their deliveries. A failure
// after the first commit is no failure of the caller's: Run finishes the rest.
func (t *Topics) fanOutInParts(ctx context.Context, v *view, batch *store.Batch, list []*publication) error {
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%020d", list[0].Sequence) + ids.UUID()
	p := &pending{Topic: v.id, Chunks: chunk.Put(batch, data, "sns", "of", v.key, "publications", id)}
	if err := put(batch, pendingKey(v.key, id), p); err != nil {
		return err
	}
	version, err := t.config.Store.Commit(context.WithoutCancel(ctx), batch)
	if err != nil {
		return fmt.Errorf("publish to topic %s: %w", v.id.Name, err)
	}
	if err := t.finish(context.WithoutCancel(ctx), v, store.Entry{Key: pendingKey(v.key, id), Version: version}, id, p, list); err != nil {
		t.config.Logger.Error("the deliveries of a message are completed later", "topic", v.id.Name, "err", err)
		if v.line != nil {
			v.line.loaded = false // its mu is held: the next message must come after these
		}
		t.sweepSoon()
	}
	return nil
}

// finish commits the deliveries of publications that are missing; another that
// does the same at once makes it stop.
func (t *Topics) finish(ctx context.Context, v *view, at store.Entry, id string, p *pending, list []*publication) error {
	rest := v.subscribers
	for len(rest) > 0 && rest[0].ID.ID <= p.After {
		rest = rest[1:]
	}
	for {
		part, n, err := t.part(ctx, v, rest, list)
		if err != nil {
			return err
		}
		batch := &store.Batch{Checks: []store.Check{store.At(at.Key, at.Version)}}
		if err := part.add(t.config.Outbox, batch); err != nil {
			return err
		}
		if n == len(rest) {
			batch.Deletes = append(batch.Deletes, at.Key)
			chunk.Delete(batch, p.Chunks, "sns", "of", v.key, "publications", id)
		} else {
			p.After = rest[n-1].ID.ID
			if err := put(batch, at.Key, p); err != nil {
				return err
			}
		}
		switch at.Version, err = t.config.Store.Commit(ctx, batch); {
		case errors.Is(err, store.ErrConflict):
			return nil
		case err != nil:
			return err
		}
		t.config.Outbox.Wake()
		if rest = rest[n:]; len(rest) == 0 {
			return nil
		}
	}
}

// part makes the deliveries of the first n subscribers, at least one, that fit
// into a commit.
func (t *Topics) part(ctx context.Context, v *view, rest []*subscriber, list []*publication) (part *parcels, n int, err error) {
	part = &parcels{}
	size := 0
	for n = 0; n < len(rest); n++ {
		one := *v
		one.subscribers = rest[n : n+1]
		more, err := t.deliveries(ctx, &one, list)
		if err != nil {
			return nil, 0, err
		}
		if size += more.size(); n > 0 && (size > maxCommitBytes || len(part.messages)+len(more.messages) > maxCommitMessages) {
			break
		}
		part.messages = append(part.messages, more.messages...)
	}
	return part, n, nil
}

// finishAll finishes what a crash, or trouble of the store, left of the topic's
// fan-outs, in the order of their numbers.
func (t *Topics) finishAll(ctx context.Context, v *view) error {
	snap, err := t.config.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	lo, hi := tuple.Range("sns", "pending", v.key)
	for {
		entries, err := snap.Scan(lo, hi, scanPage, false)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := t.finishOne(ctx, snap, v, entry); err != nil {
				return fmt.Errorf("complete the deliveries of topic %s: %w", v.id.Name, err)
			}
		}
		if len(entries) < scanPage {
			return nil
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

func (t *Topics) finishOne(ctx context.Context, snap store.Snap, v *view, entry store.Entry) error {
	parts, err := tuple.Parse(entry.Key)
	if err != nil || len(parts) != 4 {
		return fmt.Errorf("key %x: %w", entry.Key, err)
	}
	id := parts[3].(string)
	p := &pending{}
	if err := json.Unmarshal(entry.Value, p); err != nil {
		return err
	}
	data, err := chunk.Read(snap, p.Chunks, "sns", "of", v.key, "publications", id)
	if errors.Is(err, chunk.ErrLost) {
		return nil // it was finished since the snapshot
	} else if err != nil {
		return err
	}
	var list []*publication
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	return t.finish(ctx, v, entry, id, p, list)
}
