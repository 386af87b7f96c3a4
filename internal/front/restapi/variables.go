package restapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/vtl"
	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// requestTime is the layout of $context.requestTime.
const requestTime = "02/Jan/2006:15:04:05 -0700"

// context are the variables of $context.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
func (e *exchange) context() map[string]any {
	domain := e.domain()
	prefix, _, _ := strings.Cut(domain, ".")
	c := map[string]any{
		"accountId": e.id.Account, "apiId": e.id.ID, "awsEndpointRequestId": e.r.RequestID, "deploymentId": e.stage.DeploymentId, "domainName": domain, "domainPrefix": prefix,
		"extendedRequestId": e.extendedID, "httpMethod": e.r.Method, "path": e.fullPath(), "protocol": e.r.Proto, "requestId": e.r.RequestID,
		"requestTime": e.received.UTC().Format(requestTime), "requestTimeEpoch": e.received.UnixMilli(), "stage": e.stage.StageName,
		"identity": e.identityVariables(), "isCanaryRequest": e.canary,
	}
	if e.resource != nil {
		c["resourceId"], c["resourcePath"] = e.resource.Id, e.resource.Path
		if e.method != nil && e.method.OperationName != "" {
			c["operationName"] = e.method.OperationName
		}
	}
	if e.authorizer != nil {
		c["authorizer"] = e.authorizer
	}
	if f := e.failed; f != nil {
		c["error"] = map[string]any{"message": f.message, "messageString": quote(f.message), "responseType": f.kind, "validationErrorString": f.validation}
	}
	if e.status != 0 {
		c["status"] = int64(e.status)
		c["responseLength"] = int64(e.length)
		c["responseLatency"] = e.server.config.Clock.Now().Sub(e.received).Milliseconds()
	}
	if e.backend.status != 0 {
		c["integrationStatus"] = int64(e.backend.status)
		c["integrationLatency"] = e.backend.latency.Milliseconds()
		c["integration"] = map[string]any{"status": int64(e.backend.status), "latency": e.backend.latency.Milliseconds()}
	}
	return c
}

// identityVariables are those of who calls; what is not known is not there.
func (e *exchange) identityVariables() map[string]any {
	known := map[string]any{"sourceIp": e.r.SourceIP, "userAgent": e.r.UserAgent()}
	i := &e.identity
	for name, value := range map[string]string{"accessKey": i.AccessKey, "accountId": i.AccountID, "caller": i.CallerID, "user": i.UserID, "userArn": i.UserARN, "apiKey": i.APIKey, "apiKeyId": i.APIKeyID} {
		if value != "" {
			known[name] = value
		}
	}
	return known
}

// at follows a path of names through maps.
func at(value any, path string) (string, bool) {
	for name := range strings.SplitSeq(path, ".") {
		m, is := value.(map[string]any)
		if !is {
			return "", false
		}
		if value, is = m[name]; !is {
			return "", false
		}
	}
	return vtl.Text(value), value != nil
}

// value is what an expression of a mapping stands for: of the request, the context,
// the stage, or a constant in quotes.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
func (e *exchange) value(expression string) (string, bool) {
	if inner, quoted := strings.CutPrefix(expression, "'"); quoted {
		return strings.TrimSuffix(inner, "'"), true
	}
	kind, rest, _ := strings.Cut(expression, ".")
	switch kind {
	case "context":
		return at(e.context(), rest)
	case "stageVariables":
		value, found := e.stage.Variables[rest]
		return value, found
	case "method":
		return e.requestValue(strings.TrimPrefix(rest, "request."))
	}
	return "", false
}

// requestValue is a part of the request.
func (e *exchange) requestValue(expression string) (string, bool) {
	if path, body := strings.CutPrefix(expression, "body"); body {
		return e.at(&e.content, e.body, path)
	}
	where, name, _ := strings.Cut(expression, ".")
	switch where {
	case "path":
		value, found := e.parameters[name]
		return value, found
	case "querystring", "multivaluequerystring":
		return pick(e.r.URL.Query()[name], where == "querystring")
	case "header", "multivalueheader":
		return pick(headerValues(e.r.Request, name), where == "header")
	}
	return "", false
}

// content is a body that mappings take parts of.
type content struct {
	text  string
	paths *vtl.Body
	taken int // bytes that were taken as a whole
}

// maxTaken bounds what all mappings of a request take of bodies as they are.
const maxTaken = 64 << 20

// at is the body, or what a JSON path finds in it.
func (e *exchange) at(c **content, body []byte, path string) (string, bool) {
	if *c == nil {
		text := string(body)
		*c = &content{text: text, paths: vtl.NewBody(e.r.Context(), text)}
	}
	if path != "" {
		return (*c).paths.At("$" + path)
	}
	if (*c).taken += len((*c).text); (*c).taken > maxTaken {
		e.note("Execution failed due to configuration error: Too much of the body is mapped")
		return "", false
	}
	return (*c).text, (*c).text != ""
}

// pick is the last value, or all of them.
func pick(values []string, last bool) (string, bool) {
	switch {
	case len(values) == 0:
		return "", false
	case last:
		return values[len(values)-1], true
	}
	return strings.Join(values, ","), true
}

func headerValues(r *http.Request, name string) []string {
	if http.CanonicalHeaderKey(name) == "Host" {
		return []string{r.Host}
	}
	return r.Header.Values(name)
}

// validHeader tells whether a mapping may set a header.
func validHeader(name, value string) bool {
	return (&proxy.Answer{Header: http.Header{}}).Add(proxy.REST, name, value) == nil
}

// overrides are what a template sets in place of what is mapped.
type overrides struct {
	request, response *vtl.Map
}

func newOverrides() overrides {
	request := vtl.MapOf(map[string]any{"header": map[string]any{}, "path": map[string]any{}, "querystring": map[string]any{}})
	response := vtl.MapOf(map[string]any{"header": map[string]any{}})
	return overrides{request, response}
}

// of are the texts of one kind that were set.
func (o *overrides) of(m *vtl.Map, kind string) map[string]string {
	set := map[string]string{}
	if m == nil {
		return set
	}
	inner, _ := m.Get(kind)
	values, is := inner.(*vtl.Map)
	if !is {
		return set
	}
	for _, name := range values.Keys() {
		value, _ := values.Get(name)
		set[name] = vtl.Text(value)
	}
	return set
}

// render runs a template over a body.
func (e *exchange) render(text, body string) (string, error) {
	template, err := e.deployed.template(text)
	if err != nil {
		return "", err
	}
	if e.overrides.request == nil {
		e.overrides = newOverrides()
	}
	variables := vtl.MapOf(e.context())
	variables.Put("requestOverride", e.overrides.request)
	variables.Put("responseOverride", e.overrides.response)
	return template.Render(e.r.Context(), map[string]any{
		"input":   &vtl.Input{Body: body, Path: vtl.TextMap(e.parameters), Query: lastOf(e.r.URL.Query()), Header: lastOf(e.headers())},
		"context": variables, "stageVariables": vtl.TextMap(e.stage.Variables), "util": vtl.Util{},
	})
}

// headers are those of the request, with its host.
func (e *exchange) headers() map[string][]string {
	h := maps.Clone(e.r.Header)
	h["Host"] = []string{e.r.Host}
	return h
}

// lastOf has the last of the values of each name. AWS: that is what $input shows.
func lastOf(values map[string][]string) *vtl.Map {
	m := vtl.MapOf(nil)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if list := values[name]; len(list) > 0 {
			m.Put(name, list[len(list)-1])
		}
	}
	return m
}
