// Package restapi keeps the configuration of API Gateway's REST APIs: their
// resources, methods and integrations, their deployments and stages, the API keys
// and usage plans.
//
// It promises: a deployment is a snapshot that nothing changes; a change is checked
// as AWS checks it and durable when it returns; what is read is never half of a
// change. What cannot take effect here is refused by svc/apigateway or here, and
// never kept in silence.
//
// All but the snapshots is in memory, read by Open; one process owns it, the one
// that holds the store's folder. APIs.changing is held by every change over its
// commit, APIs.counting over that of a count; APIs.mu guards what is in memory and is
// never held over I/O. What is in memory is replaced, never changed. Nothing here
// starts goroutines. Start reading at APIs and APIs.Change.
package restapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Limits. AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
const (
	MaxAPIs          = 600 // of an account and region
	MaxResources     = 300 // of an API
	MaxStages        = 10
	MaxAuthorizers   = 10
	MaxDeployments   = 1000 // AWS: no limit is known
	MaxModels        = 1000
	MaxKeys          = 10_000
	MaxPlans         = 300
	maxPolicyBytes   = 8192
	maxLogFormat     = 3 << 10
	maxDefinition    = 12 << 20 // bytes of an API; AWS: none of its own, but its parts are bounded
	maxTags          = 50
	maxTemplateBytes = 300 << 10
	maxIntegrations  = 29_000 // milliseconds
	minIntegrations  = 50
)

// Scope is where APIs are.
type Scope struct{ Account, Region string }

// ID names a REST API.
type ID struct {
	Scope
	ID string
}

// ARN is the API's Amazon Resource Name.
func (id ID) ARN() string { return "arn:aws:apigateway:" + id.Region + "::/restapis/" + id.ID }

// Config is what APIs work with. Store is required.
type Config struct {
	Store store.Store
	Clock clock.Clock
	// Entered and Removed are told of the ids that clients may call; nil: nobody is.
	// They are called by Open too, and never at once.
	Entered func(id ID)
	Removed func(id ID)
	// Leading is a domain name that leads to an API, or ""; nil: there are none.
	Leading func(id ID) string
}

// APIs holds all REST APIs.
type APIs struct {
	config Config

	changing sync.Mutex
	counting sync.Mutex // held by Count
	mu       sync.RWMutex
	apis     map[ID]*API
	plain    map[plainKey]any // *APIKey, *UsagePlan, *Account
	indexed  *keyIndex        // nil: to be made
}

// Kinds of rows, behind "restapi".
const (
	apiRows        = "api"
	deploymentRows = "deployment"
)

// chunkBytes is how much of an API is in one row.
const chunkBytes = 400 << 10

// Open reads the APIs of the store.
func Open(ctx context.Context, config Config) (*APIs, error) {
	if config.Store == nil {
		return nil, errors.New("restapi: Store is required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	a := &APIs{config: config, apis: map[ID]*API{}, plain: map[plainKey]any{}}
	snap, err := config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	if err := a.readAll(snap); err != nil {
		return nil, fmt.Errorf("read the REST APIs: %w", err)
	}
	if err := a.readPlain(snap); err != nil {
		return nil, fmt.Errorf("read the API keys and usage plans: %w", err)
	}
	if config.Entered != nil {
		for id := range a.apis {
			config.Entered(id)
		}
	}
	return a, nil
}

func (a *APIs) readAll(snap store.Snap) error {
	texts := map[ID][]byte{}
	lo, hi := tuple.Range("restapi", apiRows)
	err := store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		parts, err := tuple.Parse(e.Key)
		if err != nil {
			return false, err
		}
		id := ID{Scope{parts[2].(string), parts[3].(string)}, parts[4].(string)}
		texts[id] = append(texts[id], e.Value...)
		return true, nil
	})
	if err != nil {
		return err
	}
	for id, text := range texts {
		api := &API{}
		if err := json.Unmarshal(text, api); err != nil {
			return err
		}
		a.apis[id] = api
	}
	return nil
}

// chunks are the rows of a value below a key.
func chunks(value any, key ...any) ([]store.KV, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	if len(text) > maxDefinition {
		return nil, fail(Limit, "The API is larger than %d bytes", maxDefinition)
	}
	var rows []store.KV
	for i, part := range slices.Collect(slices.Chunk(text, chunkBytes)) {
		rows = append(rows, store.KV{Key: tuple.Key(append(slices.Clone(key), int64(i))...), Value: part})
	}
	return rows, nil
}

// Get is an API.
func (a *APIs) Get(id ID) (*API, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	api := a.apis[id]
	if api == nil {
		return nil, noAPI(id)
	}
	return api, nil
}

func noAPI(id ID) error {
	return fail(NotFound, "Invalid API identifier specified %s:%s", id.Account, id.ID)
}

