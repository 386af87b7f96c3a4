package httpapi

import (
	"context"
	"encoding/json"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

func noModel(id string) error { return missing("Invalid Model identifier specified %s", id) }

// Bounds of models. AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	maxModels      = 60
	maxSchemaBytes = 400 << 10
)

var modelName = lazy.MustCompile(`^[a-zA-Z0-9]{1,128}$`)

func (m *Model) check() error {
	if m.ContentType == "" {
		m.ContentType = "application/json"
	}
	var schema map[string]any
	switch {
	case !modelName.MatchString(m.Name):
		return bad("Model name must be alphanumeric: %s", m.Name)
	case m.ContentType != "application/json":
		return bad("Invalid content type %s: a message is JSON", m.ContentType)
	case len(m.Schema) > maxSchemaBytes || m.Schema != "" && json.Unmarshal([]byte(m.Schema), &schema) != nil:
		return bad("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]")
	}
	return nil
}

// putModel writes one.
func (c *change) putModel(m *Model) error {
	if err := join(c.onlySockets("Models"), m.check()); err != nil {
		return err
	}
	others, err := parts[Model](c, partModel)
	if err != nil {
		return err
	}
	known := false
	for i := range others {
		known = known || others[i].ID == m.ID
		if others[i].Name == m.Name && others[i].ID != m.ID {
			return conflict("Model name already exists for this API")
		}
	}
	if !known && len(others) >= maxModels {
		return bad("Maximum number of models for this API has been reached")
	}
	c.redeploy = true
	c.put(partModel, m.ID, m)
	return nil
}

// checkModels refuses a route whose models are not there.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-request-validation.html
func (c *change) checkModels(r *Route) error {
	chosen := r.ModelSelectionExpression != nil && *r.ModelSelectionExpression != ""
	if (r.Key == ConnectRoute || r.Key == DisconnectRoute) && (len(r.RequestModels) > 0 || chosen) {
		return bad("Models are for messages: %s has none", r.Key)
	}
	if _, err := ParseTemplateSelection(r.ModelSelectionExpression, false); err != nil {
		return bad("Invalid model selection expression %s: it names members of the message, as $request.body.kind does", *r.ModelSelectionExpression)
	}
	if len(r.RequestModels) == 0 {
		return nil
	}
	models, err := parts[Model](c, partModel)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for i := range models {
		known[models[i].Name] = true
	}
	for _, name := range r.RequestModels {
		if !known[name] {
			return bad("Invalid model identifier specified: %s", name)
		}
	}
	return nil
}

// CreateModel adds one.
func (a *APIs) CreateModel(ctx context.Context, s Scope, api string, m Model) (*Model, error) {
	m.ID = ids.Short(ctx, partIDLength)
	return &m, a.change(ctx, s, api, func(c *change) error { return c.putModel(&m) })
}

// Models lists those of an API.
func (a *APIs) Models(ctx context.Context, s Scope, api string) ([]Model, error) {
	return list[Model](ctx, a, s, api, partModel)
}

// Model reads one.
func (a *APIs) Model(ctx context.Context, s Scope, api, id string) (*Model, error) {
	return one[Model](ctx, a, s, api, partModel, id, noModel(id))
}

// UpdateModel changes one. AWS: routes name models, so one that a route has keeps its name.
func (a *APIs) UpdateModel(ctx context.Context, s Scope, api, id string, f func(*Model) error) (*Model, error) {
	var m *Model
	return r2(&m, a.change(ctx, s, api, func(c *change) error {
		m = &Model{}
		if found, err := c.read(partModel, id, m); err != nil || !found {
			return join(err, noModel(id))
		}
		before := m.Name
		if err := f(m); err != nil {
			return err
		}
		if m.ID = id; m.Name != before {
			if err := c.unused(before); err != nil {
				return err
			}
		}
		return c.putModel(m)
	}))
}

// DeleteModel takes one out that no route has.
func (a *APIs) DeleteModel(ctx context.Context, s Scope, api, id string) error {
	return a.change(ctx, s, api, func(c *change) error {
		var m Model
		if found, err := c.read(partModel, id, &m); err != nil || !found {
			return join(err, noModel(id))
		}
		if err := c.unused(m.Name); err != nil {
			return err
		}
		c.delete(partModel, id)
		c.redeploy = true
		return nil
	})
}

// unused refuses a model that a route has.
func (c *change) unused(model string) error {
	routes, err := parts[Route](c, partRoute)
	if err != nil {
		return err
	}
	for i := range routes {
		for _, name := range routes[i].RequestModels {
			if name == model {
				return conflict("Cannot delete model '%s', is referenced in route: %s", model, routes[i].Key)
			}
		}
	}
	return nil
}
