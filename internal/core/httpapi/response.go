package httpapi

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
	"github.com/lambkin-dev/lambkin/internal/base/regular"
	"github.com/lambkin-dev/lambkin/internal/core/vtl"
)

// RouteResponse tells that the client gets an answer to the messages of a route.
// WebSocket APIs have them.
type RouteResponse struct {
	ID                       string                `json:"RouteResponseId"`
	ModelSelectionExpression *string               `json:"ModelSelectionExpression,omitempty"`
	ResponseModels           map[string]string     `json:"ResponseModels,omitempty"`
	ResponseParameters       map[string]Constraint `json:"ResponseParameters,omitempty"`
	Key                      string                `json:"RouteResponseKey"`
	Parent                   string                `json:",omitempty"` // the route; not of the API model
}

// IntegrationResponse makes what a client gets of what an integration answered.
type IntegrationResponse struct {
	ID                          string            `json:"IntegrationResponseId"`
	ContentHandlingStrategy     *string           `json:"ContentHandlingStrategy,omitempty"`
	Key                         string            `json:"IntegrationResponseKey"`
	ResponseParameters          map[string]string `json:"ResponseParameters,omitempty"`
	ResponseTemplates           map[string]string `json:"ResponseTemplates,omitempty"`
	TemplateSelectionExpression *string           `json:"TemplateSelectionExpression,omitempty"`
	Parent                      string            `json:",omitempty"` // the integration; not of the API model
}

func noRouteResponse(id string) error {
	return missing("Invalid Route Response identifier specified %s", id)
}

func noIntegrationResponse(id string) error {
	return missing("Invalid Integration Response identifier specified %s", id)
}

// maxResponses bounds those of one API.
const maxResponses = maxRoutes

// responseReference is what a selection of an answer's template may name, beside the
// message.
var responseReference = lazy.MustCompile(`^integration\.response\.(statuscode|(header|multivalueheader)\.[A-Za-z0-9_-]+)$`)

// TemplateSelection chooses a template: "\$default", a fixed key, or an expression as
// "${request.body.kind}" or, of an answer, "${integration.response.statuscode}".
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-data-transformations.html
type TemplateSelection struct{ expression Expression }

