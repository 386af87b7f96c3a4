package policy

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	own   = "111122223333"
	other = "444455556666"
	queue = "arn:aws:sqs:eu-west-1:111122223333:jobs"
)

var (
	ann     = Who{Account: own, ARN: "arn:aws:iam::111122223333:user/ann", ID: "AIDAANN"}
	session = Who{Account: own, ARN: "arn:aws:sts::111122223333:assumed-role/worker/f", Role: "arn:aws:iam::111122223333:role/jobs/worker", ID: "AROAWORKER"}
	root    = Who{Account: own, ARN: "arn:aws:iam::111122223333:root", ID: own}
	topics  = Who{Service: "sns.amazonaws.com"}
	nobodyN = Who{}
)

func compiled(t testing.TB, text string) *Policy {
	t.Helper()
	if text == "" {
		return nil
	}
	p, err := Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

// doc makes a document of statements; each is effect and the rest of its members.
func doc(statements ...string) string {
	for i, s := range statements {
		effect, rest, _ := strings.Cut(s, " ")
		statements[i] = fmt.Sprintf(`{"Effect":%q,%s}`, effect, rest)
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

const (
	allowSend = `Allow "Action":"sqs:SendMessage","Resource":"*"`
	denySend  = `Deny "Action":"sqs:Send*","Resource":"*"`
	unrelated = `Allow "Action":"s3:*","Resource":"*"`
)

func byPrincipal(effect, principal string) string {
	return fmt.Sprintf(`%s "Principal":%s,"Action":"sqs:SendMessage","Resource":%q`, effect, principal, queue)
}

// decision is a row of the truth table.
type decision struct {
	who                          Who
	identity, boundary, sessions string // documents; "" for none
	resource                     string
	account                      string // of the resource; "": the caller's
	required                     bool
	want                         string // "" for allowed
}

const (
	noIdentity = "because no identity-based policy allows the sqs:SendMessage action"
	noResource = "because no resource-based policy allows the sqs:SendMessage action"
	noBoundary = "because no permissions boundary allows the sqs:SendMessage action"
	noSession  = "because no session policy allows the sqs:SendMessage action"
)

var allow, none = doc(allowSend), doc(unrelated)

// decisions is the truth table. Sources:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html (deny,
// the reach of policies of resources for users, roles and sessions), reference_policies_evaluation-logic-cross-account.html,
// access_policies_boundaries.html, access_policies.html#policies_session, and for trust
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
var decisions = map[string]decision{
	"nothing says anything":                   {who: ann, want: noIdentity},
	"another action":                          {who: ann, identity: none, want: noIdentity},
	"identity":                                {who: ann, identity: allow},
	"identity denies":                         {who: ann, identity: doc(allowSend, denySend), want: "with an explicit deny in an identity-based policy"},
	"root":                                    {who: root},
	"root and a deny of the resource":         {who: root, resource: doc(byPrincipal("Deny", `"*"`)), want: "with an explicit deny in a resource-based policy"},
	"root of another account":                 {who: root, account: other, want: noResource},
	"root of another account, named":          {who: root, account: other, resource: doc(byPrincipal("Allow", `{"AWS":"111122223333"}`))},
	"boundary alone grants nothing":           {who: ann, boundary: allow, want: noIdentity},
	"identity within the boundary":            {who: ann, identity: allow, boundary: allow},
	"identity beyond the boundary":            {who: ann, identity: allow, boundary: none, want: noBoundary},
	"boundary denies":                         {who: ann, identity: allow, boundary: doc(allowSend, denySend), want: "with an explicit deny in a permissions boundary"},
	"session policy alone grants nothing":     {who: session, sessions: allow, want: noIdentity},
	"role within the session policy":          {who: session, identity: allow, sessions: allow},
	"role beyond the session policy":          {who: session, identity: allow, sessions: none, want: noSession},
	"session policy denies":                   {who: session, identity: allow, sessions: doc(allowSend, denySend), want: "with an explicit deny in a session policy"},
	"user named by the resource":              {who: ann, boundary: none, resource: doc(byPrincipal("Allow", `{"AWS":"arn:aws:iam::111122223333:user/ann"}`))},
	"user named by id":                        {who: ann, resource: doc(byPrincipal("Allow", `{"AWS":"AIDAANN"}`))},
	"another user named":                      {who: ann, resource: doc(byPrincipal("Allow", `{"AWS":"arn:aws:iam::111122223333:user/bob"}`)), want: noIdentity},
	"everyone":                                {who: ann, resource: doc(byPrincipal("Allow", `"*"`))},
	"everyone, as AWS":                        {who: ann, resource: doc(byPrincipal("Allow", `{"AWS":"*"}`))},
	"the account does not name its users":     {who: ann, resource: doc(byPrincipal("Allow", `{"AWS":"111122223333"}`)), want: noIdentity},
	"role named by the resource":              {who: session, resource: doc(byPrincipal("Allow", `{"AWS":"arn:aws:iam::111122223333:role/jobs/worker"}`))},
	"role named, beyond its boundary":         {who: session, boundary: none, resource: doc(byPrincipal("Allow", `{"AWS":"arn:aws:iam::111122223333:role/jobs/worker"}`)), want: noBoundary},
	"role named, beyond the session policy":   {who: session, sessions: none, resource: doc(byPrincipal("Allow", `{"AWS":"AROAWORKER"}`)), want: noSession},
	"session named by the resource":           {who: session, boundary: none, sessions: none, resource: doc(byPrincipal("Allow", `{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/f"}`))},
	"everyone, role beyond its boundary":      {who: session, boundary: none, resource: doc(byPrincipal("Allow", `"*"`)), want: noBoundary},
	"resource denies the role":                {who: session, identity: allow, resource: doc(byPrincipal("Deny", `{"AWS":"arn:aws:iam::111122223333:role/jobs/worker"}`)), want: "with an explicit deny in a resource-based policy"},
	"resource denies the account":             {who: ann, identity: allow, resource: doc(byPrincipal("Deny", `{"AWS":"arn:aws:iam::111122223333:root"}`)), want: "with an explicit deny in a resource-based policy"},
	"two accounts, only the identity":         {who: ann, identity: allow, account: other, want: noResource},
	"two accounts, only the resource":         {who: ann, account: other, resource: doc(byPrincipal("Allow", `{"AWS":"arn:aws:iam::111122223333:user/ann"}`)), want: noIdentity},
	"two accounts, both":                      {who: ann, identity: allow, account: other, resource: doc(byPrincipal("Allow", `{"AWS":"111122223333"}`))},
	"two accounts, both, beyond the boundary": {who: ann, identity: allow, boundary: none, account: other, resource: doc(byPrincipal("Allow", `"*"`)), want: noBoundary},
	"a service that is not named":             {who: topics, account: own, want: noResource},
	"a service":                               {who: topics, account: own, resource: doc(byPrincipal("Allow", `{"Service":["s3.amazonaws.com","sns.amazonaws.com"]}`))},
	"a service among everyone":                {who: topics, account: own, resource: doc(byPrincipal("Allow", `{"AWS":"*"}`))},
	"anybody":                                 {who: nobodyN, account: own, resource: doc(byPrincipal("Allow", `"*"`))},
	"anybody, where accounts are named":       {who: nobodyN, account: own, resource: doc(byPrincipal("Allow", `{"AWS":"111122223333"}`)), want: noResource},
	"trust that names the account":            {who: ann, required: true, resource: doc(byPrincipal("Allow", `{"AWS":"111122223333"}`)), want: noIdentity},
	"trust that names the account, granted":   {who: ann, required: true, identity: allow, resource: doc(byPrincipal("Allow", `{"AWS":"111122223333"}`))},
	"trust that names the user":               {who: ann, required: true, resource: doc(byPrincipal("Allow", `{"AWS":"arn:aws:iam::111122223333:user/ann"}`))},
	"no trust":                                {who: ann, required: true, identity: allow, resource: doc(byPrincipal("Allow", `{"AWS":"arn:aws:iam::111122223333:user/bob"}`)), want: noResource},
}

func TestDecide(t *testing.T) {
	for name, c := range decisions {
		rights := &Rights{Boundary: compiled(t, c.boundary), Limited: c.sessions != ""}
		if c.identity != "" {
			rights.Identity = []*Policy{compiled(t, c.identity)}
		}
		if c.sessions != "" {
			rights.Session = []*Policy{compiled(t, c.sessions)}
		}
		verdict := Decide(&Request{Action: "sqs:SendMessage", Resource: queue, Who: c.who}, rights, &Target{Account: c.account, Policy: compiled(t, c.resource), Required: c.required})
		got := ""
		if !verdict.Allowed {
			got = verdict.Reason("sqs:SendMessage")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestNotPrincipal. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html:
// whom it spares must be named at every level.
func TestNotPrincipal(t *testing.T) {
	for name, c := range map[string]struct {
		who    Who
		spared string
		want   bool
	}{
		"the user and its account":         {ann, `{"AWS":["arn:aws:iam::111122223333:user/ann","111122223333"]}`, true},
		"the user alone":                   {ann, `{"AWS":"arn:aws:iam::111122223333:user/ann"}`, false},
		"the account alone":                {ann, `{"AWS":"111122223333"}`, false},
		"the root":                         {root, `{"AWS":"arn:aws:iam::111122223333:root"}`, true},
		"session, role and account":        {session, `{"AWS":["arn:aws:sts::111122223333:assumed-role/worker/f","arn:aws:iam::111122223333:role/jobs/worker","111122223333"]}`, true},
		"role and account, no session":     {session, `{"AWS":["arn:aws:iam::111122223333:role/jobs/worker","111122223333"]}`, false},
		"everyone":                         {ann, `"*"`, true},
		"the service":                      {topics, `{"Service":"sns.amazonaws.com"}`, true},
		"another service":                  {topics, `{"Service":"s3.amazonaws.com"}`, false},
		"anybody where a service is named": {nobodyN, `{"Service":"s3.amazonaws.com"}`, false},
	} {
		p := compiled(t, doc(`Deny "NotPrincipal":`+c.spared+`,"Action":"sqs:*","Resource":"*"`))
		answer, _ := p.ask(&Request{Action: "sqs:SendMessage", Resource: queue, Who: c.who}, true)
		if spared := answer != Refused; spared != c.want {
			t.Errorf("%s: spared %v", name, spared)
		}
	}
}

// TestActionsAndResources. Sources: reference_policies_elements_action.html, _resource.html, _notaction.html,
// _notresource.html and reference_policies_variables.html of the IAM user guide.
func TestActionsAndResources(t *testing.T) {
	values := map[string][]string{"aws:username": {"ann"}, "aws:principaltag/team": {"*"}, "aws:tagkeys": {"a", "b"}}
	for _, c := range []struct {
		members, action, resource string
		want                      bool
	}{
		{`"Action":"*","Resource":"*"`, "sqs:SendMessage", queue, true},
		{`"Action":"SQS:sendmessage","Resource":"*"`, "sqs:SendMessage", queue, true},
		{`"Action":"sqs:Send*","Resource":"*"`, "sqs:SendMessage", queue, true},
		{`"Action":"sqs:???dMessage","Resource":"*"`, "sqs:SendMessage", queue, true},
		{`"Action":"sqs:Send","Resource":"*"`, "sqs:SendMessage", queue, false},
		{`"Action":"sns:*","Resource":"*"`, "sqs:SendMessage", queue, false},
		{`"NotAction":"sqs:Delete*","Resource":"*"`, "sqs:SendMessage", queue, true},
		{`"NotAction":["sqs:Delete*","sqs:Send*"],"Resource":"*"`, "sqs:SendMessage", queue, false},
		{`"Action":"*","Resource":"arn:aws:sqs:*:111122223333:jobs"`, "sqs:SendMessage", queue, true},
		{`"Action":"*","Resource":"arn:aws:sqs:*:*:jo*"`, "sqs:SendMessage", queue, true},
		{`"Action":"*","Resource":"arn:aws:sqs:*:jobs"`, "sqs:SendMessage", queue, false}, // a * does not reach over the colon of an element
		{`"Action":"*","Resource":"arn:aws:sqs:eu-west-1:111122223333:Jobs"`, "sqs:SendMessage", queue, false},
		{`"Action":"*","NotResource":"arn:aws:sqs:*:*:other"`, "sqs:SendMessage", queue, true},
		{`"Action":"*","NotResource":"arn:aws:sqs:*:*:jobs"`, "sqs:SendMessage", queue, false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/*"`, "s3:GetObject", "arn:aws:s3:::b/a/b:c", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b"`, "s3:GetObject", "arn:aws:s3:::b/a", false},
		{`"Action":"*","Resource":"*"`, "lambda:ListFunctions", "*", true},
		{`"Action":"*","Resource":"arn:aws:lambda:*:*:function:*"`, "lambda:ListFunctions", "*", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:username}/*"`, "s3:GetObject", "arn:aws:s3:::b/ann/x", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${AWS:UserName}/*"`, "s3:GetObject", "arn:aws:s3:::b/ann/x", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:username}/*"`, "s3:GetObject", "arn:aws:s3:::b/bob/x", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:userid}"`, "s3:GetObject", "arn:aws:s3:::b/", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:userid, 'none'}"`, "s3:GetObject", "arn:aws:s3:::b/none", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}"`, "s3:GetObject", "arn:aws:s3:::b/x", false}, // its * is a letter
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}"`, "s3:GetObject", "arn:aws:s3:::b/*", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:TagKeys}"`, "s3:GetObject", "arn:aws:s3:::b/a", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${*}"`, "s3:GetObject", "arn:aws:s3:::b/x", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${*}${?}${$}"`, "s3:GetObject", "arn:aws:s3:::b/*?$", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b/?"`, "s3:GetObject", "arn:aws:s3:::b/é", true},
	} {
		r := &Request{Action: c.action, Resource: c.resource, Values: func(key string) []string { return values[key] }}
		if got := compiled(t, doc("Allow "+c.members)).Evaluate(r) == Granted; got != c.want {
			t.Errorf("%s of %s under %s: %v", c.action, c.resource, c.members, got)
		}
	}
	before := `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username}"}}`
	if compiled(t, before).Evaluate(&Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/${aws:username}"}) != Granted {
		t.Error("the version 2008-10-17 has no variables")
	}
	also := &Request{Action: "logs:DeleteLogGroup", Resource: "arn:aws:logs:r:1:log-group:g:log-stream:", Also: []string{"arn:aws:logs:r:1:log-group:g"}}
	if compiled(t, doc(`Allow "Action":"*","Resource":"arn:aws:logs:r:1:log-group:g"`)).Evaluate(also) != Granted {
		t.Error("another way to write the resource does not count")
	}
}

// TestConditions. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html,
// and for more values reference_policies_condition-single-vs-multi-valued-context-keys.html.
func TestConditions(t *testing.T) {
	values := map[string][]string{
		"s": {"Ab"}, "n": {"10"}, "d": {"2026-11-28T10:00:00Z"}, "b": {"true"}, "ip": {"203.0.113.7"}, "ip6": {"2001:db8::1"}, "arn": {"arn:aws:sns:eu-west-1:111122223333:news"},
		"many": {"a", "b"}, "user": {"ann"}, "empty": {""},
	}
	for text, want := range map[string]bool{
		`"StringEquals":{"s":"Ab"}`: true, `"StringEquals":{"S":["x","Ab"]}`: true, `"StringEquals":{"s":"ab"}`: false, `"StringEquals":{"s":"A*"}`: false, `"StringEquals":{"none":"x"}`: false,
		`"StringEquals":{"s":"Ab","n":"11"}`: false, `"StringEquals":{"s":"Ab"},"Bool":{"b":"true"}`: true,
		`"StringNotEquals":{"s":"x"}`: true, `"StringNotEquals":{"s":["x","Ab"]}`: false, `"StringNotEquals":{"none":"x"}`: true,
		`"StringEqualsIgnoreCase":{"s":"aB"}`: true, `"StringNotEqualsIgnoreCase":{"s":"aB"}`: false,
		`"StringLike":{"s":"A?"}`: true, `"StringLike":{"s":"*b"}`: true, `"StringLike":{"s":"b*"}`: false, `"StringNotLike":{"s":"A*"}`: false, `"StringNotLike":{"none":"A*"}`: true,
		`"StringEquals":{"user":"${user}"}`: true, `"StringLike":{"user":"a${*}"}`: false, `"StringEquals":{"user":"${none}"}`: false, `"stringequals":{"s":"Ab"}`: true,
		`"NumericEquals":{"n":10}`: true, `"NumericEquals":{"n":"10.0"}`: true, `"NumericNotEquals":{"n":"10"}`: false, `"NumericLessThan":{"n":"11"}`: true, `"NumericLessThan":{"n":"10"}`: false,
		`"NumericLessThanEquals":{"n":"10"}`: true, `"NumericGreaterThan":{"n":"9"}`: true, `"NumericGreaterThanEquals":{"n":"11"}`: false, `"NumericEquals":{"s":"1"}`: false, `"NumericEquals":{"n":"NaN"}`: false,
		`"DateEquals":{"d":"2026-11-28T11:00:00+01:00"}`: true, `"DateLessThan":{"d":"2026-11-29"}`: true, `"DateGreaterThan":{"d":"2026-11-29"}`: false, `"DateGreaterThan":{"d":"1700000000"}`: true,
		`"DateLessThanEquals":{"d":"2026-11-28T10:00Z"}`: true, `"DateGreaterThanEquals":{"d":"2027"}`: false, `"DateNotEquals":{"d":"2026-11-28T10:00:00Z"}`: false, `"DateLessThan":{"d":"never"}`: false,
		`"Bool":{"b":true}`: true, `"Bool":{"b":"false"}`: false, `"Bool":{"none":"false"}`: false, `"BoolIfExists":{"none":"false"}`: true,
		`"IpAddress":{"ip":"203.0.113.0/24"}`: true, `"IpAddress":{"ip":"203.0.113.7"}`: true, `"IpAddress":{"ip":["10.0.0.0/8","192.0.2.0/24"]}`: false, `"NotIpAddress":{"ip":"10.0.0.0/8"}`: true,
		`"NotIpAddress":{"ip":"203.0.113.0/24"}`: false, `"IpAddress":{"ip6":"2001:db8::/32"}`: true, `"IpAddress":{"s":"0.0.0.0/0"}`: false,
		`"ArnEquals":{"arn":"arn:aws:sns:*:111122223333:news"}`: true, `"ArnLike":{"arn":"arn:aws:sns:*:*:n*"}`: true, `"ArnLike":{"arn":"arn:aws:sns:*:news"}`: false,
		`"ArnNotEquals":{"arn":"arn:aws:sns:*:*:news"}`: false, `"ArnNotLike":{"arn":"arn:aws:sqs:*:*:news"}`: true,
		`"Null":{"none":"true"}`: true, `"Null":{"s":"true"}`: false, `"Null":{"s":"false"}`: true, `"Null":{"none":false}`: false, `"Null":{"empty":"false"}`: true,
		`"StringEqualsIfExists":{"none":"x"}`: true, `"StringEqualsIfExists":{"s":"x"}`: false, `"ArnLikeIfExists":{"none":"x"}`: true,
		`"ForAnyValue:StringEquals":{"many":["b","c"]}`: true, `"ForAnyValue:StringEquals":{"many":"c"}`: false, `"ForAnyValue:StringEquals":{"none":"c"}`: false,
		`"ForAllValues:StringEquals":{"many":["a","b","c"]}`: true, `"ForAllValues:StringEquals":{"many":"a"}`: false, `"ForAllValues:StringEquals":{"none":"a"}`: true,
		`"ForAllValues:StringNotEquals":{"many":["c"]}`: true, `"ForAllValues:StringNotEquals":{"many":["b"]}`: false, `"ForAnyValue:StringNotEquals":{"many":["b"]}`: true,
		`"ForAnyValue:StringNotEquals":{"many":["a","b"]}`: false, `"ForAnyValue:StringLike":{"many":"?"}`: true, `"BinaryEquals":{"s":"Ab"}`: true,
	} {
		p := compiled(t, doc(`Allow "Action":"*","Resource":"*","Condition":{`+text+`}`))
		if got := p.Evaluate(&Request{Action: "x:Y", Resource: "*", Values: func(key string) []string { return values[key] }}) == Granted; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, text := range []string{`"StringEqual":{"s":"x"}`, `"ForSome:StringEquals":{"s":"x"}`, `"NullIfExists":{"s":"true"}`} {
		if _, err := Compile(doc(`Allow "Action":"*","Resource":"*","Condition":{` + text + `}`)); err == nil {
			t.Errorf("%s is no operator", text)
		}
	}
}

func TestCacheCompilesATextOnce(t *testing.T) {
	var c Cache
	text := doc(allowSend)
	one, err := c.Compile(text)
	two, again := c.Compile(text)
	if err != nil || again != nil || one != two {
		t.Errorf("%p %p, %v %v", one, two, err, again)
	}
	if _, err := c.Compile(`{`); err == nil {
		t.Error("what is no policy was compiled")
	}
	for i := range maxCached + 1 {
		if _, err := c.Compile(doc(fmt.Sprintf(`Allow "Action":"a:b%d","Resource":"*"`, i))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.policies); n > maxCached {
		t.Errorf("%d are kept", n)
	}
}

// FuzzDecide: whatever the documents, an explicit deny wins and nobody who is not
// named anywhere is let in.
func FuzzDecide(f *testing.F) {
	f.Add(doc(allowSend), doc(byPrincipal("Deny", `"*"`)), "sqs:SendMessage", queue, "ann")
	f.Add(doc(`Allow "NotAction":"a:b","NotResource":"arn:aws:s3:::${aws:username}","Condition":{"ForAllValues:StringLike":{"k":["*?${k}"]}}`), doc(denySend), "a:B", "*", "\xff")
	f.Add(doc(`Allow "Action":"`+strings.Repeat("*a", 30)+`","Resource":"*"`), "", strings.Repeat("a", 60), "*", "")
	f.Fuzz(func(t *testing.T, identity, resource, action, on, value string) {
		i, _ := Compile(identity)
		q, _ := Compile(resource)
		r := &Request{Action: action, Resource: on, Who: ann, Values: func(key string) []string {
			if key == "k" || key == "aws:username" {
				return []string{value}
			}
			return nil
		}}
		verdict := Decide(r, &Rights{Identity: []*Policy{i}}, &Target{Policy: q})
		answer, _ := q.ask(r, true)
		switch refused := i.Evaluate(r) == Refused || answer == Refused; {
		case refused && (verdict.Allowed || !verdict.Explicit):
			t.Errorf("a deny did not win: %+v", verdict)
		case verdict.Allowed && i.Evaluate(r) != Granted && answer != Granted:
			t.Errorf("nothing grants it: %+v", verdict)
		}
		if again := Decide(r, &Rights{Identity: []*Policy{i}}, &Target{Policy: q}); again != verdict {
			t.Errorf("%+v, then %+v", verdict, again)
		}
	})
}

func FuzzMatchARN(f *testing.F) {
	f.Add("arn:aws:sns:*:*:?", "arn:aws:sns:us-east-1:000000000000:t")
	f.Add("a:b:c:d:e:*a*b", "a:b:c:d:e:aab")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		whole := strings.Count(text, ":") >= arnElements-1
		if isPlain := utf8.ValidString(pattern) && !strings.ContainsAny(pattern, "*?"); isPlain && matchARN(marked(pattern, true), text) != (pattern == text && whole) {
			t.Errorf("%q and %q", pattern, text)
		}
		if whole && !matchARN(marked(text, true), text) {
			t.Errorf("%q is not like itself", text)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	rights := &Rights{Identity: []*Policy{compiled(b, doc(`Allow "Action":["s3:Get*","s3:List*"],"Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]`)), compiled(b, doc(`Allow "Action":"sqs:SendMessage","Resource":"arn:aws:sqs:*:*:jobs"`))}}
	r := &Request{Action: "sqs:SendMessage", Resource: queue, Who: session}
	for b.Loop() {
		if !Decide(r, rights, &Target{}).Allowed {
			b.Fatal("refused")
		}
	}
}
