package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/chunk"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// change is one change of an API: it reads from a snapshot through what it has
// written itself, and becomes one batch that fails if the API changed meanwhile.
type change struct {
	apis    *APIs
	snap    store.Snap
	api     *API
	written map[string][]byte // by key; nil: deleted
	batch   store.Batch
	// redeploy tells that stages with AutoDeploy get a new deployment.
	redeploy bool
	gone     bool

	keys         map[string]string // ids of routes by their keys; nil: not read yet
	integrations int               // how many there are, one more; 0: not read yet
}

// change runs f and commits what it does to the API, again after a conflict.
func (a *APIs) change(ctx context.Context, s Scope, id string, f func(c *change) error) error {
	defer a.lives.forget(id) // also after an error: it may be one of the disk, after the commit was seen
	return store.Change(ctx, a.config.Store, func(snap store.Snap) (*store.Batch, error) {
		c := &change{apis: a, snap: snap, api: &API{}, written: map[string][]byte{}}
		version, err := get(snap, apiKey(s, id), c.api)
		if err == nil && version == 0 {
			err = noAPI(id)
		}
		if err == nil {
			err = f(c)
		}
		if err != nil {
			return nil, err
		}
		c.batch.Checks = append(c.batch.Checks, store.At(apiKey(s, id), version))
		return c.finish()
	})
}

// finish makes the batch.
func (c *change) finish() (*store.Batch, error) {
	if c.gone {
		return &c.batch, nil
	}
	if c.redeploy {
		if err := c.autoDeploy(); err != nil {
			return nil, err
		}
	}
	c.api.Revision++
	c.written[string(apiKey(c.api.Scope, c.api.ID))] = encode(c.api)
	for _, key := range slices.Sorted(maps.Keys(c.written)) {
		if value := c.written[key]; value != nil {
			c.batch.Puts = append(c.batch.Puts, store.KV{Key: []byte(key), Value: value})
		} else {
			c.batch.Deletes = append(c.batch.Deletes, []byte(key))
		}
	}
	return &c.batch, nil
}

func (c *change) key(part, id string) []byte { return partKey(c.api.Scope, c.api.ID, part, id) }

// read reads a part; false if there is none.
func (c *change) read(part, id string, row any) (bool, error) {
	key := c.key(part, id)
	if value, ok := c.written[string(key)]; ok {
		if value == nil {
			return false, nil
		}
		return true, json.Unmarshal(value, row)
	}
	version, err := get(c.snap, key, row)
	return version != 0, err
}

func (c *change) put(part, id string, row any) { c.written[string(c.key(part, id))] = encode(row) }
func (c *change) delete(part, id string) {
	c.written[string(c.key(part, id))] = nil
	c.keys, c.integrations = nil, 0
}

// routeKeys are the ids of the routes by their keys. An import of thousands reads
// them once.
func (c *change) routeKeys() (map[string]string, error) {
	if c.keys != nil {
		return c.keys, nil
	}
	routes, err := parts[Route](c, partRoute)
	if err != nil {
		return nil, err
	}
	c.keys = make(map[string]string, len(routes))
	for i := range routes {
		c.keys[routes[i].Key] = routes[i].ID
	}
	return c.keys, nil
}

// countIntegrations tells how many there are.
func (c *change) countIntegrations() (int, error) {
	if c.integrations == 0 {
		all, err := parts[Integration](c, partIntegration)
		if err != nil {
			return 0, err
		}
		c.integrations = len(all) + 1
	}
	return c.integrations - 1, nil
}

