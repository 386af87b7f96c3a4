package crash

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// layers publishes and deletes versions of one layer.
type layers struct {
	random *rand.Rand
	name   string
	acked  map[int]string // version -> code
	doubt  map[int]string // with the write under way; nil if there is none
	last   int
	serial int
}

func (l *layers) path() string { return "/2018-10-31/layers/" + l.name + "/versions" }

func (l *layers) write(ctx context.Context, c client) error {
	next := maps.Clone(l.acked)
	if next == nil {
		next = map[int]string{}
	}
	if len(next) > 3 {
		oldest := slices.Min(slices.Collect(maps.Keys(next)))
		delete(next, oldest)
		l.doubt = next
		if err := c.lambda(ctx, "DELETE", fmt.Sprint(l.path(), "/", oldest), nil, nil); err != nil {
			return err
		}
		l.settle(next)
		return nil
	}
	l.serial++
	archive, err := platform.Zip(map[string]string{"python/lib.py": fmt.Sprintf("serial = %d\n%s", l.serial, strings.Repeat("#", l.random.IntN(100<<10)))})
	if err != nil {
		return err
	}
	next[l.last+1] = sha(archive)
	l.doubt = next
	var out struct{ Version int }
	if err := c.lambda(ctx, "POST", l.path(), map[string]any{"Content": map[string]any{"ZipFile": archive}}, &out); err != nil {
		return err
	}
	if out.Version != l.last+1 {
		return fmt.Errorf("layer version %d came after %d", out.Version, l.last)
	}
	l.settle(next)
	return nil
}

func (l *layers) settle(now map[int]string) {
	for number := range now {
		l.last = max(l.last, number)
	}
	l.acked, l.doubt = now, nil
}

func (l *layers) check(ctx context.Context, c client) error {
	var list struct{ LayerVersions []struct{ Version int } }
	if err := c.lambda(ctx, "GET", l.path(), nil, &list); err != nil {
		return err
	}
	found := map[int]string{}
	for _, v := range list.LayerVersions {
		var got struct {
			Content struct{ CodeSha256, Location string }
		}
		if err := c.lambda(ctx, "GET", fmt.Sprint(l.path(), "/", v.Version), nil, &got); err != nil {
			return err
		}
		if err := download(ctx, got.Content.Location, got.Content.CodeSha256); err != nil {
			return fmt.Errorf("layer version %d: %w", v.Version, err)
		}
		found[v.Version] = got.Content.CodeSha256
	}
	if !maps.Equal(found, l.acked) && (l.doubt == nil || !maps.Equal(found, l.doubt)) {
		return fmt.Errorf("the layer is not what was acknowledged (-), nor that with the write under way, %v:\n%s", l.doubt, cmp.Diff(l.acked, found))
	}
	l.settle(found)
	return nil
}

// Where logs and events put theirs; prepare makes them.
const group, linesStream, ranStream = "crash", "lines", "ran"

// logs puts batches of events into a stream.
type logs struct {
	random *rand.Rand
	acked  []string
	doubt  []string // the batch under way
}

func (l *logs) write(ctx context.Context, c client) error {
	l.doubt = nil
	for range 1 + l.random.IntN(5) {
		n := len(l.acked) + len(l.doubt)
		l.doubt = append(l.doubt, fmt.Sprint(n, " ", strings.Repeat("x", l.random.IntN(1+l.random.IntN(10_000)))))
	}
	if err := put(ctx, c, linesStream, l.doubt...); err != nil {
		return err
	}
	l.acked, l.doubt = append(l.acked, l.doubt...), nil
	return nil
}

// put writes events of this moment into a stream.
func put(ctx context.Context, c client, stream string, messages ...string) error {
	now := time.Now().UnixMilli()
	var batch []map[string]any
	for _, message := range messages {
		batch = append(batch, map[string]any{"timestamp": now, "message": message})
	}
	return c.logs(ctx, "PutLogEvents", map[string]any{"logGroupName": group, "logStreamName": stream, "logEvents": batch}, nil)
}

func (l *logs) check(ctx context.Context, c client) error {
	found, err := messages(ctx, c, linesStream)
	if err != nil {
		return err
	}
	if !slices.Equal(found, l.acked) && !slices.Equal(found, slices.Concat(l.acked, l.doubt)) {
		return fmt.Errorf("%d log events were acknowledged and %d under way; %d are there, first difference at %d",
			len(l.acked), len(l.doubt), len(found), firstDifference(found, slices.Concat(l.acked, l.doubt)))
	}
	l.acked, l.doubt = found, nil
	return nil
}

