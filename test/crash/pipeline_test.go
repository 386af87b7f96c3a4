package crash

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/clients"
	"github.com/lambkin-dev/lambkin/test/platform"
)

const (
	shortPipelineKills, longPipelineKills = 3, 20
	// pipelineMoment is how long after its writes a server goes on at most: the steps
	// behind a write are under way then.
	pipelineMoment = 3 * time.Second
	pipelineBucket = "pipeline-000000000000-" + platform.Region
	ticksStream    = "ticks"
	// pace is the time from one write of a part to the next: what the pipeline does for
	// one is much more than the write.
	pace = 100 * time.Millisecond
)

// TestPipelineSurvivesKills runs the pipeline of examples/ (upload, function, queue,
// function, topic, function), functions behind a FIFO queue, asynchronous calls and
// schedules, and kills the server under them. In the end each acknowledged upload,
// message, call and tick was handled, FIFO order was kept, nothing is stuck in a
// queue, and the dead-letter queue holds the orders that are wrong and no others.
func TestPipelineSurvivesKills(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root to isolate functions")
	}
	t.Logf("the random seed is %d (-seed %d writes the same again)", *seed, *seed)
	kills := shortPipelineKills
	if *long {
		kills = longPipelineKills
	}
	begin := time.Now()
	l, p := newPipelineLoad(t)
	for kill := range kills {
		if kill > 0 && l.random.IntN(5) == 0 {
			l.killAtStart()
		} else {
			l.killUnderLoad()
		}
		l.start()
		l.checkAll(fmt.Sprintf("after kill %d", kill+1))
		t.Logf("kill %d: %d writes so far", kill+1, l.writes.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	quiet := time.Now()
	for _, wait := range []func(context.Context, client) error{p.orders.wait, p.ticks.wait, l.events.wait, l.mapped.wait, p.settle} {
		if err := wait(ctx, client{l.server}); err != nil {
			t.Error(err)
		}
		l.stopIfFailed("at the end")
	}
	if err := l.server.Stop(); err != nil {
		t.Error(err)
	}
	if log := l.server.Log(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		t.Error("the server panicked")
	}
	if p.orders.uploads == 0 || len(p.ticks.accepted) == 0 || len(l.events.accepted) == 0 || l.mapped.handled == 0 {
		t.Error("the load shows little")
	}
	l.stopIfFailed("at the end")
	t.Logf("%d kills in %s: %d uploads and %d messages with %d good orders, all priced and kept, %s after the last kill; %d wrong orders, all in the dead-letter queue and nothing else; "+
		"%d asynchronous calls, %d schedules, %d messages in FIFO groups and beside them, all handled, none stuck",
		kills, time.Since(begin).Round(time.Second), p.orders.uploads, p.orders.messages, len(p.orders.good), time.Since(quiet).Round(100*time.Millisecond), len(p.orders.wrong),
		len(l.events.accepted), len(p.ticks.accepted), l.mapped.handled)
}

// pipeline is what this test adds to the parts of the others.
type pipeline struct {
	orders *orders
	ticks  *ticks
}

func newPipelineLoad(t *testing.T) (*load, *pipeline) {
	t.Helper()
	folder := t.TempDir()
	binary, err := platform.Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{t: t, random: random(20), moment: pipelineMoment, events: &events{random: random(21), accepted: map[string]int{}}, mapped: newMapped(random(22))}
	// The pauses between the tries of a call that failed pass in seconds.
	l.server, err = platform.Start(t.Context(), binary, folder, "--retry-speed=60")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.server.Kill)
	p := &pipeline{
		orders: &orders{random: random(23), good: map[string]bool{}, wrong: map[string]bool{}, doubt: map[string]bool{}},
		ticks:  &ticks{accepted: map[string]bool{}},
	}
	l.parts = []part{p.orders, p.ticks, l.events, l.mapped}
	for _, f := range []func(context.Context, *platform.Platform) error{
		prepare,
		l.mapped.prepare,
		p.ticks.prepare,
		func(ctx context.Context, server *platform.Platform) error { return makePipeline(ctx, server, folder) },
	} {
		if err := f(t.Context(), l.server); err != nil {
			t.Fatal(err)
		}
	}
	return l, p
}