// List are the APIs of a scope, by their ids.
func (a *APIs) List(scope Scope) []*API {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var found []*API
	for id, api := range a.apis {
		if id.Scope == scope {
			found = append(found, api)
		}
	}
	slices.SortFunc(found, func(x, y *API) int { return strings.Compare(x.Id, y.Id) })
	return found
}

// Create makes an API of what is set in it; its id, its root and its date are made
// here. Of a definition without resources it makes an empty one.
func (a *APIs) Create(ctx context.Context, scope Scope, wanted API) (*API, error) {
	if err := wanted.check(); err != nil {
		return nil, err
	}
	api := wanted
	api.Id, api.CreatedDate = ids.Short(ctx, apiIDLength), a.config.Clock.Now().UTC()
	api.Deployments, api.Stages = map[string]*Deployment{}, map[string]*Stage{}
	if len(api.Resources) == 0 {
		root := newRoot()
		api.Resources = map[string]*Resource{root.Id: root}
	}
	if api.Models == nil {
		api.Models = defaultModels()
	}
	id := ID{scope, api.Id}
	a.changing.Lock()
	defer a.changing.Unlock()
	if len(a.List(scope)) >= MaxAPIs {
		return nil, fail(Limit, "Maximum number of APIs for this account has been reached. Please contact AWS if you need additional APIs.")
	}
	made, err := a.write(ctx, id, &api, nil)
	if err == nil && a.config.Entered != nil {
		a.config.Entered(id)
	}
	return made, err
}

func newRoot() *Resource { return &Resource{Id: newResourceID(), Path: "/"} }

// defaultModels are those that AWS gives an API that is made empty.
func defaultModels() map[string]*Model {
	const schema = "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"%s Schema\",\n  \"type\" : \"object\"%s\n}"
	return map[string]*Model{
		"Empty": {Id: newResourceID(), Name: "Empty", Description: "This is a default empty schema model", ContentType: "application/json", Schema: fmt.Sprintf(schema, "Empty", "")},
		"Error": {Id: newResourceID(), Name: "Error", Description: "This is a default error schema model", ContentType: "application/json",
			Schema: fmt.Sprintf(schema, "Error", ",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }")},
	}
}

// Change changes an API: do gets a copy of it, which is written if do succeeds.
func (a *APIs) Change(ctx context.Context, id ID, do func(api *API) error) (*API, error) {
	return a.change(ctx, id, func(api *API, _ *store.Batch) error { return do(api) })
}

func (a *APIs) change(ctx context.Context, id ID, do func(api *API, batch *store.Batch) error) (*API, error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	old, err := a.Get(id)
	if err != nil {
		return nil, err
	}
	api, err := copied(old)
	if err != nil {
		return nil, err
	}
	batch := &store.Batch{}
	if err := do(api, batch); err != nil {
		return nil, err
	}
	return a.write(ctx, id, api, batch)
}

// copied shares nothing with the old one.
func copied(old *API) (*API, error) {
	text, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	api := &API{}
	return api, json.Unmarshal(text, api)
}

// write commits an API. Called with changing held.
func (a *APIs) write(ctx context.Context, id ID, api *API, batch *store.Batch) (*API, error) {
	if batch == nil {
		batch = &store.Batch{}
	}
	puts, err := chunks(api, "restapi", apiRows, id.Account, id.Region, id.ID)
	if err != nil {
		return nil, err
	}
	lo, hi := tuple.Range("restapi", apiRows, id.Account, id.Region, id.ID)
	batch.DeleteRanges = append(batch.DeleteRanges, store.Range{Lo: lo, Hi: hi})
	batch.Puts = append(batch.Puts, puts...)
	if err := a.commit(ctx, batch); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apis[id] = api
	return api, nil
}

func (a *APIs) commit(ctx context.Context, batch *store.Batch) error {
	_, err := a.config.Store.Commit(ctx, batch)
	if errors.Is(err, store.ErrTooLarge) {
		return fail(Limit, "The API is too large")
	}
	return err
}

// Delete removes an API with its stages and deployments.
//
// AWS: refuses while a base path of a domain name leads to it.
func (a *APIs) Delete(ctx context.Context, id ID) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	if _, err := a.Get(id); err != nil {
		return err
	}
	if a.config.Leading != nil {
		if name := a.config.Leading(id); name != "" {
			return Invalid("Please remove all base path mappings related to the domain name %s before deleting the API", name)
		}
	}
	batch := &store.Batch{}
	for _, kind := range []string{apiRows, deploymentRows} {
		lo, hi := tuple.Range("restapi", kind, id.Account, id.Region, id.ID)
		batch.DeleteRanges = append(batch.DeleteRanges, store.Range{Lo: lo, Hi: hi})
	}
	if err := a.commit(ctx, batch); err != nil {
		return err
	}
	a.mu.Lock()
	delete(a.apis, id)
	a.mu.Unlock()
	if a.config.Removed != nil {
		a.config.Removed(id)
	}
	return nil
}

