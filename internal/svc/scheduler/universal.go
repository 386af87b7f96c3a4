package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/scheduler"
	"github.com/lambkin-dev/lambkin/internal/wire/local"
)

// Universal is the target of schedules that call an operation of an AWS API: any
// that this platform has.
//
// AWS: arn:aws:scheduler:::aws-sdk:SERVICE:ACTION, both in camel case, with the
// operation's input as JSON (managing-targets-universal.html).
type Universal struct{ Caller *local.Caller }

// universalResource begins the resource of the ARNs.
const universalResource = "aws-sdk:"

// operation reads what an ARN names, whether it is here or not.
func operation(target string) (service, action string, err error) {
	a, err := arn.Parse(target)
	path, found := strings.CutPrefix(a.Resource, universalResource)
	service, action, both := strings.Cut(path, ":")
	if err != nil || !found || !both || action == "" {
		return "", "", fmt.Errorf("%s is not the ARN of a universal target (arn:aws:scheduler:::aws-sdk:service:action)", target)
	}
	return service, action, nil
}

// check refuses a schedule whose target would never work.
func (u *Universal) check(target string) error {
	if !strings.Contains(target, ":"+universalResource) {
		return nil
	}
	service, action, err := operation(target)
	if err == nil {
		_, _, err = u.Caller.Operation(service, action)
	}
	if err != nil {
		return &scheduler.Error{Code: scheduler.Validation, Message: "Invalid request provided: " + err.Error() + "."}
	}
	return nil
}

// caller is the role of the schedule, in a session with the name of the occasion. Who
// made the schedule is not kept: it may have been a function.
func caller(m *delivery.Message) local.Identity {
	who := local.Identity{Account: m.Detail[scheduler.DetailAccount], Region: m.Detail[scheduler.DetailRegion], Function: true}
	if role, err := arn.Parse(m.Role); err == nil {
		name := role.Resource[strings.LastIndexByte(role.Resource, '/')+1:]
		who.CallerARN, who.UserID = arn.New("sts", "", role.Account, "assumed-role/"+name+"/"+m.ID).String(), identity.RoleID(m.Role)+":"+m.ID
	}
	return who
}

// Deliver calls the operation: Universal is a delivery.Target.
func (u *Universal) Deliver(ctx context.Context, m *delivery.Message) error {
	service, action, err := operation(m.Target)
	if err == nil {
		_, _, err = u.Caller.Operation(service, action)
	}
	if err != nil {
		return delivery.Permanent(err)
	}
	input, err := parse(m.Body)
	if err != nil {
		return delivery.Permanent(delivery.Coded("ValidationException", err))
	}
	_, err = u.Caller.Call(ctx, caller(m), service, action, input)
	if refusal := fault.From(err); refusal != nil {
		err = delivery.Coded(refusal.Code, err)
		if refusal.Sender && refusal.Status != http.StatusTooManyRequests {
			return delivery.Permanent(err)
		}
	}
	return err
}

// parse reads the input of a schedule: an object, in which blobs are plain text.
func parse(body []byte) (input map[string]any, err error) {
	if len(body) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return input, d.Decode(&input)
}
