// Package secret is the behaviour of AWS Secrets Manager: secrets with versions
// and staging labels, encrypted at rest.
//
// It promises: when a change returns nil it survives kill -9 and power loss;
// exactly one version of a secret is AWSCURRENT, if it has a value, and the one
// before it is AWSPREVIOUS; a secret that was marked for deletion can be restored
// until its date and is gone after it; values lie on the disk encrypted and never
// reach a log.
//
// There is no state beside the store: every change checks the row that it read
// and is done again if another was faster. No locks; Run removes what is to be
// deleted until its context ends. Start reading at Secrets.
package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
	"github.com/lambkin-dev/lambkin/internal/engine/seal"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Limits. AWS: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html.
const (
	MaxValueBytes  = 65_536
	MaxVersions    = 100 // of which those without a label go first
	MaxStages      = 20  // of a version
	maxTags        = 50
	maxPolicyBytes = 20_480
)

// The staging labels of AWS.
const (
	Current  = "AWSCURRENT"
	Previous = "AWSPREVIOUS"
)

// Scope is where secrets are.
type Scope struct{ Account, Region string }

// Secret is a secret without its values.
type Secret struct {
	Scope       Scope  `json:"-"`
	Name        string `json:"-"`
	Suffix      string // of its ARN: a secret that is made again has another
	Description string
	Tags        map[string]string `json:",omitempty"`
	Policy      string            `json:",omitempty"` // JSON
	Versions    map[string]*Version
	Created     time.Time
	Changed     time.Time
	Deleted     time.Time `json:",omitzero"` // when it was marked for deletion
	Gone        time.Time `json:",omitzero"` // when it will be
}

// Version is one version, without its value.
type Version struct {
	Stages  []string `json:",omitempty"`
	Created time.Time
	Binary  bool
}

// Value is the value of a version.
type Value struct {
	Bytes  []byte
	Binary bool // given as bytes, not as text
}

// ARN is the secret's Amazon Resource Name.
func (s *Secret) ARN() string {
	return arn.New("secretsmanager", s.Scope.Region, s.Scope.Account, "secret:"+s.Name+"-"+s.Suffix).String()
}

// At is the id of the version with a stage, "" if there is none.
func (s *Secret) At(stage string) string {
	for id, v := range s.Versions {
		if slices.Contains(v.Stages, stage) {
			return id
		}
	}
	return ""
}

// Error is a refusal that the caller can understand; Code is AWS's name of it.
type Error struct{ Code, Message string }

// Error names the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func fail(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// The codes.
const (
	NotFound         = "ResourceNotFoundException"
	Exists           = "ResourceExistsException"
	InvalidRequest   = "InvalidRequestException"
	InvalidParameter = "InvalidParameterException"
	LimitExceeded    = "LimitExceededException"
	MalformedPolicy  = "MalformedPolicyDocumentException"
	Validation       = "ValidationException"
)

func notFound() *Error {
	return fail(NotFound, "Secrets Manager can't find the specified secret.")
}

// Config is what Secrets work with. Store and Secret are required.
type Config struct {
	Store  store.Store
	Secret []byte // of the data folder
	Clock  clock.Clock
	Logger *slog.Logger
}

// Secrets holds all secrets.
type Secrets struct {
	config Config
	sealer *seal.Sealer
}

