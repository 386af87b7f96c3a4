package function

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
)

// What AWS says of a version that is being made; recorded replies.
const (
	reasonCreating     = "The function is being created."
	reasonCodeCreating = "Creating"
)

// revisionMismatch is AWS's answer to a stale RevisionId, of a function or alias
// and of a policy.
const (
	revisionMismatch       = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
	policyRevisionMismatch = "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id"
	layerRevisionMismatch  = "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
)

func checkRevision(given *string, latest, message string) error {
	if given != nil && *given != latest {
		return &PreconditionError{Message: message}
	}
	return nil
}

// now is the time as AWS prints it: in milliseconds.
func (r *Registry) now() time.Time { return r.config.Clock.Now().UTC().Truncate(time.Millisecond) }

// Create makes a function in State Pending; with Publish the answer is version 1.
func (r *Registry) Create(ctx context.Context, t Target, in CreateInput) (*Version, error) {
	latest := versionRow{Version: Version{Account: t.Scope.Account, Region: t.Scope.Region, Name: t.Name, Version: Latest}}
	latest.defaults()
	if a := architecture(in.Architectures); a != "" {
		latest.Architecture = a
	}
	if err := r.apply(&in.Settings, &latest.Version); err != nil {
		return nil, err
	}
	if len(in.Tags) > maxTags {
		return nil, errTooManyTags()
	}
	// Asked first because storing the code is the expensive part.
	if err := r.checkAbsent(ctx, t); err != nil {
		return nil, err
	}
	code, err := r.accept(ctx, t.Scope, in.Code, true)
	if err != nil {
		return nil, err
	}
	code.set(&latest)
	latest.State, latest.StateReason, latest.StateReasonCode = Pending, reasonCreating, reasonCodeCreating

	var made *Version
	defer r.forget(t.Scope, t.Name)
	err = r.update(ctx, func(c *change) error {
		row := functionRow{Latest: latest}
		key := scopeKey(tableFunction, t.Scope, t.Name)
		if found, err := c.get(key, &functionRow{}); err != nil {
			return err
		} else if found {
			return alreadyExists(t)
		}
		if err := c.setLayers(&row.Latest, in.Layers); err != nil {
			return err
		}
		r.renew(&row.Latest)
		made = &row.Latest.Version
		if in.Publish {
			published, err := c.publish(&row, nil)
			if err != nil {
				return err
			}
			made = &published.Version
		}
		if len(in.Tags) > 0 {
			c.put(scopeKey(tableTags, t.Scope, t.Name), in.Tags)
		}
		c.putFunction(&row)
		c.putPending(&row.Latest)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.wake()
	return r.finish(made), nil
}

// renew gives a changed $LATEST its new identity.
func (r *Registry) renew(row *versionRow) {
	row.LastModified, row.RevisionID, row.Generation = r.now(), ids.UUID(), ids.UUID()
	row.Content = contentHash(row.Version)
}

func alreadyExists(t Target) error {
	return &ConflictError{Message: "Function already exist: " + t.Name}
}

func (r *Registry) checkAbsent(ctx context.Context, t Target) error {
	return r.view(ctx, func(rd reader) error {
		found, err := rd.read(scopeKey(tableFunction, t.Scope, t.Name), &functionRow{})
		if err == nil && found {
			err = alreadyExists(t)
		}
		return err
	})
}

// finish gives the caller a version of its own with the folders filled in.
func (r *Registry) finish(v *Version) *Version {
	out := *v
	out.TaskDir = r.trees.Path(codeTree(v))
	if id := layersTree(v); id != "" {
		out.OptDir = r.trees.Path(id)
	}
	return &out
}

// version reads what the target names. An alias is its main version.
func (rd reader) version(t Target) (*versionRow, error) {
	var row functionRow
	found, err := rd.read(scopeKey(tableFunction, t.Scope, t.Name), &row)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound(t)
	}
	n, isVersion := t.number()
	if !isVersion {
		alias, err := rd.alias(t.Scope, t.Name, t.Qualifier)
		if err != nil {
			return nil, err
		}
		if alias == nil {
			return nil, notFound(t)
		}
		n, _ = versionNumber(alias.FunctionVersion)
	}
	if n == 0 {
		return &row.Latest, nil
	}
	published, err := rd.published(t.Scope, t.Name, n)
	if err == nil && published == nil {
		err = notFound(t)
	}
	return published, err
}

// published reads a numbered version; nil if there is none.
func (rd reader) published(s Scope, name string, n int64) (*versionRow, error) {
	var row versionRow
	found, err := rd.read(scopeKey(tableVersion, s, name, n), &row)
	if err != nil || !found {
		return nil, err
	}
	return &row, nil
}

// GetConfiguration is GetFunctionConfiguration.
func (r *Registry) GetConfiguration(ctx context.Context, t Target) (*Version, error) {
	var v *Version
	err := r.view(ctx, func(rd reader) error {
		row, err := rd.version(t)
		if err == nil {
			v = r.finish(&row.Version)
		}
		return err
	})
	return v, err
}

// Get is GetFunction.
func (r *Registry) Get(ctx context.Context, t Target) (*Function, error) {
	f := &Function{}
	err := r.view(ctx, func(rd reader) error {
		row, err := rd.version(t)
		if err != nil {
			return err
		}
		f.Version = r.finish(&row.Version)
		if _, err := rd.read(scopeKey(tableTags, t.Scope, t.Name), &f.Tags); err != nil {
			return err
		}
		f.ReservedConcurrency, err = rd.reserved(t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// checkReady refuses a change while another one is under way.
func (row *versionRow) checkReady() error {
	switch {
	case row.State == Pending:
		return &ConflictError{Message: "The operation cannot be performed at this time. The function is currently in the following state: Pending"}
	case row.LastUpdateStatus == updateInProgress:
		return &ConflictError{Message: "The operation cannot be performed at this time. An update is in progress for resource: " + row.FunctionARN()}
	}
	return nil
}

// begin turns row into an update of itself; what served until now goes on to.
func (row *versionRow) begin() {
	if serving := row.serving(); serving != nil {
		old := *serving
		row.Serving = &old
	}
	row.LastUpdateStatus, row.LastUpdateReason, row.LastUpdateCode = updateInProgress, reasonCreating, reasonCodeCreating
}

// errDryRun ends a change that was only asked about.
var errDryRun = errors.New("dry run")

// UpdateCode is UpdateFunctionCode; a dry run changes nothing and answers what
// would be.
func (r *Registry) UpdateCode(ctx context.Context, t Target, in UpdateCodeInput) (*Version, error) {
	if _, err := r.GetConfiguration(ctx, Target{Scope: t.Scope, Name: t.Name}); err != nil {
		return nil, err // before the code is stored
	}
	code, err := r.accept(ctx, t.Scope, in.Code, !in.DryRun)
	if err != nil {
		return nil, err
	}
	var made *Version
	err = r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		if err := row.Latest.checkReady(); err != nil {
			return err
		}
		if err := checkRevision(in.RevisionID, row.Latest.RevisionID, revisionMismatch); err != nil {
			return err
		}
		row.Latest.begin()
		code.set(&row.Latest)
		if a := architecture(in.Architectures); a != "" {
			row.Latest.Architecture = a
		}
		if err := row.Latest.checkUnpacked(); err != nil {
			return err
		}
		r.renew(&row.Latest)
		made = &row.Latest.Version
		if in.DryRun {
			return errDryRun
		}
		if in.Publish {
			published, err := c.publish(row, nil)
			if err != nil {
				return err
			}
			made = &published.Version
		}
		c.putFunction(row)
		c.putPending(&row.Latest)
		return nil
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	r.wake()
	return r.finish(made), nil
}

// UpdateConfiguration is UpdateFunctionConfiguration.
func (r *Registry) UpdateConfiguration(ctx context.Context, t Target, in UpdateConfigurationInput) (*Version, error) {
	var made *Version
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		if err := row.Latest.checkReady(); err != nil {
			return err
		}
		if err := checkRevision(in.RevisionID, row.Latest.RevisionID, revisionMismatch); err != nil {
			return err
		}
		row.Latest.begin()
		if err := r.apply(&in.Settings, &row.Latest.Version); err != nil {
			return err
		}
		if in.Layers != nil {
			if err := c.setLayers(&row.Latest, in.Layers); err != nil {
				return err
			}
		}
		r.renew(&row.Latest)
		c.putFunction(row)
		c.putPending(&row.Latest)
		made = &row.Latest.Version
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.wake()
	return r.finish(made), nil
}

// Delete is DeleteFunction: the whole function, or the version that the target
// names. A version that does not exist is no error, as measured on AWS.
func (r *Registry) Delete(ctx context.Context, t Target) error {
	if t.Qualifier == Latest {
		return &InvalidError{Message: "$LATEST version cannot be deleted without deleting the function."}
	}
	if t.Qualifier != "" {
		return r.deleteVersion(ctx, t)
	}
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		if err := c.releaseConcurrency(t); err != nil {
			return err
		}
		if err := c.dropURLs(t); err != nil {
			return err
		}
		for _, table := range functionTables {
			c.deleteRange(scopeRange(table, t.Scope, t.Name))
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.changed(t.Scope, t.Name, "")
	return r.EndSource(t.Scope, t.Name)
}

func (r *Registry) deleteVersion(ctx context.Context, t Target) error {
	n, isVersion := t.number()
	if !isVersion {
		return &InvalidError{Message: "Deletion of aliases is not currently supported."}
	}
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		aliases, err := c.aliasesOf(t.Scope, t.Name, strconv.FormatInt(n, 10))
		if err != nil {
			return err
		}
		if len(aliases) > 0 {
			return referenced(aliases)
		}
		if found, err := c.get(scopeKey(tableVersion, t.Scope, t.Name, n), &versionRow{}); err != nil || !found {
			return err
		}
		c.putFunction(row)
		if err := c.dropProvisioned(t); err != nil {
			return err
		}
		for _, table := range []string{tableVersion, tablePending} {
			c.delete(scopeKey(table, t.Scope, t.Name, n))
		}
		for _, table := range []string{tablePolicy, tableRuntimeManagement, tableEventInvoke} {
			c.delete(scopeKey(table, t.Scope, t.Name, t.Qualifier))
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.changed(t.Scope, t.Name, t.Qualifier)
	return nil
}
