package topic

import (
	"context"
	"fmt"
	"maps"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Subscription gives a subscription.
func (t *Topics) Subscription(ctx context.Context, id SubscriptionID) (*Subscription, error) {
	snap, err := t.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read subscription %s: %w", id.ARN(), err)
	}
	defer snap.Close()
	s := &Subscription{}
	_, found, err := get(snap, subscriptionKey(id), s)
	if err == nil && !found {
		err = noSubscription()
	}
	s.ID = id
	return s, err
}

// SubscriptionAttributes are what GetSubscriptionAttributes shows.
func (t *Topics) SubscriptionAttributes(ctx context.Context, id SubscriptionID) (map[string]string, error) {
	s, err := t.Subscription(ctx, id)
	if err != nil {
		return nil, err
	}
	flag := map[bool]string{true: "true", false: "false"}
	shown := map[string]string{
		"SubscriptionArn": id.ARN(), "TopicArn": id.Topic.ARN(), "Owner": id.Topic.Account, "Protocol": s.Protocol, "Endpoint": s.Endpoint,
		"SubscriptionPrincipal": s.Principal, "PendingConfirmation": flag[!s.Confirmed], "ConfirmationWasAuthenticated": flag[s.Authenticated],
		attributeRaw: "false",
	}
	maps.Copy(shown, s.Attributes)
	if delete(shown, attributeBody); s.Attributes[attributeFilter] != "" { // AWS: recorded, no scope without a policy
		shown[attributeBody] = s.shown(attributeBody)
	}
	if !s.overHTTP() {
		return shown, nil
	}
	r, err := t.read(ctx, id.Topic)
	if err != nil {
		return nil, err
	}
	topic, err := parseTopicPolicy(r.Attributes[attributeDelivery])
	if err != nil {
		return nil, err
	}
	own, err := parseSubscriptionPolicy(s.Attributes[attributeDelivery])
	if err != nil {
		return nil, err
	}
	shown["EffectiveDeliveryPolicy"] = compact(effective(topic, own))
	return shown, nil
}

// SetSubscriptionAttribute changes one attribute of a subscription.
func (t *Topics) SetSubscriptionAttribute(ctx context.Context, id SubscriptionID, name, value string) error {
	err := t.update(ctx, id.Topic, func(c *change) error {
		s := &Subscription{}
		_, found, err := get(c.snap, subscriptionKey(id), s)
		switch {
		case err != nil:
			return err
		case !found:
			return noSubscription()
		}
		s.ID = id
		if err := s.set(name, value); err != nil {
			return err
		}
		c.touch = true
		return put(c.batch, subscriptionKey(id), s)
	})
	if isNoTopic(err) {
		return noSubscription()
	}
	return err
}

// Subscriptions gives up to PageSize subscriptions, of the named topic or, without
// a name, of all topics of the account and region, from the one after the token
// that the page before returned.
func (t *Topics) Subscriptions(ctx context.Context, of ID, after string) (list []*Subscription, next string, err error) {
	lo, hi := tuple.Range("sns", "subscription", of.Account, of.Region)
	if of.Name != "" {
		if err := t.Exists(ctx, of); err != nil {
			return nil, "", err
		}
		lo, hi = subscriptionRange(of)
	}
	if after != "" {
		key := append([]byte(after), 0)
		if string(key) <= string(lo) || string(key) >= string(hi) {
			return nil, "", invalid("NextToken")
		}
		lo = key
	}
	entries, more, err := t.page(ctx, lo, hi, PageSize)
	if err != nil {
		return nil, "", fmt.Errorf("list subscriptions: %w", err)
	}
	for _, entry := range entries {
		s, err := parseSubscription(entry)
		if err != nil {
			return nil, "", err
		}
		list = append(list, s)
	}
	if more {
		next = string(lastKeyOf(entries))
	}
	return list, next, nil
}

func lastKeyOf(entries []store.Entry) []byte { return entries[len(entries)-1].Key }
