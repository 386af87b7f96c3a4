package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// publications is how many messages are timed, one after the other.
const publications = 200

// heard is a function that prints how long ago its message was published.
const heard = `import time
def handler(event, context):
    now = time.time_ns()
    print("LATENCY", now - int(event["Records"][0]["Sns"]["Message"]))
`

// topics measures SNS: from the beginning of Publish to the first line of a
// subscribed function that is warm, three durable commits in between.
func (b *bench) topics(ctx context.Context, p *platform.Platform) error {
	f := trivial("heard")
	f.Files = map[string]string{"app.py": heard}
	if err := p.Deploy(ctx, f); err != nil {
		return err
	}
	topic, err := subscribed(ctx, p, "heard")
	if err != nil {
		return err
	}
	p50, p99, err := oneByOne(ctx, p, "heard", func(now string) error {
		_, err := topicCall(ctx, p, "Publish", url.Values{"TopicArn": {topic}, "Message": {now}})
		return err
	})
	if err != nil {
		return err
	}
	b.add(row{what: "SNS Publish to the start of a subscribed function, warm, p50 / p99", lambkin: milliseconds(p50) + " / " + milliseconds(p99), goal: atMostTime(p50, goalPublish)})
	return b.fanOut(ctx, p)
}

// oneByOne times publications: the next one is sent when the function has printed
// how old the one before was.
func oneByOne(ctx context.Context, p *platform.Platform, function string, publish func(now string) error) (p50, p99 time.Duration, err error) {
	var latencies []time.Duration
	for n := range publications + 1 {
		if err := publish(strconv.FormatInt(time.Now().UnixNano(), 10)); err != nil {
			return 0, 0, err
		}
		if latencies, err = heardSoFar(ctx, p, function, n+1); err != nil {
			return 0, 0, err
		}
	}
	latencies = latencies[1:] // the first one starts the environment
	slices.Sort(latencies)
	return percentile(latencies, 0.5), percentile(latencies, 0.99), nil
}

