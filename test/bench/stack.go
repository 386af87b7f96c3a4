package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// stackSize is as many resources as a stack may have.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const stackSize = 500

// stacks measures what CloudFormation's engine costs: stacks of 500 parameters of
// Parameter Store, all independent (wide) or each a reference to the one before (deep),
// made, updated without a change, and deleted, on a server of their own.
func (b *bench) stacks(ctx context.Context, _ *platform.Platform) error {
	folder, err := os.MkdirTemp("", "lambkin-bench-stack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	p, err := platform.Start(ctx, b.binary, folder)
	if err != nil {
		return err
	}
	defer p.Stop()
	status := fmt.Sprintf("/proc/%d/status", p.PID())
	before, err := procKiB(status, "VmRSS")
	if err != nil {
		return err
	}
	for _, shape := range []string{"wide", "deep"} {
		if err := b.stack(ctx, p, shape); err != nil {
			return err
		}
	}
	peak, err := procKiB(status, "VmHWM")
	if err == nil {
		b.add(row{what: fmt.Sprintf("stacks of %d resources, resident memory at the peak (before: %.1f MiB)", stackSize, float64(before)/1024), lambkin: fmt.Sprintf("%.1f MiB", float64(peak)/1024)})
	}
	return err
}

func (b *bench) stack(ctx context.Context, p *platform.Platform, name string) error {
	resources := map[string]any{}
	for i := range stackSize {
		var value any = fmt.Sprint(i)
		if name == "deep" && i > 0 {
			value = map[string]any{"Ref": fmt.Sprint("P", i-1)}
		}
		resources[fmt.Sprint("P", i)] = map[string]any{"Type": "AWS::SSM::Parameter", "Properties": map[string]any{"Type": "String", "Value": value}}
	}
	body, err := json.Marshal(map[string]any{"Resources": resources})
	if err != nil {
		return err
	}
	var times [3]time.Duration
	for i, action := range []string{"CreateStack", "UpdateStack", "DeleteStack"} {
		form := url.Values{"Action": {action}, "StackName": {name}}
		if action != "DeleteStack" {
			form.Set("TemplateBody", string(body))
		}
		begun := time.Now()
		text, err := stackCall(ctx, p, form)
		if err != nil && !strings.Contains(string(text), "No updates are to be performed") {
			return err
		}
		if action != "UpdateStack" {
			if err := stackEnds(ctx, p, name, action); err != nil {
				return err
			}
		}
		times[i] = time.Since(begun)
	}
	b.add(row{what: fmt.Sprintf("a %s stack of %d resources: create / update without a change / delete", name, stackSize),
		lambkin: milliseconds(times[0]) + " / " + milliseconds(times[1]) + " / " + milliseconds(times[2])})
	return nil
}

// stackEnds waits until nothing is under way. DescribeStacks answers when a stack is
// ready, or after a while.
func stackEnds(ctx context.Context, p *platform.Platform, name, action string) error {
	for {
		text, err := stackCall(ctx, p, url.Values{"Action": {"DescribeStacks"}, "StackName": {name}})
		switch {
		case err != nil && action == "DeleteStack" && strings.Contains(string(text), "does not exist"):
			return nil
		case err != nil:
			return err
		}
		var described struct {
			Status string `xml:"DescribeStacksResult>Stacks>member>StackStatus"`
			Reason string `xml:"DescribeStacksResult>Stacks>member>StackStatusReason"`
		}
		if err := xml.Unmarshal(text, &described); err != nil {
			return err
		}
		switch {
		case described.Status == "CREATE_COMPLETE":
			return nil
		case !strings.HasSuffix(described.Status, "_IN_PROGRESS"):
			return fmt.Errorf("the stack is %s: %s", described.Status, described.Reason)
		}
	}
}

// stackCall calls CloudFormation; the text of a refusal comes with its error.
func stackCall(ctx context.Context, p *platform.Platform, form url.Values) ([]byte, error) {
	form.Set("Version", "2010-05-15")
	reply, err := p.CallService(ctx, "cloudformation", http.MethodPost, "/", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	switch {
	case err != nil:
		return nil, err
	case reply.Status != http.StatusOK:
		return reply.Body, fmt.Errorf("%s: status %d: %s", form.Get("Action"), reply.Status, reply.Body)
	}
	return reply.Body, nil
}
