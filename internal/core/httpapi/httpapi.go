// Package httpapi keeps the APIs of API Gateway's second version: HTTP and WebSocket
// APIs, with their routes, integrations, authorizers, stages and deployments.
//
// It promises: what is acknowledged is durable; all changes of one API and of what
// belongs to it happen one after the other; a deployment is an immutable snapshot,
// and a stage with AutoDeploy has the newest one from the same commit on that
// changed the API; nothing of an API outlives it. Both kinds are kept
// in the same rows; what only WebSocket APIs have is in socket.go and response.go.
//
// Beside the store there is what live.go remembers of it, with a lock of its own that
// is never held over I/O. No goroutines. Errors that stand for AWS's are an *Error.
// Start reading at APIs, then change.go.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/chunk"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Kind says which exception of AWS an Error stands for.
type Kind int

// The kinds.
const (
	BadRequest Kind = iota
	NotFound
	Conflict
)

// Error is a refusal with AWS's text.
type Error struct {
	Kind    Kind
	Message string
}

// Error is the text.
func (e *Error) Error() string { return e.Message }

func bad(format string, values ...any) error {
	return &Error{Kind: BadRequest, Message: fmt.Sprintf(format, values...)}
}

func missing(format string, values ...any) error {
	return &Error{Kind: NotFound, Message: fmt.Sprintf(format, values...)}
}

func conflict(format string, values ...any) error {
	return &Error{Kind: Conflict, Message: fmt.Sprintf(format, values...)}
}

// Config is what APIs are made of; Clock and the functions may be missing.
type Config struct {
	Store store.Store
	Clock clock.Clock
	// Made and Gone are told of APIs as they come and go.
	Made func(id string)
	Gone func(id string)
	// StageGone is told of a stage that was deleted, while its API is still there.
	StageGone func(api, stage string)
}

// APIs are all of them.
type APIs struct {
	config Config
	lives  lives
}

// New only builds.
func New(c Config) (*APIs, error) {
	if c.Store == nil {
		return nil, errors.New("httpapi: Store is required")
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	for _, told := range []*func(string){&c.Made, &c.Gone} {
		if *told == nil {
			*told = func(string) {}
		}
	}
	if c.StageGone == nil {
		c.StageGone = func(string, string) {}
	}
	return &APIs{config: c}, nil
}

// The tables. Rows of what belongs to an API are below it, so that they go with it.
const (
	service    = "apigatewayv2"
	tableAPI   = "api"
	tableIndex = "api-id"
	tableParts = "part"

	partRoute       = "route"
	partIntegration = "integration"
	partAuthorizer  = "authorizer"
	partStage       = "stage"
	partDeployment  = "deployment"
	partModel       = "model"

	partRouteResponse       = "route-response"
	partIntegrationResponse = "integration-response"

	partSnapshot = "snapshot"
)

func apiKey(s Scope, id string) []byte {
	return tuple.Key(service, tableAPI, s.Account, s.Region, id)
}

func indexKey(id string) []byte { return tuple.Key(service, tableIndex, id) }

func partKey(s Scope, api, part, id string) []byte {
	return tuple.Key(service, tableParts, s.Account, s.Region, api, part, id)
}

func snapshotPrefix(s Scope, api, deployment string) []any {
	return []any{service, tableParts, s.Account, s.Region, api, partSnapshot, deployment}
}

// newID makes the id of what is made besides what a call asks for: that has
// ids.Short.
func newID() string { return ids.Short(context.Background(), partIDLength) }

// Lengths of ids, as AWS's.
const (
	apiIDLength  = 10
	partIDLength = 7
)

func encode(v any) []byte {
	value, err := json.Marshal(v)
	if err != nil {
		panic("a row must be writable as JSON: " + err.Error())
	}
	return value
}

// get reads a row; version 0 if there is none.
func get(snap store.Snap, key []byte, row any) (store.Version, error) {
	value, version, err := snap.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read a row of an API: %w", err)
	}
	if err := json.Unmarshal(value, row); err != nil {
		return 0, fmt.Errorf("read a row of an API: %w: %w", store.ErrCorrupt, err)
	}
	return version, nil
}

// view runs f on one snapshot.
func (a *APIs) view(ctx context.Context, f func(snap store.Snap) error) error {
	snap, err := a.config.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	return f(snap)
}

// each reads the rows of a range.
func each[T any](snap store.Snap, lo, hi []byte) (list []T, err error) {
	err = store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		var row T
		if err := json.Unmarshal(e.Value, &row); err != nil {
			return false, fmt.Errorf("read a row of an API: %w: %w", store.ErrCorrupt, err)
		}
		list = append(list, row)
		return true, nil
	})
	return list, err
}

func noAPI(id string) error { return missing("Invalid API identifier specified %s", id) }

// Get reads an API.
func (a *APIs) Get(ctx context.Context, s Scope, id string) (*API, error) {
	api := &API{}
	err := a.view(ctx, func(snap store.Snap) error {
		version, err := get(snap, apiKey(s, id), api)
		if err == nil && version == 0 {
			err = noAPI(id)
		}
		return err
	})
	return api, err
}

// List reads the APIs of a scope, by id.
func (a *APIs) List(ctx context.Context, s Scope) (list []API, err error) {
	lo, hi := tuple.Range(service, tableAPI, s.Account, s.Region)
	err = a.view(ctx, func(snap store.Snap) error {
		list, err = each[API](snap, lo, hi)
		return err
	})
	return list, err
}

// All reads the APIs of all scopes: what a server serves when it starts.
func (a *APIs) All(ctx context.Context) (list []API, err error) {
	lo, hi := tuple.Range(service, tableAPI)
	err = a.view(ctx, func(snap store.Snap) error {
		list, err = each[API](snap, lo, hi)
		return err
	})
	return list, err
}

// Definition reads the snapshot of a deployment.
func (a *APIs) Definition(ctx context.Context, s Scope, api, deployment string) (*Definition, error) {
	d := &Definition{}
	err := a.view(ctx, func(snap store.Snap) error {
		var row Deployment
		version, err := get(snap, partKey(s, api, partDeployment, deployment), &row)
		if err != nil {
			return err
		}
		if version == 0 {
			return missing("Invalid deployment identifier specified")
		}
		data, err := chunk.Read(snap, row.Parts, snapshotPrefix(s, api, deployment)...)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, d)
	})
	return d, err
}
