// Package iam is the behaviour of AWS Identity and Access Management: roles,
// users, groups, instance profiles, their policies, and access keys.
//
// It promises: when a change returns nil it survives kill -9 and power loss; what
// one thing needs of another (a policy that is attached, a group with users, a
// role in an instance profile) cannot be deleted, also not by who is faster; an
// access key authenticates from its creation to its deletion, and its secret lies
// on the disk encrypted.
//
// Names are one of a kind in their account, whatever their case. Links between
// things carry ids, so a new name changes one row. Whoever makes a link writes the
// row that it leads to again: so its deletion, which checks the row, sees the link.
//
// There is no state beside the store but a counter of changes: every change checks the rows that it read
// and is done again if another was faster. No goroutines, no locks. Start reading
// at IAM.
package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/seal"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Code is AWS's name of a refusal.
type Code string

// The codes.
const (
	NoSuchEntity    Code = "NoSuchEntity"
	AlreadyExists   Code = "EntityAlreadyExists"
	DeleteConflict  Code = "DeleteConflict"
	LimitExceeded   Code = "LimitExceeded"
	MalformedPolicy Code = "MalformedPolicyDocument"
	InvalidInput    Code = "InvalidInput"
	ValidationError Code = "ValidationError"
)

// Error is a refusal that the caller can understand.
type Error struct {
	Code    Code
	Message string
}

// Error names the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

