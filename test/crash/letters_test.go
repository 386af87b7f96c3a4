package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// letters sends asynchronous events to a function that fails. What follows each,
// the record for its destination and its dead letter, must arrive, also when the
// server is killed between the failure and the delivery.
type letters struct {
	serial   int
	accepted map[string]bool
	records  map[string]bool // numbers of the events whose record arrived
	dead     map[string]bool // the same for dead letters
}

// Queues for what follows.
const recordsQueue, deadQueue = "records", "dead"

func (l *letters) write(ctx context.Context, c client) error {
	l.serial++
	number := fmt.Sprint(l.serial)
	header := http.Header{"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {"Event"}}
	if err := c.call(ctx, "lambda", "POST", platform.InvokePath("failing"), header, map[string]string{"number": number}, nil); err != nil {
		return err
	}
	l.accepted[number] = true
	return nil
}

// check takes what has arrived so far.
func (l *letters) check(ctx context.Context, c client) error {
	err := l.take(ctx, c, recordsQueue, func(body []byte) (string, error) {
		var record struct {
			Version        string
			RequestContext struct{ Condition string }
			RequestPayload struct{ Number string }
		}
		err := json.Unmarshal(body, &record)
		if record.Version != "1.0" || record.RequestContext.Condition != "RetriesExhausted" {
			return "", fmt.Errorf("a record %s", body)
		}
		return record.RequestPayload.Number, err
	}, l.records)
	if err != nil {
		return err
	}
	return l.take(ctx, c, deadQueue, func(body []byte) (string, error) {
		var event struct{ Number string }
		err := json.Unmarshal(body, &event)
		return event.Number, err
	}, l.dead)
}

// take receives and deletes all messages that are there.
func (l *letters) take(ctx context.Context, c client, queue string, number func([]byte) (string, error), into map[string]bool) error {
	url := "http://" + c.server.Address + "/000000000000/" + queue
	for {
		var reply struct {
			Messages []struct{ Body, ReceiptHandle string }
		}
		if err := c.sqs(ctx, "ReceiveMessage", map[string]any{"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 5}, &reply); err != nil {
			return err
		}
		if len(reply.Messages) == 0 {
			return nil
		}
		for _, m := range reply.Messages {
			n, err := number([]byte(m.Body))
			if err != nil {
				return err
			}
			into[n] = true
			if err := c.sqs(ctx, "DeleteMessage", map[string]any{"QueueUrl": url, "ReceiptHandle": m.ReceiptHandle}, nil); err != nil {
				return err
			}
		}
	}
}

// wait waits until all that follows the accepted events has arrived.
func (l *letters) wait(ctx context.Context, c client) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := l.check(ctx, c); err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Collect(maps.Keys(l.accepted)), func(n string) bool { return l.records[n] && l.dead[n] })
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("of %d accepted events that failed, %d have no record or no dead letter: %s", len(l.accepted), len(missing), missing)
		}
	}
}

// prepareLetters makes the queues and the function.
func prepareLetters(ctx context.Context, server *platform.Platform) error {
	c := client{server}
	arn := func(queue string) string { return "arn:aws:sqs:" + platform.Region + ":000000000000:" + queue }
	for _, name := range []string{recordsQueue, deadQueue} {
		if err := c.sqs(ctx, "CreateQueue", map[string]any{"QueueName": name}, nil); err != nil {
			return err
		}
	}
	source := "def handler(event, context):\n    raise Exception('it fails')\n"
	if err := server.Deploy(ctx, platform.Function{Name: "failing", Files: map[string]string{"app.py": source}}); err != nil {
		return err
	}
	err := c.lambda(ctx, "PUT", "/2019-09-25/functions/failing/event-invoke-config",
		map[string]any{"MaximumRetryAttempts": 0, "DestinationConfig": map[string]any{"OnFailure": map[string]any{"Destination": arn(recordsQueue)}}}, nil)
	if err != nil {
		return err
	}
	err = c.lambda(ctx, "PUT", "/2015-03-31/functions/failing/configuration", map[string]any{"DeadLetterConfig": map[string]any{"TargetArn": arn(deadQueue)}}, nil)
	if err != nil {
		return err
	}
	return server.WaitActive(ctx, "failing")
}
