package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// principal is who sends the deliveries, for permission checks at their targets.
const principal = "sns.amazonaws.com"

// Published is what became of one message.
type Published struct {
	ID       string
	Sequence string // of a FIFO topic
}

// Publish takes a message: when it returns nil, it and its deliveries are durable.
func (t *Topics) Publish(ctx context.Context, id ID, message Message) (Published, error) {
	results, err := t.publishAll(ctx, id, []Message{message}, false)
	if err != nil {
		return Published{}, err
	}
	return results[0], nil
}

// PublishBatch takes messages in their order, in one commit. AWS: recorded, one
// message that cannot be taken refuses them all.
func (t *Topics) PublishBatch(ctx context.Context, id ID, messages []Message) ([]Published, error) {
	return t.publishAll(ctx, id, messages, true)
}

func (t *Topics) publishAll(ctx context.Context, id ID, messages []Message, batch bool) ([]Published, error) {
	for {
		v, err := t.view(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := checkMessages(v, messages, batch); err != nil {
			if current, lookErr := t.current(ctx, v); lookErr != nil || current {
				return nil, errors.Join(lookErr, err)
			}
			t.outdated(v)
			continue
		}
		results, err := t.publish(ctx, v, messages)
		if !errors.Is(err, store.ErrConflict) {
			return results, err
		}
		t.outdated(v) // the topic was changed: look again
	}
}

func checkMessages(v *view, messages []Message, batch bool) error {
	size := 0
	for i := range messages {
		size += messages[i].Size()
	}
	if batch && size > MaxMessageBytes {
		return fail(BatchRequestTooLong, "The length of all the messages put together is more than the limit.") // AWS: recorded
	}
	for i := range messages {
		if err := messages[i].check(v); err != nil {
			return err
		}
	}
	return nil
}

// publication is a message that was accepted.
type publication struct {
	Message
	ID       string
	Sequence uint64 `json:",omitempty"`
	Time     time.Time
}

func (t *Topics) publish(ctx context.Context, v *view, messages []Message) ([]Published, error) {
	now := t.config.Clock.Now().UTC()
	batch := &store.Batch{Checks: []store.Check{store.At(rowKey(v.id), v.version)}}
	list := make([]*publication, len(messages))
	for i := range messages {
		list[i] = &publication{Message: messages[i], ID: ids.UUID(), Time: now}
	}
	if v.fifo {
		return t.publishInLine(ctx, v, batch, list)
	}
	if err := t.fanOut(ctx, v, batch, list); err != nil {
		return nil, err
	}
	return published(list), nil
}

func published(list []*publication) []Published {
	results := make([]Published, len(list))
	for i, p := range list {
		results[i] = Published{ID: p.ID}
		if p.Sequence > 0 {
			results[i].Sequence = sequenceText(p.Sequence)
		}
	}
	return results
}

// fanOut commits the batch with the deliveries of the publications; if these are
// too many for one commit, the publications are committed first, and then their
// deliveries, part by part, which Run would finish after a crash.
func (t *Topics) fanOut(ctx context.Context, v *view, batch *store.Batch, list []*publication) error {
	whole, err := t.deliveries(ctx, v, list)
	if err != nil {
		return err
	}
	if whole.size() <= maxCommitBytes && len(whole.messages) <= maxCommitMessages {
		if err := whole.add(t.config.Outbox, batch); err != nil {
			return err
		}
		if len(batch.Puts) == 0 {
			batch.Durability = store.Relaxed // it only looks whether the topic is still there
		}
		if err := t.commit(ctx, batch); err != nil {
			return fmt.Errorf("publish to topic %s: %w", v.id.Name, err)
		}
		t.config.Outbox.Wake()
		return nil
	}
	return t.fanOutInParts(ctx, v, batch, list)
}

// parcels are deliveries on their way into a commit.
type parcels struct{ messages []*delivery.Message }

func (p *parcels) size() int {
	size := 0
	for _, m := range p.messages {
		size += parcelSize(m)
	}
	return size
}

// parcelSize is about what a delivery takes in a commit.
func parcelSize(m *delivery.Message) int {
	size := len(m.Body) + parcelOverhead
	for name, a := range m.Attributes {
		size += len(name) + len(a.Type) + len(a.String) + 2*len(a.Binary)
	}
	if d := m.Policy.DeadLetter; d != nil {
		size += 2 * len(d.Body)
	}
	return size
}

func (p *parcels) add(outbox Outbox, batch *store.Batch) error {
	for _, m := range p.messages {
		if err := outbox.Add(batch, m); err != nil {
			return fmt.Errorf("deliver a message: %w", err)
		}
	}
	return nil
}

// deliveries makes what each subscriber gets of each publication.
func (t *Topics) deliveries(ctx context.Context, v *view, list []*publication) (*parcels, error) {
	all := &parcels{}
	for _, p := range list {
		w := &writer{topics: t, view: v, publication: p, candidate: candidate{attributes: p.Attributes}}
		var err error
		if w.texts, err = p.texts(); err != nil {
			return nil, err
		}
		for _, s := range v.subscribers {
			if !w.candidate.passes(s.filter, w.texts.of(s.Protocol)) {
				continue
			}
			m, err := w.delivery(ctx, s)
			if err != nil {
				return nil, err
			}
			all.messages = append(all.messages, m)
		}
	}
	return all, nil
}

// writer writes the deliveries of one publication.
type writer struct {
	topics      *Topics
	view        *view
	publication *publication
	texts       textsByProtocol
	candidate   candidate
	signatures  map[string]string // by text
}

// envelope is the publication as a protocol gets it.
func (w *writer) envelope(ctx context.Context, protocol string) (*envelope, error) {
	p := w.publication
	e := &envelope{Type: notification, ID: p.ID, Topic: w.view.id.ARN(), Message: w.texts.of(protocol), Subject: p.Subject, Time: p.Time, Attributes: p.Attributes}
	if w.view.fifo {
		e.Sequence = sequenceText(p.Sequence)
		return e, nil
	}
	e.Version = w.view.signature
	signature, known := w.signatures[e.Message]
	if !known {
		var err error
		if signature, err = w.topics.sign(ctx, e.Version, e.signed("")); err != nil {
			return nil, err
		}
		if w.signatures == nil {
			w.signatures = map[string]string{}
		}
		w.signatures[e.Message] = signature
	}
	e.Signature = signature
	return e, nil
}

// delivery is what one subscriber gets.
func (w *writer) delivery(ctx context.Context, s *subscriber) (*delivery.Message, error) {
	p := w.publication
	m := &delivery.Message{Target: s.Endpoint, Principal: principal, Source: w.view.id.ARN(), TraceID: p.Trace, Policy: s.policy,
		Purpose: "message " + p.ID + " to subscription " + s.ID.ID}
	if s.Protocol == SQS {
		m.GroupID = p.GroupID
	}
	if w.view.fifo {
		m.DeduplicationID = p.DedupID
		m.Lane = s.ID.ID + "\x00" + p.GroupID
		if !isFIFO(s.Endpoint) {
			m.GroupID, m.DeduplicationID = "", "" // AWS: recorded
		}
	}
	if s.raw {
		m.Body = []byte(w.texts.of(s.Protocol))
		m.Attributes = make(map[string]delivery.Attribute, len(p.Attributes))
		for name, a := range p.Attributes {
			m.Attributes[name] = delivery.Attribute(a)
		}
	} else {
		e, err := w.envelope(ctx, s.Protocol)
		if err != nil {
			return nil, err
		}
		links := w.topics.links(s.Subscription, "")
		m.Body = []byte(e.text(links))
		if s.Protocol == Lambda {
			if m.Policy.DeadLetter != nil { // AWS: recorded, it gets what a queue would
				letter := *m.Policy.DeadLetter
				letter.Body, m.Policy.DeadLetter = m.Body, &letter
			}
			m.Body = []byte(e.event(links, s.ID.ARN()))
		}
	}
	if s.overHTTP() {
		m.Headers = headers(notification, p.ID, s.Subscription, s.contentType)
		m.Headers[headerSubscription], m.Detail = s.ID.ARN(), s.detail()
		if s.raw {
			m.Headers[headerRaw] = "true"
		}
	}
	return m, nil
}

// ForFunction is a member of delivery.Message.Detail: the request is made for a
// function, which must not reach by it what it could not call itself.
const ForFunction = "for-function"

func (s *Subscription) detail() map[string]string {
	if s.Function {
		return map[string]string{ForFunction: "true"}
	}
	return nil
}

// Names of the headers of requests to HTTP endpoints.
// AWS: https://docs.aws.amazon.com/sns/latest/dg/http-header.html
const (
	headerType         = "x-amz-sns-message-type"
	headerID           = "x-amz-sns-message-id"
	headerTopic        = "x-amz-sns-topic-arn"
	headerSubscription = "x-amz-sns-subscription-arn"
	headerRaw          = "x-amz-sns-rawdelivery"
	userAgent          = "Amazon Simple Notification Service Agent"
)

func headers(kind, id string, s *Subscription, contentType string) map[string]string {
	return map[string]string{headerType: kind, headerID: id, headerTopic: s.ID.Topic.ARN(), "Content-Type": contentType, "User-Agent": userAgent}
}
