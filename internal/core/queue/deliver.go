package queue

import (
	"context"
	"errors"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
)

// Deliver sends a message of another service to the queue whose ARN is the
// target. What the queue refuses is permanent: it will refuse it again.
//
// AWS: the sender of a message is an id of the service's account; here it is the
// service's name.
func (q *Queues) Deliver(ctx context.Context, m *delivery.Message) error {
	id, err := ParseARN(m.Target)
	if err != nil {
		return delivery.Permanent(err)
	}
	message := Message{Body: string(m.Body), Attributes: map[string]Attribute{}, Trace: m.TraceID, GroupID: m.GroupID, Sender: m.Principal}
	for name, a := range m.Attributes {
		message.Attributes[name] = Attribute{DataType: a.Type, String: a.String, Binary: a.Binary}
	}
	if isFIFO(id.Name) {
		message.DedupID = m.DeduplicationID
	}
	_, err = q.Send(ctx, id, message)
	var refused *Error
	if errors.As(err, &refused) {
		return delivery.Permanent(delivery.Coded(string(refused.Code), err))
	}
	return err
}
