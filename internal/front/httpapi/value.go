package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/front/proxy"
)

// value is what a reference of an expression stands for; "" if there is nothing.
func (x *exchange) value(ref string) string {
	kind, name, _ := strings.Cut(ref, ".")
	switch kind {
	case "request":
		return x.requestValue(name)
	case "response":
		if x.answer == nil {
			return ""
		}
		place, detail, more := strings.Cut(name, ".")
		switch {
		case place == "header":
			return strings.Join(x.answer.Header.Values(detail), ",")
		case place == "body" && !more:
			return string(x.answer.Body)
		case place == "body":
			return member(x.answer.Body, detail)
		}
	case "context":
		return x.variable(name)
	case "stageVariables":
		return x.stage.stage.Variables[name]
	}
	return ""
}

func (x *exchange) requestValue(name string) string {
	place, detail, more := strings.Cut(name, ".")
	switch place {
	case "header":
		if strings.EqualFold(detail, "host") {
			return x.r.Host
		}
		return strings.Join(x.r.Header.Values(detail), ",")
	case "querystring":
		return queryValue(x.r.Request, detail)
	case "path":
		if !more {
			return x.path
		}
		return x.values[detail]
	case "body":
		if !more {
			return string(x.body)
		}
		return member(x.body, detail)
	}
	return ""
}

// queryValue joins the values of a parameter, as the events do.
func queryValue(r *http.Request, name string) string {
	var values []string
	for _, p := range proxy.Query(r.URL.RawQuery) {
		if p.Name == name {
			values = append(values, p.Value)
		}
	}
	return strings.Join(values, ",")
}

// maxSteps bounds how deep a path into a body goes.
const maxSteps = 32

// member is what a path (a.b[0].c, or $.a) leads to in a body of JSON; a text
// without its quotes.
func member(body []byte, path string) string {
	path = strings.NewReplacer("[", ".", "]", "").Replace(strings.TrimPrefix(path, "$."))
	at := json.RawMessage(body)
	for _, step := range strings.SplitN(path, ".", maxSteps) {
		var object map[string]json.RawMessage
		var list []json.RawMessage
		if n, err := strconv.Atoi(step); err == nil && json.Unmarshal(at, &list) == nil {
			if n < 0 || n >= len(list) {
				return ""
			}
			at = list[n]
			continue
		}
		if json.Unmarshal(at, &object) != nil || object[step] == nil {
			return ""
		}
		at = object[step]
	}
	var text string
	if json.Unmarshal(at, &text) == nil {
		return text
	}
	return string(at)
}

// variable is a $context variable.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
func (x *exchange) variable(name string) string {
	api := x.live.API
	switch name {
	case "accountId":
		return api.Scope.Account
	case "apiId":
		return api.ID
	case "stage":
		return x.stage.stage.Name
	case "routeKey":
		if x.route == nil {
			return ""
		}
		return x.route.Key
	case "requestId", "extendedRequestId":
		return x.id
	case "requestTime":
		return x.r.Received.UTC().Format("02/Jan/2006:15:04:05 -0700")
	case "requestTimeEpoch":
		return strconv.FormatInt(x.r.Received.Unix(), 10)
	case "httpMethod":
		return x.r.Method
	case "path":
		return x.full
	case "protocol":
		return x.r.Proto
	case "domainName":
		return x.domain()
	case "domainPrefix":
		return x.domainPrefix()
	case "customDomain.basePathMatched":
		if x.mapping != nil {
			return x.mapping.Key
		}
		return ""
	case "awsEndpointRequestId", "integration.requestId":
		return x.integrated.id
	}
	if who, ok := strings.CutPrefix(name, "identity."); ok {
		return x.who(who)
	}
	return x.outcome(name)
}

// who are the variables of the caller.
func (x *exchange) who(name string) string {
	identity := &x.authorized.identity
	switch name {
	case "sourceIp":
		return x.r.SourceIP
	case "userAgent":
		return x.r.UserAgent()
	case "accountId":
		return identity.AccountID
	case "caller", "user":
		return identity.UserID
	case "userArn":
		return identity.UserARN
	}
	return ""
}

// outcome are the variables of how a request ended.
func (x *exchange) outcome(name string) string {
	switch name {
	case "error.message":
		return x.failure.text
	case "error.messageString":
		if x.failure.status == 0 {
			return ""
		}
		return strconv.Quote(x.failure.text)
	case "error.responseType":
		return x.failure.kind
	case "integrationErrorMessage", "integration.error":
		return x.integrated.err
	case "integrationLatency", "integration.latency":
		return milliseconds(x.integrated.latency)
	case "integrationStatus", "integration.status", "integration.integrationStatus":
		if x.integrated.status == 0 {
			return ""
		}
		return strconv.Itoa(x.integrated.status)
	case "authorizer.error":
		return x.authorized.err
	case "dataProcessed":
		return strconv.Itoa(len(x.body))
	}
	if property, ok := strings.CutPrefix(name, "authorizer."); ok {
		return x.authorized.property(property)
	}
	return ""
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
