package function

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// maxTags of one resource.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
const maxTags = 50

func errTooManyTags() error {
	return &InvalidError{Message: "Number of tags exceeds resource tag limit."}
}

// updateTags is update for the tags of a function.
func (r *Registry) updateTags(ctx context.Context, scope Scope, resourceARN string, f func(tags map[string]string) error) error {
	t, err := parseTaggable(scope, resourceARN)
	if err != nil {
		return err
	}
	return r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		key := scopeKey(tableTags, t.Scope, t.Name)
		tags := map[string]string{}
		if _, err := c.get(key, &tags); err != nil {
			return err
		}
		if err := f(tags); err != nil {
			return err
		}
		c.put(key, tags)
		c.putFunction(row)
		return nil
	})
}

// Tag adds tags to the function with this ARN.
func (r *Registry) Tag(ctx context.Context, scope Scope, resourceARN string, tags map[string]string) error {
	if len(tags) == 0 {
		// AWS: these words, recorded.
		return &InvalidError{Message: "An error occurred and the request cannot be processed."}
	}
	return r.updateTags(ctx, scope, resourceARN, func(all map[string]string) error {
		maps.Copy(all, tags)
		if len(all) > maxTags {
			return errTooManyTags()
		}
		return nil
	})
}

// Untag removes tags; unknown keys are no error.
func (r *Registry) Untag(ctx context.Context, scope Scope, resourceARN string, keys []string) error {
	return r.updateTags(ctx, scope, resourceARN, func(all map[string]string) error {
		for _, key := range keys {
			delete(all, key)
		}
		return nil
	})
}

// Tags is ListTags.
func (r *Registry) Tags(ctx context.Context, scope Scope, resourceARN string) (map[string]string, error) {
	t, err := parseTaggable(scope, resourceARN)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	err = r.view(ctx, func(rd reader) error {
		if _, err := rd.version(t); err != nil {
			return err
		}
		_, err := rd.read(scopeKey(tableTags, t.Scope, t.Name), &tags)
		return err
	})
	return tags, err
}

// concurrencyRow is the reservation of one function.
type concurrencyRow struct{ Reserved int }

// guardRow is written with every reservation of a scope, so that their sum can
// be held to the limit.
type guardRow struct{ Reserved int }

// minUnreserved is what AWS keeps for functions without a reservation.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
const minUnreserved = 100

func (r *Registry) concurrencyLimit() int {
	if r.config.Concurrency > 0 {
		return r.config.Concurrency
	}
	return limit.AccountInFlight
}

// reserved reads the reservation of the target's function.
func (rd reader) reserved(t Target) (*int, error) {
	var row concurrencyRow
	found, err := rd.read(scopeKey(tableConcurrency, t.Scope, t.Name), &row)
	if err != nil || !found {
		return nil, err
	}
	return &row.Reserved, nil
}

// reserve sets a reservation, nil for none, and keeps the sum.
func (c *change) reserve(t Target, reserved *int, total int) error {
	key, guard := scopeKey(tableConcurrency, t.Scope, t.Name), scopeKey(tableConcurrencyGuard, t.Scope)
	var old concurrencyRow
	found, err := c.get(key, &old)
	if err != nil || !found && reserved == nil {
		return err
	}
	var sum guardRow
	if _, err := c.get(guard, &sum); err != nil {
		return err
	}
	sum.Reserved -= old.Reserved
	if reserved == nil {
		c.delete(key)
	} else {
		sum.Reserved += *reserved
		if total-sum.Reserved < minUnreserved {
			return &InvalidError{Message: fmt.Sprintf("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", minUnreserved)}
		}
		c.put(key, concurrencyRow{Reserved: *reserved})
	}
	c.put(guard, sum)
	return nil
}

// releaseConcurrency gives the reservation of a function back that goes.
func (c *change) releaseConcurrency(t Target) error { return c.reserve(t, nil, 0) }

// onlyFunctions refuses a qualifier.
func onlyFunctions(t Target) error {
	if t.Qualifier != "" {
		return &InvalidError{Message: "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."}
	}
	return nil
}

// PutConcurrency reserves concurrency for a function.
func (r *Registry) PutConcurrency(ctx context.Context, t Target, reserved int) error {
	if err := onlyFunctions(t); err != nil {
		return err
	}
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		c.putFunction(row)
		return c.reserve(t, &reserved, r.concurrencyLimit())
	})
	if _, ok := isMissing(err, t); ok {
		// AWS: this one operation names $LATEST; recorded.
		return notFound(Target{Scope: t.Scope, Name: t.Name, Qualifier: Latest})
	}
	return err
}

// Concurrency reads the reservation: nil is none.
func (r *Registry) Concurrency(ctx context.Context, t Target) (reserved *int, err error) {
	if err := onlyFunctions(t); err != nil {
		return nil, err
	}
	err = r.view(ctx, func(rd reader) error {
		if _, err := rd.version(t); err != nil {
			return err
		}
		reserved, err = rd.reserved(t)
		return err
	})
	return reserved, err
}

