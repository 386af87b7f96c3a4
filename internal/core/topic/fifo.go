package topic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// sequenceText writes a sequence number with its 20 digits.
func sequenceText(n uint64) string { return "1" + fmt.Sprintf("%019d", n) }

func lastKey(key string) []byte { return tuple.Key("sns", "of", key, "last") }

func dupKey(key string, d *duplicate) []byte {
	return tuple.Key("sns", "of", key, "duplicate", d.expires, d.id)
}

// publishInLine publishes to a FIFO topic: numbers, duplicates, and the order of
// the commits.
func (t *Topics) publishInLine(ctx context.Context, v *view, batch *store.Batch, list []*publication) ([]Published, error) {
	l := v.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := t.loadLine(ctx, v); err != nil {
		return nil, fmt.Errorf("publish to topic %s: %w", v.id.Name, err)
	}
	now := t.config.Clock.Now().UTC()
	expired := l.expired(now)
	results := make([]Published, len(list))
	fresh := make([]*publication, 0, len(list))
	used := map[string]*duplicate{}
	last := l.last
	for i, p := range list {
		if p.DedupID == "" { // the topic has content-based deduplication: it was checked
			sum := sha256.Sum256([]byte(p.Text))
			p.DedupID = hex.EncodeToString(sum[:])
		}
		name := dedupName(v, p)
		d := l.dups[name]
		if d == nil {
			d = used[name]
		}
		if d == nil {
			last++
			p.Sequence, p.Time = last, now
			d = &duplicate{id: name, expires: now.Add(dedupWindow), MessageID: p.ID, Sequence: last}
			used[name] = d
			fresh = append(fresh, p)
			if err := put(batch, dupKey(l.key, d), d); err != nil {
				return nil, err
			}
		}
		results[i] = Published{ID: d.MessageID, Sequence: sequenceText(d.Sequence)}
	}
	if len(fresh) == 0 {
		return results, t.fanOut(ctx, v, batch, nil)
	}
	for _, d := range expired {
		batch.Deletes = append(batch.Deletes, dupKey(l.key, d))
	}
	if err := put(batch, lastKey(l.key), last); err != nil {
		return nil, err
	}
	if err := t.fanOut(ctx, v, batch, fresh); err != nil {
		l.loaded = l.loaded && errors.Is(err, store.ErrConflict) // else it may have been kept after all
		return nil, err
	}
	l.last = last
	for _, d := range used {
		l.dups[d.id] = d
		l.order = append(l.order, d)
	}
	l.forget(expired)
	return results, nil
}

// dedupName is what a deduplication id is compared by.
func dedupName(v *view, p *publication) string {
	if v.byGroup {
		return strconv.Itoa(len(p.GroupID)) + " " + p.GroupID + " " + p.DedupID
	}
	return p.DedupID
}

// maxForgotten bounds what one commit removes.
const maxForgotten = 500

// expired are the first duplicates whose time is over; they stop counting at once.
func (l *line) expired(now time.Time) []*duplicate {
	n := 0
	for n < len(l.order) && n < maxForgotten && !l.order[n].expires.After(now) {
		if d := l.order[n]; l.dups[d.id] == d {
			delete(l.dups, d.id)
		}
		n++
	}
	return l.order[:n:n]
}

// forget drops expired duplicates whose rows are gone.
func (l *line) forget(expired []*duplicate) { l.order = l.order[len(expired):] }

// loadLine reads the numbers and duplicates of a topic, after what is left of its
// earlier messages was delivered.
func (t *Topics) loadLine(ctx context.Context, v *view) error {
	l := v.line
	if l.loaded {
		return nil
	}
	if err := t.finishAll(ctx, v); err != nil {
		return err
	}
	snap, err := t.config.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	l.last, l.dups, l.order = 0, map[string]*duplicate{}, nil
	if _, _, err := get(snap, lastKey(l.key), &l.last); err != nil {
		return err
	}
	lo, hi := tuple.Range("sns", "of", l.key, "duplicate")
	for {
		entries, err := snap.Scan(lo, hi, scanPage, false)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			d, err := parseDuplicate(entry)
			if err != nil {
				return err
			}
			l.dups[d.id] = d
			l.order = append(l.order, d)
		}
		if len(entries) < scanPage {
			l.loaded = true
			return nil
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

func parseDuplicate(entry store.Entry) (*duplicate, error) {
	parts, err := tuple.Parse(entry.Key)
	if err != nil || len(parts) != 6 {
		return nil, fmt.Errorf("read a deduplication id: key %x, %w", entry.Key, err)
	}
	d := &duplicate{expires: parts[4].(time.Time), id: parts[5].(string)}
	return d, json.Unmarshal(entry.Value, d)
}
