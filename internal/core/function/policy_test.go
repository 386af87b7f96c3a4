package function

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The statements are AWS's, from recorded replies.
func TestStatementsAreBuiltAsOnAWS(t *testing.T) {
	w := newWorld(t, nil)
	w.create("f")
	resource := `"Resource":"` + functionARN("f") + `"`
	for _, c := range []struct {
		in   PermissionInput
		want string
	}{
		{PermissionInput{StatementID: "wildcard", Principal: "*", SourceAccount: ptr("111111111111")},
			`{"Sid":"wildcard","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction",` + resource + `,"Condition":{"StringEquals":{"AWS:SourceAccount":"111111111111"}}}`},
		{PermissionInput{StatementID: "service", Principal: "sqs.amazonaws.com", SourceARN: ptr("arn:aws:s3:::b")},
			`{"Sid":"service","Effect":"Allow","Principal":{"Service":"sqs.amazonaws.com"},"Action":"lambda:InvokeFunction",` + resource + `,"Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}`},
		{PermissionInput{StatementID: "account", Principal: "111111111111"},
			`{"Sid":"account","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"lambda:InvokeFunction",` + resource + `}`},
		{PermissionInput{StatementID: "user", Principal: "arn:aws:iam::111111111111:user/u"},
			`{"Sid":"user","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:user/u"},"Action":"lambda:InvokeFunction",` + resource + `}`},
		{PermissionInput{StatementID: "url", Action: "lambda:InvokeFunctionUrl", Principal: "*", SourceAccount: ptr("111111111111"), SourceARN: ptr("arn:aws:s3:::b"), PrincipalOrgID: ptr("o-1234567890"), FunctionURLAuthType: ptr("NONE")},
			`{"Sid":"url","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunctionUrl",` + resource + `,"Condition":{"StringEquals":{"AWS:SourceAccount":"111111111111","lambda:FunctionUrlAuthType":"NONE","aws:PrincipalOrgID":"o-1234567890"},"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}}`},
		{PermissionInput{StatementID: "alexa", Principal: "*", EventSourceToken: ptr("amzn1.ask.skill.x")},
			`{"Sid":"alexa","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction",` + resource + `,"Condition":{"StringEquals":{"lambda:EventSourceToken":"amzn1.ask.skill.x"}}}`},
		{PermissionInput{StatementID: "viaUrl", Principal: "*", InvokedViaFunctionURL: ptr(true)},
			`{"Sid":"viaUrl","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction",` + resource + `,"Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}}`},
	} {
		if c.in.Action == "" {
			c.in.Action = "lambda:InvokeFunction"
		}
		got := must2(w.AddPermission(t.Context(), at("f"), c.in))(t)
		if diff := cmp.Diff(c.want, got.Statement); diff != "" {
			t.Error(diff)
		}
	}
	policy := must2(w.GetPolicy(t.Context(), at("f")))(t)
	if !strings.HasPrefix(policy.Document, `{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"wildcard",`) {
		t.Error(policy.Document)
	}
	if v := must2(w.GetConfiguration(t.Context(), at("f")))(t); v.RevisionID != policy.RevisionID {
		t.Error("the revision of a policy is that of its function")
	}
}

func TestPoliciesBelongToAQualifier(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	w.ready("f")
	w.publish("f")
	alias := must2(w.CreateAlias(t.Context(), at("f"), AliasInput{Name: "live", FunctionVersion: ptr("1")}))(t)
	in := PermissionInput{StatementID: "s", Action: "lambda:InvokeFunction", Principal: "*"}
	for _, target := range []Target{at("f"), qualified("f", "1"), qualified("f", "live")} {
		_, err := w.GetPolicy(t.Context(), target)
		wantError[*NotFoundError](t, err, "The resource you requested does not exist.")
		added := must2(w.AddPermission(t.Context(), target, in))(t)
		got := must2(w.GetPolicy(t.Context(), target))(t)
		if !strings.Contains(got.Document, `"Resource":"`+target.ARN()+`"`) || got.RevisionID != added.RevisionID {
			t.Errorf("%+v", got)
		}
		_, err = w.AddPermission(t.Context(), target, in)
		wantError[*ConflictError](t, err, "The statement id (s) provided already exists. Please provide a new statement id, or remove the existing statement.")
	}
	in.StatementID, in.RevisionID = "t", &alias.RevisionID
	_, err := w.AddPermission(t.Context(), qualified("f", "live"), in)
	wantError[*PreconditionError](t, err, policyRevisionMismatch)
	now := must2(w.GetAlias(t.Context(), at("f"), "live"))(t)
	in.RevisionID = &now.RevisionID
	must2(w.AddPermission(t.Context(), qualified("f", "live"), in))(t)
	must(t, w.RemovePermission(t.Context(), qualified("f", "live"), "s", nil))
	must(t, w.RemovePermission(t.Context(), qualified("f", "live"), "t", nil))
	_, err = w.GetPolicy(t.Context(), qualified("f", "live"))
	wantError[*NotFoundError](t, err, "The resource you requested does not exist.")
	must2(w.GetPolicy(t.Context(), qualified("f", "1")))(t)
}

