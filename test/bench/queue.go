package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

const (
	queueBatch   = 10  // messages of a request
	messageBytes = 100 // of a body
	wakeUps      = 100 // long polls that are woken
)

// queueClient is one connection to SQS.
type queueClient struct {
	address string
	url     string
	conn    net.Conn
	reader  *bufio.Reader
}

func dialQueue(address, url string) (*queueClient, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &queueClient{address: address, url: url, conn: conn, reader: bufio.NewReader(conn)}, nil
}

// request is the bytes of a signed request.
func (c *queueClient) request(ctx context.Context, operation string, in map[string]any) ([]byte, error) {
	if c.url != "" {
		in["QueueUrl"] = c.url
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS." + operation}}
	request, err := platform.Sign(ctx, "sqs", "POST", "http://"+c.address+"/", header, body)
	if err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	err = request.Write(&raw)
	return raw.Bytes(), err
}

// send sends a request; out may be nil.
func (c *queueClient) send(raw []byte, out any) error {
	body, status, err := roundTrip(c.conn, c.reader, raw)
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("status %d, body %.200q", status, body)
	case out == nil:
		return nil
	}
	return json.Unmarshal(body, out)
}

// queueMessage is what a receive gives of a message.
type queueMessage struct{ MessageID, ReceiptHandle string }

// queues measures SQS: the throughput of messages that are sent, received and
// deleted, and how long a message takes to one who waits for it.
func (b *bench) queues(ctx context.Context, p *platform.Platform) error {
	c, err := dialQueue(p.Address, "")
	if err != nil {
		return err
	}
	defer c.conn.Close()
	raw, err := c.request(ctx, "CreateQueue", map[string]any{"QueueName": "bench"})
	if err != nil {
		return err
	}
	var created struct{ QueueURL string }
	if err := c.send(raw, &created); err != nil {
		return err
	}
	if err := b.queueThroughput(ctx, p.Address, created.QueueURL); err != nil {
		return err
	}
	return b.queueWakeUps(ctx, p.Address, created.QueueURL)
}

func (b *bench) queueThroughput(ctx context.Context, address, url string) error {
	var handled atomic.Int64
	var group sync.WaitGroup
	failures := make(chan error, manyClients)
	begin := time.Now()
	for range manyClients {
		group.Go(func() { // ends when the duration is over
			failures <- workQueue(ctx, address, url, begin.Add(b.duration), &handled)
		})
	}
	group.Wait()
	took := time.Since(begin)
	for range manyClients {
		if err := <-failures; err != nil {
			return err
		}
	}
	rate := float64(handled.Load()) / took.Seconds()
	b.add(row{what: fmt.Sprintf("SQS messages sent, received and deleted, %d clients, batches of %d", manyClients, queueBatch),
		lambkin: fmt.Sprintf("%.0f/s", rate), goal: atLeast(rate, goalMessages, fmt.Sprintf("%.0f/s", goalMessages))})
	return nil
}

// workQueue sends, receives and deletes batches until the end.
func workQueue(ctx context.Context, address, url string, end time.Time, handled *atomic.Int64) error {
	c, err := dialQueue(address, url)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	entries := make([]map[string]any, queueBatch)
	for i := range entries {
		entries[i] = map[string]any{"Id": fmt.Sprint(i), "MessageBody": strings.Repeat("x", messageBytes)}
	}
	send, err := c.request(ctx, "SendMessageBatch", map[string]any{"Entries": entries})
	if err != nil {
		return err
	}
	receive, err := c.request(ctx, "ReceiveMessage", map[string]any{"MaxNumberOfMessages": queueBatch})
	if err != nil {
		return err
	}
	for time.Now().Before(end) {
		if err := c.send(send, nil); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		var reply struct{ Messages []queueMessage }
		if err := c.send(receive, &reply); err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if len(reply.Messages) == 0 {
			continue // others had them
		}
		done := make([]map[string]any, len(reply.Messages))
		for i, m := range reply.Messages {
			done[i] = map[string]any{"Id": fmt.Sprint(i), "ReceiptHandle": m.ReceiptHandle}
		}
		remove, err := c.request(ctx, "DeleteMessageBatch", map[string]any{"Entries": done})
		if err != nil {
			return err
		}
		var deleted struct{ Successful []struct{ ID string } }
		if err := c.send(remove, &deleted); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		handled.Add(int64(len(deleted.Successful)))
	}
	return nil
}

// queueWakeUps measures from the sending of a message to its arrival at a long
// poll, the durable commit in between.
func (b *bench) queueWakeUps(ctx context.Context, address, url string) error {
	sender, err := dialQueue(address, url)
	if err != nil {
		return err
	}
	defer sender.conn.Close()
	waiter, err := dialQueue(address, url)
	if err != nil {
		return err
	}
	defer waiter.conn.Close()
	purge, err := waiter.request(ctx, "PurgeQueue", map[string]any{}) // what the throughput left
	if err != nil {
		return err
	}
	if err := waiter.send(purge, nil); err != nil {
		return err
	}
	send, err := sender.request(ctx, "SendMessage", map[string]any{"MessageBody": strings.Repeat("x", messageBytes)})
	if err != nil {
		return err
	}
	receive, err := waiter.request(ctx, "ReceiveMessage", map[string]any{"WaitTimeSeconds": 20, "VisibilityTimeout": 43200})
	if err != nil {
		return err
	}
	var latencies []time.Duration
	for range wakeUps {
		arrived := make(chan error, 1)
		go func() { // ends with the message
			var reply struct{ Messages []queueMessage }
			err := waiter.send(receive, &reply)
			if err == nil && len(reply.Messages) != 1 {
				err = fmt.Errorf("a long poll got %d messages", len(reply.Messages))
			}
			arrived <- err
		}()
		<-time.After(settleTime) // nobody tells when the poll waits
		begin := time.Now()
		if err := sender.send(send, nil); err != nil {
			return err
		}
		if err := <-arrived; err != nil {
			return err
		}
		latencies = append(latencies, time.Since(begin))
	}
	slices.Sort(latencies)
	p50, p99 := percentile(latencies, 0.5), percentile(latencies, 0.99)
	b.add(row{what: "SQS SendMessage to its arrival at a long poll, p50 / p99", lambkin: milliseconds(p50) + " / " + milliseconds(p99), goal: atMostTime(p50, goalWake)})
	return nil
}

// settleTime is how long a long poll has to begin.
const settleTime = 10 * time.Millisecond
