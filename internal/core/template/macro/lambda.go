package macro

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// Invoke calls the function of a macro; failed tells that the function itself failed.
type Invoke func(ctx context.Context, function string, event []byte) (answer []byte, failed bool, err error)

// request is what a macro's function gets
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-macros-author.html).
type request struct {
	Region      string         `json:"region"`
	AccountID   string         `json:"accountId"`
	Fragment    any            `json:"fragment"`
	TransformID string         `json:"transformId"`
	Params      map[string]any `json:"params"`
	RequestID   string         `json:"requestId"`
	Values      map[string]any `json:"templateParameterValues"`
}

// RunLambda runs a macro of the account, whose function is known.
func RunLambda(ctx context.Context, environment Environment, call Call, function, requestID string, invoke Invoke) (any, error) {
	name := environment.FullName(call.Name)
	values := map[string]any{}
	for _, parameter := range slices.Sorted(maps.Keys(environment.Arguments)) {
		values[parameter] = environment.Arguments[parameter].Value
	}
	event, err := json.Marshal(request{environment.Region, environment.Account, call.Fragment, name, call.Parameters, requestID, values})
	if err != nil {
		return nil, err
	}
	answer, broken, err := invoke(ctx, function, event)
	if err != nil {
		return nil, err
	}
	return readAnswer(name, requestID, answer, broken)
}

// maxAnswerBytes is the largest answer of a function, as of any synchronous call
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxAnswerBytes = 6 << 20

// readAnswer checks a macro's answer. Its refusals are recorded in localstack's
// test_failed_state.
func readAnswer(name, requestID string, answer []byte, broken bool) (any, error) {
	malformed := refuse("Received malformed response from transform %s", name)
	if broken || len(answer) > maxAnswerBytes {
		return nil, malformed
	}
	value, err := syntax.ParseJSON(string(answer))
	object, ok := value.(map[string]any)
	if err != nil || !ok || object["requestId"] != requestID {
		return nil, malformed
	}
	if object["status"] != "success" {
		if text, _ := template.Text(object["errorMessage"]); text != "" {
			return nil, refuse("Transform %s failed with: %s", name, text)
		}
		return nil, refuse("Transform %s failed without an error message.", name)
	}
	fragment, there := object["fragment"]
	if !there {
		return nil, malformed
	}
	return fragment, nil
}
