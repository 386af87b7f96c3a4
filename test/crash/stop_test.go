package crash

import (
	"os"
	"testing"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// slow is a mapped function that calls the platform late.
const slow = runner + `
def slow(event, context):
    put("stop", "begin")
    time.sleep(3)
    put("stop", "end")
`

// A server that is asked to end lets the calls that run end, with the platform for
// their functions: what a mapped call did is done, and its messages do not come again.
func TestStopLetsMappedCallsEnd(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the server needs root to isolate functions")
	}
	folder := t.TempDir()
	binary, err := platform.Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	server, err := platform.Start(t.Context(), binary, folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	ctx, c := t.Context(), client{server}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\n%s", err, server.Log())
		}
	}
	must(c.logs(ctx, "CreateLogGroup", map[string]any{"logGroupName": group}, nil))
	must(c.logs(ctx, "CreateLogStream", map[string]any{"logGroupName": group, "logStreamName": "stop"}, nil))
	must(server.Deploy(ctx, platform.Function{Name: "slow", Handler: "app.slow", Timeout: 20, Files: map[string]string{"app.py": slow}}))
	created := struct{ QueueUrl string }{}
	must(c.sqs(ctx, "CreateQueue", map[string]any{"QueueName": "stop", "Attributes": map[string]string{"VisibilityTimeout": "60"}}, &created))
	must(c.lambda(ctx, "POST", "/2015-03-31/event-source-mappings", map[string]any{"FunctionName": "slow", "EventSourceArn": "arn:aws:sqs:" + platform.Region + ":000000000000:stop"}, nil))
	lines := func() (found []string) {
		t.Helper()
		out := struct{ Events []struct{ Message string } }{}
		must(c.logs(ctx, "GetLogEvents", map[string]any{"logGroupName": group, "logStreamName": "stop", "startFromHead": true}, &out))
		for _, e := range out.Events {
			found = append(found, e.Message)
		}
		return found
	}
	must(c.sqs(ctx, "SendMessage", map[string]any{"QueueUrl": created.QueueUrl, "MessageBody": "x"}, nil))
	for deadline := time.Now().Add(time.Minute); len(lines()) == 0; <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the mapped function does not begin\n%s", server.Log())
		}
	}
	must(server.Stop())
	must(server.Restart(ctx))
	if got := lines(); len(got) != 2 || got[1] != "end" {
		t.Errorf("the function wrote %q: its call to the platform did not pass\n%s", got, server.Log())
	}
	counts := struct{ Attributes map[string]string }{}
	must(c.sqs(ctx, "GetQueueAttributes", map[string]any{"QueueUrl": created.QueueUrl, "AttributeNames": []string{"All"}}, &counts))
	if a := counts.Attributes; a["ApproximateNumberOfMessages"] != "0" || a["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("the message of a call that has ended comes again: %v", a)
	}
}
