package httpapi

import (
	"context"
	"net/url"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

func noAuthorizer(id string) error { return missing("Invalid Authorizer identifier specified %s", id) }

// maxTTL is AWS's, in seconds.
const maxTTL = 3600

// identitySource is where an authorizer looks.
var identitySource = lazy.MustCompile(`^\$(request\.(header|querystring)\.[^\s]+|context\.[A-Za-z0-9._]+|stageVariables\.[A-Za-z0-9_]+)$`)

func (a *Authorizer) check() error {
	for _, source := range a.IdentitySource {
		if !identitySource.MatchString(source) {
			return bad("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", source)
		}
	}
	if a.TTLSeconds != nil && (*a.TTLSeconds < 0 || *a.TTLSeconds > maxTTL) {
		return bad("AuthorizerResultTtlInSeconds must be between 0 and %d", maxTTL)
	}
	if a.IdentityValidationExpression != nil {
		return bad("IdentityValidationExpression is not supported for HTTP APIs")
	}
	switch a.Type {
	case JWT:
		return a.checkJWT()
	case Request:
		return a.checkRequest()
	}
	return bad("AuthorizerType %s is not supported", a.Type)
}

func (a *Authorizer) checkJWT() error {
	if a.JWT == nil || a.JWT.Issuer == "" || len(a.JWT.Audience) == 0 {
		return bad("JwtConfiguration with an issuer and an audience is required for JWT authorizers")
	}
	u, err := url.Parse(a.JWT.Issuer)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return bad("Invalid issuer: %s. Issuer must be a valid URL", a.JWT.Issuer)
	case len(a.IdentitySource) != 1:
		return bad("Identity source is required for JWT authorizers, one")
	case a.URI != "" || a.PayloadFormatVersion != "" || a.EnableSimpleResponses != nil || a.TTLSeconds != nil || a.CredentialsARN != "":
		return bad("JWT authorizers have no authorizerUri, payload format, simple responses, TTL or credentials")
	}
	return nil
}

func (a *Authorizer) checkRequest() error {
	switch {
	case a.JWT != nil:
		return bad("JwtConfiguration is for JWT authorizers")
	case !strings.HasPrefix(a.URI, "arn:"):
		return bad("Invalid authorizer uri: %s", a.URI)
	case a.PayloadFormatVersion != "1.0" && a.PayloadFormatVersion != "2.0":
		return bad("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer and must be 1.0 or 2.0")
	case a.EnableSimpleResponses != nil && *a.EnableSimpleResponses && a.PayloadFormatVersion != "2.0":
		return bad("EnableSimpleResponses needs AuthorizerPayloadFormatVersion 2.0")
	case a.TTLSeconds != nil && *a.TTLSeconds > 0 && len(a.IdentitySource) == 0:
		return bad("Identity source is required if caching is enabled")
	}
	return nil
}

func (c *change) putAuthorizer(a *Authorizer) error {
	others, err := parts[Authorizer](c, partAuthorizer)
	if err != nil {
		return err
	}
	for i := range others {
		if others[i].ID != a.ID && others[i].Name == a.Name {
			return conflict("Authorizer name must be unique. Authorizer %s already exists in this API.", a.Name)
		}
	}
	if len(others) >= maxAuthorizers {
		return bad("Maximum number of authorizers for this API has been reached")
	}
	check := a.check
	if c.api.ProtocolType == WebSocket {
		check = a.checkSocket
	}
	if err := check(); err != nil {
		return err
	}
	c.put(partAuthorizer, a.ID, a)
	c.redeploy = true
	return nil
}

func (c *change) addAuthorizer(a *Authorizer) error {
	if a.ID == "" {
		a.ID = newID()
	}
	return c.putAuthorizer(a)
}

// CreateAuthorizer adds an authorizer.
func (a *APIs) CreateAuthorizer(ctx context.Context, s Scope, api string, row Authorizer) (*Authorizer, error) {
	row.ID = ids.Short(ctx, partIDLength)
	return &row, a.change(ctx, s, api, func(c *change) error { return c.addAuthorizer(&row) })
}

// Authorizers lists those of an API.
func (a *APIs) Authorizers(ctx context.Context, s Scope, api string) ([]Authorizer, error) {
	return list[Authorizer](ctx, a, s, api, partAuthorizer)
}

// Authorizer reads one.
func (a *APIs) Authorizer(ctx context.Context, s Scope, api, id string) (*Authorizer, error) {
	return one[Authorizer](ctx, a, s, api, partAuthorizer, id, noAuthorizer(id))
}

// UpdateAuthorizer changes one.
func (a *APIs) UpdateAuthorizer(ctx context.Context, s Scope, api, id string, f func(*Authorizer) error) (*Authorizer, error) {
	var row *Authorizer
	return r2(&row, a.change(ctx, s, api, func(c *change) error {
		row = &Authorizer{}
		if found, err := c.read(partAuthorizer, id, row); err != nil || !found {
			return join(err, noAuthorizer(id))
		}
		if err := f(row); err != nil {
			return err
		}
		row.ID = id
		return c.putAuthorizer(row)
	}))
}

// DeleteAuthorizer takes one out that no route uses.
func (a *APIs) DeleteAuthorizer(ctx context.Context, s Scope, api, id string) error {
	return a.change(ctx, s, api, func(c *change) error {
		if found, err := c.read(partAuthorizer, id, &Authorizer{}); err != nil || !found {
			return join(err, noAuthorizer(id))
		}
		routes, err := parts[Route](c, partRoute)
		if err != nil {
			return err
		}
		for i := range routes {
			if routes[i].AuthorizerID == id {
				return conflict("Cannot delete authorizer '%s'. The authorizer is referenced by Route %s", id, routes[i].ID)
			}
		}
		c.delete(partAuthorizer, id)
		c.redeploy = true
		return nil
	})
}