// DeleteConcurrency gives the reservation back.
func (r *Registry) DeleteConcurrency(ctx context.Context, t Target) error {
	if err := onlyFunctions(t); err != nil {
		return err
	}
	return r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		c.putFunction(row)
		return c.releaseConcurrency(t)
	})
}

// codeStorage is AWS's limit of all code in a region.
const codeStorage = 75 << 30

// AccountSettings is GetAccountSettings.
func (r *Registry) AccountSettings(ctx context.Context, scope Scope) (*AccountSettings, error) {
	out := &AccountSettings{
		TotalCodeSizeBytes: r.config.codeStorage(), CodeSizeUnzippedBytes: limit.UnzippedCodeBytes, CodeSizeZippedBytes: limit.ZippedCodeBytes,
		ConcurrentExecutions: r.concurrencyLimit(),
	}
	err := r.view(ctx, func(rd reader) error {
		var sum guardRow
		if _, err := rd.read(scopeKey(tableConcurrencyGuard, scope), &sum); err != nil {
			return err
		}
		out.UnreservedConcurrentExecutions = out.ConcurrentExecutions - sum.Reserved
		var latest functionRow
		var version versionRow
		var layer layerRow
		return errors.Join(
			rd.each(tableFunction, scope, &latest, func() {
				out.FunctionCount++
				out.UsedCodeSizeBytes += latest.Latest.CodeSizeBytes
			}),
			rd.each(tableVersion, scope, &version, func() { out.UsedCodeSizeBytes += version.CodeSizeBytes }),
			rd.each(tableLayerVersion, scope, &layer, func() { out.UsedCodeSizeBytes += layer.CodeSizeBytes }),
		)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// each decodes every row of a table and scope into row and calls f.
func (rd reader) each(table string, scope Scope, row any, f func()) error {
	lo, hi := scopeRange(table, scope)
	return rd.scan(lo, hi, func(e store.Entry) (bool, error) {
		if err := decode(e.Value, row); err != nil {
			return false, err
		}
		f()
		return true, nil
	})
}

// The values of UpdateRuntimeOn and RecursiveLoop that hold until others are set.
const (
	updateRuntimeAuto   = "Auto"
	updateRuntimeManual = "Manual"
	recursionTerminate  = "Terminate"
)

// PutRuntimeManagement is PutRuntimeManagementConfig.
func (r *Registry) PutRuntimeManagement(ctx context.Context, t Target, in RuntimeManagement) (*RuntimeManagement, error) {
	if (in.UpdateRuntimeOn == updateRuntimeManual) != (in.RuntimeVersionARN != "") {
		return nil, &InvalidError{Message: "RuntimeVersionArn is required with UpdateRuntimeOn Manual, and not allowed otherwise."}
	}
	key, qualified := runtimeManagementKey(t)
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		if err := c.checkVersion(qualified); err != nil {
			return err
		}
		in.FunctionARN = ""
		c.put(key, in)
		c.putFunction(row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	in.FunctionARN = qualified.ARN()
	return &in, nil
}

// RuntimeManagement is GetRuntimeManagementConfig.
func (r *Registry) RuntimeManagement(ctx context.Context, t Target) (*RuntimeManagement, error) {
	key, qualified := runtimeManagementKey(t)
	out := &RuntimeManagement{UpdateRuntimeOn: updateRuntimeAuto}
	err := r.view(ctx, func(rd reader) error {
		if _, err := rd.version(t); err != nil {
			return err
		}
		_, err := rd.read(key, out)
		return err
	})
	if err != nil {
		return nil, err
	}
	out.FunctionARN = qualified.ARN()
	return out, nil
}

func runtimeManagementKey(t Target) ([]byte, Target) {
	if t.Qualifier == "" {
		t.Qualifier = Latest
	}
	return scopeKey(tableRuntimeManagement, t.Scope, t.Name, t.Qualifier), t
}

// PutRecursion sets RecursiveLoop: "Terminate" or "Allow".
func (r *Registry) PutRecursion(ctx context.Context, t Target, recursiveLoop string) (string, error) {
	err := r.updateFunction(ctx, t, func(c *change, row *functionRow) error {
		c.put(scopeKey(tableRecursion, t.Scope, t.Name), recursiveLoop)
		c.putFunction(row)
		return nil
	})
	return recursiveLoop, err
}

// Recursion reads RecursiveLoop.
func (r *Registry) Recursion(ctx context.Context, t Target) (string, error) {
	out := recursionTerminate
	err := r.view(ctx, func(rd reader) error {
		if _, err := rd.version(Target{Scope: t.Scope, Name: t.Name}); err != nil {
			return err
		}
		_, err := rd.read(scopeKey(tableRecursion, t.Scope, t.Name), &out)
		return err
	})
	return out, err
}
