// Package functionurl keeps the URLs of functions: which function or alias each
// leads to, who may call it, and how it answers browsers and streams.
//
// It promises: a URL exists exactly as long as its function, or its alias (the
// rows are among the function's, see core/function); what is acknowledged is
// durable; Find sees every change that was acknowledged before. An id is never
// used again.
//
// No state but the store's: no locks, no goroutines. Errors are those of
// core/function. Start reading at URLs.
package functionurl

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// The values of AuthType and InvokeMode.
const (
	AuthNone = "NONE"
	AuthIAM  = "AWS_IAM"
	Buffered = "BUFFERED"
	Stream   = "RESPONSE_STREAM"
)

// CORS is what browsers are told.
type CORS struct {
	AllowCredentials bool     `json:",omitempty"`
	AllowHeaders     []string `json:",omitempty"`
	AllowMethods     []string `json:",omitempty"`
	AllowOrigins     []string `json:",omitempty"`
	ExposeHeaders    []string `json:",omitempty"`
	MaxAge           *int     `json:",omitempty"` // seconds
}

// URL is one.
type URL struct {
	ID         string
	Target     function.Target // the Qualifier is an alias or empty
	AuthType   string
	InvokeMode string
	CORS       *CORS `json:",omitempty"`
	Created    time.Time
	Modified   time.Time
}

// Change is what an update sets; nil keeps.
type Change struct {
	AuthType, InvokeMode *string
	CORS                 *CORS
}

// Config is what URLs are made of; Clock may be missing.
type Config struct {
	Store store.Store
	Clock clock.Clock
}

// URLs are all of them.
type URLs struct{ config Config }

// New only builds.
func New(c Config) *URLs {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	return &URLs{config: c}
}

// AWS: recorded by others.
func missing(t function.Target) error {
	return &function.NotFoundError{Resource: t.ARN(), Message: "The resource you requested does not exist."}
}

func noFunction(t function.Target) error {
	return &function.NotFoundError{Resource: t.ARN(), Message: "Function does not exist"}
}

func taken(t function.Target) error {
	return &function.ConflictError{Message: "Failed to create function url config for [functionArn = " + t.ARN() + "]. Error message:  FunctionUrlConfig exists for this Lambda function"}
}

// read reads the URL of a target; version 0 if it has none.
func read(snap store.Snap, t function.Target) (*URL, store.Version, error) {
	value, version, err := snap.Get(function.URLKey(t))
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the URL of %s: %w", t.ARN(), err)
	}
	u := &URL{}
	if err := json.Unmarshal(value, u); err != nil {
		return nil, 0, fmt.Errorf("read the URL of %s: %w: %w", t.ARN(), store.ErrCorrupt, err)
	}
	return u, version, nil
}

func encode(v any) []byte {
	value, err := json.Marshal(v)
	if err != nil {
		panic("a row must be writable as JSON: " + err.Error())
	}
	return value
}

// Create gives a function or an alias its URL.
func (s *URLs) Create(ctx context.Context, t function.Target, authType, invokeMode string, cors *CORS) (*URL, error) {
	if invokeMode == "" {
		invokeMode = Buffered
	}
	now := s.config.Clock.Now().UTC()
	u := &URL{ID: newID(), Target: t, AuthType: authType, InvokeMode: invokeMode, CORS: cors, Created: now, Modified: now}
	return u, store.Change(ctx, s.config.Store, func(snap store.Snap) (*store.Batch, error) {
		guard, exists, err := function.Exists(snap, t)
		switch {
		case err != nil:
			return nil, err
		case !exists:
			return nil, noFunction(t)
		}
		if _, version, err := read(snap, t); err != nil {
			return nil, err
		} else if version != 0 {
			return nil, taken(t)
		}
		key, index := function.URLKey(t), function.URLIndexKey(u.ID)
		return &store.Batch{
			Checks: []store.Check{guard, store.Absent(key), store.Absent(index)},
			Puts:   []store.KV{{Key: key, Value: encode(u)}, {Key: index, Value: encode(t)}},
		}, nil
	})
}

// Get reads the URL of a target.
func (s *URLs) Get(ctx context.Context, t function.Target) (*URL, error) {
	snap, err := s.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	u, version, err := read(snap, t)
	if err == nil && version == 0 {
		err = missing(t)
	}
	return u, err
}

