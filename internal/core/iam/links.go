package iam

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
)

// derivedID is the id of what always was: one of AWS's policies.
func derivedID(text string) string {
	sum := sha256.Sum256([]byte("policy id\x00" + text))
	return "ANPA" + idText.EncodeToString(sum[:idBytes])[:17]
}

// linked are the entities that lead to a target, in order of their names.
func (t *transaction) linked(r relation, target string) (all []*Entity, err error) {
	ids, err := t.links(r, target)
	for _, id := range ids {
		e, err := t.byID(id)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	sortEntities(all)
	return all, err
}

func sortEntities(all []*Entity) {
	slices.SortFunc(all, func(a, b *Entity) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
}

// pair reads two entities.
func (t *transaction) pair(k Kind, name string, other Kind, otherName string) (*Entity, *Entity, error) {
	e, err := t.find(k, name)
	if err != nil {
		return nil, nil, err
	}
	o, err := t.find(other, otherName)
	return e, o, err
}

// Join puts a user into a group; again is no error.
func (i *IAM) Join(ctx context.Context, account, group, user string) error {
	return i.change(ctx, account, func(t *transaction) error {
		g, u, err := t.pair(Group, group, User, user)
		if err != nil {
			return err
		}
		groups, err := t.links(belongs, u.ID)
		if err != nil || slices.Contains(groups, g.ID) {
			return err
		}
		if len(groups) >= MaxGroupsOfUser {
			return fail(LimitExceeded, "Cannot exceed quota for GroupsPerUser: %d", MaxGroupsOfUser)
		}
		t.link(member, g.ID, u.ID)
		t.link(belongs, u.ID, g.ID)
		if err := t.save(g); err != nil {
			return err
		}
		return t.save(u)
	})
}

// Leave takes a user out of a group; if it is not in it, that is no error.
func (i *IAM) Leave(ctx context.Context, account, group, user string) error {
	return i.change(ctx, account, func(t *transaction) error {
		g, u, err := t.pair(Group, group, User, user)
		if err != nil {
			return err
		}
		t.unlink(member, g.ID, u.ID)
		t.unlink(belongs, u.ID, g.ID)
		return nil
	})
}

// Members are the users of a group.
func (i *IAM) Members(ctx context.Context, account, group string) (g *Entity, users []*Entity, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		if g, err = t.find(Group, group); err == nil {
			users, err = t.linked(member, g.ID)
		}
		return err
	})
	return g, users, err
}

// GroupsOf are the groups that a user is in.
func (i *IAM) GroupsOf(ctx context.Context, account, user string) (groups []*Entity, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		u, err := t.find(User, user)
		if err == nil {
			groups, err = t.linked(belongs, u.ID)
		}
		return err
	})
	return groups, err
}

// AddRole gives an instance profile its role.
func (i *IAM) AddRole(ctx context.Context, account, profile, role string) error {
	return i.change(ctx, account, func(t *transaction) error {
		p, r, err := t.pair(Profile, profile, Role, role)
		if err != nil {
			return err
		}
		if p.RoleID != "" {
			return fail(LimitExceeded, "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.RoleID = r.ID
		t.link(holder, r.ID, p.ID)
		if err := t.save(r); err != nil {
			return err
		}
		return t.save(p)
	})
}

// RemoveRole undoes AddRole.
func (i *IAM) RemoveRole(ctx context.Context, account, profile, role string) error {
	return i.change(ctx, account, func(t *transaction) error {
		p, r, err := t.pair(Profile, profile, Role, role)
		if err != nil {
			return err
		}
		if p.RoleID != r.ID {
			return fail(NoSuchEntity, "Role %s in profile %s cannot be found.", role, profile)
		}
		p.RoleID = ""
		t.unlink(holder, r.ID, p.ID)
		return t.save(p)
	})
}

// RoleOf is the role of an instance profile, nil if it has none.
func (i *IAM) RoleOf(ctx context.Context, account, profile string) (role *Entity, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		p, err := t.find(Profile, profile)
		if err == nil && p.RoleID != "" {
			role, err = t.byID(p.RoleID)
		}
		return err
	})
	return role, err
}

// ProfilesOf are the instance profiles with a role.
func (i *IAM) ProfilesOf(ctx context.Context, account, role string) (profiles []*Entity, err error) {
	err = i.view(ctx, account, func(t *transaction) error {
		r, err := t.find(Role, role)
		if err == nil {
			profiles, err = t.linked(holder, r.ID)
		}
		return err
	})
	return profiles, err
}
