package function

import (
	"context"
	"math/rand/v2"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Resolve finds what an invocation of name with qualifier ("" is $LATEST) runs.
// A weighted alias chooses anew each time. An unknown function is a
// *NotFoundError, one that is Pending or Failed a *ConflictError.
func (r *Registry) Resolve(ctx context.Context, scope Scope, name, qualifier string) (*Resolved, error) {
	key := functionKey{scope, name}
	value, ok := r.cache.Load(key)
	if !ok {
		value, _ = r.cache.LoadOrStore(key, &cached{})
	}
	c := value.(*cached)
	if found, ok := c.byQualifier.Load(qualifier); ok {
		return found.(*choice).choose()
	}
	found, err := r.choice(ctx, Target{Scope: scope, Name: name, Qualifier: qualifier})
	if err != nil {
		// Names that do not exist must not fill the memory.
		if !ok {
			r.cache.CompareAndDelete(key, c)
		}
		return nil, err
	}
	c.byQualifier.Store(qualifier, found)
	return found.choose()
}

// functionKey names a function in the cache.
type functionKey struct {
	scope Scope
	name  string
}

// cached holds what the qualifiers of one function resolve to. It is never
// emptied but replaced: a reading that began before a change can only be stored
// in the object that the change has thrown away.
type cached struct {
	byQualifier sync.Map // qualifier -> *choice
	policies    sync.Map // qualifier -> *policy.Policy, nil where there is none
}

// forget drops what is cached of a function.
func (r *Registry) forget(s Scope, name string) {
	r.cache.Delete(functionKey{s, name})
	r.totals.Delete(s)
}

// forgetAlways drops what is cached when the store hints at a change, until ctx
// ends: another process may have made it. For changes of its own the registry
// does not wait for the hint.
func (r *Registry) forgetAlways(ctx context.Context) error {
	changed := r.config.Store.Watch(ctx, tuple.Key(service))
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
			r.cache.Clear()
			r.totals.Clear()
		}
	}
}

// choice is what a qualifier resolves to: one version, or two with a weight.
type choice struct {
	main   outcome
	other  outcome
	weight float64 // of other
}

// outcome is a version to run or the reason why not.
type outcome struct {
	resolved *Resolved
	err      error
}

func (c *choice) choose() (*Resolved, error) {
	if c.weight > 0 && rand.Float64() < c.weight {
		return c.other.resolved, c.other.err
	}
	return c.main.resolved, c.main.err
}

// choice reads what a target resolves to.
func (r *Registry) choice(ctx context.Context, t Target) (*choice, error) {
	found := &choice{}
	err := r.view(ctx, func(rd reader) error {
		common := Resolved{InvokedARN: t.ARN()}
		var err error
		if common.ReservedConcurrency, err = rd.reserved(t); err != nil {
			return err
		}
		kept, total, err := rd.kept(t)
		if err != nil {
			return err
		}
		common.FunctionProvisioned = total
		var loop string
		if _, err := rd.read(scopeKey(tableRecursion, t.Scope, t.Name), &loop); err != nil {
			return err
		}
		common.RecursionAllowed = loop == recursionAllow
		row, err := rd.version(t)
		if isNotFound(err) && t.Qualifier == "" {
			// AWS: Invoke names the version that it would have run.
			return notFound(Target{Scope: t.Scope, Name: t.Name, Qualifier: Latest})
		}
		if err != nil {
			return err
		}
		found.main = r.outcome(row, common, kept)
		alias, err := rd.alias(t.Scope, t.Name, t.Qualifier)
		if err != nil || alias == nil {
			return err
		}
		for version, weight := range alias.Routing {
			row, err := rd.version(Target{Scope: t.Scope, Name: t.Name, Qualifier: version})
			if err != nil {
				return err
			}
			found.other, found.weight = r.outcome(row, common, kept), weight
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// outcome completes what all choices have in common for one version.
func (r *Registry) outcome(row *versionRow, resolved Resolved, kept map[string]int) outcome {
	serving := row.serving()
	if serving == nil {
		message := "The operation cannot be performed at this time. The function is currently in the following state: " + string(row.State)
		if row.State == Failed {
			message += ". " + row.StateReason // AWS does not say why; whoever reads this wants to know
		}
		return outcome{err: &ConflictError{Message: message}}
	}
	resolved.Version, resolved.Provisioned = r.overlaid(r.finish(serving)), kept[row.Version.Version]
	return outcome{resolved: &resolved}
}
