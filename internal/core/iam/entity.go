package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Kind is what an entity is.
type Kind string

// The kinds, as ARNs spell them.
const (
	Role    Kind = "role"
	User    Kind = "user"
	Group   Kind = "group"
	Profile Kind = "instance-profile"
)

// kinds are what differs between them.
//
// AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html and
// reference_identifiers.html#identifiers-prefixes.
var kinds = map[Kind]struct {
	prefix      string // of ids
	quota       string
	most        int // of an account
	inlineBytes int // of all inline policies
	title       string
}{
	Role:    {"AROA", "Roles", 1000, 10_240, "Role with name"},
	User:    {"AIDA", "Users", 5000, 2048, "User with name"},
	Group:   {"AGPA", "Groups", 300, 5120, "Group with name"},
	Profile: {"AIPA", "InstanceProfiles", 1000, 0, "Instance Profile"},
}

// Entity is a role, a user, a group or an instance profile.
type Entity struct {
	Kind        Kind   `json:"-"`
	Account     string `json:"-"`
	Name, Path  string
	ID          string
	Created     time.Time
	Tags        []Tag             `json:",omitempty"`
	Boundary    string            `json:",omitempty"` // ARN of a policy
	Inline      map[string]string `json:",omitempty"` // documents, by name
	Attached    []string          `json:",omitempty"` // ARNs of managed policies
	Trust       string            `json:",omitempty"` // of a role: who may assume it
	Description string            `json:",omitempty"` // of a role
	MaxSession  int32             `json:",omitempty"` // of a role, in seconds
	RoleID      string            `json:",omitempty"` // of an instance profile, once it has a role
}

// ARN is the entity's Amazon Resource Name.
func (e *Entity) ARN() string {
	return arn.New("iam", "", e.Account, string(e.Kind)+e.Path+e.Name).String()
}

func entityKey(account string, k Kind, name string) []byte {
	return tuple.Key("iam", "entity", account, string(k), strings.ToLower(name))
}

// idKey is the row with the name of an id.
func idKey(account, id string) []byte { return tuple.Key("iam", "id", account, id) }

func notFound(k Kind, name string) *Error {
	if k == Profile {
		return fail(NoSuchEntity, "Instance Profile %s cannot be found.", name)
	}
	return fail(NoSuchEntity, "The %s with name %s cannot be found.", k, name)
}

// find reads an entity.
func (t *transaction) find(k Kind, name string) (*Entity, error) {
	e := &Entity{}
	found, err := t.read(entityKey(t.account, k, name), e)
	if err == nil && !found {
		err = notFound(k, name)
	}
	e.Kind, e.Account = k, t.account
	return e, err
}

// named is an id's row.
type named struct {
	Kind Kind
	Name string
}

// byID reads what a link leads from.
func (t *transaction) byID(id string) (*Entity, error) {
	var n named
	found, err := t.read(idKey(t.account, id), &n)
	if err == nil && !found {
		err = fmt.Errorf("a link of account %s has the id %s of nothing", t.account, id)
	}
	if err != nil {
		return nil, err
	}
	return t.find(n.Kind, n.Name)
}

// save writes an entity.
func (t *transaction) save(e *Entity) error { return t.put(entityKey(t.account, e.Kind, e.Name), e) }

// Create makes an entity of Kind, Name, Path, Tags, Boundary and what only roles
// have; the rest is filled in.
func (i *IAM) Create(ctx context.Context, account string, e *Entity) error {
	e.Account, e.Created = account, i.now()
	e.ID = newID(kinds[e.Kind].prefix, 17)
	if e.Kind == Role {
		// AWS: a role that is made again has another id. Here it is derived from the
		// ARN, because functions and sessions of roles that are not here have one too.
		e.ID = identity.RoleID(e.ARN())
		if err := checkTrust(e.Trust); err != nil {
			return err
		}
	}
	tags, err := SetTags(nil, e.Tags)
	if err != nil {
		return err
	}
	e.Tags = tags
	return i.change(ctx, account, func(t *transaction) error {
		if err := t.vacant(e.Kind, e.Name); err != nil {
			return err
		}
		if err := t.room(e.Kind); err != nil {
			return err
		}
		if e.Boundary != "" {
			if err := t.bind(e, e.Boundary); err != nil {
				return err
			}
		}
		if err := t.put(idKey(account, e.ID), named{e.Kind, e.Name}); err != nil {
			return err
		}
		return t.save(e)
	})
}

