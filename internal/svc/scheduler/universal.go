package scheduler

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/scheduler"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/jsonvalue"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Universal is the target of schedules that call an operation of an AWS API: any
// that this platform has.
//
// AWS: arn:aws:scheduler:::aws-sdk:SERVICE:ACTION, both in camel case, with the
// operation's input as JSON (managing-targets-universal.html).
type Universal struct{ services map[string]*wire.Service }

// NewUniversal serves the operations of the services. Of one that is there in two
// protocols the first counts.
func NewUniversal(services []*wire.Service) *Universal {
	u := &Universal{services: map[string]*wire.Service{}}
	for _, s := range services {
		for _, name := range []string{s.Model.SigningName, s.Model.EndpointPrefix, strings.ToLower(strings.ReplaceAll(s.Model.ID, " ", ""))} {
			if u.services[name] == nil {
				u.services[name] = s
			}
		}
	}
	return u
}

// universalResource begins the resource of the ARNs.
const universalResource = "aws-sdk:"

// operation finds what an ARN names.
func (u *Universal) operation(target string) (*wire.Service, *wire.Operation, error) {
	a, err := arn.Parse(target)
	path, found := strings.CutPrefix(a.Resource, universalResource)
	name, action, both := strings.Cut(path, ":")
	if err != nil || !found || !both || action == "" {
		return nil, nil, fmt.Errorf("%s is not the ARN of a universal target (arn:aws:scheduler:::aws-sdk:service:action)", target)
	}
	s := u.services[strings.ToLower(name)]
	if s == nil {
		return nil, nil, fmt.Errorf("this platform does not have the service %s", name)
	}
	op, found := s.Operations[strings.ToUpper(action[:1])+action[1:]]
	if !found {
		return nil, nil, fmt.Errorf("the service %s has no operation %s", name, action)
	}
	return s, &op, nil
}

// check refuses a schedule whose target would never work.
func (u *Universal) check(target string) error {
	if !strings.Contains(target, ":"+universalResource) {
		return nil
	}
	if _, _, err := u.operation(target); err != nil {
		return &scheduler.Error{Code: scheduler.Validation, Message: "Invalid request provided: " + err.Error() + "."}
	}
	return nil
}

// Deliver calls the operation: Universal is a delivery.Target.
func (u *Universal) Deliver(ctx context.Context, m *delivery.Message) error {
	s, op, err := u.operation(m.Target)
	if err != nil {
		return delivery.Permanent(err)
	}
	in := op.Model.NewInput()
	if op.Model.Input != shape.None {
		text, err := blobs(s.Model, op.Model.Input, m.Body)
		if err == nil {
			err = jsonvalue.Decode(s.Model, op.Model.Input, text, in)
		}
		if err == nil {
			err = shape.Validate(s.Model, op.Model.Input, in)
		}
		if err != nil {
			return delivery.Permanent(delivery.Coded("ValidationException", err))
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1/", http.NoBody)
	if err != nil {
		return err
	}
	call := &wire.Call{RequestID: ids.UUID(), Account: m.Detail[scheduler.DetailAccount], Region: m.Detail[scheduler.DetailRegion], Endpoint: "http://127.0.0.1", Request: request, Header: http.Header{}}
	_, err = op.Do(ctx, call, in)
	var refusal *fault.Fault
	if errors.As(err, &refusal) {
		err = delivery.Coded(refusal.Code, err)
		if refusal.Sender && refusal.Status != http.StatusTooManyRequests {
			return delivery.Permanent(err)
		}
	}
	return err
}

// blobs writes the blobs of an input as the codec wants them: the input of a
// universal target has them as plain text.
func blobs(model *shape.Service, input shape.Index, text []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	for i := range model.Shapes[input].Members {
		m := &model.Shapes[input].Members[i]
		var plain string
		if model.Shapes[m.Shape].Kind != shape.Blob || json.Unmarshal(members[m.Name], &plain) != nil {
			continue
		}
		encoded, err := json.Marshal(base64.StdEncoding.EncodeToString([]byte(plain)))
		if err != nil {
			return nil, err
		}
		members[m.Name] = encoded
	}
	return json.Marshal(members)
}
