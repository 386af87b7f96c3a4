package function

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Provisioned is one provisioned concurrency configuration with the environments
// that it asks for. How far they are there is for the invoker to say.
type Provisioned struct {
	Scope        Scope
	Function     string
	Qualifier    string // an alias or a version number
	Requested    int
	LastModified time.Time
	ID           string // of this setting: a new one each time it is put
	// Shares tell which versions get how many of the environments: one version,
	// or two for an alias with weights. A version that cannot run is left out.
	Shares []Share
}

// Share is a part of a configuration.
type Share struct {
	Version      *Version
	Environments int
}

// ARN names the configuration: that of its alias or version.
func (p *Provisioned) ARN() string {
	return Target{Scope: p.Scope, Name: p.Function, Qualifier: p.Qualifier}.ARN()
}

// ProvisionedPage is a part of the list of a function's configurations.
type ProvisionedPage struct {
	Configurations []*Provisioned
	NextMarker     string
}

// provisionedRow is a configuration as stored.
type provisionedRow struct {
	Requested    int
	LastModified time.Time
	ID           string
}

func provisionedKey(t Target) []byte {
	return scopeKey(tableProvisioned, t.Scope, t.Name, t.Qualifier)
}

// provisionedOf reads the configurations of the target's function by qualifier.
func (rd reader) provisionedOf(t Target) (map[string]provisionedRow, error) {
	var all map[string]provisionedRow
	lo, hi := scopeRange(tableProvisioned, t.Scope, t.Name)
	err := rd.scan(lo, hi, func(e store.Entry) (bool, error) {
		at, err := parseProvisioned(e.Key)
		if err != nil {
			return false, err
		}
		var row provisionedRow
		if all == nil {
			all = map[string]provisionedRow{}
		}
		err = decode(e.Value, &row)
		all[at.Qualifier] = row
		return true, err
	})
	return all, err
}

// parseProvisioned reads the key of a configuration.
func parseProvisioned(key []byte) (Target, error) {
	parts, err := tuple.Parse(key)
	const length = 6 // service, table, account, region, name, qualifier
	if err != nil || len(parts) != length {
		return Target{}, fmt.Errorf("%w: key of a provisioned concurrency configuration", store.ErrCorrupt)
	}
	var text [length]string
	for i, part := range parts {
		s, ok := part.(string)
		if !ok {
			return Target{}, fmt.Errorf("%w: key of a provisioned concurrency configuration", store.ErrCorrupt)
		}
		text[i] = s
	}
	return Target{Scope: Scope{Account: text[2], Region: text[3]}, Name: text[4], Qualifier: text[5]}, nil
}

// deal divides environments among the versions of an alias by their weights.
//
// AWS: says only that the number "fluctuates depending on the amount of
// concurrency that is provisioned for the function versions" while an alias is
// weighted; here it is divided as the calls are.
func (a *Alias) deal(requested int) map[string]int {
	shares := map[string]int{a.FunctionVersion: requested}
	for version, weight := range a.Routing {
		other := int(float64(requested)*weight + 0.5)
		shares[version] = other
		shares[a.FunctionVersion] -= other
	}
	return shares
}

// kept is how many environments are kept ready: of each version, and in all.
func (rd reader) kept(t Target) (byVersion map[string]int, total int, err error) {
	settings, err := rd.provisionedOf(t)
	if err != nil || len(settings) == 0 {
		return nil, 0, err
	}
	byVersion = map[string]int{}
	for qualifier, row := range settings {
		total += row.Requested
		t.Qualifier = qualifier
		shares, err := rd.shares(t, row.Requested)
		if err != nil {
			return nil, 0, err
		}
		for version, n := range shares {
			byVersion[version] += n
		}
	}
	return byVersion, total, nil
}

// shares tells which versions a configuration's environments are of.
func (rd reader) shares(t Target, requested int) (map[string]int, error) {
	if _, isVersion := t.number(); isVersion {
		return map[string]int{t.Qualifier: requested}, nil
	}
	alias, err := rd.alias(t.Scope, t.Name, t.Qualifier)
	if err != nil || alias == nil {
		return nil, err
	}
	return alias.deal(requested), nil
}

// errNotProvisionable is AWS's answer to $LATEST, but for Put; recorded.
func errNotProvisionable() error {
	return &InvalidError{Message: "The function resource provided must be an alias or a published version."}
}

// provisionable wants the target to be a published version or an alias that
// exists.
//
// AWS: the texts are recorded; an alias is named as one even when the function
// itself is missing.
func (rd reader) provisionable(t Target) error {
	n, isVersion := t.number()
	if isVersion {
		published, err := rd.published(t.Scope, t.Name, n)
		if err == nil && published == nil {
			err = notFound(t)
		}
		return err
	}
	alias, err := rd.alias(t.Scope, t.Name, t.Qualifier)
	if err == nil && alias == nil {
		err = &NotFoundError{Resource: t.ARN(), Message: "Cannot find alias arn: " + t.ARN()}
	}
	return err
}