func fail(code Code, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// Limits. AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, the defaults.
const (
	MaxTags            = 50
	MaxVersions        = 5 // of a managed policy
	MaxKeys            = 2 // of a user
	MaxGroupsOfUser    = 10
	MaxAttached        = 10   // managed policies of a role, a user or a group
	MaxTrustCharacters = 2048 // white space not counted, as in all policies
	MaxPolicyBytes     = 6144 // of a managed policy
	MaxPolicies        = 1500 // of an account
)

// Config is what IAM works with. Store and Secret are required.
type Config struct {
	Store  store.Store
	Secret []byte // of the data folder
	Clock  clock.Clock
}

// IAM holds everything of all accounts.
type IAM struct {
	config     Config
	sealer     *seal.Sealer
	generation atomic.Uint64 // of all rows: see Generation
}

// New only builds.
func New(config Config) (*IAM, error) {
	if config.Store == nil || len(config.Secret) == 0 {
		return nil, errors.New("iam: Store and Secret are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	sealer, err := seal.New(config.Secret, "iam access keys")
	return &IAM{config: config, sealer: sealer}, err
}

func (i *IAM) now() time.Time { return i.config.Clock.Now().UTC().Truncate(time.Second) }

// Tag is one tag; their order is kept.
type Tag struct{ Key, Value string }

// SetTags adds or changes tags.
func SetTags(tags []Tag, more []Tag) ([]Tag, error) {
	seen := map[string]bool{}
	for _, tag := range more {
		if lower := strings.ToLower(tag.Key); seen[lower] {
			return nil, fail(InvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		} else {
			seen[lower] = true
		}
	}
	kept := make([]Tag, 0, len(tags)+len(more))
	for _, tag := range tags {
		if !seen[strings.ToLower(tag.Key)] {
			kept = append(kept, tag)
		}
	}
	if kept = append(kept, more...); len(kept) > MaxTags {
		return nil, fail(LimitExceeded, "The number of tags has reached the maximum limit.")
	}
	return kept, nil
}

// RemoveTags removes those with a key.
func RemoveTags(tags []Tag, keys []string) []Tag {
	var kept []Tag
	for _, tag := range tags {
		gone := false
		for _, key := range keys {
			gone = gone || strings.EqualFold(key, tag.Key)
		}
		if !gone {
			kept = append(kept, tag)
		}
	}
	return kept
}

// idBytes make the 17 letters of an id behind its four letters of the kind.
const idBytes = 11

var idText = base32.StdEncoding.WithPadding(base32.NoPadding)

// newID makes a unique id, "AIDA" and 17 letters.
func newID(prefix string, letters int) string {
	var random [idBytes]byte
	rand.Read(random[:]) // never fails
	return prefix + idText.EncodeToString(random[:])[:letters]
}

// transaction is one change or view of an account: what it reads is checked by
// its commit.
type transaction struct {
	*IAM
	account string
	snap    store.Snap
	batch   store.Batch
}

// change does a change, and again if another was faster.
func (i *IAM) change(ctx context.Context, account string, do func(t *transaction) error) error {
	for {
		snap, err := i.config.Store.Snapshot(ctx)
		if err != nil {
			return err
		}
		t := &transaction{IAM: i, account: account, snap: snap}
		err = do(t)
		snap.Close()
		if err != nil || len(t.batch.Puts)+len(t.batch.Deletes) == 0 {
			return err
		}
		if _, err = i.config.Store.Commit(context.WithoutCancel(ctx), &t.batch); !errors.Is(err, store.ErrConflict) {
			i.generation.Add(1)
			return err
		}
	}
}

// view only reads.
func (i *IAM) view(ctx context.Context, account string, do func(t *transaction) error) error {
	snap, err := i.config.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	return do(&transaction{IAM: i, account: account, snap: snap})
}

// read decodes a row and tells whether there is one.
func (t *transaction) read(key []byte, into any) (bool, error) {
	value, version, err := t.snap.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		t.batch.Checks = append(t.batch.Checks, store.Absent(key))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t.batch.Checks = append(t.batch.Checks, store.At(key, version))
	return true, json.Unmarshal(value, into)
}

func (t *transaction) put(key []byte, value any) error {
	text, err := json.Marshal(value)
	t.batch.Puts = append(t.batch.Puts, store.KV{Key: key, Value: text})
	return err
}

func (t *transaction) remove(key []byte) { t.batch.Deletes = append(t.batch.Deletes, key) }

// scan visits the rows whose keys begin with the parts.
func (t *transaction) scan(visit func(parts []any, value []byte) error, prefix ...any) error {
	lo, hi := tuple.Range(prefix...)
	return store.Each(t.snap, lo, hi, func(e *store.Entry) (bool, error) {
		parts, err := tuple.Parse(e.Key)
		if err != nil {
			return false, err
		}
		return true, visit(parts, e.Value)
	})
}

// relation is what a link means.
type relation string

const (
	attached relation = "attached" // policy ARN <- id of a role, user or group
	boundary relation = "boundary" // policy ARN <- id of a role or user
	member   relation = "member"   // id of a group <- id of a user
	belongs  relation = "belongs"  // id of a user <- id of a group, the same the other way
	holder   relation = "holder"   // id of a role <- id of an instance profile
	owner    relation = "owner"    // id of a user <- id of an access key
)

func linkKey(account string, r relation, target, from string) []byte {
	return tuple.Key("iam", "link", account, string(r), target, from)
}

func (t *transaction) link(r relation, target, from string) {
	t.batch.Puts = append(t.batch.Puts, store.KV{Key: linkKey(t.account, r, target, from)})
}

func (t *transaction) unlink(r relation, target, from string) {
	t.remove(linkKey(t.account, r, target, from))
}

// links are the ids that lead to a target.
func (t *transaction) links(r relation, target string) (ids []string, err error) {
	err = t.scan(func(parts []any, _ []byte) error {
		ids = append(ids, parts[len(parts)-1].(string))
		return nil
	}, "iam", "link", t.account, string(r), target)
	return ids, err
}

// counts are how many links lead to each target of the account.
func (t *transaction) counts(r relation) (map[string]int32, error) {
	counts := map[string]int32{}
	err := t.scan(func(parts []any, _ []byte) error {
		counts[parts[len(parts)-2].(string)]++
		return nil
	}, "iam", "link", t.account, string(r))
	return counts, err
}
