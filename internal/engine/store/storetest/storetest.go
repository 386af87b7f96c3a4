// Package storetest is the definition of the store contract as tests: a
// behaviour exists only if it is here, and every engine shows all of them.
//
// It promises nothing else. Each test opens its own store and may run beside
// others; the goroutines of a test end with it. Start reading at Run.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Opener opens the store of folder "name" of one test: the same name again,
// after Close, is the same store.
type Opener func(t *testing.T, name string) store.Store

// Run holds an engine to the contract.
func Run(t *testing.T, open func(t *testing.T) Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"PutThenGet":                           putThenGet,
		"GetOfAbsentKey":                       getOfAbsentKey,
		"ValueIsTheCallersToKeep":              valueIsTheCallersToKeep,
		"LaterCommitHasGreaterVersion":         laterCommitHasGreaterVersion,
		"VersionsGrowAcrossReopen":             versionsGrowAcrossReopen,
		"CommitsSurviveReopen":                 commitsSurviveReopen,
		"RelaxedCommitsSurviveReopen":          relaxedCommitsSurviveReopen,
		"SnapshotIsAPointInTime":               snapshotIsAPointInTime,
		"ScanIsOrderedAndHalfOpen":             scanIsOrderedAndHalfOpen,
		"ScanBackwards":                        scanBackwards,
		"ScanStopsAtTheLimit":                  scanStopsAtTheLimit,
		"ScanToTheEnd":                         scanToTheEnd,
		"ScanDoesNotShowTheEnginesKeys":        scanDoesNotShowTheEnginesKeys,
		"CheckAbsent":                          checkAbsent,
		"CheckVersion":                         checkVersion,
		"CheckOfARecreatedKey":                 checkOfARecreatedKey,
		"FailedCheckChangesNothing":            failedCheckChangesNothing,
		"ConflictNamesTheCheck":                conflictNamesTheCheck,
		"DeletesThenPuts":                      deletesThenPuts,
		"DeleteRangeIsHalfOpen":                deleteRangeIsHalfOpen,
		"DeleteRangeToTheEndSparesTheEngine":   deleteRangeToTheEndSparesTheEngine,
		"LimitsAreExact":                       limitsAreExact,
		"ReservedKeysAreRefused":               reservedKeysAreRefused,
		"CounterUnderContention":               counterUnderContention,
		"DeleteRangeAndCheckAreSerial":         deleteRangeAndCheckAreSerial,
		"ChecksOnSwappedKeysDoNotBothPass":     checksOnSwappedKeysDoNotBothPass,
		"WatchHintsAtPut":                      watchHintsAtPut,
		"WatchHintsAtDeleteAndRange":           watchHintsAtDeleteAndRange,
		"WatchIsSilentElsewhere":               watchIsSilentElsewhere,
		"WatchHintsCoalesceAndDoNotBlock":      watchHintsCoalesceAndDoNotBlock,
		"WatchEndsWithItsContext":              watchEndsWithItsContext,
		"LeaseExcludesOthers":                  leaseExcludesOthers,
		"LeaseEpochGrows":                      leaseEpochGrows,
		"LeaseEpochGrowsAcrossReopen":          leaseEpochGrowsAcrossReopen,
		"ExpiredLeaseCanBeTaken":               expiredLeaseCanBeTaken,
		"ExpiredLeaseCanBeRenewedIfNobodyTook": expiredLeaseCanBeRenewedIfNobodyTook,
		"FenceHoldsForTheOwner":                fenceHoldsForTheOwner,
		"FenceStopsAFormerOwner":               fenceStopsAFormerOwner,
		"OneOfManyGetsTheLease":                oneOfManyGetsTheLease,
		"CanceledContextCommitsNothing":        canceledContextCommitsNothing,
		"ClosedStoreSaysSo":                    closedStoreSaysSo,
		"CloseEndsOpenSnapshots":               closeEndsOpenSnapshots,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// commit applies b and fails the test if it cannot.
func commit(t *testing.T, s store.Store, b store.Batch) store.Version {
	t.Helper()
	version, err := s.Commit(t.Context(), &b)
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return version
}

func put(t *testing.T, s store.Store, key, value string) store.Version {
	t.Helper()
	return commit(t, s, store.Batch{Puts: []store.KV{kv(key, value)}})
}

func kv(key, value string) store.KV { return store.KV{Key: []byte(key), Value: []byte(value)} }

func snapshot(t *testing.T, s store.Store) store.Snap {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	t.Cleanup(func() { snap.Close() })
	return snap
}

// read returns the value and version of key, "" and 0 if it is absent.
func read(t *testing.T, s store.Store, key string) (string, store.Version) {
	t.Helper()
	snap := snapshot(t, s)
	value, version, err := snap.Get([]byte(key))
	snap.Close()
	if errors.Is(err, store.ErrNotFound) {
		return "", 0
	}
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return string(value), version
}

func want(t *testing.T, s store.Store, key, value string) {
	t.Helper()
	if got, _ := read(t, s, key); got != value {
		t.Errorf("%q is %q, want %q", key, got, value)
	}
}

// scan returns key=value of each entry.
func scan(t *testing.T, snap store.Snap, lo, hi []byte, limit int, reverse bool) (found []string) {
	t.Helper()
	entries, err := snap.Scan(lo, hi, limit, reverse)
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	for _, e := range entries {
		if e.Version == 0 {
			t.Errorf("entry %q has no version", e.Key)
		}
		found = append(found, fmt.Sprintf("%s=%s", e.Key, e.Value))
	}
	return found
}

func wantList(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func closeStore(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