// check refuses what no API can be.
func (api *API) check() error {
	switch {
	case strings.TrimSpace(api.Name) == "":
		return Invalid("Invalid API name specified")
	case len(api.Policy) > maxPolicyBytes:
		return Invalid("Resource policy size exceeds the limit of %d bytes", maxPolicyBytes)
	case len(api.Tags) > maxTags:
		return Invalid("The number of tags exceeds the limit of %d", maxTags)
	case api.MinimumCompressionSize != nil && (*api.MinimumCompressionSize < 0 || *api.MinimumCompressionSize > 10<<20):
		return Invalid("Invalid minimum compression size, must be between 0 and 10485760")
	case api.ApiKeySource != KeyInHeader && api.ApiKeySource != KeyOfAuthorizer:
		return Invalid("Invalid API key source: %s. Valid values are: HEADER, AUTHORIZER", api.ApiKeySource)
	}
	for _, kind := range api.EndpointTypes {
		switch kind {
		case "EDGE", "REGIONAL":
		case "PRIVATE":
			return Invalid("This platform has no private endpoints: it has no VPCs")
		default:
			return Invalid("Invalid EndpointTypes specified: %s", kind)
		}
	}
	return nil
}

// idAlphabet and the lengths of ids are those of AWS.
const (
	idAlphabet      = "0123456789abcdefghijklmnopqrstuvwxyz"
	apiIDLength     = 10
	resourceLength  = 6
	apiKeyValueSize = 40
)

func newResourceID() string { return random(resourceLength) }

// NewPartID makes the id of a resource, an authorizer or a validator that a call makes.
func NewPartID(ctx context.Context) string { return ids.Short(ctx, resourceLength) }

// random is a text of small letters and digits.
func random(length int) string {
	var b strings.Builder
	for hex := ids.Hex(2 * length); b.Len() < length; hex = hex[4:] {
		n := 0
		for _, c := range hex[:4] {
			n = n*16 + strings.IndexRune("0123456789abcdef", c)
		}
		b.WriteByte(idAlphabet[n%len(idAlphabet)])
	}
	return b.String()
}

// TagsOf changes the tags of what an ARN names; change may be nil.
func (a *APIs) TagsOf(ctx context.Context, scope Scope, name string, change func(map[string]string)) (map[string]string, error) {
	parsed, err := arn.Parse(name)
	parts := strings.Split(strings.TrimPrefix(parsed.Resource, "/"), "/")
	if err != nil || parsed.Service != "apigateway" || parsed.Region != scope.Region {
		return nil, Invalid("Invalid ARN specified in the request")
	}
	switch {
	case len(parts) == 2 && parts[0] == "restapis":
		return a.tagsOfAPI(ctx, ID{scope, parts[1]}, change)
	case len(parts) == 4 && parts[0] == "restapis" && parts[2] == "stages":
		return a.tagsOfStage(ctx, ID{scope, parts[1]}, parts[3], change)
	case len(parts) == 2 && parts[0] == "apikeys":
		return tagsOfPlain(ctx, a, scope, parts[1], change, func(k *APIKey) *map[string]string { return &k.Tags })
	case len(parts) == 2 && parts[0] == "usageplans":
		return tagsOfPlain(ctx, a, scope, parts[1], change, func(p *UsagePlan) *map[string]string { return &p.Tags })
	}
	return nil, Invalid("Invalid ARN specified in the request")
}

// changeTags changes a copy.
func changeTags(tags *map[string]string, change func(map[string]string)) error {
	made := maps.Clone(*tags)
	if made == nil {
		made = map[string]string{}
	}
	change(made)
	if len(made) > maxTags {
		return Invalid("The number of tags exceeds the limit of %d", maxTags)
	}
	*tags = made
	return nil
}

func (a *APIs) tagsOfAPI(ctx context.Context, id ID, change func(map[string]string)) (map[string]string, error) {
	if change == nil {
		api, err := a.Get(id)
		if err != nil {
			return nil, err
		}
		return api.Tags, nil
	}
	_, err := a.Change(ctx, id, func(api *API) error { return changeTags(&api.Tags, change) })
	return nil, err
}

func (a *APIs) tagsOfStage(ctx context.Context, id ID, name string, change func(map[string]string)) (map[string]string, error) {
	if change == nil {
		api, err := a.Get(id)
		if err != nil {
			return nil, err
		}
		stage, err := api.Stage(name)
		if err != nil {
			return nil, err
		}
		return stage.Tags, nil
	}
	_, err := a.Change(ctx, id, func(api *API) error {
		stage, err := api.Stage(name)
		if err != nil {
			return err
		}
		return changeTags(&stage.Tags, change)
	})
	return nil, err
}

// AddRoot makes the resource that all others are below.
func AddRoot(d *Definition) {
	root := newRoot()
	d.Resources = map[string]*Resource{root.Id: root}
}