func TestPermissionRefusals(t *testing.T) {
	w := newWorld(t, nil)
	w.create("f")
	in := PermissionInput{StatementID: "s", Action: "lambda:InvokeFunction", Principal: "*"}
	_, err := w.AddPermission(t.Context(), qualified("f", Latest), in)
	wantError[*InvalidError](t, err, "We currently do not support adding policies for $LATEST.")
	_, err = w.AddPermission(t.Context(), at("none"), in)
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none"))
	_, err = w.AddPermission(t.Context(), qualified("f", "42"), in)
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("f:42"))
	_, err = w.AddPermission(t.Context(), qualified("f", "alias-doesnotexist"), in)
	wantError[*NotFoundError](t, err, "Cannot find alias arn: "+functionARN("f:alias-doesnotexist"))
	_, err = w.AddPermission(t.Context(), qualified("f", "valid-with-$-but-doesnotexist"), in)
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("f:valid-with-$-but-doesnotexist"))
	for _, principal := range []string{"", "nobody", "123", "arn:aws:sqs:us-east-1:111111111111:q"} {
		_, err = w.AddPermission(t.Context(), at("f"), PermissionInput{StatementID: "s", Action: "a", Principal: principal})
		wantError[*InvalidError](t, err, "The provided principal was invalid. Please check the principal and try again.")
	}
	wantError[*NotFoundError](t, w.RemovePermission(t.Context(), at("none"), "s", nil), "No policy found for: "+functionARN("none"))
	wantError[*NotFoundError](t, w.RemovePermission(t.Context(), at("f"), "s", nil), "No policy is associated with the given resource.")
	must2(w.AddPermission(t.Context(), at("f"), in))(t)
	wantError[*NotFoundError](t, w.RemovePermission(t.Context(), at("f"), "non-existent", nil), "Statement non-existent is not found in resource policy.")
	wantError[*PreconditionError](t, w.RemovePermission(t.Context(), at("f"), "s", ptr("stale")), policyRevisionMismatch)
}

func TestPolicyLengthIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	w.create("f")
	var err error
	for i := range 300 {
		if _, err = w.AddPermission(t.Context(), at("f"), PermissionInput{StatementID: fmt.Sprint("s", i), Action: "lambda:InvokeFunction", Principal: "*"}); err != nil {
			break
		}
	}
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Limit != PolicyLength {
		t.Fatalf("%v", err)
	}
	if n := len(must2(w.GetPolicy(t.Context(), at("f")))(t).Document); n > 20480 || n < 20000 {
		t.Errorf("the policy has %d bytes", n)
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t, nil)
	w.create("f")
	arn := functionARN("f")
	if got := must2(w.Tags(t.Context(), here, arn))(t); len(got) != 0 || got == nil {
		t.Errorf("%v", got)
	}
	must(t, w.Tag(t.Context(), here, arn, map[string]string{"A": "a", "B": "b"}))
	must(t, w.Tag(t.Context(), here, arn, map[string]string{"B": "new", "C": "c"}))
	must(t, w.Untag(t.Context(), here, arn, []string{"A", "unknown"}))
	if diff := cmp.Diff(map[string]string{"B": "new", "C": "c"}, must2(w.Tags(t.Context(), here, arn))(t)); diff != "" {
		t.Error(diff)
	}
	wantError[*InvalidError](t, w.Tag(t.Context(), here, arn, nil), "An error occurred and the request cannot be processed.")
	wantError[*InvalidError](t, w.Tag(t.Context(), here, arn, manyTags(49)), "Number of tags exceeds resource tag limit.")
	must(t, w.Tag(t.Context(), here, arn, manyTags(48)))
	wantError[*InvalidError](t, w.Tag(t.Context(), here, arn+":live", map[string]string{"A": "a"}), "Tags on function aliases and versions are not supported. Please specify a function ARN.")
	wantError[*NotFoundError](t, w.Tag(t.Context(), here, functionARN("none"), map[string]string{"A": "a"}), "Function not found: "+functionARN("none"))
	wantError[*NotFoundError](t, w.Untag(t.Context(), here, functionARN("none"), nil), "Function not found: "+functionARN("none"))
	_, err := w.Tags(t.Context(), here, functionARN("none"))
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none"))
	_, err = w.Tags(t.Context(), here, "arn:aws:lambda:us-east-1:000000000000:foobar:x")
	wantError[*ValidationError](t, err, "1 validation error detected: Value 'arn:aws:lambda:us-east-1:000000000000:foobar:x' at 'resource' failed to satisfy constraint: Member must satisfy regular expression pattern: "+taggableShape)
	mapping := "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:0d0b4375-4d45-4db7-8aee-5695c157e719"
	_, err = w.Tags(t.Context(), here, mapping)
	wantError[*NotFoundError](t, err, "Event source mapping not found: "+mapping)
}

