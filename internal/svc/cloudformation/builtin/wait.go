package builtin

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// waitHandle is an address that takes signals.
type waitHandle struct{ *config }

func (waitHandle) Facts() *stack.Facts {
	return &stack.Facts{Type: "AWS::CloudFormation::WaitConditionHandle", Updatable: true}
}

// Create makes the address, which Ref gives.
func (h waitHandle) Create(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	box := h.Boxes.Name(r.Token)
	_, err := h.Boxes.Open(ctx, box)
	return &stack.Result{PhysicalID: r.Caller.Endpoint + ResponsePath + box}, err
}

func (waitHandle) Update(_ context.Context, r *stack.Request) (*stack.Result, error) {
	return &stack.Result{PhysicalID: r.PhysicalID}, nil
}

func (h waitHandle) Delete(ctx context.Context, r *stack.Request) error {
	return h.Boxes.Close(ctx, boxOf(r.PhysicalID))
}

func (waitHandle) Read(context.Context, *stack.Request) (properties, attributes map[string]any, err error) {
	return map[string]any{}, nil, nil
}

// boxOf is the box of an address.
func boxOf(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// waitCondition is ready when its handle has got enough signals.
type waitCondition struct{ *config }

// maxWait is the longest Timeout.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-waitcondition.html
const maxWait = 12 * time.Hour

var waitFacts = &stack.Facts{Type: "AWS::CloudFormation::WaitCondition", Attributes: []string{"Data"}, Waits: true, Signals: true, Updatable: true, Timeout: maxWait + time.Minute, Properties: map[string]stack.Property{
	"Count":   {Kinds: stack.Number},
	"Handle":  {Kinds: stack.Text, Required: true},
	"Timeout": {Kinds: stack.Number, Required: true},
}}

func (waitCondition) Facts() *stack.Facts { return waitFacts }

// signal is what comes to the address.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html
type signal struct{ Status, Reason, UniqueID, Data string }

func (w waitCondition) Create(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	if len(r.Creation) > 0 {
		return w.signalled(ctx, r)
	}
	count, err := strconv.Atoi(text(r.Properties["Count"]))
	if r.Properties["Count"] == nil {
		count, err = 1, nil
	}
	seconds, timeErr := strconv.Atoi(text(r.Properties["Timeout"]))
	timeout := time.Duration(seconds) * time.Second
	if err != nil || timeErr != nil || count < 0 || seconds < 0 || timeout > maxWait {
		return nil, stack.Invalid("Count must be a number and Timeout one between 0 and %d", int(maxWait.Seconds()))
	}
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	data, failure := map[string]any{}, (*signal)(nil)
	_, err = w.Boxes.Wait(waiting, boxOf(text(r.Properties["Handle"])), func(letters [][]byte) bool {
		data, failure = map[string]any{}, nil
		for _, letter := range letters {
			if s, ok := readSignal(letter); ok && s.Status == "SUCCESS" {
				data[s.UniqueID] = s.Data
			} else if ok {
				failure = &s
			}
		}
		return failure != nil || len(data) >= count
	})
	switch {
	case err != nil && (ctx.Err() != nil || waiting.Err() == nil):
		return nil, err
	case failure != nil:
		return nil, stack.Invalid("WaitCondition received failed message: '%s' for uniqueId: %s", failure.Reason, failure.UniqueID)
	case len(data) < count:
		return nil, stack.Invalid("WaitCondition timed out. Received %d conditions when expecting %d", len(data), count)
	}
	written, err := json.Marshal(data)
	return &stack.Result{PhysicalID: r.Name, Attributes: map[string]any{"Data": string(written)}}, err
}

// readSignal reads a signal; false for what is none.
func readSignal(letter []byte) (signal, bool) {
	value, err := syntax.ParseJSON(string(letter))
	object, ok := value.(map[string]any)
	if err != nil || !ok {
		return signal{}, false
	}
	s := signal{Status: text(object["Status"]), Reason: text(object["Reason"]), UniqueID: text(object["UniqueId"]), Data: text(object["Data"])}
	return s, s.Status == "SUCCESS" || s.Status == "FAILURE"
}

// Update refuses: a wait that is over cannot be changed.
//
// AWS: updates of wait conditions are not supported.
func (waitCondition) Update(context.Context, *stack.Request) (*stack.Result, error) {
	return nil, stack.Invalid("Update to resource type AWS::CloudFormation::WaitCondition is not supported.")
}

func (waitCondition) Delete(context.Context, *stack.Request) error { return nil }

func (waitCondition) Read(_ context.Context, r *stack.Request) (properties, attributes map[string]any, err error) {
	return r.Properties, r.Attributes, nil
}
