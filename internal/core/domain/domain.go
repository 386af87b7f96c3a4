// Package domain keeps the domain names of users and where their paths lead. REST, HTTP
// and WebSocket APIs share them, as on AWS: both versions of API Gateway's API see each
// name, and one name can lead to APIs of different kinds.
//
// It promises: a name is there once, whoever made it, because hosts name no account; a
// change is durable when it returns; finding where a request leads reads only memory.
//
// All is in memory, read by Open; one process owns it, the one that holds the store's
// folder. Names.changing is held by every change over its commit, Names.mu guards what is
// in memory and is never held over I/O. What is in memory is replaced, never changed.
// Nothing here starts goroutines. Start reading at Names, then mapping.go.
package domain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Scope is what a name belongs to.
type Scope struct{ Account, Region string }

// The kinds of endpoints.
const (
	Regional = "REGIONAL"
	Edge     = "EDGE"
)

// Name is a domain name.
type Name struct {
	Name                             string // in small letters; "*.example.org" for all of one label more
	Scope                            Scope
	EndpointTypes                    []string
	CertificateARN, CertificateName  string // of an edge endpoint
	RegionalARN, RegionalCertificate string // ARN and name of the certificate of a regional one
	VerificationARN                  string
	SecurityPolicy                   string
	RoutingMode                      string // as the version that made it calls it
	Uploaded                         time.Time
	Tags                             map[string]string   `json:",omitempty"`
	Mappings                         map[string]*Mapping `json:",omitempty"` // by id
}

// ARN is the name's Amazon Resource Name.
func (n *Name) ARN() string {
	return arn.New("apigateway", n.Scope.Region, "", "/domainnames/"+n.Name).String()
}

// Target is a name that DNS would lead it to; nothing here resolves it.
func (n *Name) Target() string {
	return "d-" + strings.ReplaceAll(strings.TrimPrefix(n.Name, "*."), ".", "-") + "." + hosts.APILabel + "." + n.Scope.Region + ".localhost"
}

// Sorted are the mappings by their ids.
func (n *Name) Sorted() []*Mapping {
	list := make([]*Mapping, 0, len(n.Mappings))
	for _, id := range slices.Sorted(maps.Keys(n.Mappings)) {
		list = append(list, n.Mappings[id])
	}
	return list
}

// The errors of which both versions of the API have their own words.
var (
	ErrNone      = errors.New("there is no such domain name")
	ErrTaken     = errors.New("the domain name is taken")
	ErrNoMapping = errors.New("there is no such mapping")
	ErrMapped    = errors.New("the path is mapped")
	ErrNoAPI     = errors.New("there is no such API")
	ErrNoStage   = errors.New("there is no such stage")
)

// Invalid is an error in words for the caller.
type Invalid struct{ Text string }

func (e *Invalid) Error() string { return e.Text }

// Bounds. AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html;
// 200 mappings is its default.
const (
	maxNames    = 120
	maxMappings = 200
	maxTags     = 50
)

// Config is what Names work with. Store and Find are required.
type Config struct {
	Store store.Store
	Clock clock.Clock
	// Find finds an API's stage ("" for none in particular) and tells the kind of the
	// API; else ErrNoAPI or ErrNoStage.
	Find func(ctx context.Context, s Scope, api, stage string) (Kind, error)
}

// Names are all domain names.
type Names struct {
	config   Config
	changing sync.Mutex
	mu       sync.RWMutex
	names    map[string]*Name
}

// table has one row a name.
const table = "domain-name"

func key(name string) []byte { return tuple.Key(table, name) }

// Open reads the names.
func Open(ctx context.Context, c Config) (*Names, error) {
	if c.Store == nil || c.Find == nil {
		return nil, errors.New("domain: Store and Find are required")
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	n := &Names{config: c, names: map[string]*Name{}}
	if err := n.adopt(ctx); err != nil {
		return nil, fmt.Errorf("adopt the domain names of an earlier version: %w", err)
	}
	snap, err := c.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	lo, hi := tuple.Range(table)
	return n, store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		row := &Name{}
		if err := json.Unmarshal(e.Value, row); err != nil {
			return false, fmt.Errorf("read a domain name: %w: %w", store.ErrCorrupt, err)
		}
		n.names[row.Name] = row
		return true, nil
	})
}

