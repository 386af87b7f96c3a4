package topic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// view is a topic with its subscriptions as one commit left them. It never
// changes, but for what its line guards.
type view struct {
	id           ID
	key          string
	version      store.Version // of the topic's row
	fifo         bool
	contentDedup bool
	byGroup      bool // a deduplication id counts within its group only
	signature    string
	subscribers  []*subscriber // confirmed, in the order of their ids
	line         *line         // of a FIFO topic
}

// subscriber is a subscription ready for deliveries.
type subscriber struct {
	*Subscription
	raw         bool
	filter      *filter
	policy      delivery.Policy
	contentType string
}

// view gives the topic as it is, or was a moment ago: who commits must check its
// version.
func (t *Topics) view(ctx context.Context, id ID) (*view, error) {
	t.mu.Lock()
	v := t.views[id]
	t.mu.Unlock()
	if v != nil {
		return v, nil
	}
	v, err := t.load(ctx, id)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if other := t.views[id]; other != nil && other.version >= v.version {
		return other, nil
	}
	if len(t.views) >= maxViews {
		clear(t.views) // they are read again when they are used again
	}
	t.views[id] = v
	return v, nil
}

// outdated forgets a view that is not the topic any more.
func (t *Topics) outdated(v *view) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.views[v.id] == v {
		delete(t.views, v.id)
	}
}

// current tells whether the topic still is as the view has it.
func (t *Topics) current(ctx context.Context, v *view) (bool, error) {
	snap, err := t.config.Store.Snapshot(ctx)
	if err != nil {
		return false, fmt.Errorf("read topic %s: %w", v.id.Name, err)
	}
	defer snap.Close()
	_, version, err := snap.Get(rowKey(v.id))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return version == v.version, err
}

func (t *Topics) load(ctx context.Context, id ID) (*view, error) {
	snap, err := t.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read topic %s: %w", id.Name, err)
	}
	defer snap.Close()
	r := &row{}
	version, found, err := get(snap, rowKey(id), r)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, noTopic()
	}
	v := &view{id: id, key: r.Key, version: version, fifo: isFIFO(id.Name), contentDedup: r.Attributes[attributeContent] == "true",
		byGroup: r.Attributes[attributeScope] == "MessageGroup", signature: r.Attributes[attributeSignature]}
	if v.signature == "" {
		v.signature = signatureOld
	}
	if v.fifo {
		v.line = t.lineOf(r.Key)
	}
	policy, err := parseTopicPolicy(r.Attributes[attributeDelivery])
	if err != nil {
		return nil, err
	}
	all, err := subscriptions(snap, id)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if !s.Confirmed {
			continue
		}
		ready, err := s.ready(policy)
		if err != nil {
			return nil, fmt.Errorf("read subscription %s: %w", s.ID.ARN(), err)
		}
		v.subscribers = append(v.subscribers, ready)
	}
	return v, nil
}

// ready makes a subscription ready for deliveries.
func (s *Subscription) ready(topic *topicPolicy) (*subscriber, error) {
	f, err := parseFilter(s.Attributes[attributeFilter], s.shown(attributeBody))
	if err != nil {
		return nil, err
	}
	own, err := parseSubscriptionPolicy(s.Attributes[attributeDelivery])
	if err != nil {
		return nil, err
	}
	deadLetter, err := s.parseRedrive(s.Attributes[attributeRedrive])
	if err != nil {
		return nil, err
	}
	ready := &subscriber{Subscription: s, raw: s.Attributes[attributeRaw] == "true", filter: f, policy: delivery.ManagedEndpoints()}
	if s.overHTTP() {
		all := effective(topic, own)
		ready.policy, ready.contentType = all.Healthy.schedule().policy(), *all.Request.HeaderContentType
	}
	if deadLetter != "" {
		ready.policy.DeadLetter = &delivery.DeadLetter{Target: deadLetter}
	}
	return ready, nil
}

// line is what the messages of a FIFO topic are numbered and compared by.
type line struct {
	key string

	// mu is held from the choice of a number to the end of its commit: deliveries
	// must be added in the order of the numbers.
	mu     sync.Mutex
	loaded bool
	last   uint64
	dups   map[string]*duplicate
	order  []*duplicate // by expiry
}

// duplicate is a deduplication id that was used.
type duplicate struct {
	id        string
	expires   time.Time
	MessageID string
	Sequence  uint64
}

func (t *Topics) lineOf(key string) *line {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[key]
	if l == nil {
		l = &line{key: key}
		t.lines[key] = l
	}
	return l
}
