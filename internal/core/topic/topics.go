package topic

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// keyBytes is the randomness in the key of what belongs to a topic.
const keyBytes = 8

// ownedRange bounds what belongs to a topic besides its subscriptions.
func ownedRange(key string) store.Range {
	lo, hi := tuple.Range("sns", "of", key)
	return store.Range{Lo: lo, Hi: hi}
}

// Create makes a topic, or accepts one that is there with the same attributes
// and tags.
func (t *Topics) Create(ctx context.Context, id ID, attributes, tags map[string]string) error {
	kept, err := newAttributes(id, attributes)
	if err != nil {
		return err
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	for {
		existing, err := t.read(ctx, id)
		if err == nil {
			if err := sameTags(existing.Tags, tags); err != nil {
				return err
			}
			return sameAttributes(existing.Attributes, attributes, kept)
		}
		if !errors.Is(err, noTopic()) {
			return err
		}
		batch := &store.Batch{Checks: []store.Check{store.Absent(rowKey(id))}}
		if err := put(batch, rowKey(id), &row{Key: ids.Hex(keyBytes), Attributes: kept, Tags: tags, Created: t.config.Clock.Now().UTC()}); err != nil {
			return err
		}
		if err := t.commit(ctx, batch); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// sameTags compares what a second CreateTopic asks for with what there is.
func sameTags(existing, asked map[string]string) error {
	for name, value := range asked {
		if old, there := existing[name]; !there || old != value {
			return invalid("Tags Reason: Topic already exists with different tags")
		}
	}
	return nil
}

// Delete removes a topic with its subscriptions. AWS: one that is not there is
// no error.
func (t *Topics) Delete(ctx context.Context, id ID) error {
	key := ""
	err := t.update(ctx, id, func(c *change) error {
		key = c.row.Key
		lo, hi := subscriptionRange(id)
		c.batch.Deletes = append(c.batch.Deletes, rowKey(id))
		c.batch.DeleteRanges = append(c.batch.DeleteRanges, store.Range{Lo: lo, Hi: hi}, ownedRange(key), pendingRange(key))
		return nil
	})
	if errors.Is(err, noTopic()) {
		return nil
	}
	t.mu.Lock()
	delete(t.views, id)
	delete(t.lines, key)
	t.mu.Unlock()
	return err
}

// Tags are the topic's tags.
func (t *Topics) Tags(ctx context.Context, id ID) (map[string]string, error) {
	r, err := t.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.Tags, nil
}

// Tag adds and removes tags.
func (t *Topics) Tag(ctx context.Context, id ID, add map[string]string, remove []string) error {
	return t.update(ctx, id, func(c *change) error {
		tags := map[string]string{}
		maps.Copy(tags, c.row.Tags)
		maps.Copy(tags, add)
		for _, name := range remove {
			delete(tags, name)
		}
		c.row.Tags, c.touch = tags, true
		return checkTags(tags)
	})
}

// checkTags applies AWS's limits.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fail(TagLimitExceeded, "Could not complete request: tag quota of per resource exceeded")
	}
	for name, value := range tags {
		if name == "" || len([]rune(name)) > maxTagName || len([]rune(value)) > maxTagValue {
			return invalid("Tag keys must be between 1 and %d characters in length, tag values at most %d.", maxTagName, maxTagValue)
		}
	}
	return nil
}

// List gives up to PageSize topics of an account and region in order, from the
// one after the named.
func (t *Topics) List(ctx context.Context, account, region, after string) (names []string, more bool, err error) {
	lo, hi := tuple.Range("sns", "topic", account, region)
	if after != "" {
		lo = append(rowKey(ID{account, region, after}), 0)
	}
	entries, more, err := t.page(ctx, lo, hi, PageSize)
	if err != nil {
		return nil, false, fmt.Errorf("list topics: %w", err)
	}
	for _, entry := range entries {
		parts, err := tuple.Parse(entry.Key)
		if err != nil || len(parts) != 5 {
			return nil, false, fmt.Errorf("list topics: key %x, %w", entry.Key, err)
		}
		names = append(names, parts[4].(string))
	}
	return names, more, nil
}

// page reads up to limit rows and tells whether there are more.
func (t *Topics) page(ctx context.Context, lo, hi []byte, limit int) (entries []store.Entry, more bool, err error) {
	snap, err := t.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, false, err
	}
	defer snap.Close()
	if entries, err = snap.Scan(lo, hi, limit+1, false); err != nil {
		return nil, false, err
	}
	if len(entries) > limit {
		return entries[:limit], true, nil
	}
	return entries, false, nil
}
