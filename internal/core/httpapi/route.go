package httpapi

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// DefaultRoute takes what no other route does.
const DefaultRoute = "$default"

// targetPrefix begins the target of a route.
const targetPrefix = "integrations/"

// AnyMethod is the method of a route for all methods.
const AnyMethod = "ANY"

var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", AnyMethod}

// parameter is a segment of a path that stands for any text, or for all that follows.
var parameter = lazy.MustCompile(`^\{[A-Za-z0-9._:-]+\+?\}$`)

// CheckKey refuses what is no route key of an HTTP API.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func CheckKey(key string) error {
	if key == DefaultRoute {
		return nil
	}
	method, path, ok := strings.Cut(key, " ")
	if !ok || !slices.Contains(methods, method) || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") {
		return bad("The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"")
	}
	names := map[string]bool{}
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		switch {
		case !strings.ContainsAny(segment, "{}"):
			continue
		case !parameter.MatchString(segment), names[segment], strings.HasSuffix(segment, "+}") && i != len(segments)-1:
			return bad("Invalid route path %s: a parameter is a whole segment {name}, and only the last one may be greedy {name+}", path)
		}
		names[segment] = true
	}
	return nil
}

func noRoute(id string) error { return missing("Invalid Route identifier specified %s", id) }

// putRoute checks a route and writes it.
func (c *change) putRoute(r *Route) error {
	check := CheckKey(r.Key)
	if c.api.ProtocolType == WebSocket {
		check = r.checkSocket()
	}
	if check != nil {
		return check
	}
	switch {
	case r.APIKeyRequired && c.api.ProtocolType == HTTP:
		return bad("ApiKeyRequired is not currently supported for HTTP APIs")
	case c.api.ProtocolType == HTTP && (len(r.RequestModels) > 0 || len(r.RequestParameters) > 0 || r.ModelSelectionExpression != nil || r.RouteResponseSelectionExpression != nil):
		return bad("Request models, request parameters, model and route response selection are not supported for HTTP APIs")
	}
	keys, err := c.routeKeys()
	if err != nil {
		return err
	}
	if id, taken := keys[r.Key]; taken && id != r.ID {
		return conflict("Route with key %s already exists for this API", r.Key)
	}
	if len(keys) >= maxRoutes {
		return bad("Maximum number of routes for this API has been reached")
	}
	if err := join(c.checkTarget(r), c.checkModels(r)); err != nil {
		return err
	}
	c.put(partRoute, r.ID, r)
	c.redeploy = true
	keys[r.Key] = r.ID
	return nil
}

// checkTarget refuses a route to nowhere, and one whose authorizer is not there.
func (c *change) checkTarget(r *Route) error {
	if r.Target != "" {
		id, ok := strings.CutPrefix(r.Target, targetPrefix)
		found := false
		if ok {
			var err error
			if found, err = c.read(partIntegration, id, &Integration{}); err != nil {
				return err
			}
		}
		if !found {
			return bad("Invalid target specified: %s", r.Target)
		}
	}
	switch r.AuthorizationType {
	case "":
		r.AuthorizationType = AuthNone
		fallthrough
	case AuthNone, AuthIAM:
		if r.AuthorizerID != "" || len(r.AuthorizationScopes) > 0 && r.AuthorizationType == AuthNone {
			return bad("An authorizer needs AuthorizationType JWT or CUSTOM")
		}
		return nil
	}
	var authorizer Authorizer
	if found, err := c.read(partAuthorizer, r.AuthorizerID, &authorizer); err != nil {
		return err
	} else if !found {
		return bad("Invalid Authorizer identifier specified %s", r.AuthorizerID)
	}
	if want := map[string]string{AuthJWT: JWT, AuthLambda: Request}[r.AuthorizationType]; authorizer.Type != want {
		return bad("The authorizer %s is of type %s, which does not fit AuthorizationType %s", r.AuthorizerID, authorizer.Type, r.AuthorizationType)
	}
	return nil
}

func (c *change) addRoute(r *Route) error {
	if r.ID == "" {
		r.ID = newID()
	}
	return c.putRoute(r)
}

// CreateRoute adds a route.
func (a *APIs) CreateRoute(ctx context.Context, s Scope, api string, r Route) (*Route, error) {
	r.ID = ids.Short(ctx, partIDLength)
	return &r, a.change(ctx, s, api, func(c *change) error { return c.addRoute(&r) })
}

// Routes lists the routes of an API.
func (a *APIs) Routes(ctx context.Context, s Scope, api string) ([]Route, error) {
	return list[Route](ctx, a, s, api, partRoute)
}

// Route reads one.
func (a *APIs) Route(ctx context.Context, s Scope, api, id string) (*Route, error) {
	return one[Route](ctx, a, s, api, partRoute, id, noRoute(id))
}

// UpdateRoute changes one.
func (a *APIs) UpdateRoute(ctx context.Context, s Scope, api, id string, f func(*Route) error) (*Route, error) {
	var r *Route
	return r2(&r, a.change(ctx, s, api, func(c *change) error {
		r = &Route{}
		if found, err := c.read(partRoute, id, r); err != nil || !found {
			return join(err, noRoute(id))
		}
		before := r.Key
		if err := f(r); err != nil {
			return err
		}
		r.ID = id
		if keys, err := c.routeKeys(); err != nil {
			return err
		} else if before != r.Key {
			delete(keys, before)
		}
		return c.putRoute(r)
	}))
}

// DeleteRoute takes one out.
func (a *APIs) DeleteRoute(ctx context.Context, s Scope, api, id string) error {
	return a.change(ctx, s, api, func(c *change) error {
		if found, err := c.read(partRoute, id, &Route{}); err != nil || !found {
			return join(err, noRoute(id))
		}
		c.delete(partRoute, id)
		c.redeploy = true
		return c.dropResponses(id)
	})
}