// parts reads all of one kind, by id.
func parts[T any](c *change, part string) ([]T, error) {
	lo, hi := tuple.Range(service, tableParts, c.api.Scope.Account, c.api.Scope.Region, c.api.ID, part)
	values := map[string][]byte{}
	err := store.Each(c.snap, lo, hi, func(e *store.Entry) (bool, error) {
		values[string(e.Key)] = e.Value
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	for key, value := range c.written {
		if key >= string(lo) && key < string(hi) {
			values[key] = value
		}
	}
	var list []T
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if values[key] == nil {
			continue
		}
		var row T
		if err := json.Unmarshal(values[key], &row); err != nil {
			return nil, fmt.Errorf("read a row of an API: %w: %w", store.ErrCorrupt, err)
		}
		list = append(list, row)
	}
	return list, nil
}

// list reads all of one kind outside of a change.
func list[T any](ctx context.Context, a *APIs, s Scope, id, part string) (all []T, err error) {
	err = a.view(ctx, func(snap store.Snap) error {
		if version, err := get(snap, apiKey(s, id), &API{}); err != nil || version == 0 {
			return join(err, noAPI(id))
		}
		lo, hi := tuple.Range(service, tableParts, s.Account, s.Region, id, part)
		all, err = each[T](snap, lo, hi)
		return err
	})
	return all, err
}

// one reads one of a kind outside of a change.
func one[T any](ctx context.Context, a *APIs, s Scope, id, part, partID string, none error) (*T, error) {
	row := new(T)
	err := a.view(ctx, func(snap store.Snap) error {
		if version, err := get(snap, apiKey(s, id), &API{}); err != nil || version == 0 {
			return join(err, noAPI(id))
		}
		version, err := get(snap, partKey(s, id, part, partID), row)
		if err == nil && version == 0 {
			err = none
		}
		return err
	})
	return row, err
}

// join is the first error.
func join(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// definition is what a deployment of the API as it is now would freeze.
func (c *change) definition() (*Definition, error) {
	d := &Definition{CORS: c.api.CORS, Answers: map[string]bool{}, Responses: map[string][]IntegrationResponse{}, Integrations: map[string]Integration{}, Authorizers: map[string]Authorizer{}}
	var err error
	if d.Routes, err = parts[Route](c, partRoute); err != nil {
		return nil, err
	}
	integrations, err := parts[Integration](c, partIntegration)
	if err != nil {
		return nil, err
	}
	for _, i := range integrations {
		d.Integrations[i.ID] = i
	}
	authorizers, err := parts[Authorizer](c, partAuthorizer)
	for _, a := range authorizers {
		d.Authorizers[a.ID] = a
	}
	if c.api.ProtocolType == HTTP || err != nil {
		return d, err
	}
	d.Selection = c.api.RouteSelectionExpression
	answers, err := parts[RouteResponse](c, partRouteResponse)
	if err != nil {
		return nil, err
	}
	for i := range answers {
		d.Answers[answers[i].Parent] = true
	}
	models, err := parts[Model](c, partModel)
	if err != nil {
		return nil, err
	}
	for i := range models {
		if d.Models == nil {
			d.Models = map[string]string{}
		}
		d.Models[models[i].Name] = models[i].Schema
	}
	responses, err := parts[IntegrationResponse](c, partIntegrationResponse)
	for i := range responses {
		d.Responses[responses[i].Parent] = append(d.Responses[responses[i].Parent], responses[i])
	}
	return d, err
}

// deploy makes a deployment.
func (c *change) deploy(id string, auto bool, description *string) (*Deployment, error) {
	definition, err := c.definition()
	if err != nil {
		return nil, err
	}
	d := &Deployment{ID: id, AutoDeployed: auto, Created: c.apis.config.Clock.Now().UTC(), Status: "DEPLOYED", Description: description}
	d.Parts = chunk.Put(&c.batch, encode(definition), snapshotPrefix(c.api.Scope, c.api.ID, d.ID)...)
	c.put(partDeployment, d.ID, d)
	return d, nil
}

// autoDescription is AWS's description of an automatic deployment.
const autoDescription = "Automatic deployment triggered by changes to the Api configuration"

// autoDeploy gives the stages with AutoDeploy a deployment of the API as it is.
// One that it made before and that no stage has any more goes.
//
// AWS: keeps those for a while.
func (c *change) autoDeploy() error {
	stages, err := parts[Stage](c, partStage)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	var made *Deployment
	for i := range stages {
		stage := &stages[i]
		if stage.AutoDeploy {
			if made == nil {
				description := autoDescription
				if made, err = c.deploy(newID(), true, &description); err != nil {
					return err
				}
			}
			stage.DeploymentID, stage.Updated = made.ID, made.Created
			stage.LastDeploymentStatusMessage = "Successfully deployed stage with deployment ID '" + made.ID + "'"
			c.put(partStage, stage.Name, stage)
		}
		used[stage.DeploymentID] = true
	}
	deployments, err := parts[Deployment](c, partDeployment)
	if err != nil {
		return err
	}
	for i := range deployments {
		if d := &deployments[i]; d.AutoDeployed && !used[d.ID] {
			c.dropDeployment(d)
		}
	}
	return nil
}

func (c *change) dropDeployment(d *Deployment) {
	c.delete(partDeployment, d.ID)
	chunk.Delete(&c.batch, d.Parts, snapshotPrefix(c.api.Scope, c.api.ID, d.ID)...)
}

// Quotas. AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html;
// those of routes and integrations are higher here than AWS's default of 300.
const (
	maxAPIs         = 600
	maxRoutes       = 2000
	maxIntegrations = 2000
	maxAuthorizers  = 10
	maxStages       = 10
	maxDeployments  = 200
	maxTags         = 50
)

// checkTags refuses what are no tags.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return bad("Too many tags: at most %d", maxTags)
	}
	for name := range tags {
		if strings.HasPrefix(name, "aws:") {
			return bad("Tag keys starting with aws: are reserved for system use")
		}
	}
	return nil
}