// List are the names of a scope, in order.
func (n *Names) List(s Scope) []*Name {
	n.mu.RLock()
	defer n.mu.RUnlock()
	list := []*Name{}
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		if n.names[name].Scope == s {
			list = append(list, n.names[name])
		}
	}
	return list
}

// Get is a name of a scope.
func (n *Names) Get(s Scope, name string) (*Name, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if found := n.names[strings.ToLower(name)]; found != nil && found.Scope == s {
		return found, nil
	}
	return nil, ErrNone
}

var valid = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// Create makes a name.
func (n *Names) Create(ctx context.Context, made Name) (*Name, error) {
	made.Name = strings.ToLower(made.Name)
	if !valid.MatchString(made.Name) || hosts.Platform(made.Name) {
		return nil, &Invalid{"Invalid domain name: " + made.Name}
	}
	if err := made.complete(); err != nil {
		return nil, err
	}
	made.Uploaded = n.config.Clock.Now().UTC()
	n.changing.Lock()
	defer n.changing.Unlock()
	n.mu.RLock()
	taken := n.names[made.Name] != nil
	n.mu.RUnlock()
	switch {
	case taken:
		return nil, ErrTaken
	case len(n.List(made.Scope)) >= maxNames:
		return nil, &Invalid{"Maximum number of domain names for this account has been reached."}
	}
	return &made, n.put(ctx, &made)
}

// complete fills in what was not given, and checks the rest.
func (n *Name) complete() error {
	if n.SecurityPolicy == "" {
		n.SecurityPolicy = "TLS_1_2"
	}
	if len(n.EndpointTypes) == 0 {
		n.EndpointTypes = []string{Regional}
	}
	for _, kind := range n.EndpointTypes {
		if kind != Regional && kind != Edge {
			return &Invalid{"Invalid endpoint type of a domain name: " + kind}
		}
	}
	if len(n.Tags) > maxTags {
		return &Invalid{fmt.Sprintf("The number of tags exceeds the limit of %d", maxTags)}
	}
	for tag := range n.Tags {
		if strings.HasPrefix(tag, "aws:") {
			return &Invalid{"Tag keys starting with aws: are reserved for system use"}
		}
	}
	return nil
}

// put commits a name. Called with changing held.
func (n *Names) put(ctx context.Context, row *Name) error {
	text, err := json.Marshal(row)
	if err != nil {
		return err
	}
	if err := n.commit(ctx, &store.Batch{Puts: []store.KV{{Key: key(row.Name), Value: text}}}); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[row.Name] = row
	return nil
}

// commit does not end with the request: what is in memory must be what is stored.
func (n *Names) commit(ctx context.Context, b *store.Batch) error {
	_, err := n.config.Store.Commit(context.WithoutCancel(ctx), b)
	return err
}

// Change changes a copy of a name, which is written if do succeeds.
func (n *Names) Change(ctx context.Context, s Scope, name string, do func(*Name) error) (*Name, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	old, err := n.Get(s, name)
	if err != nil {
		return nil, err
	}
	changed := *old
	changed.Mappings, changed.Tags, changed.EndpointTypes = maps.Clone(old.Mappings), maps.Clone(old.Tags), slices.Clone(old.EndpointTypes)
	if err := do(&changed); err != nil {
		return nil, err
	}
	changed.Name, changed.Scope = old.Name, old.Scope
	if err := changed.complete(); err != nil {
		return nil, err
	}
	return &changed, n.put(ctx, &changed)
}

// Delete takes a name with its mappings.
func (n *Names) Delete(ctx context.Context, s Scope, name string) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	old, err := n.Get(s, name)
	if err != nil {
		return err
	}
	if err := n.commit(ctx, &store.Batch{Deletes: [][]byte{key(old.Name)}}); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.names, old.Name)
	return nil
}

// Serves tells whether a host is one of the names.
func (n *Names) Serves(host string) bool { return n.at(host) != nil }

// at is the name that a host has, or the one with a star.
func (n *Names) at(host string) *Name {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if len(n.names) == 0 {
		return nil
	}
	host = strings.ToLower(host)
	if found := n.names[host]; found != nil {
		return found
	}
	_, parent, _ := strings.Cut(host, ".")
	return n.names["*."+parent]
}
