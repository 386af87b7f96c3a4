package async

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Settings are the options for asynchronous invocation of a function ($LATEST),
// version or alias. What is nil or empty is not set.
type Settings struct {
	MaxRetries   *int           `json:",omitempty"`
	MaxAge       *time.Duration `json:",omitempty"`
	OnSuccess    *string        `json:",omitempty"` // ARN; empty removes it
	OnFailure    *string        `json:",omitempty"`
	LastModified time.Time
}

func (s *Settings) maxRetries(most int) int {
	if s.MaxRetries == nil {
		return most
	}
	return min(*s.MaxRetries, most)
}

func (s *Settings) maxAge() time.Duration {
	if s.MaxAge == nil {
		return MaxEventAge
	}
	return *s.MaxAge
}

// destination is where the record of an event goes that ended so; "" is nowhere.
func (s *Settings) destination(end condition) string {
	d := s.OnFailure
	if end == success {
		d = s.OnSuccess
	}
	if d == nil {
		return ""
	}
	return *d
}

// qualified names the settings of a target: those of an unqualified function are
// those of $LATEST.
func qualified(t function.Target) function.Target {
	if t.Qualifier == "" {
		t.Qualifier = function.Latest
	}
	return t
}

// Serves tells whether a record or a dead letter can go to a target.
func (q *Queue) Serves(target string) bool { return q.config.Outbox.Serves(target) }

// SettingsARN names what the settings of the target belong to.
func SettingsARN(t function.Target) string { return qualified(t).ARN() }

// readSettings reads the settings of a target; zero and version 0 if it has none.
func readSettings(snap store.Snap, t function.Target) (s Settings, version store.Version, err error) {
	value, version, err := snap.Get(function.EventInvokeKey(qualified(t)))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return s, 0, nil
	case err != nil:
		return s, 0, fmt.Errorf("read the event invoke configuration of %s: %w", t.Name, err)
	}
	if err := json.Unmarshal(value, &s); err != nil {
		return s, 0, fmt.Errorf("read the event invoke configuration of %s: %w", t.Name, err)
	}
	return s, version, nil
}

// AWS: the texts below are recorded.

func missing(t function.Target) error {
	name := SettingsARN(t)
	return &function.NotFoundError{Resource: name, Message: fmt.Sprintf("The function %s doesn't have an EventInvokeConfig", name)}
}

func noFunction(t function.Target) error {
	return &function.NotFoundError{Resource: t.ARN(), Message: "The function doesn't exist."}
}

// PutSettings is PutFunctionEventInvokeConfig: it replaces what is there.
func (q *Queue) PutSettings(ctx context.Context, t function.Target, s Settings) (Settings, error) {
	return q.change(ctx, t, s, false)
}

// UpdateSettings is UpdateFunctionEventInvokeConfig: it changes what is given.
func (q *Queue) UpdateSettings(ctx context.Context, t function.Target, s Settings) (Settings, error) {
	return q.change(ctx, t, s, true)
}

func (q *Queue) change(ctx context.Context, t function.Target, given Settings, keep bool) (Settings, error) {
	if given.MaxRetries == nil && given.MaxAge == nil && given.OnSuccess == nil && given.OnFailure == nil {
		return given, &function.InvalidError{Message: "You must specify at least one of error handling or destination setting."}
	}
	for {
		made, err := q.tryChange(ctx, t, given, keep)
		if !errors.Is(err, store.ErrConflict) { // else the function changed meanwhile
			return made, err
		}
	}
}

func (q *Queue) tryChange(ctx context.Context, t function.Target, given Settings, keep bool) (Settings, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return given, err
	}
	defer snap.Close()
	guard, exists, err := function.Exists(snap, t)
	if err != nil {
		return given, err
	}
	if !exists {
		return given, noFunction(t)
	}
	old, version, err := readSettings(snap, t)
	if err != nil {
		return given, err
	}
	if keep && version == 0 {
		return given, missing(t)
	}
	if err := q.checkDestinations(snap, t, given); err != nil {
		return given, err
	}
	s := given
	if keep {
		s = old.with(given)
	}
	s.LastModified = q.config.Clock.Now().UTC()
	value, err := json.Marshal(s)
	if err != nil {
		return given, err
	}
	key := function.EventInvokeKey(qualified(t))
	_, err = q.config.Store.Commit(ctx, &store.Batch{Checks: []store.Check{guard, {Key: key, Version: version}}, Puts: []store.KV{{Key: key, Value: value}}})
	return s, err
}

// with are the settings with those that are given in the place of the old ones.
func (s Settings) with(given Settings) Settings {
	if given.MaxRetries != nil {
		s.MaxRetries = given.MaxRetries
	}
	if given.MaxAge != nil {
		s.MaxAge = given.MaxAge
	}
	if given.OnSuccess != nil {
		s.OnSuccess = given.OnSuccess
	}
	if given.OnFailure != nil {
		s.OnFailure = given.OnFailure
	}
	return s
}

// The services that a record can go to, after a success and after a failure.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
var (
	successServices = map[string]bool{"sqs": true, "sns": true, "lambda": true, "events": true}
	failureServices = map[string]bool{"sqs": true, "sns": true, "lambda": true, "events": true, "s3": true}
)

