package iam

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
)

// Grants are the documents that say what a role, a user or a group may do.
type Grants struct {
	Entity   *Entity
	Policies []string // inline and managed; those of a user's groups too
	Names    []string // of the policies
	Kinds    []string // whose they are: of a user, group or role, or Managed or AWSManaged
	Boundary string   // document; "" for none
}

// Grants reads what a role, a user or a group may do.
func (i *IAM) Grants(ctx context.Context, account string, k Kind, name string) (g *Grants, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		e, err := t.find(k, name)
		if err != nil {
			return err
		}
		g = &Grants{Entity: e}
		holders := []*Entity{e}
		if k == User {
			groups, err := t.linked(belongs, e.ID)
			if err != nil {
				return err
			}
			holders = append(holders, groups...)
		}
		for _, holder := range holders {
			for _, name := range slices.Sorted(maps.Keys(holder.Inline)) {
				g.add(holder.Inline[name], name, string(holder.Kind))
			}
			for _, policy := range holder.Attached {
				document, err := t.document(policy)
				if err != nil {
					return err
				}
				kind := Managed
				if strings.HasPrefix(policy, "arn:aws:iam::aws:") {
					kind = AWSManaged
				}
				g.add(document, policy[strings.LastIndexByte(policy, '/')+1:], kind)
			}
		}
		if e.Boundary != "" {
			g.Boundary, err = t.document(e.Boundary)
		}
		return err
	})
	return g, err
}

// The kinds of managed policies, as simulations name them.
const (
	Managed    = "user-managed"
	AWSManaged = "aws-managed"
)

func (g *Grants) add(document, name, kind string) {
	g.Policies, g.Names, g.Kinds = append(g.Policies, document), append(g.Names, name), append(g.Kinds, kind)
}

// document is the text of a managed policy that counts.
func (t *transaction) document(policyARN string) (string, error) {
	p, err := t.findPolicy(policyARN)
	if err != nil {
		return "", err
	}
	for _, v := range p.Versions {
		if v.Number == p.Default {
			return v.Document, nil
		}
	}
	return "", errors.New("the default version of " + policyARN + " is not there")
}

// Document is the text of a managed policy that counts.
func (i *IAM) Document(ctx context.Context, account, policyARN string) (document string, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		document, err = t.document(policyARN)
		return err
	})
	return document, err
}

// Generation changes with every change, so that what was read before and is kept
// can be told from what is. Who keeps something asks for it before the reading.
func (i *IAM) Generation() uint64 { return i.generation.Load() }

// RoleName is the name in the ARN of a role, "" if it is none.
func RoleName(roleARN string) string {
	_, resource, found := strings.Cut(roleARN, ":role/")
	if !found {
		return ""
	}
	return resource[strings.LastIndexByte(resource, '/')+1:]
}