// r2 gives a result that a change has made.
func r2[T any](made **T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return *made, nil
}

func noIntegration(id string) error {
	return missing("Invalid Integration identifier specified %s", id)
}

// Timeouts of an integration.
const (
	MaxTimeoutMS = 30000
	minTimeoutMS = 50
)

func (i *Integration) check(account string) error {
	if i.TimeoutMS == 0 {
		i.TimeoutMS = MaxTimeoutMS
	}
	if i.ConnectionType == "" {
		i.ConnectionType = "INTERNET"
	}
	switch {
	case i.TimeoutMS < minTimeoutMS || i.TimeoutMS > MaxTimeoutMS:
		return bad("Timeout should be between %d ms and %d ms", minTimeoutMS, MaxTimeoutMS)
	case i.ConnectionType != "INTERNET" || i.ConnectionID != "":
		return bad("ConnectionType %s is not supported by this platform: there are no VPCs", i.ConnectionType)
	case i.TLS != nil && i.TLS.ServerNameToVerify != "":
		return bad("TlsConfig is for private integrations, which this platform does not have")
	case len(i.RequestTemplates) > 0 || i.TemplateSelectionExpression != nil || i.PassthroughBehavior != nil || i.ContentHandlingStrategy != nil:
		return bad("Mapping templates are not supported for HTTP APIs")
	}
	if i.Subtype != "" {
		if err := i.checkSubtype(account); err != nil {
			return err
		}
		return CheckResponseParameters(i.ResponseParameters)
	}
	if err := i.checkType(); err != nil {
		return err
	}
	if err := CheckRequestParameters(i.RequestParameters); err != nil {
		return err
	}
	return CheckResponseParameters(i.ResponseParameters)
}

func (i *Integration) checkType() error {
	switch i.Type {
	case LambdaProxy:
		if i.Method == "" {
			i.Method = "POST"
		}
		if i.PayloadFormatVersion != "1.0" && i.PayloadFormatVersion != "2.0" {
			return bad("PayloadFormatVersion is a required parameter for integration and must be 1.0 or 2.0")
		}
		if !strings.HasPrefix(i.URI, "arn:") {
			return bad("Invalid function ARN or invalid uri")
		}
		return nil
	case HTTPProxy:
		return i.checkHTTP()
	}
	return bad("IntegrationType %s is not supported for HTTP APIs: it is AWS_PROXY or HTTP_PROXY", i.Type)
}

func (i *Integration) checkHTTP() error {
	if i.PayloadFormatVersion == "" {
		i.PayloadFormatVersion = "1.0"
	}
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "", "$", "").Replace(i.URI))
	switch {
	case i.PayloadFormatVersion != "1.0":
		return bad("PayloadFormatVersion must be 1.0 for HTTP_PROXY integrations")
	case i.Method == "":
		return bad("HTTP method is required for HTTP_PROXY integrations")
	case !slices.Contains(methods, i.Method):
		return bad("Invalid HTTP method specified: %s", i.Method)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return bad("Invalid HTTP endpoint specified for URI")
	}
	return nil
}

func (c *change) putIntegration(i *Integration) error {
	check := func() error { return i.check(c.api.Scope.Account) }
	if c.api.ProtocolType == WebSocket {
		check = i.checkSocket
	}
	if err := check(); err != nil {
		return err
	}
	c.put(partIntegration, i.ID, i)
	c.redeploy = true
	return nil
}

func (c *change) addIntegration(i *Integration) error {
	if count, err := c.countIntegrations(); err != nil || count >= maxIntegrations {
		return join(err, bad("Maximum number of integrations for this API has been reached"))
	}
	c.integrations++
	if i.ID == "" {
		i.ID = newID()
	}
	return c.putIntegration(i)
}

// CreateIntegration adds an integration.
func (a *APIs) CreateIntegration(ctx context.Context, s Scope, api string, i Integration) (*Integration, error) {
	i.ID = ids.Short(ctx, partIDLength)
	return &i, a.change(ctx, s, api, func(c *change) error { return c.addIntegration(&i) })
}

// Integrations lists those of an API.
func (a *APIs) Integrations(ctx context.Context, s Scope, api string) ([]Integration, error) {
	return list[Integration](ctx, a, s, api, partIntegration)
}

// Integration reads one.
func (a *APIs) Integration(ctx context.Context, s Scope, api, id string) (*Integration, error) {
	return one[Integration](ctx, a, s, api, partIntegration, id, noIntegration(id))
}

// UpdateIntegration changes one.
func (a *APIs) UpdateIntegration(ctx context.Context, s Scope, api, id string, f func(*Integration) error) (*Integration, error) {
	var i *Integration
	return r2(&i, a.change(ctx, s, api, func(c *change) error {
		i = &Integration{}
		if found, err := c.read(partIntegration, id, i); err != nil || !found {
			return join(err, noIntegration(id))
		}
		if err := f(i); err != nil {
			return err
		}
		i.ID = id
		return c.putIntegration(i)
	}))
}

// DeleteIntegration takes one out that no route uses.
func (a *APIs) DeleteIntegration(ctx context.Context, s Scope, api, id string) error {
	return a.change(ctx, s, api, func(c *change) error {
		if found, err := c.read(partIntegration, id, &Integration{}); err != nil || !found {
			return join(err, noIntegration(id))
		}
		routes, err := parts[Route](c, partRoute)
		if err != nil {
			return err
		}
		for i := range routes {
			if routes[i].Target == targetPrefix+id {
				return conflict("Cannot delete Integration. Integration %s is referenced by Route %s", id, routes[i].ID)
			}
		}
		c.delete(partIntegration, id)
		c.redeploy = true
		return c.dropResponses(id)
	})
}
