package iam

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Policy is a managed policy.
type Policy struct {
	ARN         string `json:"-"`
	Name, Path  string
	ID          string
	Description string `json:",omitempty"`
	Created     time.Time
	Updated     time.Time
	Tags        []Tag     `json:",omitempty"`
	Versions    []Version // oldest first
	Default     int       // number of the version that counts
	Last        int       // number of the newest version there ever was

	AWS        bool  `json:"-"` // one of AWS's own
	Attached   int32 `json:"-"` // to how many entities
	BoundaryOf int32 `json:"-"` // of how many entities
}

// Version is one text of a policy.
type Version struct {
	Number   int
	Document string
	Created  time.Time
}

// Version finds one by its id, "v2".
func (p *Policy) Version(id string) (*Version, error) {
	for i := range p.Versions {
		if fmt.Sprintf("v%d", p.Versions[i].Number) == id {
			return &p.Versions[i], nil
		}
	}
	return nil, fail(NoSuchEntity, "Policy %s version %s does not exist or is not attachable.", p.ARN, id)
}

//go:embed managed.json
var managedText []byte

// managed are AWS's own policies, by ARN: those that functions and the samples of
// the deployment tools use, with the text of their default version.
var managed = sync.OnceValue(func() map[string]*Policy {
	var rows []struct {
		Name, Path, Version string
		Created, Updated    time.Time
		Document            json.RawMessage
	}
	if err := json.Unmarshal(managedText, &rows); err != nil {
		panic(fmt.Sprintf("iam: managed.json of the binary: %v", err))
	}
	all := make(map[string]*Policy, len(rows))
	for _, row := range rows {
		p := &Policy{Name: row.Name, Path: row.Path, Created: row.Created, Updated: row.Updated, AWS: true}
		if _, err := fmt.Sscanf(row.Version, "v%d", &p.Default); err != nil {
			panic(fmt.Sprintf("iam: managed.json of the binary: %s: %v", row.Name, err))
		}
		p.ARN = policyARN("aws", row.Path, row.Name)
		p.ID, p.Last = derivedID(p.ARN), p.Default
		p.Versions = []Version{{p.Default, string(row.Document), row.Updated}}
		all[p.ARN] = p
	}
	return all
})

func policyARN(account, path, name string) string {
	return arn.New("iam", "", account, "policy"+path+name).String()
}

// parsePolicy splits the ARN of an account's policy.
func parsePolicy(text string) (account, path, name string, ok bool) {
	a, err := arn.Parse(text)
	rest, isPolicy := strings.CutPrefix(a.Resource, "policy/")
	if err != nil || a.Service != "iam" || a.Region != "" || !isPolicy {
		return "", "", "", false
	}
	rest = "/" + rest
	cut := strings.LastIndexByte(rest, '/') + 1
	return a.Account, rest[:cut], rest[cut:], true
}

func policyKey(account, name string) []byte {
	return tuple.Key("iam", "policy", account, strings.ToLower(name))
}

// readPolicy reads a policy; nil if there is none that the account may use.
func (t *transaction) readPolicy(text string) (*Policy, error) {
	if p, found := managed()[text]; found {
		shared := *p
		return &shared, nil
	}
	account, path, name, ok := parsePolicy(text)
	if !ok || account != t.account {
		return nil, nil
	}
	p := &Policy{}
	found, err := t.read(policyKey(account, name), p)
	if err != nil || !found || p.Path != path || p.Name != name {
		return nil, err
	}
	p.ARN = text
	return p, nil
}

func (t *transaction) findPolicy(text string) (*Policy, error) {
	p, err := t.readPolicy(text)
	if err == nil && p == nil {
		err = fail(NoSuchEntity, "Policy %s was not found.", text)
	}
	return p, err
}

// touchPolicy is for who makes a link to a policy: it must be there, and its
// deletion must see the link.
func (t *transaction) touchPolicy(text string) error {
	p, err := t.readPolicy(text)
	switch {
	case err != nil:
		return err
	case p == nil:
		return fail(NoSuchEntity, "Policy %s does not exist or is not attachable.", text)
	case p.AWS:
		return nil
	}
	return t.put(policyKey(t.account, p.Name), p)
}

func checkDocument(document string) error {
	if characters(document) > MaxPolicyBytes {
		return fail(LimitExceeded, "Cannot exceed quota for PolicySize: %d", MaxPolicyBytes)
	}
	if _, err := policy.CheckManaged(document); err != nil {
		return fail(MalformedPolicy, "%s", err)
	}
	return nil
}

// CreatePolicy makes a policy of Name, Path, Description, Tags and its first text.
func (i *IAM) CreatePolicy(ctx context.Context, account string, p *Policy, document string) error {
	if err := checkDocument(document); err != nil {
		return err
	}
	tags, err := SetTags(nil, p.Tags)
	if err != nil {
		return err
	}
	p.ARN, p.ID, p.Tags = policyARN(account, p.Path, p.Name), newID("ANPA", 17), tags
	p.Created, p.Updated, p.Default, p.Last = i.now(), i.now(), 1, 1
	p.Versions = []Version{{1, document, p.Created}}
	return i.change(ctx, account, func(t *transaction) error {
		found, err := t.read(policyKey(account, p.Name), &Policy{})
		if err != nil {
			return err
		}
		if found {
			return fail(AlreadyExists, "A policy called %s already exists. Duplicate names are not allowed.", p.Name)
		}
		if count, err := t.count("iam", "policy", account); err != nil {
			return err
		} else if count >= MaxPolicies {
			return fail(LimitExceeded, "Cannot exceed quota for PoliciesPerAccount: %d", MaxPolicies)
		}
		return t.put(policyKey(account, p.Name), p)
	})
}