// Update changes what is given.
func (s *URLs) Update(ctx context.Context, t function.Target, c Change) (*URL, error) {
	var updated *URL
	err := store.Change(ctx, s.config.Store, func(snap store.Snap) (*store.Batch, error) {
		u, version, err := read(snap, t)
		if err == nil && version == 0 {
			err = missing(t)
		}
		if err != nil {
			return nil, err
		}
		if c.AuthType != nil {
			u.AuthType = *c.AuthType
		}
		if c.InvokeMode != nil {
			u.InvokeMode = *c.InvokeMode
		}
		if c.CORS != nil {
			u.CORS = c.CORS
		}
		u.Modified = s.config.Clock.Now().UTC()
		updated = u
		key := function.URLKey(t)
		return &store.Batch{Checks: []store.Check{store.At(key, version)}, Puts: []store.KV{{Key: key, Value: encode(u)}}}, nil
	})
	return updated, err
}

// Delete takes the URL of a target away.
func (s *URLs) Delete(ctx context.Context, t function.Target) error {
	return store.Change(ctx, s.config.Store, func(snap store.Snap) (*store.Batch, error) {
		u, version, err := read(snap, t)
		if err == nil && version == 0 {
			err = missing(t)
		}
		if err != nil {
			return nil, err
		}
		key := function.URLKey(t)
		return &store.Batch{Checks: []store.Check{store.At(key, version)}, Deletes: [][]byte{key, function.URLIndexKey(u.ID)}}, nil
	})
}

// maxPage is AWS's page of the list, and its default.
const maxPage = 50

// markerPrefix makes a marker of an empty qualifier.
const markerPrefix = "q"

// List lists the URLs of a function and its aliases in order of the alias. The
// marker is what next was.
func (s *URLs) List(ctx context.Context, t function.Target, page function.Page) (list []*URL, next string, err error) {
	snap, err := s.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, "", err
	}
	defer snap.Close()
	t.Qualifier = ""
	if _, exists, err := function.Exists(snap, t); err != nil {
		return nil, "", err
	} else if !exists {
		return nil, "", noFunction(t)
	}
	after, err := base64.RawURLEncoding.DecodeString(page.Marker)
	if err != nil || page.Marker != "" && !bytes.HasPrefix(after, []byte(markerPrefix)) {
		return nil, "", &function.InvalidError{Message: "Invalid marker: " + page.Marker}
	}
	most := maxPage
	if page.MaxItems > 0 {
		most = min(most, page.MaxItems)
	}
	lo, hi := function.URLRange(t)
	if page.Marker != "" {
		lo = append(function.URLKey(function.Target{Scope: t.Scope, Name: t.Name, Qualifier: string(after[len(markerPrefix):])}), 0)
	}
	entries, err := snap.Scan(lo, hi, most+1, false)
	if err != nil {
		return nil, "", err
	}
	for _, entry := range entries {
		if len(list) == most {
			return list, base64.RawURLEncoding.EncodeToString([]byte(markerPrefix + list[most-1].Target.Qualifier)), nil
		}
		u := &URL{}
		if err := json.Unmarshal(entry.Value, u); err != nil {
			return nil, "", fmt.Errorf("read a URL of %s: %w: %w", t.Name, store.ErrCorrupt, err)
		}
		list = append(list, u)
	}
	return list, "", nil
}

// Find is the URL of an id, nil if there is none.
func (s *URLs) Find(ctx context.Context, id string) (*URL, error) {
	if len(id) != idLength {
		return nil, nil
	}
	snap, err := s.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	value, _, err := snap.Get(function.URLIndexKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find a URL: %w", err)
	}
	var t function.Target
	if err := json.Unmarshal(value, &t); err != nil {
		return nil, fmt.Errorf("find a URL: %w: %w", store.ErrCorrupt, err)
	}
	u, _, err := read(snap, t)
	return u, err
}

// An id is a part of a host name. AWS: 32 lower-case letters and digits.
const (
	idLength  = 32
	idLetters = "abcdefghijklmnopqrstuvwxyz234567"
)

func newID() string {
	id := make([]byte, idLength)
	rand.Read(id)
	for i, b := range id {
		id[i] = idLetters[int(b)%len(idLetters)]
	}
	return string(id)
}
