package crash

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// topics publishes numbered messages to a FIFO topic and to a standard one, each
// with a queue. A message that was acknowledged must come to its queue, those of
// the FIFO topic once and in their order.
type topics struct {
	serial int
	sides  []*side
	came   int
}

// side is a topic and its queue.
type side struct {
	suffix string
	topic  string
	queue  string
	sure   map[int]bool // acknowledged, not received
	last   int          // received
}

// prepareTopics makes the topics and queues.
func (l *topics) prepare(ctx context.Context, server *platform.Platform) error {
	c := client{server}
	for _, suffix := range []string{".fifo", ""} {
		s := &side{suffix: suffix, sure: map[int]bool{}}
		var created struct{ QueueUrl string }
		attributes := map[string]string{}
		form := url.Values{"Name": {"crash" + suffix}}
		if suffix != "" {
			attributes["FifoQueue"] = "true"
			form.Set("Attributes.entry.1.key", "FifoTopic")
			form.Set("Attributes.entry.1.value", "true")
		}
		if err := c.sqs(ctx, "CreateQueue", map[string]any{"QueueName": "topic" + suffix, "Attributes": attributes}, &created); err != nil {
			return err
		}
		s.queue = created.QueueUrl
		var made struct {
			TopicArn string `xml:"CreateTopicResult>TopicArn"`
		}
		if err := c.sns(ctx, "CreateTopic", form, &made); err != nil {
			return err
		}
		s.topic = made.TopicArn
		err := c.sns(ctx, "Subscribe", url.Values{"TopicArn": {s.topic}, "Protocol": {"sqs"}, "Endpoint": {"arn:aws:sqs:" + platform.Region + ":000000000000:topic" + suffix},
			"Attributes.entry.1.key": {"RawMessageDelivery"}, "Attributes.entry.1.value": {"true"}}, nil)
		if err != nil {
			return err
		}
		l.sides = append(l.sides, s)
	}
	return nil
}

// sns sends a request of the query protocol.
func (c client) sns(ctx context.Context, action string, form url.Values, out any) error {
	form.Set("Action", action)
	form.Set("Version", "2010-03-31")
	reply, err := c.server.CallService(ctx, "sns", http.MethodPost, "/", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	switch {
	case err != nil:
		return &downError{err}
	case reply.Status != http.StatusOK:
		return &statusError{reply.Status, fmt.Sprintf("%s: %s", action, reply.Body)}
	case out == nil:
		return nil
	}
	return xml.Unmarshal(reply.Body, out)
}

func (l *topics) write(ctx context.Context, c client) error {
	l.serial++
	s := l.sides[l.serial%len(l.sides)]
	number := strconv.Itoa(l.serial)
	form := url.Values{"TopicArn": {s.topic}, "Message": {number}}
	if s.suffix != "" {
		form.Set("MessageGroupId", "g")
		form.Set("MessageDeduplicationId", number)
	}
	if err := c.sns(ctx, "Publish", form, nil); err != nil {
		return err
	}
	s.sure[l.serial] = true
	return nil
}

func (l *topics) check(ctx context.Context, c client) error {
	var all error
	for _, s := range l.sides {
		for len(s.sure) > 0 && ctx.Err() == nil {
			n, err := s.receive(ctx, c)
			l.came += n
			if err != nil {
				return err
			}
		}
		if len(s.sure) > 0 {
			all = errors.Join(all, fmt.Errorf("%d messages that topic crash%s acknowledged did not come", len(s.sure), s.suffix))
		}
	}
	return all
}

// receive takes messages out of the queue.
func (s *side) receive(ctx context.Context, c client) (int, error) {
	var reply struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	if err := c.sqs(ctx, "ReceiveMessage", map[string]any{"QueueUrl": s.queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 5}, &reply); err != nil {
		return 0, err
	}
	for _, m := range reply.Messages {
		number, err := strconv.Atoi(m.Body)
		if err != nil {
			return 0, err
		}
		if s.suffix != "" {
			for missed := range s.sure {
				if missed < number {
					return 0, fmt.Errorf("message %d came before %d", number, missed)
				}
			}
			if number <= s.last {
				return 0, fmt.Errorf("message %d came after %d", number, s.last)
			}
		}
		s.last = number
		delete(s.sure, number)
		if err := c.sqs(ctx, "DeleteMessage", map[string]any{"QueueUrl": s.queue, "ReceiptHandle": m.ReceiptHandle}, nil); err != nil {
			return 0, err
		}
	}
	return len(reply.Messages), nil
}
