package function

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// SnapStartPublishedVersions is the Version.SnapStart of a version whose
// environments come from a snapshot of the initialised function.
const SnapStartPublishedVersions = "PublishedVersions"

// reasonInitialisation is AWS's StateReason of a version whose function could not
// be initialised for its snapshot, as CloudFormation shows it; recorded 2026.
const reasonInitialisation = "An error occurred during function initialization."

// SnapStarts tells whether the version's environments come from a snapshot.
func (v *Version) SnapStarts() bool {
	return v.SnapStart == SnapStartPublishedVersions && v.Version != Latest
}

// earlierPythons have SnapStart only if Config.SnapStartEarlier says so: AWS
// offers it for Python from 3.12 on.
// https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
var earlierPythons = []string{"python3.11", "python3.10", "python3.9", "python3.8"}

// checkSnapStart holds SnapStart against what it cannot go with.
//
// AWS: the text for runtimes is recorded. That for the storage has the same form:
// the limit is documented, the reply is not known.
func (r *Registry) checkSnapStart(v *Version) error {
	const unsupported = " is not supported for SnapStart enabled functions."
	switch {
	case v.SnapStart != SnapStartPublishedVersions:
		return nil
	case slices.Contains(earlierPythons, v.Runtime) && !r.config.SnapStartEarlier, v.Runtime == "provided.al2023":
		return &InvalidError{Message: v.Runtime + unsupported}
	case v.EphemeralMB > limit.MinEphemeralMB:
		return &InvalidError{Message: fmt.Sprintf("EphemeralStorage greater than %d MB"+unsupported, limit.MinEphemeralMB)}
	}
	return nil
}

// checkNoSnapStart refuses provisioned concurrency of versions with SnapStart.
//
// AWS: "SnapStart doesn't support provisioned concurrency", snapstart.html; the
// reply is not known, so this is the form of the others.
func (c *change) checkNoSnapStart(t Target, versions map[string]int) error {
	for version := range versions {
		n, _ := versionNumber(version)
		published, err := c.published(t.Scope, t.Name, n)
		if err != nil {
			return err
		}
		if published != nil && published.SnapStarts() {
			return &InvalidError{Message: "Provisioned Concurrency is not supported for SnapStart enabled functions."}
		}
	}
	return nil
}

// snapshot has the version's function initialised and kept.
func (r *Registry) snapshot(ctx context.Context, v *Version) (*failure, error) {
	if r.config.Snapshot == nil || !v.SnapStarts() {
		return nil, nil
	}
	code, err := r.config.Snapshot(ctx, r.finish(v))
	if err != nil || code == "" {
		return nil, err
	}
	return &failure{reason: reasonInitialisation, code: code}, nil
}

// SnapStarted lists the versions that a server should have snapshots of before
// their first call: those with SnapStart that aliases name, or the newest of a
// function whose aliases name none.
func (r *Registry) SnapStarted(ctx context.Context) ([]*Version, error) {
	var found []*Version
	lo, hi := tuple.Range(service, tableFunction)
	err := r.view(ctx, func(rd reader) error {
		return rd.scan(lo, hi, func(e store.Entry) (bool, error) {
			var row functionRow
			if err := decode(e.Value, &row); err != nil {
				return false, err
			}
			versions, err := r.snapStartedOf(rd, &row)
			found = append(found, versions...)
			return true, err
		})
	})
	return found, err
}

func (r *Registry) snapStartedOf(rd reader, row *functionRow) (found []*Version, err error) {
	scope, name := row.Latest.scope(), row.Latest.Name
	var newest *Version
	lo, hi := scopeRange(tableVersion, scope, name)
	err = rd.scan(lo, hi, func(e store.Entry) (bool, error) {
		var version versionRow
		if err := decode(e.Value, &version); err != nil {
			return false, err
		}
		if !version.SnapStarts() || version.State != Active {
			return true, nil
		}
		newest = r.finish(&version.Version)
		aliases, err := rd.aliasesOf(scope, name, strconv.FormatInt(version.number(), 10))
		if len(aliases) > 0 {
			found = append(found, newest)
		}
		return true, err
	})
	if len(found) == 0 && newest != nil {
		found = []*Version{newest}
	}
	return found, err
}