// vacant refuses a name that is taken.
func (t *transaction) vacant(k Kind, name string) error {
	taken := &Entity{}
	found, err := t.read(entityKey(t.account, k, name), taken)
	if err == nil && found {
		err = fail(AlreadyExists, "%s %s already exists.", kinds[k].title, name)
	}
	return err
}

// room refuses one entity too many.
func (t *transaction) room(k Kind) error {
	count, err := t.count("iam", "entity", t.account, string(k))
	if err == nil && count >= kinds[k].most {
		err = fail(LimitExceeded, "Cannot exceed quota for %sPerAccount: %d", kinds[k].quota, kinds[k].most)
	}
	return err
}

func (t *transaction) count(prefix ...any) (n int, err error) {
	err = t.scan(func([]any, []byte) error { n++; return nil }, prefix...)
	return n, err
}

// Get reads an entity.
func (i *IAM) Get(ctx context.Context, account string, k Kind, name string) (e *Entity, err error) {
	err = i.view(ctx, account, func(t *transaction) error { e, err = t.find(k, name); return err })
	return e, err
}

// List are the entities of a kind with a path that begins so, in order of their names.
func (i *IAM) List(ctx context.Context, account string, k Kind, pathPrefix string) (all []*Entity, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		return t.scan(func(_ []any, value []byte) error {
			e := &Entity{Kind: k, Account: account}
			err := json.Unmarshal(value, e)
			if strings.HasPrefix(e.Path, pathPrefix) {
				all = append(all, e)
			}
			return err
		}, "iam", "entity", account, string(k))
	})
	return all, err
}

// Change changes what belongs to an entity alone: Tags, Trust, Description,
// MaxSession and Inline. Edit may be called more than once.
func (i *IAM) Change(ctx context.Context, account string, k Kind, name string, edit func(e *Entity) error) (e *Entity, err error) {
	err = i.change(ctx, account, func(t *transaction) error {
		if e, err = t.find(k, name); err == nil {
			err = edit(e)
		}
		if err != nil {
			return err
		}
		return t.save(e)
	})
	return e, err
}

// SetTrust changes who may assume a role.
func (e *Entity) SetTrust(document string) error {
	e.Trust = document
	return checkTrust(document)
}

func checkTrust(document string) error {
	if characters(document) > MaxTrustCharacters {
		return fail(LimitExceeded, "Cannot exceed quota for ACLSizePerRole: %d", MaxTrustCharacters)
	}
	if _, err := policy.CheckTrust(document); err != nil {
		return fail(MalformedPolicy, "%s", err)
	}
	return nil
}