// makePipeline makes it by the script of the example, with boto3.
func makePipeline(ctx context.Context, server *platform.Platform, folder string) error {
	installed, err := clients.Install(ctx, "../../.cache", folder, clients.AWS)
	if err != nil {
		return err
	}
	script := exec.CommandContext(ctx, installed.Python, "-c", "import setup; setup.make()")
	script.Dir = "../../examples/pipeline"
	script.Env = []string{"HOME=" + folder, "LANG=C.UTF-8", "PYTHONPATH=" + installed.Packages, "AWS_ENDPOINT_URL=http://" + server.Address,
		"AWS_DEFAULT_REGION=" + platform.Region, "AWS_ACCESS_KEY_ID=" + platform.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + platform.Key.SecretAccessKey, "AWS_EC2_METADATA_DISABLED=true"}
	if out, err := script.CombinedOutput(); err != nil {
		return fmt.Errorf("examples/pipeline/setup.py: %w\n%s", err, out)
	}
	c := client{server}
	for _, name := range []string{"parse", "price", "store", "report"} {
		// A machine that is busy with cold starts must not make calls fail: few at once, each
		// with time. What a kill ends comes again after that time.
		function := "pipeline-" + name
		if err := c.lambda(ctx, "PUT", "/2015-03-31/functions/"+function+"/configuration", map[string]any{"Timeout": 20}, nil); err != nil {
			return err
		}
		if err := server.WaitActive(ctx, function); err != nil {
			return err
		}
		if err := c.lambda(ctx, "PUT", "/2017-10-31/functions/"+function+"/concurrency", map[string]any{"ReservedConcurrentExecutions": 3}, nil); err != nil {
			return err
		}
	}
	// A kill counts as a try of the rows that are under way. While kills go on no number
	// of tries is too many, so that what comes to the dead-letter queue is wrong.
	return redrive(ctx, c, 1000)
}

// Queues of the pipeline.
const rowsQueue, deadRows = "pipeline-rows", "pipeline-dead"

func queueURL(c client, name string) string {
	return "http://" + c.server.Address + "/000000000000/" + name
}

// redrive sets how often a row may be tried.
func redrive(ctx context.Context, c client, tries int) error {
	policy := fmt.Sprintf(`{"deadLetterTargetArn": "arn:aws:sqs:%s:000000000000:%s", "maxReceiveCount": %d}`, platform.Region, deadRows, tries)
	return c.sqs(ctx, "SetQueueAttributes", map[string]any{"QueueUrl": queueURL(c, rowsQueue), "Attributes": map[string]string{"RedrivePolicy": policy}}, nil)
}

// settle lets the wrong rows go to the dead-letter queue, and looks for what is stuck.
func (p *pipeline) settle(ctx context.Context, c client) error {
	if err := redrive(ctx, c, 2); err != nil {
		return err
	}
	if err := p.orders.letters(ctx, c); err != nil {
		return err
	}
	for _, queue := range []string{"mapped", "mapped.fifo"} {
		if err := poll(ctx, func() (string, error) { return stuck(ctx, c, queue) }); err != nil {
			return err
		}
	}
	return poll(ctx, func() (string, error) { return p.ticks.left(ctx, c) })
}

// poll asks until nothing is missing any more.
func poll(ctx context.Context, missing func() (string, error)) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		what, err := missing()
		if what == "" || err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s", what)
		}
	}
}

// stuck tells what is left in a queue.
func stuck(ctx context.Context, c client, queue string) (string, error) {
	var out struct{ Attributes map[string]string }
	err := c.sqs(ctx, "GetQueueAttributes", map[string]any{"QueueUrl": queueURL(c, queue), "AttributeNames": []string{"All"}}, &out)
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		if n := out.Attributes[name]; n != "0" {
			return fmt.Sprintf("%s: %s is %s", queue, name, n), err
		}
	}
	return "", err
}