// New only builds.
func New(config Config) (*Secrets, error) {
	if config.Store == nil || len(config.Secret) == 0 {
		return nil, errors.New("secret: Store and Secret are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	sealer, err := seal.New(config.Secret, "secretsmanager secrets")
	return &Secrets{config, sealer}, err
}

func secretKey(s Scope, name string) []byte {
	return tuple.Key("secretsmanager", "secret", s.Account, s.Region, name)
}

func valueKey(s *Secret, version string) []byte {
	return tuple.Key("secretsmanager", "value", s.Scope.Account, s.Scope.Region, s.Name, s.Suffix, version)
}

var suffixForm = lazy.MustCompile(`^(.*)-[A-Za-z0-9]{6}$`)

// read finds a secret by its name, or by its ARN with or without the suffix.
func (q *Secrets) read(snap store.Snap, scope Scope, id string) (*Secret, store.Check, error) {
	name, suffix := id, ""
	names := []string{id}
	if a, err := arn.Parse(id); err == nil && a.Service == "secretsmanager" {
		scope = Scope{a.Account, a.Region}
		name = strings.TrimPrefix(a.Resource, "secret:")
		names = []string{name}
		if m := suffixForm.FindStringSubmatch(name); m != nil {
			names, suffix = []string{m[1], name}, name[len(m[1])+1:]
		}
	}
	for _, candidate := range names {
		key := secretKey(scope, candidate)
		value, version, err := snap.Get(key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		s := &Secret{}
		if err == nil {
			err = json.Unmarshal(value, s)
		}
		s.Scope, s.Name = scope, candidate
		// A name that ends like a suffix is tried as a whole, too.
		if err == nil && suffix != "" && candidate != name && s.Suffix != suffix {
			continue
		}
		if err == nil && s.gone(q.config.Clock.Now()) {
			return nil, store.At(key, version), notFound()
		}
		return s, store.At(key, version), err
	}
	return nil, store.Absent(secretKey(scope, name)), notFound()
}

func (s *Secret) gone(now time.Time) bool { return !s.Gone.IsZero() && !now.Before(s.Gone) }

func (s *Secret) row() (store.KV, error) {
	text, err := json.Marshal(s)
	return store.KV{Key: secretKey(s.Scope, s.Name), Value: text}, err
}

var nameForm = lazy.MustCompile(`^[A-Za-z0-9/_+=.@!\-]{1,512}$`)

// Create makes a secret, with a first version if there is a value. The token, if
// there is one, becomes the id of the version: a request that comes again is the
// same one.
func (q *Secrets) Create(ctx context.Context, scope Scope, name, description, token string, value *Value, tags map[string]string) (made *Secret, version string, err error) {
	switch {
	case !nameForm.MatchString(name):
		return nil, "", fail(Validation, "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	case len(tags) > maxTags:
		return nil, "", fail(LimitExceeded, "The number of tags exceeds the limit of %d.", maxTags)
	}
	err = store.Change(ctx, q.config.Store, func(snap store.Snap) (*store.Batch, error) {
		existing, check, err := q.read(snap, scope, name)
		var refusal *Error
		if err != nil && !errors.As(err, &refusal) {
			return nil, err
		}
		if existing != nil {
			made, version = existing, token
			return nil, q.again(snap, existing, token, value)
		}
		now := q.config.Clock.Now().UTC()
		made = &Secret{Scope: scope, Name: name, Suffix: ids.Hex(suffixBytes), Description: description, Tags: tags, Versions: map[string]*Version{}, Created: now, Changed: now}
		batch := &store.Batch{Checks: []store.Check{check}}
		if value != nil {
			if version, err = q.add(batch, made, token, value, []string{Current}); err != nil {
				return nil, err
			}
		}
		put, err := made.row()
		batch.Puts = append(batch.Puts, put)
		return batch, err
	})
	return made, version, err
}

const suffixBytes = 3 // twice as many digits

// again answers a request to create what is there: fine if it is the same.
func (q *Secrets) again(snap store.Snap, s *Secret, token string, value *Value) error {
	if !s.Deleted.IsZero() {
		return fail(InvalidRequest, "You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if token != "" && s.Versions[token] != nil && value != nil {
		if same, err := q.same(snap, s, token, value); err != nil || same {
			return err
		}
	}
	return fail(Exists, "The operation failed because the secret %s already exists.", s.Name)
}

// same tells whether a version has that value.
func (q *Secrets) same(snap store.Snap, s *Secret, version string, value *Value) (bool, error) {
	had, err := q.value(snap, s, version)
	return err == nil && had.Binary == value.Binary && string(had.Bytes) == string(value.Bytes), err
}

func (q *Secrets) value(snap store.Snap, s *Secret, version string) (*Value, error) {
	sealed, _, err := snap.Get(valueKey(s, version))
	if err != nil {
		return nil, err
	}
	plain, err := q.sealer.Open(sealed, s.ARN()+" "+version)
	return &Value{Bytes: plain, Binary: s.Versions[version].Binary}, err
}

// add adds a version with stages, which others lose.
func (q *Secrets) add(batch *store.Batch, s *Secret, version string, value *Value, stages []string) (string, error) {
	if version == "" {
		version = ids.UUID()
	}
	switch {
	case len(value.Bytes) == 0:
		return "", fail(InvalidRequest, "You must provide either SecretString or SecretBinary.")
	case len(value.Bytes) > MaxValueBytes:
		return "", fail(InvalidParameter, "The secret value is larger than %d bytes.", MaxValueBytes)
	case len(stages) > MaxStages:
		return "", fail(LimitExceeded, "A version has at most %d staging labels.", MaxStages)
	}
	now := q.config.Clock.Now().UTC()
	s.Versions[version] = &Version{Created: now, Binary: value.Binary}
	s.Changed = now
	for _, stage := range stages {
		s.move(stage, version)
	}
	if s.At(Current) == "" { // AWS: the first version always is
		s.move(Current, version)
	}
	batch.Puts = append(batch.Puts, store.KV{Key: valueKey(s, version), Value: q.sealer.Seal(value.Bytes, s.ARN()+" "+version)})
	return version, s.prune(batch)
}

// move gives a stage to a version. What was current becomes the previous one.
func (s *Secret) move(stage, to string) {
	from := s.At(stage)
	if from == to {
		return
	}
	s.take(stage)
	s.Versions[to].Stages = append(s.Versions[to].Stages, stage)
	if stage == Current && from != "" {
		s.take(Previous)
		s.Versions[from].Stages = append(s.Versions[from].Stages, Previous)
	}
}

func (s *Secret) take(stage string) {
	for _, v := range s.Versions {
		v.Stages = slices.DeleteFunc(v.Stages, func(other string) bool { return other == stage })
	}
}

// prune removes the oldest versions without a stage while there are too many.
func (s *Secret) prune(batch *store.Batch) error {
	for len(s.Versions) > MaxVersions {
		oldest := ""
		for id, v := range s.Versions {
			if len(v.Stages) == 0 && (oldest == "" || v.Created.Before(s.Versions[oldest].Created)) {
				oldest = id
			}
		}
		if oldest == "" {
			return fail(LimitExceeded, "A secret has at most %d versions with staging labels.", MaxVersions)
		}
		delete(s.Versions, oldest)
		batch.Deletes = append(batch.Deletes, valueKey(s, oldest))
	}
	return nil
}

// Change changes a secret that is not marked for deletion.
func (q *Secrets) Change(ctx context.Context, scope Scope, id string, change func(*Secret) error) (changed *Secret, err error) {
	return q.change(ctx, scope, id, func(_ store.Snap, s *Secret, _ *store.Batch) error {
		if !s.Deleted.IsZero() {
			return marked()
		}
		return change(s)
	})
}

func marked() *Error {
	return fail(InvalidRequest, "You can't perform this operation on the secret because it was marked for deletion.")
}

func (q *Secrets) change(ctx context.Context, scope Scope, id string, change func(store.Snap, *Secret, *store.Batch) error) (changed *Secret, err error) {
	err = store.Change(ctx, q.config.Store, func(snap store.Snap) (*store.Batch, error) {
		s, check, err := q.read(snap, scope, id)
		if err != nil {
			return nil, err
		}
		batch := &store.Batch{Checks: []store.Check{check}}
		changed = s
		if err := change(snap, s, batch); err != nil {
			return nil, err
		}
		if len(s.Tags) > maxTags {
			return nil, fail(LimitExceeded, "The number of tags exceeds the limit of %d.", maxTags)
		}
		put, err := s.row()
		batch.Puts = append(batch.Puts, put)
		return batch, err
	})
	return changed, err
}

// Put adds a version. Without stages it becomes the current one. A token that is
// a version with this value already changes nothing.
func (q *Secrets) Put(ctx context.Context, scope Scope, id, token string, value *Value, stages []string, describe func(*Secret)) (changed *Secret, version string, err error) {
	changed, err = q.change(ctx, scope, id, func(snap store.Snap, s *Secret, batch *store.Batch) error {
		if !s.Deleted.IsZero() {
			return marked()
		}
		if describe != nil {
			describe(s)
			s.Changed = q.config.Clock.Now().UTC()
		}
		if version = ""; value == nil {
			return nil
		}
		if token != "" && s.Versions[token] != nil {
			same, err := q.same(snap, s, token, value)
			if err == nil && !same {
				err = fail(Exists, "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", token, s.ARN())
			}
			version = token
			return err
		}
		if len(stages) == 0 {
			stages = []string{Current}
		}
		var err error
		version, err = q.add(batch, s, token, value, stages)
		return err
	})
	return changed, version, err
}

// Get reads a value: that of a version, of a stage, or the current one.
func (q *Secrets) Get(ctx context.Context, scope Scope, id, version, stage string) (*Secret, string, *Value, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	defer snap.Close()
	s, _, err := q.read(snap, scope, id)
	if err != nil {
		return nil, "", nil, err
	}
	if !s.Deleted.IsZero() {
		return nil, "", nil, marked()
	}
	switch wanted := stage; {
	case version != "" && s.Versions[version] == nil:
		return nil, "", nil, fail(NotFound, "Secrets Manager can't find the specified secret value for VersionId: %s", version)
	case version != "" && stage != "" && !slices.Contains(s.Versions[version].Stages, stage):
		return nil, "", nil, fail(InvalidRequest, "You provided a VersionStage that is not associated to the provided VersionId.")
	case version == "":
		if wanted == "" {
			wanted = Current
		}
		if version = s.At(wanted); version == "" {
			return nil, "", nil, fail(NotFound, "Secrets Manager can't find the specified secret value for staging label: %s", wanted)
		}
	}
	value, err := q.value(snap, s, version)
	return s, version, value, err
}

// Describe is a secret, also one that is marked for deletion.
func (q *Secrets) Describe(ctx context.Context, scope Scope, id string) (*Secret, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	s, _, err := q.read(snap, scope, id)
	return s, err
}

// MoveStage takes a stage from one version and gives it to another; either may be
// empty.
func (q *Secrets) MoveStage(ctx context.Context, scope Scope, id, stage, from, to string) (*Secret, error) {
	return q.Change(ctx, scope, id, func(s *Secret) error {
		has := s.At(stage)
		switch {
		case to != "" && s.Versions[to] == nil, from != "" && s.Versions[from] == nil:
			return fail(NotFound, "Secrets Manager can't find the specified secret value for VersionId: %s", to+from)
		case from != "" && has != from:
			return fail(InvalidParameter, "The parameter RemoveFromVersionId can't be %s. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", from, stage, has)
		case to != "" && has != "" && has != to && from == "":
			return fail(InvalidParameter, "The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, has)
		case to == "" && stage == Current:
			return fail(InvalidParameter, "You can only move staging label %s to a different secret version. It can’t be completely removed.", Current)
		case to != "":
			s.move(stage, to)
		default:
			s.take(stage)
		}
		s.Changed = q.config.Clock.Now().UTC()
		return nil
	})
}

// Delete marks a secret for deletion.
func (q *Secrets) Delete(ctx context.Context, scope Scope, id string, recovery time.Duration) (*Secret, error) {
	return q.change(ctx, scope, id, func(_ store.Snap, s *Secret, _ *store.Batch) error {
		if !s.Deleted.IsZero() {
			return marked()
		}
		s.Deleted = q.config.Clock.Now().UTC()
		s.Gone = s.Deleted.Add(recovery)
		return nil
	})
}

// Remove deletes a secret at once, marked or not.
func (q *Secrets) Remove(ctx context.Context, scope Scope, id string) (removed *Secret, err error) {
	err = store.Change(ctx, q.config.Store, func(snap store.Snap) (*store.Batch, error) {
		s, check, err := q.read(snap, scope, id)
		if err != nil {
			return nil, err
		}
		removed = s
		s.Deleted = q.config.Clock.Now().UTC()
		return s.removal(check), nil
	})
	return removed, err
}

// removal takes a secret and its values out of the store.
func (s *Secret) removal(check store.Check) *store.Batch {
	lo, hi := tuple.Range("secretsmanager", "value", s.Scope.Account, s.Scope.Region, s.Name, s.Suffix)
	return &store.Batch{Checks: []store.Check{check}, Deletes: [][]byte{secretKey(s.Scope, s.Name)}, DeleteRanges: []store.Range{{Lo: lo, Hi: hi}}}
}

// Restore takes the mark away.
func (q *Secrets) Restore(ctx context.Context, scope Scope, id string) (*Secret, error) {
	return q.change(ctx, scope, id, func(_ store.Snap, s *Secret, _ *store.Batch) error {
		s.Deleted, s.Gone = time.Time{}, time.Time{}
		return nil
	})
}

// Each visits the secrets of a scope by name that come after one, until visit
// returns false.
func (q *Secrets) Each(ctx context.Context, scope Scope, after string, visit func(*Secret) bool) error {
	lo, hi := tuple.Range("secretsmanager", "secret", scope.Account, scope.Region)
	if after != "" {
		lo = append(secretKey(scope, after), 0)
	}
	now := q.config.Clock.Now()
	return q.scan(ctx, lo, hi, func(s *Secret, _ store.Version) (bool, error) { return s.gone(now) || visit(s), nil })
}

func (q *Secrets) scan(ctx context.Context, lo, hi []byte, visit func(*Secret, store.Version) (bool, error)) error {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	return store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		parts, err := tuple.Parse(e.Key)
		if err != nil {
			return false, err
		}
		s := &Secret{}
		if err := json.Unmarshal(e.Value, s); err != nil {
			return false, err
		}
		s.Scope, s.Name = Scope{parts[2].(string), parts[3].(string)}, parts[4].(string)
		return visit(s, e.Version)
	})
}

// sweepEvery is how often Run looks for secrets that are to be gone.
const sweepEvery = 10 * time.Minute

// Run removes secrets whose date has come, with their values, until ctx ends.
func (q *Secrets) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := q.Sweep(ctx); err != nil && ctx.Err() == nil {
			q.config.Logger.Error("deleted secrets were not removed", "err", err)
		}
		clock.Wait(ctx, q.config.Clock, nil, sweepEvery)
	}
	return nil
}

// Sweep removes them once.
func (q *Secrets) Sweep(ctx context.Context) error {
	now := q.config.Clock.Now()
	lo, hi := tuple.Range("secretsmanager", "secret")
	var failed error
	err := q.scan(ctx, lo, hi, func(s *Secret, version store.Version) (bool, error) {
		if s.gone(now) {
			_, err := q.config.Store.Commit(ctx, s.removal(store.At(secretKey(s.Scope, s.Name), version)))
			if !errors.Is(err, store.ErrConflict) {
				failed = errors.Join(failed, err)
			}
		}
		return true, nil
	})
	return errors.Join(err, failed)
}

// SetPolicy keeps a resource policy, "" for none.
func (q *Secrets) SetPolicy(ctx context.Context, scope Scope, id, policy string) (*Secret, error) {
	if policy != "" && (!json.Valid([]byte(policy)) || len(policy) > maxPolicyBytes) {
		return nil, fail(MalformedPolicy, "This resource policy contains invalid Json")
	}
	return q.Change(ctx, scope, id, func(s *Secret) error {
		s.Policy = policy
		return nil
	})
}

// ChangeTags changes the tags of a secret.
func (q *Secrets) ChangeTags(ctx context.Context, scope Scope, id string, change func(map[string]string)) error {
	_, err := q.Change(ctx, scope, id, func(s *Secret) error {
		tags := maps.Clone(s.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		change(tags)
		s.Tags = tags
		return nil
	})
	return err
}