// characters counts what is no white space.
func characters(text string) (n int) {
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// PutInline adds or replaces an inline policy.
func (e *Entity) PutInline(name, document string) error {
	if _, err := policy.CheckIdentity(document); err != nil {
		return fail(MalformedPolicy, "%s", err)
	}
	if e.Inline == nil {
		e.Inline = map[string]string{}
	}
	e.Inline[name] = document
	total := 0
	for _, text := range e.Inline {
		total += characters(text)
	}
	if most := kinds[e.Kind].inlineBytes; total > most {
		return fail(LimitExceeded, "Maximum policy size of %d bytes exceeded for %s %s", most, e.Kind, e.Name)
	}
	return nil
}

// GetInline is the document of an inline policy.
func (e *Entity) GetInline(name string) (string, error) {
	document, found := e.Inline[name]
	if !found {
		return "", fail(NoSuchEntity, "The %s policy with name %s cannot be found.", e.Kind, name)
	}
	return document, nil
}

// DeleteInline removes an inline policy.
func (e *Entity) DeleteInline(name string) error {
	_, err := e.GetInline(name)
	delete(e.Inline, name)
	return err
}

// Rename gives a user or a group another name or path; empty ones stay.
func (i *IAM) Rename(ctx context.Context, account string, k Kind, name, newName, newPath string) error {
	return i.change(ctx, account, func(t *transaction) error {
		e, err := t.find(k, name)
		if err != nil {
			return err
		}
		if newName != "" && !strings.EqualFold(newName, e.Name) {
			if err := t.vacant(k, newName); err != nil {
				return err
			}
			t.remove(entityKey(account, k, e.Name))
		}
		if newName != "" {
			e.Name = newName
		}
		if newPath != "" {
			e.Path = newPath
		}
		if err := t.put(idKey(account, e.ID), named{k, e.Name}); err != nil {
			return err
		}
		return t.save(e)
	})
}

// Delete removes an entity that nothing needs and that has nothing.
//
// AWS: the texts as users report them; the order is that of the checks.
func (i *IAM) Delete(ctx context.Context, account string, k Kind, name string) error {
	return i.change(ctx, account, func(t *transaction) error {
		e, err := t.find(k, name)
		if err != nil {
			return err
		}
		for _, needed := range []struct {
			kind Kind
			by   relation
			text string
		}{
			{Role, holder, "must remove roles from instance profile first."},
			{User, belongs, "must remove users from group first."},
			{Group, member, "must remove users from group first."},
			{User, owner, "must delete access keys first."},
		} {
			if needed.kind != k {
				continue
			}
			if ids, err := t.links(needed.by, e.ID); err != nil {
				return err
			} else if len(ids) > 0 {
				return fail(DeleteConflict, "Cannot delete entity, %s", needed.text)
			}
		}
		switch {
		case e.RoleID != "":
			return fail(DeleteConflict, "Cannot delete entity, must remove roles from instance profile first.")
		case len(e.Attached) > 0:
			return fail(DeleteConflict, "Cannot delete entity, must detach all policies first.")
		case len(e.Inline) > 0:
			return fail(DeleteConflict, "Cannot delete entity, must delete policies first.")
		case e.Boundary != "":
			t.unlink(boundary, e.Boundary, e.ID)
		}
		t.remove(idKey(account, e.ID))
		t.remove(entityKey(account, k, e.Name))
		return nil
	})
}

// Attach attaches a managed policy to a role, a user or a group; again is no error.
func (i *IAM) Attach(ctx context.Context, account string, k Kind, name, policyARN string) error {
	return i.change(ctx, account, func(t *transaction) error {
		e, err := t.find(k, name)
		if err != nil {
			return err
		}
		if err := t.touchPolicy(policyARN); err != nil {
			return err
		}
		if slices.Contains(e.Attached, policyARN) {
			return nil
		}
		if len(e.Attached) >= MaxAttached {
			title := string(unicode.ToUpper(rune(k[0]))) + string(k[1:])
			return fail(LimitExceeded, "Cannot exceed quota for PoliciesPer%s: %d", title, MaxAttached)
		}
		e.Attached = append(e.Attached, policyARN)
		t.link(attached, policyARN, e.ID)
		return t.save(e)
	})
}

// Detach undoes Attach.
func (i *IAM) Detach(ctx context.Context, account string, k Kind, name, policyARN string) error {
	return i.change(ctx, account, func(t *transaction) error {
		e, err := t.find(k, name)
		if err != nil {
			return err
		}
		at := slices.Index(e.Attached, policyARN)
		if at < 0 {
			return fail(NoSuchEntity, "Policy %s was not found.", policyARN)
		}
		e.Attached = slices.Delete(e.Attached, at, at+1)
		t.unlink(attached, policyARN, e.ID)
		return t.save(e)
	})
}

// bind gives an entity a permissions boundary.
func (t *transaction) bind(e *Entity, policyARN string) error {
	if err := t.touchPolicy(policyARN); err != nil {
		return err
	}
	if e.Boundary != "" && e.Boundary != policyARN {
		t.unlink(boundary, e.Boundary, e.ID)
	}
	e.Boundary = policyARN
	t.link(boundary, policyARN, e.ID)
	return nil
}

// SetBoundary gives a role or a user a permissions boundary, or none for "".
func (i *IAM) SetBoundary(ctx context.Context, account string, k Kind, name, policyARN string) error {
	return i.change(ctx, account, func(t *transaction) error {
		e, err := t.find(k, name)
		switch {
		case err != nil:
			return err
		case policyARN != "":
			err = t.bind(e, policyARN)
		case e.Boundary == "":
			err = fail(NoSuchEntity, "%s %s does not have a permissions boundary.", kinds[k].title, name)
		default:
			t.unlink(boundary, e.Boundary, e.ID)
			e.Boundary = ""
		}
		if err != nil {
			return err
		}
		return t.save(e)
	})
}
