package httpapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
)

// Subtype is what an integration with IntegrationSubtype calls: one operation of one
// service, with parameters by the names that the operation has for them, and Region.
type Subtype struct {
	Service, Operation string
	required, optional []string
	absent             bool // this platform does not have the service
}

// subtypes are all that there are.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html
var subtypes = map[string]*Subtype{
	"EventBridge-PutEvents": {Service: "events", Operation: "PutEvents", required: []string{"Detail", "DetailType", "Source"},
		optional: []string{"Time", "EventBusName", "Resources", "TraceHeader"}},
	"SQS-SendMessage": {Service: "sqs", Operation: "SendMessage", required: []string{"QueueUrl", "MessageBody"},
		optional: []string{"DelaySeconds", "MessageAttributes", "MessageDeduplicationId", "MessageGroupId", "MessageSystemAttributes"}},
	"SQS-ReceiveMessage": {Service: "sqs", Operation: "ReceiveMessage", required: []string{"QueueUrl"},
		optional: []string{"AttributeNames", "MaxNumberOfMessages", "MessageAttributeNames", "ReceiveRequestAttemptId", "VisibilityTimeout", "WaitTimeSeconds"}},
	"SQS-DeleteMessage":                {Service: "sqs", Operation: "DeleteMessage", required: []string{"ReceiptHandle", "QueueUrl"}},
	"SQS-PurgeQueue":                   {Service: "sqs", Operation: "PurgeQueue", required: []string{"QueueUrl"}},
	"AppConfig-GetConfiguration":       {absent: true},
	"Kinesis-PutRecord":                {absent: true},
	"StepFunctions-StartExecution":     {absent: true},
	"StepFunctions-StartSyncExecution": {absent: true},
	"StepFunctions-StopExecution":      {absent: true},
}

// RegionParameter names the region of the service that an integration calls; else it
// is that of the API.
const RegionParameter = "Region"

// CallerCredentials as CredentialsArn stand for those of who calls the API.
const CallerCredentials = "arn:aws:iam::*:user/*"

// SubtypeOf is the subtype of that name; nil if there is none.
func SubtypeOf(name string) *Subtype {
	if s := subtypes[name]; s != nil && !s.absent {
		return s
	}
	return nil
}

// checkSubtype checks an integration that calls a service.
//
// AWS: what is missing or of no form is refused in the words that users report; the
// other texts are ours.
func (i *Integration) checkSubtype(account string) error {
	s := subtypes[i.Subtype]
	switch {
	case s == nil:
		return bad("Operation: %s is not supported", i.Subtype)
	case s.absent:
		service, _, _ := strings.Cut(i.Subtype, "-")
		return bad("Operation: %s is not supported by this platform: it does not have %s", i.Subtype, service)
	case i.Type != LambdaProxy:
		return bad("IntegrationSubtype is only supported for AWS_PROXY integrations")
	case i.URI != "":
		return bad("IntegrationUri is not supported for integrations with IntegrationSubtype")
	}
	if i.PayloadFormatVersion == "" {
		i.PayloadFormatVersion = "1.0"
	}
	if i.PayloadFormatVersion != "1.0" { // AWS: "For all other integrations, 1.0 is the only supported value", the API reference of CreateIntegration
		return bad("PayloadFormatVersion must be 1.0 for integrations with IntegrationSubtype")
	}
	if err := checkCredentials(i.CredentialsARN, account); err != nil {
		return err
	}
	return s.check(i.Subtype, i.RequestParameters)
}

// checkCredentials wants a role of the account that has the API, or the caller's own rights.
func checkCredentials(credentials, account string) error {
	role, err := arn.Parse(credentials)
	switch {
	case credentials == CallerCredentials:
		return nil
	case credentials == "":
		return bad("CredentialsArn is required for integrations with IntegrationSubtype")
	case err != nil || role.Service != "iam" || !strings.HasPrefix(role.Resource, "role/"):
		return bad("Invalid ARN specified in the request: CredentialsArn must be that of a role")
	case role.Account != account:
		return bad("Cross-account pass role is not allowed.")
	}
	return nil
}

// check checks the parameters.
func (s *Subtype) check(name string, parameters map[string]string) error {
	for _, want := range s.required {
		if parameters[want] == "" {
			return bad("Operation: %s requires enabling passthrough, or defining all of the following parameters: [%s]", name, strings.Join(s.required, ", "))
		}
	}
	var invalid []string
	for _, parameter := range slices.Sorted(maps.Keys(parameters)) {
		if parameter != RegionParameter && !slices.Contains(s.required, parameter) && !slices.Contains(s.optional, parameter) {
			invalid = append(invalid, fmt.Sprintf("Invalid destination: %s specified for operation: %s", parameter, name))
			continue
		}
		if !isSource(parameters[parameter]) {
			invalid = append(invalid, fmt.Sprintf("Invalid source: %s specified for destination: %s", parameters[parameter], parameter))
		}
	}
	if invalid != nil {
		return bad("Invalid selection expression specified: Validation Result: warnings : [], errors : [%s]", strings.Join(invalid, ", "))
	}
	return nil
}

// isSource tells whether a text can stand for a parameter: every reference in it is
// one of a request, and what looks like one alone is one.
//
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services.html;
// refuses also a text of JSON without references.
func isSource(text string) bool {
	expression := ParseExpression(text)
	for _, p := range expression {
		if p.Ref != "" && !known(p.Ref, false) {
			return false
		}
	}
	return !strings.HasPrefix(text, "$") || strings.HasPrefix(text, "${") || len(expression) == 1 && expression[0].Ref != ""
}