// GetPolicy reads a policy, with how often it is used.
func (i *IAM) GetPolicy(ctx context.Context, account, text string) (p *Policy, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		if p, err = t.findPolicy(text); err != nil {
			return err
		}
		users, err := t.links(attached, text)
		if err != nil {
			return err
		}
		bound, err := t.links(boundary, text)
		p.Attached, p.BoundaryOf = int32(len(users)), int32(len(bound))
		return err
	})
	return p, err
}

// Policies are the account's own and AWS's, in order of their names.
func (i *IAM) Policies(ctx context.Context, account string) (all []*Policy, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		for _, p := range managed() {
			shared := *p
			all = append(all, &shared)
		}
		err := t.scan(func(_ []any, value []byte) error {
			p := &Policy{}
			err := json.Unmarshal(value, p)
			p.ARN = policyARN(account, p.Path, p.Name)
			all = append(all, p)
			return err
		}, "iam", "policy", account)
		if err != nil {
			return err
		}
		users, err := t.counts(attached)
		if err != nil {
			return err
		}
		bound, err := t.counts(boundary)
		for _, p := range all {
			p.Attached, p.BoundaryOf = users[p.ARN], bound[p.ARN]
		}
		return err
	})
	slices.SortFunc(all, func(a, b *Policy) int {
		if by := strings.Compare(a.Name, b.Name); by != 0 {
			return by
		}
		return strings.Compare(a.ARN, b.ARN)
	})
	return all, err
}

// ChangePolicy changes one of the account's own. Edit may be called more than once.
func (i *IAM) ChangePolicy(ctx context.Context, account, text string, edit func(p *Policy) error) (p *Policy, err error) {
	err = i.change(ctx, account, func(t *transaction) error {
		if p, err = t.findPolicy(text); err != nil {
			return err
		}
		if p.AWS {
			return fail(ValidationError, "Policy %s is one of AWS's own and cannot be changed.", text)
		}
		if err = edit(p); err != nil {
			return err
		}
		return t.put(policyKey(account, p.Name), p)
	})
	return p, err
}

// AddVersion adds a text.
func (i *IAM) AddVersion(ctx context.Context, account, text, document string, asDefault bool) (*Policy, error) {
	if err := checkDocument(document); err != nil {
		return nil, err
	}
	return i.ChangePolicy(ctx, account, text, func(p *Policy) error {
		if len(p.Versions) >= MaxVersions {
			return fail(LimitExceeded, "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", MaxVersions)
		}
		p.Last++
		p.Versions = append(p.Versions, Version{p.Last, document, i.now()})
		if asDefault {
			p.Default = p.Last
		}
		p.Updated = i.now()
		return nil
	})
}

// DeleteVersion removes a text that does not count.
func (i *IAM) DeleteVersion(ctx context.Context, account, text, id string) error {
	_, err := i.ChangePolicy(ctx, account, text, func(p *Policy) error {
		v, err := p.Version(id)
		if err != nil {
			return err
		}
		if v.Number == p.Default {
			return fail(DeleteConflict, "Cannot delete the default version of a policy.")
		}
		number := v.Number
		p.Versions = slices.DeleteFunc(p.Versions, func(v Version) bool { return v.Number == number })
		return nil
	})
	return err
}

// SetDefault chooses the text that counts.
func (i *IAM) SetDefault(ctx context.Context, account, text, id string) error {
	_, err := i.ChangePolicy(ctx, account, text, func(p *Policy) error {
		v, err := p.Version(id)
		if err == nil {
			p.Default, p.Updated = v.Number, i.now()
		}
		return err
	})
	return err
}

// DeletePolicy removes a policy that nothing uses and that has one text.
func (i *IAM) DeletePolicy(ctx context.Context, account, text string) error {
	return i.change(ctx, account, func(t *transaction) error {
		p, err := t.findPolicy(text)
		if err != nil {
			return err
		}
		if p.AWS {
			return fail(ValidationError, "Policy %s is one of AWS's own and cannot be deleted.", text)
		}
		for _, r := range []relation{attached, boundary} {
			if ids, err := t.links(r, text); err != nil {
				return err
			} else if len(ids) > 0 {
				return fail(DeleteConflict, "Cannot delete a policy attached to entities.")
			}
		}
		if len(p.Versions) > 1 {
			return fail(DeleteConflict, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		t.remove(policyKey(account, p.Name))
		return nil
	})
}

// UsersOf are the entities that a policy is attached to, or the boundary of.
func (i *IAM) UsersOf(ctx context.Context, account, text string, asPolicy, asBoundary bool) (all []*Entity, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		if p, err := t.readPolicy(text); err != nil {
			return err
		} else if p == nil {
			return fail(NoSuchEntity, "Policy %s does not exist or is not attachable.", text)
		}
		for r, wanted := range map[relation]bool{attached: asPolicy, boundary: asBoundary} {
			if !wanted {
				continue
			}
			found, err := t.linked(r, text)
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
		return nil
	})
	sortEntities(all)
	return slices.CompactFunc(all, func(a, b *Entity) bool { return a.ID == b.ID }), err
}
