package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// queues sends numbered messages to one group of a FIFO queue, and receives and
// deletes them. A message that was acknowledged must come, whole and in its
// order, until its deletion was; after that it must not.
type queues struct {
	random *rand.Rand
	url    string
	serial int
	left   []queued // in the order of sending
	taken  int      // deletions that were acknowledged
}

// queued is a message that may be in the queue; sure means that it must be.
type queued struct {
	number int
	body   string
	sure   bool
}

func (c client) sqs(ctx context.Context, operation string, in, out any) error {
	return c.call(ctx, "sqs", "POST", "/", http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS." + operation}}, in, out)
}

func (q *queues) write(ctx context.Context, c client) error {
	if q.url == "" {
		created := struct{ QueueUrl string }{}
		err := c.sqs(ctx, "CreateQueue", map[string]any{"QueueName": "line.fifo", "Attributes": map[string]string{"FifoQueue": "true"}}, &created)
		q.url = created.QueueUrl
		return err
	}
	if q.random.IntN(2) == 0 {
		return q.send(ctx, c)
	}
	return q.receive(ctx, c)
}

func (q *queues) send(ctx context.Context, c client) error {
	q.serial++
	number := strconv.Itoa(q.serial)
	size := q.random.IntN(2000)
	if q.random.IntN(8) == 0 {
		size = 600_000 // several rows of the store
	}
	m := queued{number: q.serial, body: number + " " + strings.Repeat("x", size)}
	err := c.sqs(ctx, "SendMessage", map[string]any{"QueueUrl": q.url, "MessageBody": m.body, "MessageGroupId": "g", "MessageDeduplicationId": number}, nil)
	if err != nil && !isDown(err) {
		return err
	}
	m.sure = err == nil
	q.left = append(q.left, m)
	return err
}

func (q *queues) receive(ctx context.Context, c client) error {
	var reply struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	// A second is short enough for those that a killed server gave to nobody.
	in := map[string]any{"QueueUrl": q.url, "MaxNumberOfMessages": 1 + q.random.IntN(10), "VisibilityTimeout": 1}
	if err := c.sqs(ctx, "ReceiveMessage", in, &reply); err != nil {
		return err
	}
	var given []queued
	rest := q.left
	for _, m := range reply.Messages {
		for len(rest) > 0 && rest[0].body != m.Body {
			if rest[0].sure {
				return fmt.Errorf("message %.10s... came while %d must be the next", m.Body, rest[0].number)
			}
			rest = rest[1:] // it never came to be, or was deleted
		}
		if len(rest) == 0 {
			return fmt.Errorf("message %.10s... came, of which nobody knows", m.Body)
		}
		given, rest = append(given, rest[0]), rest[1:]
	}
	if len(given) == 0 {
		return nil
	}
	q.left = append(given, rest...)
	for _, m := range reply.Messages[:1+q.random.IntN(len(given))] {
		err := c.sqs(ctx, "DeleteMessage", map[string]any{"QueueUrl": q.url, "ReceiptHandle": m.ReceiptHandle}, nil)
		var refusal *statusError
		switch {
		case isDown(err):
			q.left[0].sure = false
			return err
		case errors.As(err, &refusal) && strings.Contains(refusal.text, "expired"):
			return nil // this machine is slow
		case err != nil:
			return err
		}
		q.left = q.left[1:]
		q.taken++
	}
	return nil
}

// check compares how many messages there are.
func (q *queues) check(ctx context.Context, c client) error {
	if q.url == "" {
		return nil
	}
	var reply struct{ Attributes map[string]string }
	if err := c.sqs(ctx, "GetQueueAttributes", map[string]any{"QueueUrl": q.url, "AttributeNames": []string{"All"}}, &reply); err != nil {
		return err
	}
	total, least := 0, 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		n, err := strconv.Atoi(reply.Attributes[name])
		if err != nil {
			return err
		}
		total += n
	}
	for _, m := range q.left {
		if m.sure {
			least++
		}
	}
	if total < least || total > len(q.left) {
		return fmt.Errorf("%d messages, of which at least %d and at most %d can be", total, least, len(q.left))
	}
	return nil
}
