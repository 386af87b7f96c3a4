package function

import (
	"context"
	"errors"
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
	recursionAllow      = "Allow"
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
