package function

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// alias reads an alias; nil if there is none.
func (rd reader) alias(s Scope, function, name string) (*Alias, error) {
	var a Alias
	found, err := rd.read(scopeKey(tableAlias, s, function, name), &a)
	if err != nil || !found {
		return nil, err
	}
	return &a, nil
}

// aliasesOf lists the names of the aliases that a version number serves.
func (rd reader) aliasesOf(s Scope, function, version string) (names []string, err error) {
	lo, hi := scopeRange(tableAlias, s, function)
	err = rd.scan(lo, hi, func(e store.Entry) (bool, error) {
		var a Alias
		if err := decode(e.Value, &a); err != nil {
			return false, err
		}
		if a.refersTo(version) {
			names = append(names, a.Name)
		}
		return true, nil
	})
	return names, err
}

func (a *Alias) refersTo(version string) bool {
	_, routed := a.Routing[version]
	return routed || a.FunctionVersion == version
}

func referenced(aliases []string) error {
	return &ConflictError{Message: "Unable to delete version because the following aliases reference it: [" + strings.Join(aliases, ", ") + "]"}
}

// checkAlias holds an alias to AWS's rules; the texts are recorded replies.
func (c *change) checkAlias(a *Alias) error {
	if len(a.Routing) > 1 {
		return &InvalidError{Message: "Number of items in AdditionalVersionWeights cannot be greater than 1"}
	}
	for version, weight := range a.Routing {
		if n, ok := versionNumber(version); !ok || n == 0 {
			return invalidValue(fmt.Sprintf("{%s=%v}", version, weight), "routingConfig.additionalVersionWeights",
				"Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]")
		}
		if !(weight >= 0 && weight <= 1) { // NaN as well
			return invalidValue(fmt.Sprintf("{%s=%s}", version, javaFloat(weight)), "routingConfig.additionalVersionWeights",
				"Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]")
		}
		if version == a.FunctionVersion {
			return &InvalidError{Message: fmt.Sprintf("Invalid function version %s. Function version %s is already included in routing configuration.", version, version)}
		}
		if a.FunctionVersion == Latest {
			return &InvalidError{Message: "$LATEST is not supported for an alias pointing to more than 1 version"}
		}
	}
	for _, version := range append(slices.Sorted(maps.Keys(a.Routing)), a.FunctionVersion) {
		if err := c.checkVersion(Target{Scope: a.Scope, Name: a.Function, Qualifier: version}); err != nil {
			return err
		}
	}
	return nil
}

// checkVersion wants the version to exist; the caller has read the function.
func (c *change) checkVersion(t Target) error {
	n, ok := t.number()
	if ok && n == 0 {
		return nil
	}
	if ok {
		published, err := c.published(t.Scope, t.Name, n)
		if err != nil || published != nil {
			return err
		}
	}
	return notFound(t)
}

// javaFloat prints whole numbers with a fraction, as AWS's messages do.
func javaFloat(f float64) string {
	s := fmt.Sprint(f)
	if !strings.ContainsAny(s, ".eN") {
		s += ".0"
	}
	return s
}

// CreateAlias makes an alias of the target's function.
func (r *Registry) CreateAlias(ctx context.Context, t Target, in AliasInput) (*Alias, error) {
	a := &Alias{Scope: t.Scope, Function: t.Name, Name: in.Name, RevisionID: ids.UUID()}
	if _, isVersion := versionNumber(in.Name); isVersion || !isPlainAlias(in.Name) {
		return nil, invalidValue(in.Name, "name", "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
	}
	in.apply(a)
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		if err := c.checkAlias(a); err != nil {
			return err
		}
		key := scopeKey(tableAlias, t.Scope, t.Name, in.Name)
		if found, err := c.get(key, &Alias{}); err != nil {
			return err
		} else if found {
			return &ConflictError{Message: "Alias already exists: " + a.ARN()}
		}
		c.put(key, a)
		c.putFunction(row)
		return nil
	})
	if err != nil {
		// AWS: names the version that was asked for, too; recorded.
		if _, ok := isMissing(err, t); ok && in.FunctionVersion != nil {
			return nil, notFound(Target{Scope: t.Scope, Name: t.Name, Qualifier: *in.FunctionVersion})
		}
		return nil, err
	}
	return a, nil
}

// isMissing tells whether the function itself does not exist.
func isMissing(err error, t Target) (*NotFoundError, bool) {
	missing, ok := err.(*NotFoundError)
	return missing, ok && missing.Resource == t.FunctionARN()
}

