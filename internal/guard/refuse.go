package guard

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// refuse makes AWS's error of a refusal, in the words of the service.
//
// AWS: the form of the text by
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html; that SQS writes actions in lower
// case, SNS its prefix in upper case, and that S3 quotes the resource, as users of clients report them
// (aws/serverless-application-model#3633, aws-ia/terraform-aws-control_tower_account_factory#151,
// aws-samples/serverless-patterns#2457).
func (c *call) refuse(action string, on *resource, v *policy.Verdict) error {
	name := on.name()
	switch c.model.SigningName {
	case "s3":
		return c.refuseS3(action, name, v)
	case "sqs":
		action = strings.ToLower(action)
	case "sts":
		return denied("AccessDenied", http.StatusForbidden, c.text(action, name)) // AWS: without a reason
	}
	return c.denied(c.text(action, name) + " " + v.Reason(action))
}

func (c *call) text(action, resource string) string {
	caller := c.CallerARN
	if caller == "" {
		caller = "anonymous"
	}
	return "User: " + caller + " is not authorized to perform: " + action + " on resource: " + resource
}

// denied is the code and status of the service's protocol.
func (c *call) denied(text string) error {
	switch {
	case c.model.SigningName == "sns":
		return denied("AuthorizationError", http.StatusForbidden, text)
	case c.model.SigningName == "sqs":
		f := denied("AccessDeniedException", http.StatusForbidden, text)
		f.QueryCode, f.MessageMember = "AccessDenied", "message"
		return f
	case slices.Contains(c.model.Protocols, shape.RestJSON):
		return denied("AccessDeniedException", http.StatusForbidden, text)
	case slices.Contains(c.model.Protocols, shape.JSON), slices.Contains(c.model.Protocols, shape.CBOR):
		return denied("AccessDeniedException", http.StatusBadRequest, text)
	}
	return denied("AccessDenied", http.StatusForbidden, text)
}

func denied(code string, status int, text string) *fault.Fault {
	return &fault.Fault{Code: code, Message: text, MessageMember: "Message", Status: status, Sender: true}
}

// refuseS3: AWS tells why only within an account.
func (c *call) refuseS3(action, name string, v *policy.Verdict) error {
	account := c.on.owner
	if c.caller.who.Account == "" || account != "" && account != c.caller.who.Account {
		return denied("AccessDenied", http.StatusForbidden, "Access Denied")
	}
	return denied("AccessDenied", http.StatusForbidden, c.text(action, `"`+name+`"`)+" "+v.Reason(action))
}
