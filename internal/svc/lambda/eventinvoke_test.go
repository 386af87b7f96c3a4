package lambda

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const eventInvoke = "/2019-09-25/functions/"

// eventInvokeSteps are the requests of LocalStack's test of this name that was
// recorded from AWS (test_lambda_api.snapshot.json,
// test_lambda_eventinvokeconfig_exceptions); the golden file is what AWS said, but
// for the names.
func eventInvokeSteps(t *testing.T) []step {
	const config = "/event-invoke-config"
	do := func(verb string) func(path, body string) step {
		return func(path, body string) step {
			return step{operation: verb + "FunctionEventInvokeConfig", path: eventInvoke + path, body: body}
		}
	}
	put, update := do("Put"), do("Update")
	get := func(path string) step { return do("Get")(path, "") }
	remove := func(path string) step { return do("Delete")(path, "") }
	success := func(arn string) string {
		return fmt.Sprintf(`{"DestinationConfig":{"OnSuccess":{"Destination":%q}}}`, arn)
	}
	const one = `{"MaximumRetryAttempts":1}`
	return []step{
		{operation: "CreateFunction", path: functions, body: create(t, "foo", `,"Publish":true`), wait: "foo"},
		{operation: "CreateFunction", path: functions, body: create(t, "bar", ""), wait: "bar"},
		{operation: "CreateAlias", path: functions + "/foo/aliases", body: `{"Name":"live","FunctionVersion":"1"}`},

		put("none"+config, one),
		put(url.PathEscape(strings.Replace(fooARN, ":foo", ":none", 1))+config, one),
		put("none"+config, `{}`),

		put("foo"+config, success(strings.Replace(fooARN, ":foo", ":none", 1))),
		put("foo"+config, success(fooARN)),
		put("foo"+config, success(strings.Replace(fooARN, ":foo", ":bar", 1))),
		put("foo"+config, success(strings.Replace(fooARN, ":lambda:", ":iam:", 1))),
		put("foo"+config, `{"DestinationConfig":{"OnSuccess":{}}}`),
		put("foo"+config, `{"DestinationConfig":{"OnFailure":{}}}`),
		put("foo"+config, `{"DestinationConfig":{"OnFailure":{"Destination":"`+strings.Replace(fooARN, ":lambda:", ":_-/!lambda:", 1)+`"}}}`),
		put("foo"+config, `{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:sqs:us-east-1:000000000000:q"}}}`),

		put("foo"+config, one),
		put("foo"+config+"?Qualifier=%24LATEST", one),
		put("foo"+config+"?Qualifier=1", one),
		put("foo"+config+"?Qualifier=live", one),
		put("foo"+config+"?Qualifier=none", one),
		put(url.PathEscape(fooARN+":live")+config, one),
		put(url.PathEscape(fooARN+":live")+config+"?Qualifier=live", one),
		put(url.PathEscape(fooARN+":live")+config+"?Qualifier=none", one),
		put("foo:live"+config, one),
		put("foo:1"+config, one),
		put("foo:%24LATEST"+config+"?Qualifier=1", one),

		put("foo"+config, `{"MaximumRetryAttempts":2,"MaximumEventAgeInSeconds":21600}`),
		put("foo"+config, `{"MaximumRetryAttempts":3}`),
		put("foo"+config, `{"MaximumEventAgeInSeconds":59}`),
		put("foo"+config, `{"MaximumEventAgeInSeconds":21601}`),
		put("foo"+config, `{"MaximumRetryAttempts":0}`),
		get("foo" + config),
		put("foo"+config, `{"MaximumRetryAttempts":2,"MaximumEventAgeInSeconds":60}`),
		update("foo"+config, `{"MaximumRetryAttempts":0}`),
		update("foo"+config, `{}`),
		{operation: "ListFunctionEventInvokeConfigs", path: eventInvoke + "foo" + config + "/list"},
		{operation: "ListFunctionEventInvokeConfigs", path: eventInvoke + "foo" + config + "/list?MaxItems=2"},

		remove("foo" + config + "?Qualifier=%24LATEST"),
		remove("foo" + config + "?Qualifier=1"),
		remove("foo" + config + "?Qualifier=live"),
		{operation: "ListFunctionEventInvokeConfigs", path: eventInvoke + "foo" + config + "/list"},
		remove("foo" + config),
		remove("none" + config),
		{operation: "ListFunctionEventInvokeConfigs", path: eventInvoke + "none" + config + "/list"},
		get("none" + config),
		get("foo" + config + "?Qualifier=none"),
		update("none"+config, one),
		update("foo"+config+"?Qualifier=live", one),
		update("foo"+config, one),
	}
}

func TestDeadLetterConfig(t *testing.T) {
	b := newBench(t)
	const queue = "arn:aws:sqs:us-east-1:000000000000:q"
	config := func(arn string) string { return fmt.Sprintf(`"DeadLetterConfig":{"TargetArn":%q}`, arn) }
	if w := b.do(t, "CreateFunction", functions, create(t, "foo", ","+config(queue))); w.Code != 201 || !strings.Contains(w.Body.String(), config(queue)) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	b.wait(t, "foo")
	for arn, why := range map[string]string{
		"arn:aws:sns:us-east-1:000000000000:t":                      "this server has no service sns",
		"arn:aws:sqs:us-east-1:000000000000:q.fifo":                 "not to a FIFO one",
		"arn:aws:lambda:us-east-1:000000000000:function:bar":        "a dead letter goes to an SQS queue or an SNS topic",
		"arn:aws:events:us-east-1:000000000000:event-bus/something": "a dead letter goes to an SQS queue or an SNS topic",
	} {
		w := b.do(t, "UpdateFunctionConfiguration", functions+"/foo/configuration", "{"+config(arn)+"}")
		if w.Code != 400 || w.Header().Get("X-Amzn-Errortype") != "InvalidParameterValueException" || !strings.Contains(w.Body.String(), why) {
			t.Errorf("%s: %d %s", arn, w.Code, w.Body)
		}
	}
	if w := b.do(t, "UpdateFunctionConfiguration", functions+"/foo/configuration", `{"DeadLetterConfig":{"TargetArn":""}}`); w.Code != 200 || strings.Contains(w.Body.String(), "DeadLetterConfig") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