func (q *Queue) checkDestinations(snap store.Snap, t function.Target, s Settings) error {
	onSuccess, onFailure := s.destination(success), s.destination(retriesExhausted)
	for _, d := range []struct {
		arn      string
		services map[string]bool
	}{{onSuccess, successServices}, {onFailure, failureServices}} {
		if d.arn == "" {
			continue
		}
		a, err := arn.Parse(d.arn)
		if err != nil || !d.services[a.Service] {
			return &function.InvalidError{Message: fmt.Sprintf("The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.",
				worded("OnSuccess", onSuccess), worded("OnFailure", onFailure))}
		}
		if err := q.checkDestination(snap, t, a); err != nil {
			return err
		}
	}
	return nil
}

func worded(member, destination string) string {
	if destination == "" {
		return "null"
	}
	return member + "(destination=" + destination + ")"
}

func (q *Queue) checkDestination(snap store.Snap, t function.Target, a arn.ARN) error {
	if !q.config.Outbox.Serves(a.String()) {
		return &function.InvalidError{Message: fmt.Sprintf("The destination %s is not supported: this server has no service %s that would take it.", a, a.Service)}
	}
	if a.Service != "lambda" {
		return nil
	}
	to, err := function.ParseTarget(function.Scope{Account: a.Account, Region: a.Region}, a.String(), "")
	exists := false
	if err == nil {
		_, exists, err = function.Exists(snap, to)
	}
	var invalid *function.ValidationError
	switch {
	case errors.As(err, &invalid), err == nil && !exists:
		return &function.InvalidError{Message: fmt.Sprintf("The destination ARN %s is invalid.", a)}
	case err != nil:
		return err
	case to.Scope == t.Scope && to.Name == t.Name:
		return &function.InvalidError{Message: "You can't specify the function as a destination for itself."}
	}
	return nil
}

// GetSettings is GetFunctionEventInvokeConfig.
func (q *Queue) GetSettings(ctx context.Context, t function.Target) (Settings, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return Settings{}, err
	}
	defer snap.Close()
	s, version, err := readSettings(snap, t)
	if err == nil && version == 0 {
		err = missing(t)
	}
	return s, err
}

// DeleteSettings is DeleteFunctionEventInvokeConfig.
func (q *Queue) DeleteSettings(ctx context.Context, t function.Target) error {
	for {
		snap, err := q.config.Store.Snapshot(ctx)
		if err != nil {
			return err
		}
		_, version, err := readSettings(snap, t)
		snap.Close()
		if err != nil {
			return err
		}
		if version == 0 {
			return missing(t)
		}
		key := function.EventInvokeKey(qualified(t))
		_, err = q.config.Store.Commit(ctx, &store.Batch{Checks: []store.Check{store.At(key, version)}, Deletes: [][]byte{key}})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Listed are the settings of one qualifier of a function.
type Listed struct {
	Target   function.Target
	Settings Settings
}

// maxPage is AWS's page of the list, and its default.
const maxPage = 50

// ListSettings is ListFunctionEventInvokeConfigs. The marker is what next was.
func (q *Queue) ListSettings(ctx context.Context, t function.Target, page function.Page) (list []Listed, next string, err error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, "", err
	}
	defer snap.Close()
	_, exists, err := function.Exists(snap, function.Target{Scope: t.Scope, Name: t.Name})
	if err != nil {
		return nil, "", err
	}
	if !exists {
		return nil, "", noFunction(t)
	}
	after, err := base64.RawURLEncoding.DecodeString(page.Marker)
	if err != nil {
		return nil, "", &function.InvalidError{Message: "Invalid marker: " + page.Marker}
	}
	most := maxPage
	if page.MaxItems > 0 {
		most = min(most, page.MaxItems)
	}
	lo, hi := function.EventInvokeRange(t)
	if page.Marker != "" {
		lo = append(function.EventInvokeKey(function.Target{Scope: t.Scope, Name: t.Name, Qualifier: string(after)}), 0)
	}
	entries, err := snap.Scan(lo, hi, most+1, false)
	if err != nil {
		return nil, "", err
	}
	for _, entry := range entries {
		if len(list) == most {
			return list, base64.RawURLEncoding.EncodeToString([]byte(list[most-1].Target.Qualifier)), nil
		}
		one, err := parseListed(t, entry)
		if err != nil {
			return nil, "", err
		}
		list = append(list, one)
	}
	return list, "", nil
}

// parseListed reads a row of the list; the qualifier ends its key.
func parseListed(t function.Target, entry store.Entry) (Listed, error) {
	one := Listed{Target: function.Target{Scope: t.Scope, Name: t.Name}}
	parts, err := tuple.Parse(entry.Key)
	if err != nil || len(parts) == 0 {
		return one, fmt.Errorf("read an event invoke configuration of %s: key %x, %w", t.Name, entry.Key, err)
	}
	one.Target.Qualifier, _ = parts[len(parts)-1].(string)
	if err := json.Unmarshal(entry.Value, &one.Settings); err != nil {
		return one, fmt.Errorf("read an event invoke configuration of %s: %w", t.Name, err)
	}
	return one, nil
}
