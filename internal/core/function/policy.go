package function

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// policyDocument is a resource policy; the order of its fields is AWS's.
type policyDocument struct {
	Version    string
	ID         string      `json:"Id"`
	Statements []statement `json:"Statement"`
}

// statement is one permission; the order of its fields is AWS's.
type statement struct {
	Sid       string
	Effect    string
	Principal any // "*", or a map with one entry
	Action    string
	Resource  string
	Condition *condition `json:",omitempty"`
}

type condition struct {
	StringEquals *stringEquals     `json:",omitempty"`
	ArnLike      map[string]string `json:",omitempty"`
	Bool         map[string]string `json:",omitempty"`
}

type stringEquals struct {
	SourceAccount       string `json:"AWS:SourceAccount,omitempty"`
	FunctionURLAuthType string `json:"lambda:FunctionUrlAuthType,omitempty"`
	EventSourceToken    string `json:"lambda:EventSourceToken,omitempty"`
	PrincipalOrgID      string `json:"aws:PrincipalOrgID,omitempty"`
}

func newPolicy() *policyDocument { return &policyDocument{Version: "2012-10-17", ID: "default"} }

// text is compact JSON without HTML escapes, as AWS prints it.
func text(v any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic("a policy must be writable as JSON: " + err.Error())
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// add appends a statement whose Sid must be new.
func (p *policyDocument) add(s statement) error {
	if slices.ContainsFunc(p.Statements, func(old statement) bool { return old.Sid == s.Sid }) {
		return &ConflictError{Message: fmt.Sprintf("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", s.Sid)}
	}
	p.Statements = append(p.Statements, s)
	if n := len(text(p)); n > limit.PolicyBytes {
		return &LimitError{Limit: PolicyLength, Message: fmt.Sprintf("The final policy size (%d) is bigger than the limit (%d).", n, limit.PolicyBytes)}
	}
	return nil
}

// remove takes a statement out.
func (p *policyDocument) remove(sid string) error {
	i := slices.IndexFunc(p.Statements, func(s statement) bool { return s.Sid == sid })
	if i < 0 {
		return &NotFoundError{Resource: sid, Message: fmt.Sprintf("Statement %s is not found in resource policy.", sid)}
	}
	p.Statements = slices.Delete(p.Statements, i, i+1)
	return nil
}

// principal reads Principal in its forms: everybody, a service, an account, an
// IAM entity.
func principal(p string) (any, error) {
	if p == "*" {
		return "*", nil
	}
	if strings.HasSuffix(p, ".amazonaws.com") {
		return map[string]string{"Service": p}, nil
	}
	if len(p) == 12 && strings.Trim(p, "0123456789") == "" {
		return map[string]string{"AWS": arn.New("iam", "", p, "root").String()}, nil
	}
	if a, err := arn.Parse(p); err == nil && (a.Service == "iam" || a.Service == "sts") {
		return map[string]string{"AWS": p}, nil
	}
	return nil, &InvalidError{Message: "The provided principal was invalid. Please check the principal and try again."}
}

// statement builds what the policy will hold.
func (in *PermissionInput) statement(resource string) (statement, error) {
	who, err := principal(in.Principal)
	if err != nil {
		return statement{}, err
	}
	s := statement{Sid: in.StatementID, Effect: "Allow", Principal: who, Action: in.Action, Resource: resource}
	var equals stringEquals
	set(&equals.SourceAccount, in.SourceAccount)
	set(&equals.FunctionURLAuthType, in.FunctionURLAuthType)
	set(&equals.EventSourceToken, in.EventSourceToken)
	set(&equals.PrincipalOrgID, in.PrincipalOrgID)
	var cond condition
	if equals != (stringEquals{}) {
		cond.StringEquals = &equals
	}
	if in.SourceARN != nil && *in.SourceARN != "" {
		cond.ArnLike = map[string]string{"AWS:SourceArn": *in.SourceARN}
	}
	if in.InvokedViaFunctionURL != nil {
		cond.Bool = map[string]string{"lambda:InvokedViaFunctionUrl": fmt.Sprint(*in.InvokedViaFunctionURL)}
	}
	if cond.StringEquals != nil || cond.ArnLike != nil || cond.Bool != nil {
		s.Condition = &cond
	}
	return s, nil
}

// holder is what a policy belongs to: $LATEST, a version or an alias. Its
// revision is that of the policy.
type holder struct {
	key      []byte // of the policy
	revision string
	renew    func(*change) string // gives the holder a new revision
}

// holder finds what the target names.
func (c *change) holder(t Target, row *functionRow) (*holder, error) {
	n, isVersion := t.number()
	qualifier := t.Qualifier
	if qualifier == "" {
		qualifier = Latest
	}
	h := &holder{key: scopeKey(tablePolicy, t.Scope, t.Name, qualifier)}
	if !isVersion {
		a := &Alias{}
		key := scopeKey(tableAlias, t.Scope, t.Name, qualifier)
		found, err := c.get(key, a)
		if err != nil {
			return nil, err
		}
		if !found {
			if isPlainAlias(qualifier) {
				return nil, &NotFoundError{Resource: t.ARN(), Message: "Cannot find alias arn: " + t.ARN()}
			}
			return nil, notFound(t) // AWS: a name with a $ in it; recorded
		}
		h.revision = a.RevisionID
		h.renew = func(c *change) string {
			a.RevisionID = ids.UUID()
			c.put(key, a)
			return a.RevisionID
		}
		return h, nil
	}
	version := &row.Latest
	if n != 0 {
		var err error
		if version, err = c.published(t.Scope, t.Name, n); err != nil {
			return nil, err
		}
		if version == nil {
			return nil, notFound(t)
		}
	}
	h.revision = version.RevisionID
	h.renew = func(c *change) string {
		version.RevisionID = ids.UUID()
		if n != 0 {
			c.putVersion(version)
		}
		return version.RevisionID
	}
	return h, nil
}

// AddPermission adds a statement to the policy of a function, a version or an
// alias.
func (r *Registry) AddPermission(ctx context.Context, t Target, in PermissionInput) (*PolicyStatement, error) {
	if t.Qualifier == Latest {
		return nil, &InvalidError{Message: "We currently do not support adding policies for $LATEST."}
	}
	s, err := in.statement(t.ARN())
	if err != nil {
		return nil, err
	}
	out := &PolicyStatement{Statement: text(s)}
	err = r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		h, err := c.holder(t, row)
		if err != nil {
			return err
		}
		if err := checkRevision(in.RevisionID, h.revision, policyRevisionMismatch); err != nil {
			return err
		}
		policy := newPolicy()
		if _, err := c.get(h.key, policy); err != nil {
			return err
		}
		if err := policy.add(s); err != nil {
			return err
		}
		c.put(h.key, policy)
		out.RevisionID = h.renew(c)
		c.putFunction(row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// GetPolicy reads the policy of what the target names.
func (r *Registry) GetPolicy(ctx context.Context, t Target) (*Policy, error) {
	var out *Policy
	err := r.view(ctx, func(rd reader) error {
		c := &change{reader: rd} // to look only: never committed
		var row functionRow
		found, err := c.read(scopeKey(tableFunction, t.Scope, t.Name), &row)
		if err != nil {
			return err
		}
		missing := &NotFoundError{Resource: t.ARN(), Message: "The resource you requested does not exist."}
		if !found {
			return missing
		}
		h, err := c.holder(t, &row)
		if err != nil {
			return err
		}
		policy := newPolicy()
		if found, err := rd.read(h.key, policy); err != nil {
			return err
		} else if !found {
			return missing
		}
		out = &Policy{Document: text(policy), RevisionID: h.revision}
		return nil
	})
	return out, err
}

// RemovePermission removes a statement; revisionID nil is not checked.
func (r *Registry) RemovePermission(ctx context.Context, t Target, statementID string, revisionID *string) error {
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		h, err := c.holder(t, row)
		if err != nil {
			return err
		}
		policy := newPolicy()
		if found, err := c.get(h.key, policy); err != nil {
			return err
		} else if !found {
			return errNoPolicy(t.ARN())
		}
		if err := policy.remove(statementID); err != nil {
			return err
		}
		if err := checkRevision(revisionID, h.revision, policyRevisionMismatch); err != nil {
			return err
		}
		c.putPolicy(h.key, policy)
		h.renew(c)
		c.putFunction(row)
		return nil
	})
	if missing, ok := isMissing(err, t); ok && missing.Message == "Function not found: "+t.FunctionARN() {
		return &NotFoundError{Resource: t.FunctionARN(), Message: "No policy found for: " + t.FunctionARN()}
	}
	return err
}

// putPolicy writes a policy; one without statements is none.
func (c *change) putPolicy(key []byte, policy *policyDocument) {
	if len(policy.Statements) == 0 {
		c.delete(key)
		return
	}
	c.put(key, policy)
}

func errNoPolicy(resource string) error {
	return &NotFoundError{Resource: resource, Message: "No policy is associated with the given resource."}
}
