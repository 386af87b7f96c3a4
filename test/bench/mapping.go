package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

const (
	drained     = 20_000 // messages that a mapping drains
	mappedCalls = 200    // messages whose way to a handler is measured
	// betweenCalls lets the message before be deleted: the mapping is idle.
	betweenCalls = 15 * time.Millisecond
	pollTime     = 20 * time.Millisecond
	mappingTime  = 2 * time.Minute // bounds each wait

	goalMapped    = 5 * time.Millisecond // a message to the start of its handler, p50
	goalMappedP99 = 25 * time.Millisecond
	goalDrained   = 2000.0 // messages/s
)

// mapping measures event source mappings: how long a message takes to the start of
// a handler, and how fast a queue is drained.
func (b *bench) mapping(ctx context.Context, p *platform.Platform) error {
	ctx, cancel := context.WithTimeout(ctx, 2*mappingTime)
	defer cancel()
	if err := b.mappingLatency(ctx, p); err != nil {
		return err
	}
	return b.mappingDrain(ctx, p)
}

// api calls an operation of a JSON service.
func api(ctx context.Context, p *platform.Platform, service, target, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	header, method := http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, "POST"
	switch {
	case target != "":
		header.Set("X-Amz-Target", target)
	case strings.Contains(path, "event-source-mappings/"):
		method = "PUT"
	}
	reply, err := p.CallService(ctx, service, method, path, header, body)
	switch {
	case err != nil:
		return err
	case reply.Status >= http.StatusMultipleChoices:
		return fmt.Errorf("%s %s: status %d, %s", target, path, reply.Status, reply.Body)
	case out == nil:
		return nil
	}
	return json.Unmarshal(reply.Body, out)
}

// mapped deploys a function with a queue as its source; it gives the queue's URL
// and the mapping's UUID.
func mapped(ctx context.Context, p *platform.Platform, f platform.Function, enabled bool) (url, uuid string, err error) {
	if err := p.Deploy(ctx, f); err != nil {
		return "", "", err
	}
	var queue struct{ QueueURL string }
	if err := api(ctx, p, "sqs", "AmazonSQS.CreateQueue", "/", map[string]any{"QueueName": f.Name}, &queue); err != nil {
		return "", "", err
	}
	var made struct{ UUID string }
	err = api(ctx, p, "lambda", "", "/2015-03-31/event-source-mappings", map[string]any{
		"FunctionName": f.Name, "EventSourceArn": "arn:aws:sqs:" + platform.Region + ":000000000000:" + f.Name, "Enabled": enabled}, &made)
	return queue.QueueURL, made.UUID, err
}

// mappingLatency compares clocks: the handler logs when it began, on the same
// machine.
func (b *bench) mappingLatency(ctx context.Context, p *platform.Platform) error {
	f := platform.Function{Name: "mapped", MemoryMB: oneVCPU, Files: map[string]string{
		"app.py": "import time\n\ndef handler(event, context):\n    began = time.time_ns()\n    for record in event['Records']:\n        print('began', record['body'], began)\n"}}
	url, _, err := mapped(ctx, p, f, true)
	if err != nil {
		return err
	}
	c, err := dialQueue(p.Address, url)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	sent := make([]time.Time, mappedCalls+1) // the first is a cold start
	for i := range sent {
		raw, err := c.request(ctx, "SendMessage", map[string]any{"MessageBody": fmt.Sprint(i)})
		if err != nil {
			return err
		}
		sent[i] = time.Now()
		if err := c.send(raw, nil); err != nil {
			return err
		}
		<-time.After(betweenCalls)
	}
	began, err := beginnings(ctx, p, "/aws/lambda/"+f.Name, len(sent))
	if err != nil {
		return err
	}
	var latencies []time.Duration
	for i := 1; i < len(sent); i++ {
		latencies = append(latencies, began[i].Sub(sent[i]))
	}
	slices.Sort(latencies)
	p50, p99 := percentile(latencies, 0.5), percentile(latencies, 0.99)
	b.add(row{what: fmt.Sprintf("SQS SendMessage to the start of a mapped handler, idle, p50 of %d", mappedCalls), lambkin: milliseconds(p50), goal: atMostTime(p50, goalMapped)})
	b.add(row{what: "SQS SendMessage to the start of a mapped handler, idle, p99", lambkin: milliseconds(p99), goal: atMostTime(p99, goalMappedP99)})
	return nil
}

// beginnings reads from a log when the handler began with each of count messages.
func beginnings(ctx context.Context, p *platform.Platform, group string, count int) (map[int]time.Time, error) {
	for {
		found := map[int]time.Time{}
		in := map[string]any{"logGroupName": group, "filterPattern": "began"}
		for {
			var page struct {
				Events    []struct{ Message string }
				NextToken string
			}
			if err := api(ctx, p, "logs", "Logs_20140328.FilterLogEvents", "/", in, &page); err != nil {
				return nil, err
			}
			for _, e := range page.Events {
				var number int
				var ns int64
				if _, err := fmt.Sscanf(e.Message, "began %d %d", &number, &ns); err != nil {
					return nil, fmt.Errorf("the log has %q: %w", e.Message, err)
				}
				found[number] = time.Unix(0, ns)
			}
			if in["nextToken"] = page.NextToken; page.NextToken == "" {
				break
			}
		}
		if len(found) == count {
			return found, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d messages were handled: %w", len(found), count, ctx.Err())
		case <-time.After(pollTime):
		}
	}
}

// mappingDrain fills a queue and then enables its mapping.
func (b *bench) mappingDrain(ctx context.Context, p *platform.Platform) error {
	f := platform.Function{Name: "drain", MemoryMB: oneVCPU, Files: map[string]string{"app.py": "def handler(event, context):\n    return None\n"}}
	url, uuid, err := mapped(ctx, p, f, false)
	if err != nil {
		return err
	}
	c, err := dialQueue(p.Address, url)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	entries := make([]map[string]any, queueBatch)
	for i := range entries {
		entries[i] = map[string]any{"Id": fmt.Sprint(i), "MessageBody": strings.Repeat("x", messageBytes)}
	}
	raw, err := c.request(ctx, "SendMessageBatch", map[string]any{"Entries": entries})
	if err != nil {
		return err
	}
	for range drained / queueBatch {
		if err := c.send(raw, nil); err != nil {
			return err
		}
	}
	begin := time.Now()
	if err := api(ctx, p, "lambda", "", "/2015-03-31/event-source-mappings/"+uuid, map[string]any{"Enabled": true}, nil); err != nil {
		return err
	}
	for left := true; left; {
		var reply struct{ Attributes map[string]string }
		err := api(ctx, p, "sqs", "AmazonSQS.GetQueueAttributes", "/", map[string]any{"QueueUrl": url, "AttributeNames": []string{"All"}}, &reply)
		if err != nil {
			return err
		}
		left = reply.Attributes["ApproximateNumberOfMessages"] != "0" || reply.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0"
		if left {
			<-time.After(pollTime)
		}
	}
	rate := drained / time.Since(begin).Seconds()
	b.add(row{what: fmt.Sprintf("a mapping drains %d messages in batches of 10 into a trivial function", drained), lambkin: fmt.Sprintf("%.0f/s", rate),
		goal: atLeast(rate, goalDrained, fmt.Sprintf("%.0f/s", goalDrained))})
	return nil
}
