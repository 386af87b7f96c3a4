package topic

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// tokenBytes is the randomness in the token of a confirmation.
const tokenBytes = 128

// token is what confirms a subscription, or restores one that was removed by
// somebody who did not prove who they are.
type token struct {
	Topic        ID
	ID           string
	Expires      time.Time
	Subscription *Subscription `json:",omitempty"` // to restore
}

func tokenKey(region, text string) []byte { return tuple.Key("sns", "token", region, text) }

// ask adds a message to an HTTP endpoint with a token that confirms or restores
// its subscription.
func (c *change) ask(s *Subscription, kind string) error {
	now := c.topics.config.Clock.Now().UTC()
	text := ids.Hex(tokenBytes)
	row := &token{Topic: s.ID.Topic, ID: s.ID.ID, Expires: now.Add(tokenLife)}
	arn := s.ID.Topic.ARN()
	e := &envelope{Type: kind, ID: ids.UUID(), Topic: arn, Token: text, Time: now, Version: c.row.Attributes[attributeSignature],
		Message: "You have chosen to subscribe to the topic " + arn + ".\nTo confirm the subscription, visit the SubscribeURL included in this message."}
	if kind == confirmation {
		s.Asked = now
	} else {
		row.Subscription = s
		e.Message = "You have chosen to deactivate subscription " + s.ID.ARN() + ".\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
	}
	if e.Version == "" {
		e.Version = signatureOld
	}
	links := c.topics.links(s, text)
	var err error
	if e.Signature, err = c.topics.sign(c.ctx, e.Version, e.signed(links.subscribe)); err != nil {
		return err
	}
	if err := put(c.batch, tokenKey(s.ID.Topic.Region, text), row); err != nil {
		return err
	}
	topic, err := parseTopicPolicy(c.row.Attributes[attributeDelivery])
	if err != nil {
		return err
	}
	own, err := parseSubscriptionPolicy(s.Attributes[attributeDelivery])
	if err != nil {
		return err
	}
	m := &delivery.Message{Target: s.Endpoint, Body: []byte(e.text(links)), Headers: headers(kind, e.ID, s, defaultContentType), Principal: principal,
		Detail: s.detail(), Source: arn, Purpose: kind + " of subscription " + s.ID.ID, Policy: effective(topic, own).Healthy.schedule().policy()}
	if kind == unsubscription {
		m.Headers[headerSubscription] = s.ID.ARN()
	}
	return c.topics.config.Outbox.Add(c.batch, m)
}

// Confirmation is how a subscription is confirmed.
type Confirmation struct {
	Authenticated bool // by somebody who proved who they are
	Protect       bool // only who proves who they are may remove it from now on
}

// Confirm confirms the subscription of a token, or restores it. AWS: recorded,
// any topic of the region will do.
func (t *Topics) Confirm(ctx context.Context, region, text string, how Confirmation) (*Subscription, error) {
	if _, err := hex.DecodeString(text); err != nil || text == "" {
		return nil, fail(InvalidParameter, "Invalid token") // AWS: recorded
	}
	unknown := invalid("Token") // AWS: recorded
	snap, err := t.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	row := &token{}
	_, found, err := get(snap, tokenKey(region, text), row)
	snap.Close()
	switch {
	case err != nil:
		return nil, err
	case !found, !row.Expires.After(t.config.Clock.Now()):
		return nil, unknown
	}
	id := SubscriptionID{Topic: row.Topic, ID: row.ID}
	var confirmed *Subscription
	err = t.update(ctx, row.Topic, func(c *change) error {
		s := &Subscription{}
		_, found, err := get(c.snap, subscriptionKey(id), s)
		switch {
		case err != nil:
			return err
		case !found && row.Subscription == nil:
			return unknown // the subscription was removed
		case !found:
			all, err := subscriptions(c.snap, row.Topic)
			if err != nil {
				return err
			}
			s = row.Subscription
			if i := slices.IndexFunc(all, s.sameEndpoint); i >= 0 {
				confirmed = all[i] // subscribed again meanwhile
				return nil
			}
			c.row.Counts.Deleted--
			c.row.Counts.Confirmed++
		case !s.Confirmed:
			c.row.Counts.Pending--
			c.row.Counts.Confirmed++
		}
		s.ID, s.Confirmed = id, true
		s.Protected, s.Authenticated = s.Protected || how.Protect, s.Authenticated || how.Authenticated
		confirmed, c.touch = s, true
		return put(c.batch, subscriptionKey(id), s)
	})
	if errors.Is(err, noTopic()) {
		err = unknown
	}
	return confirmed, err
}

// Unsubscribe removes a subscription; AWS: one that is not there is no error.
// Who is not known cannot remove one that is protected, and its HTTP endpoint
// learns how to restore another.
func (t *Topics) Unsubscribe(ctx context.Context, id SubscriptionID, known bool) error {
	err := t.update(ctx, id.Topic, func(c *change) error {
		s := &Subscription{}
		_, found, err := get(c.snap, subscriptionKey(id), s)
		switch {
		case err != nil || !found:
			return err
		case s.Protected && !known:
			return fail(AuthorizationError, "Unsubscribing from %s requires authentication", id.ARN())
		}
		s.ID = id
		c.touch = true
		c.batch.Deletes = append(c.batch.Deletes, subscriptionKey(id))
		if !s.Confirmed {
			c.row.Counts.Pending--
			return nil
		}
		c.row.Counts.Confirmed--
		c.row.Counts.Deleted++
		if s.overHTTP() && !known {
			return c.ask(s, unsubscription)
		}
		return nil
	})
	if errors.Is(err, noTopic()) {
		return nil
	}
	t.wake()
	return err
}

// wake tells the outbox that something was added.
func (t *Topics) wake() { t.config.Outbox.Wake() }

// expire removes tokens that are over, and subscriptions that nobody confirmed.
func (t *Topics) expire(ctx context.Context) error {
	lo, hi := tuple.Range("sns", "token")
	for {
		entries, more, err := t.page(ctx, lo, hi, scanPage)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := t.expireOne(ctx, entry); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

func (t *Topics) expireOne(ctx context.Context, entry store.Entry) error {
	row := &token{}
	if err := json.Unmarshal(entry.Value, row); err != nil || row.Expires.After(t.config.Clock.Now()) {
		return err
	}
	id := SubscriptionID{Topic: row.Topic, ID: row.ID}
	err := t.update(ctx, row.Topic, func(c *change) error {
		c.batch.Deletes = append(c.batch.Deletes, entry.Key)
		s := &Subscription{}
		_, found, err := get(c.snap, subscriptionKey(id), s)
		// One that was asked again has a later token.
		if err != nil || !found || s.Confirmed || s.Asked.Add(tokenLife).After(t.config.Clock.Now()) {
			return err
		}
		c.batch.Deletes = append(c.batch.Deletes, subscriptionKey(id))
		c.row.Counts.Pending--
		c.touch = true
		return nil
	})
	if errors.Is(err, noTopic()) {
		err = t.commit(ctx, &store.Batch{Deletes: [][]byte{entry.Key}, Durability: store.Relaxed})
	}
	return err
}
