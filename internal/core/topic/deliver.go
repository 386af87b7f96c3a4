package topic

import (
	"context"
	"errors"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
)

// Deliver publishes a message that another service sends: topics are targets of
// dead letters, destinations and notifications.
//
// AWS: the topic's policy decides who may; here everybody of its account may.
func (t *Topics) Deliver(ctx context.Context, m *delivery.Message) error {
	id, err := ParseARN(m.Target)
	if err != nil {
		return delivery.Permanent(err)
	}
	message := Message{Text: string(m.Body), GroupID: m.GroupID, DedupID: m.DeduplicationID, Trace: m.TraceID}
	if m.Subject != "" {
		message.Subject = &m.Subject
	}
	if len(m.Attributes) > 0 {
		message.Attributes = make(map[string]Attribute, len(m.Attributes))
		for name, a := range m.Attributes {
			message.Attributes[name] = Attribute(a)
		}
	}
	_, err = t.Publish(ctx, id, message)
	var refusal *Error
	if errors.As(err, &refusal) {
		return delivery.Permanent(delivery.Coded(string(refusal.Code), err))
	}
	return err
}
