package httpapi

import (
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/accesslog"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
	"github.com/lambkin-dev/lambkin/internal/front/throttle"
)

// compiled is a stage made ready. It never changes, but for what it remembers of
// authorizers and the counts of its limits.
type compiled struct {
	version store.Version // of the stage
	stage   *httpapi.Stage
	table   table
	cors    *front.CORS
	log     *accesslog.Log
}

// route is one made ready.
type route struct {
	httpapi.Route
	method, path string   // "" for $default
	names        []string // of the parameters
	integration  *integration
	authorizer   *authorizer
	limit        *throttle.Rate
}

// integration is one made ready.
type integration struct {
	httpapi.Integration
	timeout  time.Duration
	target   function.Target // of a Lambda proxy
	broken   error           // why it cannot answer
	request  []httpapi.Rewrite
	subtype  *httpapi.Subtype             // of an operation of a service
	inputs   []input                      // its parameters
	response map[string][]httpapi.Rewrite // by status
}

// compile makes a stage ready.
func compile(live *httpapi.Live, d *httpapi.Definition) *compiled {
	c := &compiled{version: live.Version, stage: live.Stage, log: accesslog.New(live.Stage.AccessLog)}
	if d.CORS != nil {
		c.cors = &front.CORS{AllowHeaders: d.CORS.AllowHeaders, AllowMethods: d.CORS.AllowMethods, AllowOrigins: d.CORS.AllowOrigins,
			ExposeHeaders: d.CORS.ExposeHeaders, MaxAge: d.CORS.MaxAge, AllowCredentials: d.CORS.AllowCredentials != nil && *d.CORS.AllowCredentials}
	}
	integrations := map[string]*integration{}
	for id := range d.Integrations {
		row := d.Integrations[id]
		integrations[id] = c.integration(&row)
	}
	authorizers := map[string]*authorizer{}
	for id := range d.Authorizers {
		row := d.Authorizers[id]
		authorizers[id] = newAuthorizer(&row, c.stage.Variables)
	}
	for _, row := range d.Routes {
		r := &route{Route: row, authorizer: authorizers[row.AuthorizerID], limit: throttle.Of(c.stage, row.Key)}
		r.integration = integrations[strings.TrimPrefix(row.Target, "integrations/")]
		if row.Key != httpapi.DefaultRoute {
			r.method, r.path, _ = strings.Cut(row.Key, " ")
		}
		c.table.add(r)
	}
	return c
}

func (c *compiled) integration(row *httpapi.Integration) *integration {
	i := &integration{Integration: *row, timeout: time.Duration(row.TimeoutMS) * time.Millisecond, response: map[string][]httpapi.Rewrite{}}
	if i.subtype = httpapi.SubtypeOf(row.Subtype); i.subtype != nil {
		i.inputs = newInputs(row.RequestParameters)
	} else if i.Type == httpapi.LambdaProxy {
		i.target, i.broken = functions.Parse(httpapi.StageVariables(row.URI, c.stage.Variables))
	}
	// What does not parse was refused when it was configured.
	if i.subtype == nil {
		i.request, _ = httpapi.ParseRewrites(row.RequestParameters, false)
	}
	for status, mapping := range row.ResponseParameters {
		i.response[status], _ = httpapi.ParseRewrites(mapping, true)
	}
	return i
}