// isPlainAlias tells whether a name can be an alias: no number, not $LATEST.
func isPlainAlias(name string) bool {
	digits := true
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return false
		}
		digits = digits && name[i] >= '0' && name[i] <= '9'
	}
	return !digits && len(name) <= maxQualifier
}

// apply sets what was given.
func (in *AliasInput) apply(a *Alias) {
	set(&a.FunctionVersion, in.FunctionVersion)
	set(&a.Description, in.Description)
	if in.Routing != nil {
		a.Routing = nil
		if len(in.Routing) > 0 {
			a.Routing = maps.Clone(in.Routing)
		}
	}
}

// GetAlias reads an alias.
func (r *Registry) GetAlias(ctx context.Context, t Target, name string) (*Alias, error) {
	var a *Alias
	err := r.view(ctx, func(rd reader) error {
		if _, err := rd.version(Target{Scope: t.Scope, Name: t.Name}); err != nil {
			return err
		}
		var err error
		if a, err = rd.alias(t.Scope, t.Name, name); err == nil && a == nil {
			arn := Target{Scope: t.Scope, Name: t.Name, Qualifier: name}.ARN()
			err = &NotFoundError{Resource: arn, Message: "Cannot find alias arn: " + arn}
		}
		return err
	})
	return a, err
}

// UpdateAlias changes what the input gives.
func (r *Registry) UpdateAlias(ctx context.Context, t Target, in AliasInput) (*Alias, error) {
	var a *Alias
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		a = &Alias{}
		key := scopeKey(tableAlias, t.Scope, t.Name, in.Name)
		if found, err := c.get(key, a); err != nil {
			return err
		} else if !found {
			arn := Target{Scope: t.Scope, Name: t.Name, Qualifier: in.Name}.ARN()
			return &NotFoundError{Resource: arn, Message: "Alias not found: " + arn}
		}
		if err := checkRevision(in.RevisionID, a.RevisionID, revisionMismatch); err != nil {
			return err
		}
		in.apply(a)
		if err := c.checkAlias(a); err != nil {
			return err
		}
		if err := c.checkMove(t, a); err != nil {
			return err
		}
		a.RevisionID = ids.UUID()
		c.put(key, a)
		c.putFunction(row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// checkMove refuses a change of an alias that its provisioned concurrency could
// not follow.
func (c *change) checkMove(t Target, a *Alias) error {
	settings, err := c.provisionedOf(t)
	if _, has := settings[a.Name]; err != nil || !has {
		return err
	}
	if err := c.checkNoSnapStart(t, a.deal(0)); err != nil {
		return err
	}
	return a.checkProvisioned(settings, &InvalidError{Message: "Invalid alias configuration for Provisioned Concurrency"})
}

// DeleteAlias removes an alias with its policy; an unknown one is no error, as
// on AWS.
func (r *Registry) DeleteAlias(ctx context.Context, t Target, name string) error {
	return r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		key := scopeKey(tableAlias, t.Scope, t.Name, name)
		if found, err := c.get(key, &Alias{}); err != nil || !found {
			return err
		}
		// AWS: the provisioned concurrency of an alias goes with it; recorded.
		if err := c.dropProvisioned(Target{Scope: t.Scope, Name: t.Name, Qualifier: name}); err != nil {
			return err
		}
		if err := c.dropURLs(Target{Scope: t.Scope, Name: t.Name, Qualifier: name}); err != nil {
			return err
		}
		c.delete(key)
		c.delete(scopeKey(tablePolicy, t.Scope, t.Name, name))
		c.delete(scopeKey(tableEventInvoke, t.Scope, t.Name, name))
		c.putFunction(row)
		return nil
	})
}

// ListAliases lists in order of name; functionVersion "" lets all through.
func (r *Registry) ListAliases(ctx context.Context, t Target, functionVersion string, page Page) (*AliasPage, error) {
	out := &AliasPage{}
	return paged(ctx, r, page, out, &out.NextMarker, func(rd reader, p *pager) error {
		if _, err := rd.version(Target{Scope: t.Scope, Name: t.Name}); err != nil {
			return err
		}
		lo, hi := scopeRange(tableAlias, t.Scope, t.Name)
		return rd.scan(p.from(lo), hi, func(e store.Entry) (bool, error) {
			a := &Alias{}
			if err := decode(e.Value, a); err != nil {
				return false, err
			}
			if functionVersion != "" && !a.refersTo(functionVersion) {
				return true, nil
			}
			if !p.take(e.Key) {
				return false, nil
			}
			out.Aliases = append(out.Aliases, a)
			return true, nil
		})
	})
}
