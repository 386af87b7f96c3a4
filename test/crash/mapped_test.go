package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// mappedStream is where the function "mapper" writes what it was given.
const mappedStream = "mapped"

// mapped sends numbered messages to a FIFO queue and a standard one, both of which
// are event sources of the function "mapper". Each acknowledged message must be
// handled, and within a group none before an earlier one that was acknowledged.
type mapped struct {
	random  *rand.Rand
	urls    map[string]string // by name of the queue
	serial  int
	sent    map[string][]int // by group, in the order of sending; "-" is the standard queue
	sure    map[int]bool     // numbers that were acknowledged
	handled int
}

func newMapped(random *rand.Rand) *mapped {
	return &mapped{random: random, urls: map[string]string{}, sent: map[string][]int{}, sure: map[int]bool{}}
}

// prepare makes the queues, the function and the mappings, before the first kill.
func (m *mapped) prepare(ctx context.Context, server *platform.Platform) error {
	c := client{server}
	if err := c.logs(ctx, "CreateLogStream", map[string]any{"logGroupName": group, "logStreamName": mappedStream}, nil); err != nil {
		return err
	}
	// A call that a kill ends comes again after the visibility timeout.
	f := platform.Function{Name: "mapper", Handler: "app.mapped", Timeout: 10, Files: map[string]string{"app.py": runner}}
	if err := server.Deploy(ctx, f); err != nil {
		return err
	}
	for _, name := range []string{"mapped", "mapped.fifo"} {
		attributes := map[string]string{"VisibilityTimeout": "10"}
		if strings.HasSuffix(name, ".fifo") {
			attributes["FifoQueue"] = "true"
		}
		created := struct{ QueueUrl string }{}
		if err := c.sqs(ctx, "CreateQueue", map[string]any{"QueueName": name, "Attributes": attributes}, &created); err != nil {
			return err
		}
		m.urls[name] = created.QueueUrl
		source := "arn:aws:sqs:" + platform.Region + ":000000000000:" + name
		if err := c.lambda(ctx, "POST", "/2015-03-31/event-source-mappings", map[string]any{"FunctionName": "mapper", "EventSourceArn": source}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (m *mapped) write(ctx context.Context, c client) error {
	m.serial++
	number := m.serial
	in := map[string]any{"QueueUrl": m.urls["mapped"], "MessageBody": fmt.Sprint(number, " ", strings.Repeat("x", m.random.IntN(2000)))}
	group := "-"
	if n := m.random.IntN(4); n > 0 {
		group = fmt.Sprint("g", n)
		in["QueueUrl"], in["MessageGroupId"], in["MessageDeduplicationId"] = m.urls["mapped.fifo"], group, fmt.Sprint(number)
	}
	m.sent[group] = append(m.sent[group], number)
	if err := c.sqs(ctx, "SendMessage", in, nil); err != nil {
		return err
	}
	m.sure[number] = true
	return nil
}

// check looks at the order of what was handled so far.
func (m *mapped) check(ctx context.Context, c client) error {
	_, err := m.seen(ctx, c)
	return err
}

// seen are the numbers that were handled.
func (m *mapped) seen(ctx context.Context, c client) (map[int]bool, error) {
	lines, err := messages(ctx, c, mappedStream)
	if err != nil {
		return nil, err
	}
	seen, next := map[int]bool{}, map[string]int{} // next: index into sent
	for _, line := range lines {
		var group string
		var number int
		if _, err := fmt.Sscanf(line, "%s %d", &group, &number); err != nil {
			return nil, fmt.Errorf("the function wrote %.20q: %w", line, err)
		}
		if seen[number] {
			continue // at least once
		}
		seen[number] = true
		if group == "-" {
			continue
		}
		for ; next[group] < len(m.sent[group]) && m.sent[group][next[group]] != number; next[group]++ {
			if earlier := m.sent[group][next[group]]; m.sure[earlier] {
				return nil, fmt.Errorf("message %d of group %s was handled before %d", number, group, earlier)
			}
		}
		if next[group]++; next[group] > len(m.sent[group]) {
			return nil, fmt.Errorf("message %d of group %s was handled, which was not sent, or after a later one", number, group)
		}
	}
	return seen, nil
}

// wait waits until every acknowledged message was handled.
func (m *mapped) wait(ctx context.Context, c client) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		seen, err := m.seen(ctx, c)
		if err != nil && ctx.Err() == nil {
			return err
		}
		missing := 0
		for number := range m.sure {
			if !seen[number] {
				missing++
			}
		}
		if m.handled = len(seen); missing == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d acknowledged messages were not handled", missing, len(m.sure))
		}
	}
}