func TestReservedConcurrencyLeavesAHundred(t *testing.T) {
	w := newWorld(t, nil)
	w.create("f")
	w.create("g")
	refused := "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
	wantError[*InvalidError](t, w.PutConcurrency(t.Context(), at("f"), 901), refused)
	must(t, w.PutConcurrency(t.Context(), at("f"), 900))
	wantError[*InvalidError](t, w.PutConcurrency(t.Context(), at("g"), 1), refused)
	must(t, w.PutConcurrency(t.Context(), at("g"), 0))
	must(t, w.PutConcurrency(t.Context(), at("f"), 500))
	must(t, w.PutConcurrency(t.Context(), at("g"), 400))
	if s := must2(w.AccountSettings(t.Context(), here))(t); s.UnreservedConcurrentExecutions != 100 || s.ConcurrentExecutions != 1000 || s.FunctionCount != 2 || s.UsedCodeSizeBytes == 0 || s.TotalCodeSizeBytes != 75<<30 {
		t.Errorf("%+v", s)
	}
	must(t, w.DeleteConcurrency(t.Context(), at("g")))
	must(t, w.DeleteConcurrency(t.Context(), at("g")))
	if got := must2(w.Concurrency(t.Context(), at("g")))(t); got != nil {
		t.Errorf("g has %d", *got)
	}
	if got := must2(w.Concurrency(t.Context(), at("f")))(t); got == nil || *got != 500 {
		t.Errorf("f has %v", got)
	}
	wantError[*NotFoundError](t, w.PutConcurrency(t.Context(), at("none"), 1), "Function not found: "+functionARN("none:$LATEST"))
	_, err := w.Concurrency(t.Context(), at("none"))
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none"))
	wantError[*InvalidError](t, w.PutConcurrency(t.Context(), qualified("f", "1"), 1), "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
}

func TestRuntimeManagementAndRecursion(t *testing.T) {
	w := newWorld(t, nil)
	w.create("f")
	if got := must2(w.RuntimeManagement(t.Context(), at("f")))(t); got.UpdateRuntimeOn != "Auto" || got.FunctionARN != functionARN("f:$LATEST") {
		t.Errorf("%+v", got)
	}
	manual := RuntimeManagement{UpdateRuntimeOn: "Manual", RuntimeVersionARN: "arn:aws:lambda:us-east-1::runtime:x"}
	must2(w.PutRuntimeManagement(t.Context(), at("f"), manual))(t)
	if got := must2(w.RuntimeManagement(t.Context(), qualified("f", Latest)))(t); got.UpdateRuntimeOn != "Manual" || got.RuntimeVersionARN != manual.RuntimeVersionARN {
		t.Errorf("%+v", got)
	}
	if _, err := w.PutRuntimeManagement(t.Context(), at("f"), RuntimeManagement{UpdateRuntimeOn: "Manual"}); err == nil {
		t.Error("Manual without a version is accepted")
	}
	_, err := w.PutRuntimeManagement(t.Context(), qualified("f", "4"), RuntimeManagement{UpdateRuntimeOn: "Auto"})
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("f:4"))
	if got := must2(w.Recursion(t.Context(), at("f")))(t); got != "Terminate" {
		t.Error(got)
	}
	must2(w.PutRecursion(t.Context(), at("f"), "Allow"))(t)
	if got := must2(w.Recursion(t.Context(), at("f")))(t); got != "Allow" {
		t.Error(got)
	}
	_, err = w.PutRecursion(t.Context(), at("none"), "Allow")
	wantError[*NotFoundError](t, err, "Function not found: "+functionARN("none"))
}
