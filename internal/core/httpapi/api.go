package httpapi

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// routeSelection is the only one that HTTP APIs have.
const routeSelection = "${request.method} ${request.path}"

// Quick is what a quick create makes besides the API: a route to Target, an
// integration and a stage that deploys by itself.
// AWS: https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html
type Quick struct {
	Target, RouteKey, CredentialsARN string
	ForFunction                      bool
}

func (a *API) check() error {
	if err := checkTags(a.Tags); err != nil {
		return err
	}
	if a.ProtocolType == WebSocket {
		return a.checkSocket()
	}
	if a.RouteSelectionExpression != routeSelection {
		return bad("RouteSelectionExpression for HTTP protocol must be '%s'", routeSelection)
	}
	return nil
}

// Create makes an API with all that belongs to it: quick may be nil, fill too.
func (a *APIs) Create(ctx context.Context, s Scope, api API, quick *Quick, fill func(*Builder) error) (*API, error) {
	api.ID, api.Scope, api.Created, api.Revision = ids.Short(ctx, apiIDLength), s, a.config.Clock.Now().UTC(), 1
	if api.RouteSelectionExpression == "" && api.ProtocolType == HTTP {
		api.RouteSelectionExpression = routeSelection
	}
	if api.APIKeySelectionExpression == "" {
		api.APIKeySelectionExpression = "$request.header.x-api-key"
	}
	if api.IPAddressType == "" {
		api.IPAddressType = "ipv4"
	}
	if err := api.check(); err != nil {
		return nil, err
	}
	made := api
	defer a.lives.forget(api.ID)
	err := store.Change(ctx, a.config.Store, func(snap store.Snap) (*store.Batch, error) {
		lo, hi := tuple.Range(service, tableAPI, s.Account, s.Region)
		if entries, err := snap.Scan(lo, hi, maxAPIs, false); err != nil || len(entries) == maxAPIs {
			return nil, join(err, bad("Maximum number of APIs reached"))
		}
		if version, err := get(snap, apiKey(s, api.ID), &API{}); err != nil || version != 0 {
			return nil, join(err, conflict("The API %s exists already", api.ID)) // of the token of this call
		}
		made = api
		c := &change{apis: a, snap: snap, api: &made, written: map[string][]byte{}}
		c.batch.Checks = []store.Check{store.Absent(apiKey(s, made.ID)), store.Absent(indexKey(made.ID))}
		c.written[string(indexKey(made.ID))] = encode(s)
		if quick != nil && quick.Target != "" {
			if err := c.quickCreate(quick); err != nil {
				return nil, err
			}
		}
		if fill != nil {
			if err := fill(&Builder{c}); err != nil {
				return nil, err
			}
		}
		return c.finish()
	})
	if err != nil {
		return nil, err
	}
	a.config.Made(made.ID)
	return &made, nil
}

// quickCreate makes a route, an integration and a stage, which are managed.
func (c *change) quickCreate(q *Quick) error {
	i := Integration{Managed: true, Type: HTTPProxy, Method: "ANY", URI: q.Target, PayloadFormatVersion: "1.0", CredentialsARN: q.CredentialsARN, ForFunction: q.ForFunction}
	if strings.HasPrefix(q.Target, "arn:") {
		i.Type, i.Method, i.PayloadFormatVersion = LambdaProxy, "POST", "2.0"
	}
	if err := c.addIntegration(&i); err != nil {
		return err
	}
	key := q.RouteKey
	if key == "" {
		key = DefaultRoute
	}
	if err := c.addRoute(&Route{Managed: true, Key: key, Target: targetPrefix + i.ID}); err != nil {
		return err
	}
	return c.addStage(&Stage{Managed: true, Name: DefaultStage, AutoDeploy: true})
}

// Update changes an API. quick, if not nil, changes what a quick create made.
func (a *APIs) Update(ctx context.Context, s Scope, id string, quick *Quick, f func(*API) error) (*API, error) {
	var updated *API
	err := a.change(ctx, s, id, func(c *change) error {
		protocol := c.api.ProtocolType
		if err := f(c.api); err != nil {
			return err
		}
		c.api.ID, c.api.Scope, c.api.ProtocolType = id, s, protocol
		if err := c.api.check(); err != nil {
			return err
		}
		if quick != nil {
			if err := c.quickUpdate(quick); err != nil {
				return err
			}
		}
		c.redeploy, updated = true, c.api
		return nil
	})
	return updated, err
}

func (c *change) quickUpdate(q *Quick) error {
	integrations, err := parts[Integration](c, partIntegration)
	if err != nil {
		return err
	}
	routes, err := parts[Route](c, partRoute)
	if err != nil {
		return err
	}
	for i := range integrations {
		if part := &integrations[i]; part.Managed {
			if q.Target != "" {
				part.URI = q.Target
			}
			part.ForFunction = part.ForFunction || q.ForFunction
			if q.CredentialsARN != "" {
				part.CredentialsARN = q.CredentialsARN
			}
			if err := part.check(c.api.Scope.Account); err != nil {
				return err
			}
			c.put(partIntegration, part.ID, part)
			for j := range routes {
				if route := &routes[j]; route.Managed && q.RouteKey != "" {
					route.Key = q.RouteKey
					return c.putRoute(route)
				}
			}
			return nil
		}
	}
	return bad("The API was not made with a target: routeKey, target and credentialsArn cannot be updated")
}