// fanOut measures how fast messages are published to a queue, until the last one
// is in it.
func (b *bench) fanOut(ctx context.Context, p *platform.Platform) error {
	var queue struct{ QueueUrl string }
	if err := api(ctx, p, "sqs", "AmazonSQS.CreateQueue", "/", map[string]any{"QueueName": "fanned"}, &queue); err != nil {
		return err
	}
	reply, err := topicCall(ctx, p, "CreateTopic", url.Values{"Name": {"fanned"}})
	if err != nil {
		return err
	}
	var made struct {
		TopicArn string `xml:"CreateTopicResult>TopicArn"`
	}
	if err := xml.Unmarshal(reply, &made); err != nil {
		return err
	}
	endpoint := strings.Replace(made.TopicArn, ":sns:", ":sqs:", 1)
	if _, err := topicCall(ctx, p, "Subscribe", url.Values{"TopicArn": {made.TopicArn}, "Protocol": {"sqs"}, "Endpoint": {endpoint}}); err != nil {
		return err
	}
	begin := time.Now()
	var group errgroup.Group
	var published atomic.Int64
	for range manyClients {
		group.Go(func() error { // ends when the duration is over
			form := url.Values{"TopicArn": {made.TopicArn}, "Message": {strings.Repeat("x", messageBytes)}}
			for time.Since(begin) < b.duration {
				if _, err := topicCall(ctx, p, "Publish", form); err != nil {
					return err
				}
				published.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	acknowledged := float64(published.Load()) / time.Since(begin).Seconds()
	for deadline := time.Now().Add(platform.ReadyTimeout); ; {
		var attributes struct{ Attributes map[string]string }
		if err := api(ctx, p, "sqs", "AmazonSQS.GetQueueAttributes", "/", map[string]any{"QueueUrl": queue.QueueUrl, "AttributeNames": []string{"All"}}, &attributes); err != nil {
			return err
		}
		if attributes.Attributes["ApproximateNumberOfMessages"] == strconv.FormatInt(published.Load(), 10) {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s of %d messages came", attributes.Attributes["ApproximateNumberOfMessages"], published.Load())
		}
		<-time.After(settleTime)
	}
	arrived := float64(published.Load()) / time.Since(begin).Seconds()
	b.add(row{what: fmt.Sprintf("SNS messages published to a queue, %d clients, acknowledged / arrived", manyClients), lambkin: fmt.Sprintf("%.0f/s / %.0f/s", acknowledged, arrived)})
	return nil
}

// subscribed makes a topic with the function as its subscriber.
func subscribed(ctx context.Context, p *platform.Platform, name string) (topic string, err error) {
	reply, err := topicCall(ctx, p, "CreateTopic", url.Values{"Name": {name}})
	if err != nil {
		return "", err
	}
	var made struct {
		TopicArn string `xml:"CreateTopicResult>TopicArn"`
	}
	if err := xml.Unmarshal(reply, &made); err != nil {
		return "", err
	}
	if err := permit(ctx, p, name, "sns", made.TopicArn); err != nil {
		return "", err
	}
	endpoint := strings.Replace(strings.Replace(made.TopicArn, ":sns:", ":lambda:", 1), ":"+name, ":function:"+name, 1)
	_, err = topicCall(ctx, p, "Subscribe", url.Values{"TopicArn": {made.TopicArn}, "Protocol": {"lambda"}, "Endpoint": {endpoint}})
	return made.TopicArn, err
}

// permit lets a service invoke a function for one of its resources.
func permit(ctx context.Context, p *platform.Platform, function, service, source string) error {
	permission, err := json.Marshal(map[string]string{"StatementId": service, "Action": "lambda:InvokeFunction", "Principal": service + ".amazonaws.com", "SourceArn": source})
	if err != nil {
		return err
	}
	added, err := p.Call(ctx, http.MethodPost, "/2015-03-31/functions/"+function+"/policy", permission)
	if err == nil && added.Status != http.StatusCreated {
		err = fmt.Errorf("AddPermission: status %d, body %.200q", added.Status, added.Body)
	}
	return err
}

// topicCall sends a request of the query protocol.
func topicCall(ctx context.Context, p *platform.Platform, action string, form url.Values) ([]byte, error) {
	form.Set("Action", action)
	form.Set("Version", "2010-03-31")
	reply, err := p.CallService(ctx, "sns", http.MethodPost, "/", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d, body %.200q", action, reply.Status, reply.Body)
	}
	return reply.Body, nil
}

// heardSoFar waits until the function has printed count latencies and gives them
// in their order.
func heardSoFar(ctx context.Context, p *platform.Platform, function string, count int) ([]time.Duration, error) {
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"Logs_20140328.FilterLogEvents"}}
	for deadline := time.Now().Add(platform.ReadyTimeout); time.Now().Before(deadline); {
		reply, err := p.CallService(ctx, "logs", http.MethodPost, "/", header, []byte(`{"logGroupName": "/aws/lambda/`+function+`", "filterPattern": "LATENCY"}`))
		if err != nil {
			return nil, err
		}
		var found struct {
			Events []struct{ Message string }
		}
		if reply.Status == http.StatusOK { // else the group is not there yet
			if err := json.Unmarshal(reply.Body, &found); err != nil {
				return nil, err
			}
		}
		if len(found.Events) < count {
			<-time.After(settleTime)
			continue
		}
		latencies := make([]time.Duration, len(found.Events))
		for i, event := range found.Events {
			_, number, _ := strings.Cut(strings.TrimSpace(event.Message), " ")
			nanoseconds, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("the function printed %q", event.Message)
			}
			latencies[i] = time.Duration(nanoseconds)
		}
		return latencies, nil
	}
	return nil, fmt.Errorf("the function did not hear of %d messages within %s", count, platform.ReadyTimeout)
}
