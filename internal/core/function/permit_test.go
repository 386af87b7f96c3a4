package function

import "testing"

func TestAServiceInvokesWhatAPolicyPermits(t *testing.T) {
	w := newWorld(t, nil)
	const topic = "arn:aws:sns:us-east-1:000000000000:t"
	caller := Caller{Service: "sns.amazonaws.com", Source: topic}
	for name, c := range map[string]struct {
		in   *PermissionInput
		want bool
	}{
		"none":      {nil, false},
		"service":   {&PermissionInput{Principal: "sns.amazonaws.com"}, true},
		"other":     {&PermissionInput{Principal: "events.amazonaws.com"}, false},
		"everybody": {&PermissionInput{Principal: "*"}, true},
		"account":   {&PermissionInput{Principal: "111111111111"}, false},
		"source":    {&PermissionInput{Principal: "sns.amazonaws.com", SourceARN: ptr(topic)}, true},
		"pattern":   {&PermissionInput{Principal: "sns.amazonaws.com", SourceARN: ptr("arn:aws:sns:*:*:?")}, true},
		"elsewhere": {&PermissionInput{Principal: "sns.amazonaws.com", SourceARN: ptr(topic + "2")}, false},
		"owner":     {&PermissionInput{Principal: "sns.amazonaws.com", SourceAccount: ptr("000000000000")}, true},
		"stranger":  {&PermissionInput{Principal: "sns.amazonaws.com", SourceAccount: ptr("111111111111")}, false},
		"action":    {&PermissionInput{Principal: "sns.amazonaws.com", Action: "lambda:GetFunction"}, false},
		"all":       {&PermissionInput{Principal: "sns.amazonaws.com", Action: "lambda:*"}, true},
		"url":       {&PermissionInput{Principal: "*", InvokedViaFunctionURL: ptr(true)}, false},
		"token":     {&PermissionInput{Principal: "*", EventSourceToken: ptr("x")}, false},
	} {
		w.create(name)
		if c.in != nil {
			c.in.StatementID = "s"
			if c.in.Action == "" {
				c.in.Action = "lambda:InvokeFunction"
			}
			must2(w.AddPermission(t.Context(), at(name), *c.in))(t)
		}
		if got, err := w.Permits(t.Context(), at(name), caller); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := w.Permits(t.Context(), at("nothing"), caller); err != nil || got {
		t.Errorf("a function that is not there: %v, %v", got, err)
	}
}
