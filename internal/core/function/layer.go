package function

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

func (t LayerTarget) key() []byte { return scopeKey(tableLayerVersion, t.Scope, t.Name, t.Version) }

func (t LayerTarget) policyKey() []byte {
	return scopeKey(tableLayerPolicy, t.Scope, t.Name, t.Version)
}

func layerNotFound(t LayerTarget) *NotFoundError {
	return &NotFoundError{Resource: t.ARN(), Message: fmt.Sprintf("Layer version %s does not exist.", t.ARN())}
}

// setLayers gives a version the layers with these ARNs, which must exist when
// the change commits.
func (c *change) setLayers(row *versionRow, arns []string) error {
	if len(arns) > limit.MaxLayers {
		return &InvalidError{Message: fmt.Sprintf("Cannot reference more than %d layers.", limit.MaxLayers)}
	}
	row.Layers, row.LayerBytes = nil, 0
	seen := map[string]string{} // layer without version -> with version
	for _, name := range arns {
		t, err := ParseLayerARN(name)
		if err != nil {
			return invalidValue("["+strings.Join(arns, ", ")+"]", "layers", "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: "+layerARNShape+", Member must not be null]")
		}
		if t.Scope.Region != row.Region {
			return &InvalidError{Message: fmt.Sprintf("Layers are not in the same region as the function. Layers are expected to be in region %s.", row.Region)}
		}
		layer, err := c.layer(row.scope(), t)
		if err != nil {
			return err
		}
		unversioned := layer.LayerARN()
		if other, ok := seen[unversioned]; ok {
			return &InvalidError{Message: fmt.Sprintf("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", other, t.ARN())}
		}
		seen[unversioned] = t.ARN()
		row.Layers = append(row.Layers, LayerVersion{ARN: t.ARN(), SizeBytes: layer.CodeSizeBytes, Code: layer.Code})
		row.LayerBytes += layer.UnpackedBytes
	}
	return row.checkUnpacked()
}

// layer reads a layer version for a function of the account.
func (c *change) layer(user Scope, t LayerTarget) (*layerRow, error) {
	var row layerRow
	found, err := c.get(t.key(), &row)
	if err != nil {
		return nil, err
	}
	if err := c.checkReader(user, t, found); err != nil {
		return nil, err
	}
	if !found {
		return nil, &InvalidError{Message: fmt.Sprintf("Layer version %s does not exist.", t.ARN())}
	}
	return &row, nil
}

// checkReader wants the policy of a layer of another account to let the account
// read it. A layer that does not exist lets nobody.
func (rd reader) checkReader(user Scope, t LayerTarget, exists bool) error {
	if user.Account == t.Scope.Account {
		return nil
	}
	policy := newPolicy()
	if exists {
		if _, err := rd.read(t.policyKey(), policy); err != nil {
			return err
		}
	}
	account, _ := principal(user.Account)
	allows := func(s statement) bool {
		switch p := s.Principal.(type) {
		case string:
			// Nobody here belongs to an organisation, so a permission that is bound to
			// one lets nobody.
			return p == "*" && s.Condition == nil
		case map[string]any:
			return p["AWS"] == account.(map[string]string)["AWS"]
		}
		return false
	}
	if slices.ContainsFunc(policy.Statements, allows) {
		return nil
	}
	return &AccessDeniedError{Message: fmt.Sprintf("User: arn:aws:iam::%s:root is not authorized to perform: lambda:GetLayerVersion on resource: %s because no resource-based policy allows the lambda:GetLayerVersion action", user.Account, t.ARN())}
}

