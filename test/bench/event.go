package main

import (
	"context"
	"fmt"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// noticed is a function that prints how long ago its event was put.
const noticed = `import time
def handler(event, context):
    now = time.time_ns()
    print("LATENCY", now - int(event["detail"]["put"]))
`

// events measures EventBridge: from the beginning of PutEvents to the first line
// of a function that is warm and the target of a rule with a pattern.
func (b *bench) events(ctx context.Context, p *platform.Platform) error {
	f := trivial("noticed")
	f.Files = map[string]string{"app.py": noticed}
	if err := p.Deploy(ctx, f); err != nil {
		return err
	}
	call := func(operation string, in map[string]any, out any) error {
		return api(ctx, p, "events", "AWSEvents."+operation, "/", in, out)
	}
	var rule struct{ RuleArn string }
	if err := call("PutRule", map[string]any{"Name": "noticed", "EventPattern": `{"source": ["bench"], "detail": {"put": [{"exists": true}]}}`}, &rule); err != nil {
		return err
	}
	if err := permit(ctx, p, "noticed", "events", rule.RuleArn); err != nil {
		return err
	}
	var put struct{ FailedEntryCount int }
	target := map[string]string{"Id": "function", "Arn": "arn:aws:lambda:" + platform.Region + ":000000000000:function:noticed"}
	if err := call("PutTargets", map[string]any{"Rule": "noticed", "Targets": []any{target}}, &put); err != nil {
		return err
	}
	p50, p99, err := oneByOne(ctx, p, "noticed", func(now string) error {
		entry := map[string]any{"Source": "bench", "DetailType": "put", "Detail": fmt.Sprintf(`{"put": %q}`, now)}
		err := call("PutEvents", map[string]any{"Entries": []any{entry}}, &put)
		if err == nil && put.FailedEntryCount > 0 {
			err = fmt.Errorf("PutEvents refused %d entries", put.FailedEntryCount)
		}
		return err
	})
	if err != nil {
		return err
	}
	b.add(row{what: "EventBridge PutEvents to the start of a rule's function, warm, p50 / p99", lambkin: milliseconds(p50) + " / " + milliseconds(p99), goal: atMostTime(p50, goalPutEvents)})
	return nil
}