// ParseTemplateSelection reads one; nil or "" is $default.
func ParseTemplateSelection(text *string, ofAnswer bool) (*TemplateSelection, error) {
	if text == nil || *text == "" || strings.TrimPrefix(*text, `\`) == DefaultRoute {
		return &TemplateSelection{Expression{{Text: DefaultRoute}}}, nil
	}
	s := &TemplateSelection{ParseExpression(*text)}
	for _, p := range s.expression {
		if p.Ref == "" && !strings.Contains(p.Text, "$") || bodyReference.MatchString(p.Ref) || ofAnswer && responseReference.MatchString(p.Ref) {
			continue
		}
		return nil, bad("Invalid template selection expression %s: it is a fixed key, or names members of the message as ${request.body.kind}", *text)
	}
	return s, nil
}

// Key is the key that is chosen for a message; answer tells of an answer, by what
// follows "integration.response.", and may be nil.
func (s *TemplateSelection) Key(message []byte, answer func(name string) string) string {
	var body any
	read := false
	return s.expression.Resolve(func(ref string) string {
		if name, of := strings.CutPrefix(ref, "integration.response."); of && answer != nil {
			return answer(name)
		}
		if !read {
			read = true
			if json.Unmarshal(message, &body) != nil {
				body = nil
			}
		}
		return scalar(member(body, strings.TrimPrefix(ref, "request.body.")))
	})
}

func checkTemplates(templates map[string]string, selection *string, ofAnswer bool) error {
	if _, err := ParseTemplateSelection(selection, ofAnswer); err != nil {
		return err
	}
	for key, text := range templates {
		if _, err := vtl.Parse(text); err != nil {
			return bad("Invalid template %s: %s", key, err)
		}
	}
	return nil
}

func (r *RouteResponse) check() error {
	switch {
	case r.Key != DefaultRoute:
		return bad("RouteResponseKey must be $default") // AWS: the only one that is taken
	case len(r.ResponseModels) > 0 || r.ModelSelectionExpression != nil && *r.ModelSelectionExpression != "" || len(r.ResponseParameters) > 0:
		return bad("Models and parameters of route responses are not supported by this platform")
	}
	return nil
}

// responseKey is a key of integration responses: /200/, /4\d\d/, /.*no such user.*/ or
// $default.
var responseKey = lazy.MustCompile(`^(\$default|/.{1,500}/)$`)

// Pattern is what the key of a response is compared with as a whole; nil for $default,
// and for what was refused when it was configured.
func (r *IntegrationResponse) Pattern() *regular.Expression {
	if r.Key == DefaultRoute {
		return nil
	}
	// A key begins and ends with a slash.
	pattern, err := regular.Compile("^(?s:" + r.Key[1:len(r.Key)-1] + ")$")
	if err != nil {
		return nil
	}
	return pattern
}

func (r *IntegrationResponse) check() error {
	if !responseKey.MatchString(r.Key) {
		return bad("IntegrationResponseKey is $default or a pattern between slashes, as /200/")
	}
	if r.Key != DefaultRoute && r.Pattern() == nil {
		return bad("Invalid IntegrationResponseKey %s", r.Key)
	}
	if len(r.ResponseParameters) > 0 {
		return bad("ResponseParameters of integration responses are not supported by this platform: a message has no headers")
	}
	return join(checkContentHandling(r.ContentHandlingStrategy), checkTemplates(r.ResponseTemplates, r.TemplateSelectionExpression, true))
}

// onlySockets refuses for HTTP APIs what they do not have.
func (c *change) onlySockets(what string) error {
	if c.api.ProtocolType == HTTP {
		return bad("%s are not supported for HTTP APIs", what)
	}
	return nil
}

// putRouteResponse writes one of a route that there is.
func (c *change) putRouteResponse(r *RouteResponse) error {
	if err := join(c.onlySockets("Route responses"), r.check()); err != nil {
		return err
	}
	if found, err := c.read(partRoute, r.Parent, &Route{}); err != nil || !found {
		return join(err, noRoute(r.Parent))
	}
	others, err := parts[RouteResponse](c, partRouteResponse)
	if err != nil || len(others) >= maxResponses {
		return join(err, bad("Maximum number of route responses for this API has been reached"))
	}
	for i := range others {
		if o := &others[i]; o.Parent == r.Parent && o.Key == r.Key && o.ID != r.ID {
			return conflict("Route Response with key %s already exists for Route %s", r.Key, r.Parent)
		}
	}
	c.redeploy = true
	c.put(partRouteResponse, r.ID, r)
	return nil
}

// putIntegrationResponse writes one of an integration that there is.
func (c *change) putIntegrationResponse(r *IntegrationResponse) error {
	if err := join(c.onlySockets("Integration responses"), r.check()); err != nil {
		return err
	}
	var i Integration
	if found, err := c.read(partIntegration, r.Parent, &i); err != nil || !found {
		return join(err, noIntegration(r.Parent))
	}
	if i.Type == LambdaProxy || i.Type == HTTPProxy {
		return bad("Integration responses are not supported for proxy integrations")
	}
	others, err := parts[IntegrationResponse](c, partIntegrationResponse)
	if err != nil || len(others) >= maxResponses {
		return join(err, bad("Maximum number of integration responses for this API has been reached"))
	}
	for n := range others {
		if o := &others[n]; o.Parent == r.Parent && o.Key == r.Key && o.ID != r.ID {
			return conflict("Integration Response with key %s already exists for Integration %s", r.Key, r.Parent)
		}
	}
	c.redeploy = true
	c.put(partIntegrationResponse, r.ID, r)
	return nil
}

// dropResponses takes those with a parent out.
func (c *change) dropResponses(parent string) error {
	routes, err := parts[RouteResponse](c, partRouteResponse)
	if err != nil {
		return err
	}
	for i := range routes {
		if routes[i].Parent == parent {
			c.delete(partRouteResponse, routes[i].ID)
		}
	}
	integrations, err := parts[IntegrationResponse](c, partIntegrationResponse)
	for i := range integrations {
		if integrations[i].Parent == parent {
			c.delete(partIntegrationResponse, integrations[i].ID)
		}
	}
	return err
}

// CreateRouteResponse adds one to a route.
func (a *APIs) CreateRouteResponse(ctx context.Context, s Scope, api, route string, r RouteResponse) (*RouteResponse, error) {
	r.ID, r.Parent = ids.Short(ctx, partIDLength), route
	return &r, a.change(ctx, s, api, func(c *change) error { return c.putRouteResponse(&r) })
}

// RouteResponses lists those of a route.
func (a *APIs) RouteResponses(ctx context.Context, s Scope, api, route string) (found []RouteResponse, err error) {
	if _, err := a.Route(ctx, s, api, route); err != nil {
		return nil, err
	}
	all, err := list[RouteResponse](ctx, a, s, api, partRouteResponse)
	for i := range all {
		if all[i].Parent == route {
			found = append(found, all[i])
		}
	}
	return found, err
}

// RouteResponse reads one.
func (a *APIs) RouteResponse(ctx context.Context, s Scope, api, route, id string) (*RouteResponse, error) {
	r, err := one[RouteResponse](ctx, a, s, api, partRouteResponse, id, noRouteResponse(id))
	if err == nil && r.Parent != route {
		err = noRouteResponse(id)
	}
	return r, err
}

// UpdateRouteResponse changes one.
func (a *APIs) UpdateRouteResponse(ctx context.Context, s Scope, api, route, id string, f func(*RouteResponse) error) (*RouteResponse, error) {
	var r *RouteResponse
	return r2(&r, a.change(ctx, s, api, func(c *change) error {
		r = &RouteResponse{}
		if found, err := c.read(partRouteResponse, id, r); err != nil || !found || r.Parent != route {
			return join(err, noRouteResponse(id))
		}
		if err := f(r); err != nil {
			return err
		}
		r.ID, r.Parent = id, route
		return c.putRouteResponse(r)
	}))
}

// DeleteRouteResponse takes one out.
func (a *APIs) DeleteRouteResponse(ctx context.Context, s Scope, api, route, id string) error {
	return a.change(ctx, s, api, func(c *change) error {
		var r RouteResponse
		if found, err := c.read(partRouteResponse, id, &r); err != nil || !found || r.Parent != route {
			return join(err, noRouteResponse(id))
		}
		c.delete(partRouteResponse, id)
		c.redeploy = true
		return nil
	})
}

// CreateIntegrationResponse adds one to an integration.
func (a *APIs) CreateIntegrationResponse(ctx context.Context, s Scope, api, integration string, r IntegrationResponse) (*IntegrationResponse, error) {
	r.ID, r.Parent = ids.Short(ctx, partIDLength), integration
	return &r, a.change(ctx, s, api, func(c *change) error { return c.putIntegrationResponse(&r) })
}

// IntegrationResponses lists those of an integration.
func (a *APIs) IntegrationResponses(ctx context.Context, s Scope, api, integration string) (found []IntegrationResponse, err error) {
	if _, err := a.Integration(ctx, s, api, integration); err != nil {
		return nil, err
	}
	all, err := list[IntegrationResponse](ctx, a, s, api, partIntegrationResponse)
	for i := range all {
		if all[i].Parent == integration {
			found = append(found, all[i])
		}
	}
	return found, err
}

// IntegrationResponse reads one.
func (a *APIs) IntegrationResponse(ctx context.Context, s Scope, api, integration, id string) (*IntegrationResponse, error) {
	r, err := one[IntegrationResponse](ctx, a, s, api, partIntegrationResponse, id, noIntegrationResponse(id))
	if err == nil && r.Parent != integration {
		err = noIntegrationResponse(id)
	}
	return r, err
}

// UpdateIntegrationResponse changes one.
func (a *APIs) UpdateIntegrationResponse(ctx context.Context, s Scope, api, integration, id string, f func(*IntegrationResponse) error) (*IntegrationResponse, error) {
	var r *IntegrationResponse
	return r2(&r, a.change(ctx, s, api, func(c *change) error {
		r = &IntegrationResponse{}
		if found, err := c.read(partIntegrationResponse, id, r); err != nil || !found || r.Parent != integration {
			return join(err, noIntegrationResponse(id))
		}
		if err := f(r); err != nil {
			return err
		}
		r.ID, r.Parent = id, integration
		return c.putIntegrationResponse(r)
	}))
}

// DeleteIntegrationResponse takes one out.
func (a *APIs) DeleteIntegrationResponse(ctx context.Context, s Scope, api, integration, id string) error {
	return a.change(ctx, s, api, func(c *change) error {
		var r IntegrationResponse
		if found, err := c.read(partIntegrationResponse, id, &r); err != nil || !found || r.Parent != integration {
			return join(err, noIntegrationResponse(id))
		}
		c.delete(partIntegrationResponse, id)
		c.redeploy = true
		return nil
	})
}
