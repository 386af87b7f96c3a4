package guard

import (
	"context"
	"errors"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/iam"
	"github.com/lambkin-dev/lambkin/internal/core/policy"
)

// caller is who calls, with what the policies in IAM give to them.
type caller struct {
	who        policy.Who
	rights     policy.Rights
	kind       string            // as aws:PrincipalType has it
	name       string            // of a user
	tags       map[string]string // of the user or role
	generation uint64            // of IAM, in which this was read
}

// maxCallers bounds what is kept of callers; more begin anew.
const maxCallers = 4096

// anybody is who did not sign.
var anybody = &caller{kind: "Anonymous"}

// callerOf finds who has an ARN: an account's root, a user, the session of a role.
// One that is not in IAM has no rights.
func (g *Guard) callerOf(ctx context.Context, callerARN, userID string) (*caller, error) {
	if callerARN == "" {
		return anybody, nil
	}
	generation := g.config.IAM.Generation() // before the reading: what changes meanwhile is read again
	g.mu.RLock()
	kept := g.callers[callerARN]
	g.mu.RUnlock()
	if kept != nil && kept.generation == generation && kept.isNamed(userID) {
		return kept, nil
	}
	c, err := g.readCaller(ctx, callerARN, userID)
	if err != nil {
		return nil, err
	}
	c.generation = generation
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.callers) >= maxCallers {
		clear(g.callers)
	}
	g.callers[callerARN] = c
	return c, nil
}

// isNamed compares with the id of a caller, which for a session has its name behind.
func (c *caller) isNamed(userID string) bool {
	id, _, _ := strings.Cut(userID, ":")
	return userID == "" || c.who.ID == id
}

func (g *Guard) readCaller(ctx context.Context, callerARN, userID string) (*caller, error) {
	a, err := arn.Parse(callerARN)
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(userID, ":")
	c := &caller{who: policy.Who{Account: a.Account, ARN: callerARN, ID: id}, kind: "User"}
	switch {
	case c.who.IsRoot():
		c.kind = "Account"
		return c, nil
	case a.Service == "sts":
		c.kind = "AssumedRole"
		_, rest, _ := strings.Cut(a.Resource, "/")
		name, _, _ := strings.Cut(rest, "/")
		c.who.Role = arn.New("iam", "", a.Account, "role/"+name).String()
		return c, g.grant(ctx, c, iam.Role, name)
	}
	c.name = a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]
	return c, g.grant(ctx, c, iam.User, c.name)
}

// grant reads the rights of a user or role. A role that was made again with another
// path is not the one whose session this is.
func (g *Guard) grant(ctx context.Context, c *caller, k iam.Kind, name string) error {
	grants, err := g.config.IAM.Grants(ctx, c.who.Account, k, name)
	var missing *iam.Error
	switch {
	case errors.As(err, &missing):
		return nil
	case err != nil:
		return err
	case c.who.ID != "" && c.who.ID != grants.Entity.ID:
		return nil
	}
	if k == iam.Role {
		c.who.Role = grants.Entity.ARN()
	}
	c.who.ID = grants.Entity.ID
	c.tags = map[string]string{}
	for _, tag := range grants.Entity.Tags {
		c.tags[strings.ToLower(tag.Key)] = tag.Value
	}
	for _, document := range grants.Policies {
		p, err := g.policies.Compile(document)
		if err != nil {
			return err
		}
		c.rights.Identity = append(c.rights.Identity, p)
	}
	if grants.Boundary != "" {
		c.rights.Boundary, err = g.policies.Compile(grants.Boundary)
	}
	return err
}

// rights are those of the caller, within the policies of its session.
func (c *call) rights() (*policy.Rights, error) {
	s := c.Session
	if s == nil || len(s.Policies)+len(s.PolicyARNs) == 0 {
		return &c.caller.rights, nil
	}
	limited := c.caller.rights
	limited.Limited = true
	documents := append([]string(nil), s.Policies...)
	for _, name := range s.PolicyARNs {
		document, err := c.guard.config.IAM.Document(c.ctx, c.caller.who.Account, name)
		var missing *iam.Error
		if errors.As(err, &missing) {
			continue // it was deleted: it grants nothing
		} else if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	for _, document := range documents {
		p, err := c.guard.policies.Compile(document)
		if err != nil {
			return nil, err
		}
		limited.Session = append(limited.Session, p)
	}
	return &limited, nil
}
