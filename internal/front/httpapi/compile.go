package httpapi

import (
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/front"
	"github.com/lambkin-dev/lambkin/internal/front/functions"
)

// compiled is a stage made ready. It never changes, but for what it remembers of
// authorizers and the counts of its limits.
type compiled struct {
	version store.Version // of the stage
	stage   *httpapi.Stage
	table   table
	cors    *front.CORS
	log     *accessLog
}

// route is one made ready.
type route struct {
	httpapi.Route
	method, path string   // "" for $default
	names        []string // of the parameters
	integration  *integration
	authorizer   *authorizer
	limit        *rate
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
	c := &compiled{version: live.Version, stage: live.Stage, log: newAccessLog(live.Stage.AccessLog)}
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
		r := &route{Route: row, authorizer: authorizers[row.AuthorizerID], limit: c.limit(row.Key)}
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

// limit is the rate of a route: its own, or that of the stage for each route. Nil
// is none: AWS's account has one of 10,000 a second, ours has not.
func (c *compiled) limit(key string) *rate {
	settings := httpapi.Settings{}
	for _, s := range []*httpapi.Settings{c.stage.Settings, settingsOf(c.stage, key)} {
		if s == nil {
			continue
		}
		if s.ThrottlingRateLimit != nil {
			settings.ThrottlingRateLimit = s.ThrottlingRateLimit
		}
		if s.ThrottlingBurstLimit != nil {
			settings.ThrottlingBurstLimit = s.ThrottlingBurstLimit
		}
	}
	if settings.ThrottlingRateLimit == nil && settings.ThrottlingBurstLimit == nil {
		return nil
	}
	perSecond, burst := defaultRate, defaultBurst
	if settings.ThrottlingRateLimit != nil {
		perSecond = *settings.ThrottlingRateLimit
	}
	if settings.ThrottlingBurstLimit != nil {
		burst = *settings.ThrottlingBurstLimit
	}
	return newRate(perSecond, burst)
}

func settingsOf(stage *httpapi.Stage, key string) *httpapi.Settings {
	if s, ok := stage.RouteSettings[key]; ok {
		return &s
	}
	return nil
}

// The rates of an account. AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
var (
	defaultRate  = 10000.0
	defaultBurst = 5000
)

// rate is a token bucket in one number: the time at which all tokens would be back.
type rate struct {
	each  int64 // nanoseconds of a token
	depth int64 // nanoseconds of all tokens
	full  atomic.Int64
}

func newRate(perSecond float64, burst int) *rate {
	if perSecond <= 0 || burst <= 0 {
		return &rate{}
	}
	each := max(1, int64(math.Min(float64(time.Second)/perSecond, math.MaxInt32*float64(time.Second))))
	return &rate{each: each, depth: each * int64(burst)}
}

// take takes a token, if there is one.
func (r *rate) take(now time.Time) bool {
	at := now.UnixNano()
	for {
		full := r.full.Load()
		next := max(full, at) + r.each
		if next-at > r.depth || r.each == 0 {
			return false
		}
		if r.full.CompareAndSwap(full, next) {
			return true
		}
	}
}
