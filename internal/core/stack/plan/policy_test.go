package plan

import (
	"strings"
	"testing"
)

// The examples of https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
func TestStackPolicies(t *testing.T) {
	for _, c := range []struct {
		policy, action, logical, typeName string
		denied                            bool
	}{
		{`{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}`, UpdateModify, "Q", "AWS::SQS::Queue", false},
		{`{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"},{"Effect":"Deny","Action":"Update:*","Principal":"*","Resource":"LogicalResourceId/ProductionDatabase"}]}`, UpdateReplace, "ProductionDatabase", "X", true},
		{`{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"},{"Effect":"Deny","Action":"Update:*","Principal":"*","Resource":"LogicalResourceId/ProductionDatabase"}]}`, UpdateReplace, "Other", "X", false},
		{`{"Statement":[{"Effect":"Deny","Action":"Update:*","Principal":"*","Resource":"*","Condition":{"StringEquals":{"ResourceType":["AWS::RDS::DBInstance"]}}},{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}`, UpdateModify, "D", "AWS::RDS::DBInstance", true},
		{`{"Statement":[{"Effect":"Deny","Action":["Update:Replace","Update:Delete"],"Principal":"*","Resource":"LogicalResourceId/CriticalSecurityGroups*"},{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}`, UpdateModify, "CriticalSecurityGroups1", "X", false},
		{`{"Statement":[{"Effect":"Deny","NotAction":"Update:Modify","Principal":"*","Resource":"LogicalResourceId/A?"},{"Effect":"Allow","Action":"Update:*","Principal":"*","NotResource":"LogicalResourceId/B"}]}`, UpdateDelete, "AB", "X", true},
		{`{"Statement":{"Effect":"Allow","Action":"Update:Modify","Principal":"*","Resource":"*"}}`, UpdateDelete, "Q", "X", true}, // nothing allows it
	} {
		p, err := ReadPolicy(c.policy)
		if err != nil {
			t.Fatal(err)
		}
		if why := p.Denies(c.action, c.logical, c.typeName); (why != "") != c.denied {
			t.Errorf("%s: %s of %s: %q", c.policy, c.action, c.logical, why)
		}
	}
	for _, malformed := range []string{``, `[]`, `{}`, `{"Statement":[{"Effect":"Maybe"}]}`, `{"Statement":[{"Effect":"Allow","Principal":"me","Action":"Update:*","Resource":"*"}]}`,
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"Delete","Resource":"*"}]}`, `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"Update:*","Resource":"*","Condition":{"Bool":{}}}]}`} {
		if _, err := ReadPolicy(malformed); err == nil || !strings.Contains(err.Error(), "Error validating stack policy: ") {
			t.Errorf("%s: %v", malformed, err)
		}
	}
}

func FuzzReadPolicy(f *testing.F) {
	f.Add(`{"Statement":[{"Effect":"Deny","NotAction":"Update:Modify","Principal":"*","Resource":["LogicalResourceId/[A?"],"Condition":{"StringLike":{"ResourceType":["AWS::*"]}}}]}`, "A")
	f.Fuzz(func(t *testing.T, text, logical string) {
		if p, err := ReadPolicy(text); err == nil {
			_ = p.Denies(UpdateModify, logical, "AWS::SQS::Queue")
		}
	})
}
