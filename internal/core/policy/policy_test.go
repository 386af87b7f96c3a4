package policy

import (
	"slices"
	"strings"
	"testing"
)

const statement = `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`

func TestDocumentsAreRead(t *testing.T) {
	d, err := Parse(`{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"a","Effect":"Deny","NotAction":["s3:Get*","sqs:*"],"NotResource":"arn:aws:s3:::b/*",
		"Condition":{"NumericLessThan":{"s3:max-keys":[10,"20"]},"Bool":{"aws:SecureTransport":true}}},{"Effect":"Allow","Principal":{"AWS":["1","2"],"Service":"x"},"Action":"sts:AssumeRole"},
		{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	first, second := d.Statements[0], d.Statements[1]
	switch {
	case len(d.Statements) != 3, first.Effect != Deny, len(first.NotAction) != 2, first.NotResource[0] != "arn:aws:s3:::b/*":
		t.Errorf("%+v", d)
	case strings.Join(first.Condition["NumericLessThan"]["s3:max-keys"], ",") != "10,20", first.Condition["Bool"]["aws:SecureTransport"][0] != "true":
		t.Errorf("conditions %v", first.Condition)
	case len(second.Principal.Kinds["AWS"]) != 2, second.Principal.Kinds["Service"][0] != "x", !d.Statements[2].Principal.Everyone:
		t.Errorf("principals %+v %+v", second.Principal, d.Statements[2].Principal)
	}
	if d, err := Parse(`{"Statement":` + statement + `}`); err != nil || len(d.Statements) != 1 {
		t.Errorf("one statement without a list: %+v, %v", d, err)
	}
}

func TestWhatIsNoPolicyIsRefused(t *testing.T) {
	for _, text := range []string{
		``, `null`, `{}`, `[]`, `{"Statement":[]}`, `{"Statement":` + statement + `} x`, `{"Version":"2013-01-01","Statement":` + statement + `}`,
		`{"Statement":{"Effect":"Permit","Action":"s3:*","Resource":"*"}}`, `{"Statement":{"Effect":"Allow","Action":"s3:*","NotAction":"s3:*","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":{},"Resource":"*"}}`, `{"Statement":{"Effect":"Allow","Action":[["a"]],"Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":null,"Resource":"*"}}`, `{"Statement":{"Effect":"Allow","Acton":"s3:*","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Principal":{"Somebody":"x"},"Action":"sts:AssumeRole"}}`, `{"Statement":{"Effect":"Allow","Principal":{},"Action":"sts:AssumeRole"}}`,
		strings.Repeat(`[`, 100_000), `{"Statement":` + strings.Repeat(`[`, 20) + strings.Repeat(`]`, 20) + `}`,
	} {
		if d, err := Parse(text); err == nil {
			t.Errorf("%.80s: %+v", text, d)
		}
	}
}

// TestPoliciesOfIdentities. Texts: IAM's, as users of the deployment tools report them.
func TestPoliciesOfIdentities(t *testing.T) {
	for text, want := range map[string]string{
		`{"Version":"2012-10-17","Statement":` + statement + `}`:                                                                     "",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b"}}`:                           "",
		`{"Statement":` + statement + `}`:                                                                                            "",
		`{"Version":"2012-10-17"`:                                                                                                    "Syntax errors in policy.",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*"}}`:                                                    "Policy statement must contain resources.",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*"}}`:                                                     "Policy statement must contain actions.",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3","Resource":"*"}}`:                                       "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}}`:                                `Resource bucket must be in ARN format or "*".`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*"}}`:                     "Policy document should not specify a principal.",
		`{"Version":"2012-10-17","Statement":[{"Sid":"a",` + statement[1:] + `,{"Sid":"a",` + statement[1:] + `]}`:                   "Statement IDs (SID) in a single policy must be unique.",
		`{"Version":"2012-10-17","Statement":[{"Sid":"a",` + statement[1:] + `,{"Sid":"b",` + statement[1:] + `,` + statement + `]}`: "",
	} {
		checkText(t, CheckIdentity, text, want)
	}
	checkText(t, CheckManaged, `{"Version":"2012-10-17","Statement":`+statement+`}`, "")
	for _, old := range []string{`{"Statement":` + statement + `}`, `{"Version":"2008-10-17","Statement":` + statement + `}`} {
		checkText(t, CheckManaged, old, "Policy document must be version 2012-10-17 or greater.")
	}
}

func TestTrustPolicies(t *testing.T) {
	for text, want := range map[string]string{
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`: "",
		`{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["sts:AssumeRole","sts:TagSession"]}}`:                            "",
		`{"Version":`: "This policy contains invalid Json",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole","Resource":"*"}}`: "Has prohibited field Resource",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}`:                                                               "Missing required field Principal",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:GetObject"}}`:                                         "AssumeRole policy may only specify STS AssumeRole actions.",
	} {
		checkText(t, CheckTrust, text, want)
	}
}

func TestKeysAndMatchingStatements(t *testing.T) {
	text := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::b/${aws:username}/${*}/${aws:PrincipalTag/team, 'none'}"},
		{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"AWS:UserName":"${aws:userid}"},"Bool":{"aws:SecureTransport":"false"}}},
		{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}`
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(d.Keys(), " "); got != "aws:PrincipalTag/team aws:SecureTransport aws:userid AWS:UserName" {
		t.Errorf("keys %s", got)
	}
	p, err := Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]string{"aws:username": {"ann"}, "aws:userid": {"ann"}, "aws:securetransport": {"false"}}
	r := &Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/ann/*/none", Values: func(key string) []string { return values[key] }}
	if got := p.Matching(r, false); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("statements %v", got)
	}
}

func checkText(t *testing.T, check func(string) (*Document, error), text, want string) {
	t.Helper()
	got := ""
	if _, err := check(text); err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s: %q, want %q", text, got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":` + statement + `}`)
	f.Add(`{"Statement":[{"Effect":"Deny","Principal":{"AWS":["a"]},"NotAction":["x:y"],"Condition":{"Bool":{"a":true}}}]}`)
	f.Add(`{"Statement":"\"`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		for _, s := range d.Statements {
			if s.Effect != Allow && s.Effect != Deny {
				t.Errorf("%q has the effect %q", text, s.Effect)
			}
		}
		for _, check := range []func(string) (*Document, error){CheckIdentity, CheckTrust} {
			if d, err := check(text); err == nil && len(d.Statements) == 0 {
				t.Errorf("%q passed without statements", text)
			}
		}
	})
}