// updateProvisioned is updateFunction for a configuration.
func (r *Registry) updateProvisioned(ctx context.Context, t Target, f func(*change, *functionRow) error) error {
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		if err := c.provisionable(t); err != nil {
			return err
		}
		c.putFunction(row)
		return f(c, row)
	})
	if _, ok := isMissing(err, t); ok {
		return r.view(ctx, func(rd reader) error { return rd.provisionable(t) })
	}
	return err
}

// PutProvisioned is PutProvisionedConcurrencyConfig.
func (r *Registry) PutProvisioned(ctx context.Context, t Target, requested int) (*Provisioned, error) {
	if n, isVersion := t.number(); isVersion && n == 0 {
		return nil, errUnpublished()
	}
	row := provisionedRow{Requested: requested, LastModified: r.now(), ID: ids.UUID()}
	var made *Provisioned
	err := r.updateProvisioned(ctx, t, func(c *change, _ *functionRow) error {
		settings, err := c.provisionedOf(t)
		if err != nil {
			return err
		}
		shares, err := c.shares(t, requested)
		if err != nil {
			return err
		}
		if err := c.checkNoSnapStart(t, shares); err != nil {
			return err
		}
		if err := c.checkProvisioned(t, settings); err != nil {
			return err
		}
		if err := c.claimProvisioned(t, requested, r.concurrencyLimit()); err != nil {
			return err
		}
		c.put(provisionedKey(t), row)
		made, err = r.provisioned(c.reader, t, row)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

func errUnpublished() error {
	return &InvalidError{Message: "Provisioned Concurrency Configs cannot be applied to unpublished function versions."}
}

// checkProvisioned holds a new configuration against the others of its function:
// a version is provisioned by its number or by aliases, not by both.
//
// AWS: the texts are recorded.
func (c *change) checkProvisioned(t Target, settings map[string]provisionedRow) error {
	if _, isVersion := t.number(); !isVersion {
		alias, err := c.alias(t.Scope, t.Name, t.Qualifier)
		if err != nil {
			return err
		}
		return alias.checkProvisioned(settings, errUnpublished())
	}
	for _, other := range slices.Sorted(maps.Keys(settings)) {
		if _, isVersion := versionNumber(other); isVersion {
			continue
		}
		alias, err := c.alias(t.Scope, t.Name, other)
		if err != nil {
			return err
		}
		if alias != nil && alias.refersTo(t.Qualifier) {
			return &ConflictError{Message: "Version is pointed by a Provisioned Concurrency alias"}
		}
	}
	return c.checkRunnable(t)
}

// checkProvisioned holds an alias that has a configuration, or is to get one,
// against those of the versions that it refers to.
func (a *Alias) checkProvisioned(settings map[string]provisionedRow, unpublished error) error {
	if a.FunctionVersion == Latest {
		return unpublished
	}
	for qualifier := range settings {
		if _, isVersion := versionNumber(qualifier); isVersion && a.refersTo(qualifier) {
			return &ConflictError{Message: "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"}
		}
	}
	return nil
}

// checkRunnable refuses a version that is not active.
func (c *change) checkRunnable(t Target) error {
	n, _ := t.number()
	published, err := c.published(t.Scope, t.Name, n)
	if err != nil || published.State == Active {
		return err
	}
	return &ConflictError{Message: "The operation cannot be performed at this time. The function is currently in the following state: " + string(published.State)}
}

// claimProvisioned makes room for a configuration: in the reservation of the
// function if it has one, else in what is unreserved in the account. 0 gives its
// room back.
//
// AWS: the texts are recorded. What a configuration has already is not asked for
// again when it is put anew.
func (c *change) claimProvisioned(t Target, requested, total int) error {
	var before provisionedRow
	if _, err := c.get(provisionedKey(t), &before); err != nil {
		return err
	}
	old, err := c.claim(t)
	if err != nil {
		return err
	}
	sum, err := c.claimed(t.Scope)
	if err != nil {
		return err
	}
	now := claim{reserved: old.reserved, provisioned: old.provisioned - before.Requested + requested}
	unreserved := total - sum + before.Requested
	switch {
	case requested <= before.Requested:
	case now.reserved != nil && now.provisioned > *now.reserved:
		return &InvalidError{Message: "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"}
	case now.reserved != nil:
	case requested > unreserved:
		return &InvalidError{Message: fmt.Sprintf("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", unreserved)}
	case unreserved-requested < minUnreserved:
		return &InvalidError{Message: fmt.Sprintf("Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)}
	}
	c.reclaim(t.Scope, sum, old, now)
	return nil
}

// dropProvisioned removes the configuration of a qualifier, if it has one.
func (c *change) dropProvisioned(t Target) error {
	found, err := c.get(provisionedKey(t), &provisionedRow{})
	if err != nil || !found {
		return err
	}
	if err := c.claimProvisioned(t, 0, 0); err != nil {
		return err
	}
	c.delete(provisionedKey(t))
	return nil
}

// DeleteProvisioned is DeleteProvisionedConcurrencyConfig; one that does not
// exist is no error, as on AWS.
func (r *Registry) DeleteProvisioned(ctx context.Context, t Target) error {
	if n, isVersion := t.number(); isVersion && n == 0 {
		return errNotProvisionable()
	}
	return r.updateProvisioned(ctx, t, func(c *change, _ *functionRow) error { return c.dropProvisioned(t) })
}

// provisioned joins a stored configuration with the versions that it means.
func (r *Registry) provisioned(rd reader, t Target, row provisionedRow) (*Provisioned, error) {
	p := &Provisioned{Scope: t.Scope, Function: t.Name, Qualifier: t.Qualifier, Requested: row.Requested, LastModified: row.LastModified, ID: row.ID}
	shares, err := rd.shares(t, row.Requested)
	if err != nil {
		return nil, err
	}
	for _, version := range slices.Sorted(maps.Keys(shares)) {
		n, _ := versionNumber(version)
		published, err := rd.published(t.Scope, t.Name, n)
		if err != nil {
			return nil, err
		}
		if published == nil || published.serving() == nil || shares[version] == 0 {
			continue
		}
		p.Shares = append(p.Shares, Share{Version: r.finish(published.serving()), Environments: shares[version]})
	}
	return p, nil
}

// MissingProvisionedError stands for ProvisionedConcurrencyConfigNotFoundException.
type MissingProvisionedError struct{ Message string }

// Error is AWS's text.
func (e *MissingProvisionedError) Error() string { return e.Message }

// Provisioned is GetProvisionedConcurrencyConfig.
func (r *Registry) Provisioned(ctx context.Context, t Target) (*Provisioned, error) {
	if n, isVersion := t.number(); isVersion && n == 0 {
		return nil, errNotProvisionable()
	}
	var found *Provisioned
	err := r.view(ctx, func(rd reader) error {
		if err := rd.provisionable(t); err != nil {
			return err
		}
		var row provisionedRow
		ok, err := rd.read(provisionedKey(t), &row)
		if err == nil && !ok {
			err = &MissingProvisionedError{Message: "No Provisioned Concurrency Config found for this function"}
		}
		if err == nil {
			found, err = r.provisioned(rd, t, row)
		}
		return err
	})
	return found, err
}

// ListProvisioned is ListProvisionedConcurrencyConfigs.
func (r *Registry) ListProvisioned(ctx context.Context, t Target, page Page) (*ProvisionedPage, error) {
	out := &ProvisionedPage{}
	return paged(ctx, r, page, out, &out.NextMarker, func(rd reader, p *pager) error {
		if _, err := rd.version(Target{Scope: t.Scope, Name: t.Name}); err != nil {
			return err
		}
		lo, hi := scopeRange(tableProvisioned, t.Scope, t.Name)
		return r.eachProvisioned(rd, p.from(lo), hi, func(key []byte, found *Provisioned) bool {
			if !p.take(key) {
				return false
			}
			out.Configurations = append(out.Configurations, found)
			return true
		})
	})
}

// AllProvisioned are the configurations of all accounts: what the invoker keeps
// ready.
func (r *Registry) AllProvisioned(ctx context.Context) (all []*Provisioned, err error) {
	lo, hi := tuple.Range(service, tableProvisioned)
	err = r.view(ctx, func(rd reader) error {
		return r.eachProvisioned(rd, lo, hi, func(_ []byte, found *Provisioned) bool {
			all = append(all, found)
			return true
		})
	})
	return all, err
}

// eachProvisioned reads the configurations of a range until f returns false.
func (r *Registry) eachProvisioned(rd reader, lo, hi []byte, f func(key []byte, p *Provisioned) bool) error {
	return rd.scan(lo, hi, func(e store.Entry) (bool, error) {
		t, err := parseProvisioned(e.Key)
		if err != nil {
			return false, err
		}
		var row provisionedRow
		if err := decode(e.Value, &row); err != nil {
			return false, err
		}
		p, err := r.provisioned(rd, t, row)
		if err != nil {
			return false, err
		}
		return f(e.Key, p), nil
	})
}

// WatchProvisioned hints that AllProvisioned may answer something else; see
// store.Store.Watch.
func (r *Registry) WatchProvisioned(ctx context.Context) <-chan struct{} {
	// An alias that moves changes the answer as well, so does a deletion.
	return r.config.Store.Watch(ctx, tuple.Key(service))
}
