// Package policy reads the policy documents of AWS, what identities may do and who
// may use a resource, and decides by them whether a request may be made.
//
// It promises: a document that Parse accepts has the form of AWS's grammar
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html);
// CheckIdentity and CheckTrust refuse what IAM refuses, with IAM's texts. Whether
// services, actions and resources exist is not checked. Decide follows AWS's logic
// of evaluation within an account and between two; it takes no more than the
// product of the sizes of policies and request. Organizations' policies (SCP, RCP),
// VPC endpoints' and federated users do not exist here.
//
// Pure but for Cache, which has a lock of its own; no goroutines. Start reading at
// Parse and, for decisions, at Decide; compile.go makes documents ready,
// condition.go has the operators, match.go wildcards and variables.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Effects of statements.
const (
	Allow = "Allow"
	Deny  = "Deny"
)

// The versions of the language.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// maxDepth bounds what Parse descends into; a policy needs seven levels.
const maxDepth = 16

// Document is a parsed policy.
type Document struct {
	Version    string
	ID         string     `json:"Id"`
	Statements statements `json:"Statement"`
}

// Statement is one rule. Of each pair with Not at most one is there.
type Statement struct {
	Sid          string
	Effect       string
	Principal    *Principal
	NotPrincipal *Principal
	Action       Texts
	NotAction    Texts
	Resource     Texts
	NotResource  Texts
	Condition    map[string]map[string]Texts // operator, key, values
}

// Principal is who a statement is about.
type Principal struct {
	Everyone bool             // "*"
	Kinds    map[string]Texts // "AWS", "Service", "Federated", "CanonicalUser"
}

// Texts is one text or a list of them. Conditions also have numbers and booleans.
type Texts []string

type statements []Statement

// Refusal is why IAM does not take a document, in its words.
type Refusal string

// Error is the text.
func (r Refusal) Error() string { return string(r) }

// ErrSyntax is the error of what has not the form of a policy.
const ErrSyntax = Refusal("Syntax errors in policy.")

// Parse reads a document.
func Parse(text string) (*Document, error) {
	if deep(text) {
		return nil, ErrSyntax
	}
	d := &Document{}
	if err := strict([]byte(text), d); err != nil {
		return nil, ErrSyntax
	}
	if d.Version != "" && d.Version != Version2008 && d.Version != Version2012 || len(d.Statements) == 0 {
		return nil, ErrSyntax
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.Effect != Allow && s.Effect != Deny || s.Action != nil && s.NotAction != nil || s.Resource != nil && s.NotResource != nil || s.Principal != nil && s.NotPrincipal != nil {
			return nil, ErrSyntax
		}
	}
	return d, nil
}

// deep tells whether brackets nest further than any policy's.
func deep(text string) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// strict decodes one value and nothing else.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

// UnmarshalJSON reads one statement or a list.
func (s *statements) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return strict(text, (*[]Statement)(s))
	}
	*s = make(statements, 1)
	return strict(text, &(*s)[0])
}

// UnmarshalJSON reads "*" or the kinds.
func (p *Principal) UnmarshalJSON(text []byte) error {
	if string(text) == `"*"` {
		p.Everyone = true
		return nil
	}
	if err := strict(text, &p.Kinds); err != nil {
		return err
	}
	if len(p.Kinds) == 0 {
		return errors.New("a principal names nobody")
	}
	for kind := range p.Kinds {
		switch kind {
		case "AWS", "Service", "Federated", "CanonicalUser":
		default:
			return fmt.Errorf("%s is no kind of principal", kind)
		}
	}
	return nil
}

// UnmarshalJSON reads one text or a list of them.
func (t *Texts) UnmarshalJSON(text []byte) error {
	var values []any
	if len(text) == 0 || text[0] != '[' {
		values = make([]any, 1)
		if err := numbered(text, &values[0]); err != nil {
			return err
		}
	} else if err := numbered(text, &values); err != nil {
		return err
	}
	*t = make(Texts, 0, len(values))
	for _, value := range values {
		switch v := value.(type) {
		case string:
			*t = append(*t, v)
		case bool, json.Number:
			*t = append(*t, fmt.Sprint(v))
		default:
			return fmt.Errorf("%v is no text", v)
		}
	}
	return nil
}

func numbered(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

// CheckManaged refuses what is no policy that stands by itself: besides
// CheckIdentity, it must name the newer version of the language.
func CheckManaged(text string) (*Document, error) {
	d, err := CheckIdentity(text)
	if err == nil && d.Version != Version2012 {
		return nil, Refusal("Policy document must be version 2012-10-17 or greater.")
	}
	return d, err
}

// CheckIdentity refuses what is no policy of a role, a user, a group or a session.
// AWS: the texts of IAM's MalformedPolicyDocument, as users report them; a policy
// inside a role may lack its version, as those of SAM's policy templates do.
func CheckIdentity(text string) (*Document, error) {
	d, err := Parse(text)
	if err != nil {
		return nil, err
	}
	sids := map[string]bool{}
	for i := range d.Statements {
		s := &d.Statements[i]
		switch {
		case s.Principal != nil || s.NotPrincipal != nil:
			return nil, Refusal("Policy document should not specify a principal.")
		case len(s.Action)+len(s.NotAction) == 0:
			return nil, Refusal("Policy statement must contain actions.")
		case len(s.Resource)+len(s.NotResource) == 0:
			return nil, Refusal("Policy statement must contain resources.")
		case s.Sid != "" && sids[s.Sid]:
			return nil, Refusal("Statement IDs (SID) in a single policy must be unique.")
		}
		sids[s.Sid] = true
		if err := checkNames(s); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func checkNames(s *Statement) error {
	for _, list := range []Texts{s.Action, s.NotAction} {
		for _, action := range list {
			if vendor, name, found := strings.Cut(action, ":"); action != "*" && (!found || vendor == "" || name == "") {
				return Refusal("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
			}
		}
	}
	if _, err := newRule(s, true); err != nil {
		return err
	}
	for _, list := range []Texts{s.Resource, s.NotResource} {
		for _, resource := range list {
			if resource != "*" && (!strings.HasPrefix(resource, "arn:") || strings.Count(resource, ":") < 2) {
				return Refusal("Resource " + resource + ` must be in ARN format or "*".`)
			}
		}
	}
	return nil
}

// CheckTrust refuses what is no trust policy of a role. AWS: the texts as above.
func CheckTrust(text string) (*Document, error) {
	if !json.Valid([]byte(text)) {
		return nil, Refusal("This policy contains invalid Json")
	}
	d, err := Parse(text)
	if err != nil {
		return nil, err
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		switch {
		case len(s.Resource)+len(s.NotResource) > 0:
			return nil, Refusal("Has prohibited field Resource")
		case s.Principal == nil && s.NotPrincipal == nil:
			return nil, Refusal("Missing required field Principal")
		case len(s.Action)+len(s.NotAction) == 0:
			return nil, Refusal("Missing required field Action")
		}
		if _, err := newRule(s, true); err != nil {
			return nil, err
		}
		for _, action := range append(s.Action, s.NotAction...) {
			if !strings.HasPrefix(strings.ToLower(action), "sts:") {
				return nil, Refusal("AssumeRole policy may only specify STS AssumeRole actions.")
			}
		}
	}
	return d, nil
}
