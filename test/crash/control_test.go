package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// controlled makes and removes parameters by Cloud Control. After a kill each
// accepted request comes to its end, and what there is is what they wanted.
type controlled struct {
	serial   int
	requests map[string]int // tokens of requests, and which parameter they are of
	removed  map[int]bool   // parameters that an accepted request removes
	doubt    map[int]bool   // parameters of whose last request nobody knows
}

type progress struct {
	ProgressEvent struct{ RequestToken, OperationStatus, Operation, ErrorCode, StatusMessage string }
}

func (c *controlled) ask(ctx context.Context, by client, operation string, in map[string]string) (*progress, error) {
	out := &progress{}
	err := by.call(ctx, "cloudcontrolapi", "POST", "/", jsonTarget("CloudApiService."+operation, "1.0"), in, out)
	return out, err
}

const controlledType = "AWS::SSM::Parameter"

func controlledName(serial int) string { return fmt.Sprint("/crash/controlled/", serial) }

func (c *controlled) write(ctx context.Context, by client) error {
	if c.requests == nil {
		c.requests, c.removed, c.doubt = map[string]int{}, map[int]bool{}, map[int]bool{}
	}
	c.serial++
	operation, of := "CreateResource", c.serial/2
	in := map[string]string{"TypeName": controlledType}
	if c.serial%2 == 1 { // the one before goes
		operation, of = "DeleteResource", c.serial/2
		in["Identifier"] = controlledName(of)
	} else {
		desired, err := json.Marshal(map[string]string{"Name": controlledName(of), "Type": "String", "Value": "v"})
		if err != nil {
			return err
		}
		in["DesiredState"] = string(desired)
	}
	if of == 0 {
		return nil
	}
	unsure := c.doubt[of] // whether it was accepted to be made: that may come after its removal
	c.doubt[of] = true
	accepted, err := c.ask(ctx, by, operation, in)
	if err != nil {
		return err
	}
	if operation == "DeleteResource" {
		c.removed[of] = true
	}
	if !unsure {
		delete(c.doubt, of)
	}
	c.requests[accepted.ProgressEvent.RequestToken] = of
	_, err = c.settled(ctx, by, accepted.ProgressEvent.RequestToken)
	return err
}

// settled waits for the end of a request.
func (c *controlled) settled(ctx context.Context, by client, token string) (*progress, error) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		p, err := c.ask(ctx, by, "GetResourceRequestStatus", map[string]string{"RequestToken": token})
		if err != nil || p.ProgressEvent.OperationStatus != "IN_PROGRESS" {
			return p, err
		}
		select {
		case <-time.After(stackPause):
		case <-deadline.C:
			return nil, errors.New("a request of Cloud Control has no end")
		case <-ctx.Done():
			return nil, &downError{ctx.Err()}
		}
	}
}

func (c *controlled) check(ctx context.Context, by client) error {
	for token, of := range c.requests {
		p, err := c.settled(ctx, by, token)
		if err != nil {
			return err
		}
		absent := p.ProgressEvent.Operation == "DELETE" && p.ProgressEvent.ErrorCode == "NotFound" // the one before was not accepted
		if p.ProgressEvent.OperationStatus != "SUCCESS" && !absent {
			return fmt.Errorf("the request for %s is %+v", controlledName(of), p.ProgressEvent)
		}
		if c.doubt[of] {
			continue
		}
		var listed struct{ Parameters []struct{ Name string } }
		in := map[string][]string{"Names": {controlledName(of)}}
		if err := by.call(ctx, "ssm", "POST", "/", jsonTarget("AmazonSSM.GetParameters", "1.1"), in, &listed); err != nil {
			return err
		}
		if there := len(listed.Parameters) == 1; there == c.removed[of] {
			return fmt.Errorf("%s is there: %t, removed: %t", controlledName(of), there, c.removed[of])
		}
	}
	return nil
}