// PublishLayer makes the next version of a layer, or finds that which a call with
// the same token (ids.WithToken) has made.
func (r *Registry) PublishLayer(ctx context.Context, t LayerTarget, in PublishLayerInput) (*Layer, error) {
	code, err := r.accept(ctx, t.Scope, in.Code, true)
	if err != nil {
		return nil, err
	}
	row := layerRow{
		Layer: Layer{
			Scope: t.Scope, Name: t.Name, Description: in.Description, LicenseInfo: in.LicenseInfo,
			CompatibleRuntimes: in.CompatibleRuntimes, CompatibleArchitectures: in.CompatibleArchitectures,
			Created: r.now(), CodeSHA256: code.sha256, CodeSizeBytes: code.sizeBytes, Code: code.id,
		},
		UnpackedBytes: code.unpackedBytes, Token: ids.Token(ctx),
	}
	err = r.update(ctx, func(c *change) error {
		if made, err := c.layerOf(t, row.Token); err != nil || made != nil {
			if made != nil {
				row = *made
			}
			return err
		}
		n, err := c.nextNumber(tableLayer, t.Scope, t.Name)
		if err != nil {
			return err
		}
		row.Version = n
		c.put(LayerTarget{Scope: t.Scope, Name: t.Name, Version: n}.key(), &row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &row.Layer, nil
}

// layerOf finds the version of a layer that a call with the token has published;
// nil if there is none.
func (c *change) layerOf(t LayerTarget, token string) (found *layerRow, err error) {
	if token == "" {
		return nil, nil
	}
	lo, hi := scopeRange(tableLayerVersion, t.Scope, t.Name)
	err = c.scan(lo, hi, func(e store.Entry) (bool, error) {
		made := &layerRow{}
		if err := decode(e.Value, made); err != nil {
			return false, err
		}
		if made.Token == token {
			found = made
		}
		return found == nil, nil
	})
	return found, err
}

// GetLayer reads the layer version that the target names (GetLayerVersion and
// GetLayerVersionByArn). A caller of another account needs a permission.
func (r *Registry) GetLayer(ctx context.Context, caller Scope, t LayerTarget) (*Layer, error) {
	if t.Version < 1 {
		return nil, &InvalidError{Message: "Layer Version Cannot be less than 1"}
	}
	var row layerRow
	err := r.view(ctx, func(rd reader) error {
		found, err := rd.read(t.key(), &row)
		if err != nil {
			return err
		}
		if err := rd.checkReader(caller, t, found); err != nil {
			return err
		}
		if !found {
			return &NotFoundError{Resource: t.ARN(), Message: "The resource you requested does not exist."}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &row.Layer, nil
}

// compatible applies the filters of a list.
func (in *ListLayersInput) compatible(l *Layer) bool {
	return (in.CompatibleRuntime == "" || slices.Contains(l.CompatibleRuntimes, in.CompatibleRuntime)) &&
		(in.CompatibleArchitecture == "" || slices.Contains(l.CompatibleArchitectures, in.CompatibleArchitecture))
}

// ListLayers lists the latest version of each layer.
func (r *Registry) ListLayers(ctx context.Context, scope Scope, in ListLayersInput) (*LayerPage, error) {
	out := &LayerPage{}
	return paged(ctx, r, in.Page, out, &out.NextMarker, func(rd reader, p *pager) error {
		lo, hi := scopeRange(tableLayerVersion, scope)
		var newest *Layer // of the layer whose versions are going by
		give := func() bool {
			if newest == nil || !in.compatible(newest) {
				return true
			}
			// The range of all versions, so that the next page begins after them.
			_, end := scopeRange(tableLayerVersion, scope, newest.Name)
			if !p.take(end) {
				return false
			}
			out.Layers = append(out.Layers, newest)
			return true
		}
		goOn := true
		err := rd.scan(p.from(lo), hi, func(e store.Entry) (bool, error) {
			row := &layerRow{}
			if err := decode(e.Value, row); err != nil {
				return false, err
			}
			if newest != nil && newest.Name != row.Name {
				goOn = give()
			}
			newest = &row.Layer
			return goOn, nil
		})
		if err == nil && goOn {
			give()
		}
		return err
	})
}

// ListLayerVersions lists the versions of a layer, the newest first.
func (r *Registry) ListLayerVersions(ctx context.Context, t LayerTarget, in ListLayersInput) (*LayerPage, error) {
	out := &LayerPage{}
	return paged(ctx, r, in.Page, out, &out.NextMarker, func(rd reader, p *pager) error {
		lo, hi := scopeRange(tableLayerVersion, t.Scope, t.Name)
		if p.after != nil {
			hi = p.after // backwards: the page before ended there
		}
		for {
			entries, err := rd.snap.Scan(lo, hi, scanPage, true)
			if err != nil {
				return fmt.Errorf("scan layers: %w", err)
			}
			for _, e := range entries {
				row := &layerRow{}
				if err := decode(e.Value, row); err != nil {
					return err
				}
				if !in.compatible(&row.Layer) {
					continue
				}
				if !p.take(e.Key) {
					return nil
				}
				out.Layers = append(out.Layers, &row.Layer)
			}
			if len(entries) < scanPage {
				return nil
			}
			hi = entries[len(entries)-1].Key
		}
	})
}

// DeleteLayer removes a layer version with its policy; functions that have it
// keep it. An unknown version is no error, as on AWS.
func (r *Registry) DeleteLayer(ctx context.Context, t LayerTarget) error {
	return r.update(ctx, func(c *change) error {
		found, err := c.get(t.key(), &layerRow{})
		if err != nil || !found {
			return err
		}
		c.delete(t.key())
		c.delete(t.policyKey())
		return nil
	})
}

// layerPolicyRow is a policy with the revision of its own that layers have.
type layerPolicyRow struct {
	policyDocument
	RevisionID string
}

// updateLayerPolicy is update for the policy of a layer version. The layer's row
// is written as well, so that it cannot go at the same time.
func (r *Registry) updateLayerPolicy(ctx context.Context, t LayerTarget, f func(c *change, row *layerPolicyRow, found bool) error) error {
	return r.update(ctx, func(c *change) error {
		var layer layerRow
		if found, err := c.get(t.key(), &layer); err != nil {
			return err
		} else if !found {
			return layerNotFound(t)
		}
		row := layerPolicyRow{policyDocument: *newPolicy()}
		found, err := c.get(t.policyKey(), &row)
		if err != nil {
			return err
		}
		c.put(t.key(), &layer)
		return f(c, &row, found)
	})
}

// AddLayerPermission adds a statement to the policy of a layer version.
func (r *Registry) AddLayerPermission(ctx context.Context, t LayerTarget, in LayerPermissionInput) (*PolicyStatement, error) {
	who, err := principal(in.Principal)
	if err != nil {
		return nil, err
	}
	s := statement{Sid: in.StatementID, Effect: "Allow", Principal: who, Action: in.Action, Resource: t.ARN()}
	if in.OrganizationID != "" {
		s.Condition = &condition{StringEquals: &stringEquals{PrincipalOrgID: in.OrganizationID}}
	}
	out := &PolicyStatement{Statement: text(s)}
	err = r.updateLayerPolicy(ctx, t, func(c *change, row *layerPolicyRow, _ bool) error {
		if err := row.add(s); err != nil {
			return err
		}
		if err := checkRevision(in.RevisionID, row.RevisionID, layerRevisionMismatch); err != nil {
			return err
		}
		row.RevisionID = ids.UUID()
		out.RevisionID = row.RevisionID
		c.put(t.policyKey(), row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// LayerPolicy is GetLayerVersionPolicy.
func (r *Registry) LayerPolicy(ctx context.Context, t LayerTarget) (*Policy, error) {
	var out *Policy
	err := r.view(ctx, func(rd reader) error {
		found, err := rd.read(t.key(), &layerRow{})
		if err != nil {
			return err
		}
		if !found {
			return layerNotFound(t)
		}
		var row layerPolicyRow
		if found, err = rd.read(t.policyKey(), &row); err != nil {
			return err
		}
		if !found {
			return errNoPolicy(t.ARN())
		}
		out = &Policy{Document: text(row.policyDocument), RevisionID: row.RevisionID}
		return nil
	})
	return out, err
}

// RemoveLayerPermission removes a statement; revisionID nil is not checked.
func (r *Registry) RemoveLayerPermission(ctx context.Context, t LayerTarget, statementID string, revisionID *string) error {
	return r.updateLayerPolicy(ctx, t, func(c *change, row *layerPolicyRow, found bool) error {
		if !found {
			return errNoPolicy(t.ARN())
		}
		if err := checkRevision(revisionID, row.RevisionID, layerRevisionMismatch); err != nil {
			return err
		}
		if err := row.remove(statementID); err != nil {
			return err
		}
		if len(row.Statements) == 0 {
			c.delete(t.policyKey())
			return nil
		}
		row.RevisionID = ids.UUID()
		c.put(t.policyKey(), row)
		return nil
	})
}
