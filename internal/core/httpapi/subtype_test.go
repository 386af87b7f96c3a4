package httpapi

import (
	"strings"
	"testing"
)

func TestIntegrationsThatCallServices(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/r"
	good := func() Integration {
		return Integration{Type: LambdaProxy, Subtype: "SQS-SendMessage", CredentialsARN: role, RequestParameters: map[string]string{"QueueUrl": "https://q", "MessageBody": "$request.body"}}
	}
	i := good()
	if err := i.check("111122223333"); err != nil || i.PayloadFormatVersion != "1.0" || i.Method != "" || i.TimeoutMS != MaxTimeoutMS || i.ConnectionType != "INTERNET" {
		t.Errorf("%+v: %v", i, err)
	}
	for what, change := range map[string]func(i *Integration){
		"is not supported by this platform: it does not have Kinesis": func(i *Integration) { i.Subtype = "Kinesis-PutRecord" },
		"Operation: SQS-Send is not supported":                        func(i *Integration) { i.Subtype = "SQS-Send" },
		"AWS_PROXY":                                                   func(i *Integration) { i.Type, i.URI, i.Method = HTTPProxy, "", "GET" },
		"IntegrationUri":                                              func(i *Integration) { i.URI = "arn:aws:lambda:x" },
		"PayloadFormatVersion must be 1.0":                            func(i *Integration) { i.PayloadFormatVersion = "2.0" },
		"CredentialsArn is required":                                  func(i *Integration) { i.CredentialsARN = "" },
		"must be that of a role":                                      func(i *Integration) { i.CredentialsARN = "arn:aws:iam::111122223333:user/u" },
		"Cross-account":                                               func(i *Integration) { i.CredentialsARN = "arn:aws:iam::444455556666:role/r" },
		"[QueueUrl, MessageBody]":                                     func(i *Integration) { delete(i.RequestParameters, "MessageBody") },
		"Invalid destination: append:x":                               func(i *Integration) { i.RequestParameters["append:x"] = "y" },
		"Invalid source: $request.nothing":                            func(i *Integration) { i.RequestParameters["DelaySeconds"] = "$request.nothing" },
		"Invalid source: a ${response.body":                           func(i *Integration) { i.RequestParameters["MessageBody"] = "a ${response.body}" },
		"Invalid source: $request":                                    func(i *Integration) { i.RequestParameters["MessageBody"] = "$request" },
		"Invalid status code":                                         func(i *Integration) { i.ResponseParameters = map[string]map[string]string{"20": {}} },
	} {
		i := good()
		change(&i)
		if err := i.check("111122223333"); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: %v, want %s", i, err, what)
		}
	}
	for _, text := range []string{"$request.body", "$request.header.X-A", "$context.requestId", "$stageVariables.x", "static", "5", `{"a": "${request.body.x}"}`, "${request.path}", "costs 5$"} {
		if !isSource(text) {
			t.Errorf("%q is refused", text)
		}
	}
}

// FuzzSources looks for texts that pass the check and then cannot be resolved.
func FuzzSources(f *testing.F) {
	f.Add(`{"a": "${request.body.x}"}`)
	f.Add("$request.header.")
	f.Fuzz(func(t *testing.T, text string) {
		if !isSource(text) {
			return
		}
		ParseExpression(text).Resolve(func(ref string) string {
			if !known(ref, false) {
				t.Errorf("%q leads to %q", text, ref)
			}
			return ""
		})
	})
}