// Now is an API with what a deployment of it would freeze.
func (a *APIs) Now(ctx context.Context, s Scope, id string) (*API, *Definition, error) {
	c := &change{apis: a, api: &API{}, written: map[string][]byte{}}
	var d *Definition
	err := a.view(ctx, func(snap store.Snap) error {
		version, err := get(snap, apiKey(s, id), c.api)
		if err != nil || version == 0 {
			return join(err, noAPI(id))
		}
		c.snap = snap
		d, err = c.definition()
		return err
	})
	return c.api, d, err
}

// Delete takes an API with all that belongs to it.
func (a *APIs) Delete(ctx context.Context, s Scope, id string) error {
	err := a.change(ctx, s, id, func(c *change) error {
		lo, hi := tuple.Range(service, tableParts, s.Account, s.Region, id)
		c.batch.DeleteRanges = append(c.batch.DeleteRanges, store.Range{Lo: lo, Hi: hi})
		c.batch.Deletes = append(c.batch.Deletes, apiKey(s, id), indexKey(id))
		c.gone = true
		return nil
	})
	if err == nil {
		a.config.Gone(id)
	}
	return err
}

// Replace gives an API other contents: routes, integrations and authorizers go,
// fill makes the new ones.
func (a *APIs) Replace(ctx context.Context, s Scope, id string, f func(*API) error, fill func(*Builder) error) (*API, error) {
	var updated *API
	err := a.change(ctx, s, id, func(c *change) error {
		if c.api.ProtocolType != HTTP {
			return bad("Reimport is only supported for HTTP APIs")
		}
		if err := f(c.api); err != nil {
			return err
		}
		c.api.ID, c.api.Scope = id, s
		if err := c.api.check(); err != nil {
			return err
		}
		if err := c.clear(); err != nil {
			return err
		}
		updated, c.redeploy = c.api, true
		return fill(&Builder{c})
	})
	return updated, err
}

func (c *change) clear() error {
	c.keys, c.integrations = nil, 0
	for _, part := range []string{partRoute, partIntegration, partAuthorizer, partRouteResponse, partIntegrationResponse} {
		lo, hi := tuple.Range(service, tableParts, c.api.Scope.Account, c.api.Scope.Region, c.api.ID, part)
		err := store.Each(c.snap, lo, hi, func(e *store.Entry) (bool, error) {
			c.written[string(e.Key)] = nil
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Builder adds to an API while it is made or replaced.
type Builder struct{ c *change }

// Integration adds one and gives it its id.
func (b *Builder) Integration(i *Integration) error { return b.c.addIntegration(i) }

// Authorizer adds one and gives it its id.
func (b *Builder) Authorizer(a *Authorizer) error { return b.c.addAuthorizer(a) }

// Route adds one.
func (b *Builder) Route(r *Route) error { return b.c.addRoute(r) }

// Tags of an API or a stage, which an ARN names.

// resource reads the ARN of what has tags: of an API or of a stage.
func resource(text string) (api, stage string, err error) {
	_, path, ok := strings.Cut(text, "::/")
	fields := strings.Split(path, "/")
	switch {
	case ok && strings.HasPrefix(text, "arn:aws:apigateway:") && len(fields) == 2 && fields[0] == "apis":
		return fields[1], "", nil
	case ok && strings.HasPrefix(text, "arn:aws:apigateway:") && len(fields) == 4 && fields[0] == "apis" && fields[2] == "stages":
		return fields[1], fields[3], nil
	}
	return "", "", bad("Invalid resource ARN: %s", text)
}

// Tags reads the tags of what an ARN names.
func (a *APIs) Tags(ctx context.Context, s Scope, name string) (map[string]string, error) {
	api, stage, err := resource(name)
	switch {
	case err != nil:
		return nil, err
	case stage != "":
		row, err := a.Stage(ctx, s, api, stage)
		if err != nil {
			return nil, err
		}
		return row.Tags, nil
	}
	row, err := a.Get(ctx, s, api)
	if err != nil {
		return nil, err
	}
	return row.Tags, nil
}

// Tag adds tags to what an ARN names, and removes those of the names given.
func (a *APIs) Tag(ctx context.Context, s Scope, name string, add map[string]string, remove []string) error {
	api, stage, err := resource(name)
	if err != nil {
		return err
	}
	apply := func(tags *map[string]string) error {
		if *tags == nil {
			*tags = map[string]string{}
		}
		maps.Copy(*tags, add)
		for _, key := range remove {
			delete(*tags, key)
		}
		return checkTags(*tags)
	}
	return a.change(ctx, s, api, func(c *change) error {
		if stage == "" {
			return apply(&c.api.Tags)
		}
		var row Stage
		if found, err := c.read(partStage, stage, &row); err != nil || !found {
			return join(err, noStage())
		}
		if err := apply(&row.Tags); err != nil {
			return err
		}
		c.put(partStage, stage, &row)
		return nil
	})
}

// IsMissing tells that an error is about something that is not there.
func IsMissing(err error) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Kind == NotFound
}