// orders uploads files of orders, some of them wrong, and sends single orders to the
// queue. The orders of an acknowledged write must be priced and kept as objects.
type orders struct {
	random            *rand.Rand
	serial            int
	uploads, messages int             // that were acknowledged
	good, wrong       map[string]bool // names of acknowledged orders: "UPLOAD/NUMBER"
	doubt             map[string]bool // of writes without an answer
}

func (o *orders) write(ctx context.Context, c client) error {
	<-time.After(pace)
	o.serial++
	upload := fmt.Sprint("uploads/", o.serial, ".csv")
	var good, wrong []string
	var err error
	uploaded := o.random.IntN(3) > 0
	if uploaded {
		lines := []string{"order,item,quantity,price"}
		for n := range 1 + o.random.IntN(15) {
			name := fmt.Sprint(upload, "/", n)
			if o.random.IntN(8) == 0 {
				lines, wrong = append(lines, fmt.Sprintf("%d,tea,many,2.50", n)), append(wrong, name)
			} else {
				lines, good = append(lines, fmt.Sprintf("%d,tea,%d,2.50", n, 1+n%4)), append(good, name)
			}
		}
		_, err = c.s3(ctx, "PUT", "/"+pipelineBucket+"/"+upload, []byte(strings.Join(lines, "\n")))
	} else {
		good = []string{upload + "/0"}
		body := fmt.Sprintf(`{"order": "0", "item": "tea", "quantity": "1", "price": "1.25", "upload": %q}`, upload)
		err = c.sqs(ctx, "SendMessage", map[string]any{"QueueUrl": queueURL(c, rowsQueue), "MessageBody": body}, nil)
	}
	if err != nil {
		for _, name := range append(good, wrong...) {
			o.doubt[name] = true
		}
		return err
	}
	if uploaded {
		o.uploads++
	} else {
		o.messages++
	}
	for _, name := range good {
		o.good[name] = true
	}
	for _, name := range wrong {
		o.wrong[name] = true
	}
	return nil
}

// check looks for orders that were not sent, or were wrong.
func (o *orders) check(ctx context.Context, c client) error {
	_, err := o.kept(ctx, c)
	return err
}

// kept are the names of the orders that are objects.
func (o *orders) kept(ctx context.Context, c client) (map[string]bool, error) {
	kept, from := map[string]bool{}, ""
	for {
		page, err := c.s3(ctx, "GET", "/"+pipelineBucket+"?list-type=2&prefix=orders%2F"+from, nil)
		if err != nil {
			return nil, err
		}
		var list struct {
			Contents              []struct{ Key string }
			NextContinuationToken string
		}
		if err := xml.Unmarshal(page, &list); err != nil {
			return nil, err
		}
		for _, found := range list.Contents {
			name := strings.TrimSuffix(strings.TrimPrefix(found.Key, "orders/"), ".json")
			if !o.good[name] && !o.doubt[name] {
				return nil, fmt.Errorf("the order %s is kept, which was not sent or is wrong", name)
			}
			kept[name] = true
		}
		if list.NextContinuationToken == "" {
			return kept, nil
		}
		from = "&continuation-token=" + url.QueryEscape(list.NextContinuationToken)
	}
}

// wait waits until all acknowledged orders are kept.
func (o *orders) wait(ctx context.Context, c client) error {
	return poll(ctx, func() (string, error) {
		kept, err := o.kept(ctx, c)
		return absent("orders that are not kept", o.good, kept), err
	})
}