func firstDifference(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// messages reads a stream from its beginning.
func messages(ctx context.Context, c client, stream string) ([]string, error) {
	var all []string
	token := ""
	for {
		in := map[string]any{"logGroupName": group, "logStreamName": stream, "startFromHead": true}
		if token != "" {
			in["nextToken"] = token
		}
		var page struct {
			Events           []struct{ Message string }
			NextForwardToken string
		}
		if err := c.logs(ctx, "GetLogEvents", in, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			all = append(all, e.Message)
		}
		if page.NextForwardToken == token {
			return all, nil // AWS: the end of the stream is the same token again
		}
		token = page.NextForwardToken
	}
}

// events sends asynchronous events to the function "runner", which puts the
// number and the size of each into a stream. Its own log would not do: of that a
// crash may take the last second.
type events struct {
	random   *rand.Rand
	accepted map[string]int // number -> bytes
	doubt    map[string]int // sent without an answer, at any kill
	serial   int
}

func (e *events) write(ctx context.Context, c client) error {
	e.serial++
	number, bytes := fmt.Sprint(e.serial), e.random.IntN(20_000)
	if e.random.IntN(8) == 0 {
		bytes = 900_000 // many rows of the store
	}
	header := http.Header{"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {"Event"}}
	err := c.call(ctx, "lambda", "POST", platform.InvokePath("runner"), header, map[string]string{"number": number, "padding": strings.Repeat("x", bytes)}, nil)
	if isDown(err) {
		if e.doubt == nil {
			e.doubt = map[string]int{}
		}
		e.doubt[number] = bytes
	}
	if err != nil {
		return err
	}
	e.accepted[number] = bytes
	return nil
}

// check looks for events that were never sent or did not arrive whole.
func (e *events) check(ctx context.Context, c client) error {
	_, err := e.ran(ctx, c)
	return err
}

func (e *events) ran(ctx context.Context, c client) (map[string]bool, error) {
	lines, err := messages(ctx, c, ranStream)
	if err != nil {
		return nil, err
	}
	ran := map[string]bool{}
	for _, line := range lines {
		var number string
		var bytes int
		if _, err := fmt.Sscanf(line, "ran %s %d", &number, &bytes); err != nil {
			continue
		}
		want, sent := e.accepted[number]
		if !sent {
			want, sent = e.doubt[number]
		}
		if !sent || want != bytes {
			return nil, fmt.Errorf("event %s ran with %d bytes; sent: %t, %d bytes", number, bytes, sent, want)
		}
		ran[number] = true
	}
	return ran, nil
}

// wait waits until every accepted event has run.
func (e *events) wait(ctx context.Context, c client) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	missing := slices.Collect(maps.Keys(e.accepted))
	for len(missing) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d accepted events did not run: %s", len(missing), len(e.accepted), missing)
		}
		ran, err := e.ran(ctx, c)
		if err != nil && ctx.Err() == nil {
			return err
		}
		missing = slices.DeleteFunc(missing, func(number string) bool { return ran[number] })
	}
	return nil
}

// runner signs its calls by hand: boto3 takes long to import, once an environment.
const runner = `
import datetime, hashlib, hmac, json, os, time, urllib.request

def put(stream, *messages):
    url = os.environ["AWS_ENDPOINT_URL"]
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    region = os.environ["AWS_REGION"]
    scope = "/".join([now[:8], region, "logs", "aws4_request"])
    stamp = int(time.time() * 1000)
    body = json.dumps({"logGroupName": "crash", "logStreamName": stream, "logEvents": [{"timestamp": stamp, "message": message} for message in messages]})
    headers = {"content-type": "application/x-amz-json-1.1", "host": url.split("//")[1], "x-amz-date": now,
               "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"], "x-amz-target": "Logs_20140328.PutLogEvents"}
    names = ";".join(headers)
    request = "\n".join(["POST", "/", "", *(n + ":" + v for n, v in headers.items()), "", names, hashlib.sha256(body.encode()).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        os.environ["AWS_ACCESS_KEY_ID"], scope, names, hmac.digest(key, text.encode(), "sha256").hex())
    urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=60).read()

def handler(event, context):
    put("ran", "ran %s %d" % (event["number"], len(event["padding"])))

def mapped(event, context):
    put("mapped", *["%s %s" % (r["attributes"].get("MessageGroupId", "-"), r["body"]) for r in event["Records"]])
`

// prepare makes what the parts need, before the first kill.
func prepare(ctx context.Context, server *platform.Platform) error {
	c := client{server}
	for _, f := range []func() error{
		func() error { return c.logs(ctx, "CreateLogGroup", map[string]any{"logGroupName": group}, nil) },
		func() error {
			return c.logs(ctx, "CreateLogStream", map[string]any{"logGroupName": group, "logStreamName": linesStream}, nil)
		},
		func() error {
			return c.logs(ctx, "CreateLogStream", map[string]any{"logGroupName": group, "logStreamName": ranStream}, nil)
		},
		func() error {
			return server.Deploy(ctx, platform.Function{Name: "runner", Timeout: 60, Files: map[string]string{"app.py": runner}})
		},
	} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}