// absent words what is not there of the names that must be; empty for nothing.
func absent(what string, must, there map[string]bool) string {
	missing := []string{}
	for name := range must {
		if !there[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d %s, such as %s", len(missing), len(must), what, missing[0])
}

// letters empties the dead-letter queue until all wrong orders came and no row is left;
// each letter must be a wrong order.
func (o *orders) letters(ctx context.Context, c client) error {
	dead := map[string]bool{}
	return poll(ctx, func() (string, error) {
		var out struct {
			Messages []struct{ Body, ReceiptHandle string }
		}
		if err := c.sqs(ctx, "ReceiveMessage", map[string]any{"QueueUrl": queueURL(c, deadRows), "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1}, &out); err != nil {
			return "no letters", err
		}
		for _, m := range out.Messages {
			var row struct{ Order, Upload string }
			if err := json.Unmarshal([]byte(m.Body), &row); err != nil || row.Upload == "" {
				return "", fmt.Errorf("the dead-letter queue has %.300s", m.Body)
			}
			name := row.Upload + "/" + row.Order
			if !o.wrong[name] && !o.doubt[name] {
				return "", fmt.Errorf("the dead-letter queue has the order %s, which is right", name)
			}
			dead[name] = true
			if err := c.sqs(ctx, "DeleteMessage", map[string]any{"QueueUrl": queueURL(c, deadRows), "ReceiptHandle": m.ReceiptHandle}, nil); err != nil {
				return "", err
			}
		}
		if what := absent("wrong orders that are not in the dead-letter queue", o.wrong, dead); what != "" {
			return what, nil
		}
		// A file whose function was killed was read again: its wrong orders come twice.
		if what, err := stuck(ctx, c, rowsQueue); what != "" || err != nil {
			return what, err
		}
		return stuck(ctx, c, deadRows)
	})
}

// ticks makes schedules that come once, in the next seconds: each must call its
// function, also when its time passes while there is no server.
type ticks struct {
	serial   int
	accepted map[string]bool
}

// prepare makes the function that notes the ticks.
func (k *ticks) prepare(ctx context.Context, server *platform.Platform) error {
	if err := (client{server}).logs(ctx, "CreateLogStream", map[string]any{"logGroupName": group, "logStreamName": ticksStream}, nil); err != nil {
		return err
	}
	source := runner + "\ndef ticked(event, context):\n    put(\"" + ticksStream + "\", event[\"tick\"])\n"
	return server.Deploy(ctx, platform.Function{Name: "ticker", Handler: "app.ticked", Files: map[string]string{"app.py": source}})
}

func (c client) scheduler(ctx context.Context, method, path string, in, out any) error {
	return c.call(ctx, "scheduler", method, path, http.Header{"Content-Type": {"application/json"}}, in, out)
}

func (k *ticks) write(ctx context.Context, c client) error {
	<-time.After(pace)
	k.serial++
	name := fmt.Sprint("tick-", k.serial)
	at := time.Now().UTC().Truncate(time.Second).Add(time.Duration(2+k.serial%4) * time.Second)
	input, err := json.Marshal(map[string]string{"tick": name})
	if err != nil {
		return err
	}
	err = c.scheduler(ctx, "POST", "/schedules/"+name, map[string]any{
		"ScheduleExpression": at.Format("at(2006-01-02T15:04:05)"), "ActionAfterCompletion": "DELETE", "FlexibleTimeWindow": map[string]string{"Mode": "OFF"},
		"Target": map[string]string{"Arn": "arn:aws:lambda:" + platform.Region + ":000000000000:function:ticker", "RoleArn": "arn:aws:iam::000000000000:role/ticks", "Input": string(input)},
	}, nil)
	if err == nil {
		k.accepted[name] = true
	}
	if refused := new(statusError); errors.As(err, &refused) && !time.Now().Before(at) {
		return nil // a time that is past is refused
	}
	return err
}

func (k *ticks) check(context.Context, client) error { return nil } // a tick may come late

func (k *ticks) wait(ctx context.Context, c client) error {
	return poll(ctx, func() (string, error) {
		lines, err := messages(ctx, c, ticksStream)
		ran := map[string]bool{}
		for _, line := range lines {
			ran[line] = true
		}
		return absent("schedules that did not call their function", k.accepted, ran), err
	})
}

// left tells of a schedule that is there after it came.
func (k *ticks) left(ctx context.Context, c client) (string, error) {
	var out struct{ Schedules []struct{ Name string } }
	if err := c.scheduler(ctx, "GET", "/schedules?NamePrefix=tick-", nil, &out); err != nil || len(out.Schedules) == 0 {
		return "", err
	}
	return fmt.Sprintf("%d schedules are left, such as %s", len(out.Schedules), out.Schedules[0].Name), nil
}
