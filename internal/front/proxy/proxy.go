// Package proxy has the shapes of Lambda proxy integrations: the events that
// function URLs and the APIs of API Gateway make of HTTP requests (payload 2.0,
// payload 1.0, that of REST APIs), and the HTTP answers that they make of what
// functions return.
//
// It promises: an event has the members of AWS's, with their names, order and
// absence; an answer that Parse accepts can be written to a client as it is: its
// status, header names and values are valid, so a function cannot forge another
// answer into its own. Everything here is bounded by the request and the payload,
// which the caller has bounded.
//
// Pure: no state, no goroutines, no locks. Start reading at Request and Parse.
package proxy

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Request is an HTTP request with all that an event tells of it.
type Request struct {
	HTTP *http.Request
	Body []byte
	// Path is that of the event: rawPath or path. AWS: HTTP APIs decode it, REST
	// APIs and function URLs leave it as it came.
	Path           string
	PathParameters map[string]string
	StageVariables map[string]string
	Context        Context
}

// Context is what requestContext tells, beside the HTTP request itself.
type Context struct {
	AccountID         string // of the API
	APIID             string
	Stage             string
	RouteKey          string // payload 2.0
	ResourceID        string // REST
	Resource          string // payload 1.0 and REST: the template of the path
	OperationName     string // REST, optional
	FullPath          string // payload 1.0 and REST: with the stage
	DomainName        string
	DomainPrefix      string
	RequestID         string
	ExtendedRequestID string // payload 1.0 and REST
	DeploymentID      string // REST
	Received          time.Time
	SourceIP          string
	TraceID           string // X-Amzn-Trace-Id of the request
	Forwarded         bool   // X-Forwarded-For that the client sent is kept, ours joins it
	// Authorizer is the member of that name: a JSON object or nil.
	Authorizer any
	Identity   Identity
}

// Identity is who called, as far as it is known.
type Identity struct {
	AccessKey, AccountID, CallerID, UserARN, UserID string
	APIKey, APIKeyID                                string
}

// IAM is the authorizer member for a caller who signed the request.
func (i *Identity) IAM() map[string]any {
	return map[string]any{"iam": iamAuthorizer{AccessKey: i.AccessKey, AccountID: i.AccountID, CallerID: i.CallerID, UserARN: i.UserARN, UserID: i.UserID}}
}

// iamAuthorizer keeps the members in AWS's order. Cognito identities and
// organisations do not exist here: AWS sends null for callers without.
type iamAuthorizer struct {
	AccessKey       string  `json:"accessKey"`
	AccountID       string  `json:"accountId"`
	CallerID        string  `json:"callerId"`
	CognitoIdentity *string `json:"cognitoIdentity"`
	PrincipalOrgID  *string `json:"principalOrgId"`
	UserARN         string  `json:"userArn"`
	UserID          string  `json:"userId"`
}

// hopByHop are the headers that end at the first server.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
var hopByHop = map[string]bool{
	"Connection": true, "Expect": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// headers are the headers of the event, by canonical name.
func (r *Request) headers() map[string][]string {
	out := make(map[string][]string, len(r.HTTP.Header)+6)
	for name, values := range r.HTTP.Header {
		if !hopByHop[name] {
			out[name] = values
		}
	}
	protocol, port := "http", "80"
	if r.HTTP.TLS != nil {
		protocol, port = "https", "443"
	}
	if _, given, err := net.SplitHostPort(r.HTTP.Host); err == nil && given != "" {
		port = given
	}
	source := r.Context.SourceIP
	if before := out["X-Forwarded-For"]; r.Context.Forwarded && len(before) > 0 {
		source = strings.Join(before, ", ") + ", " + source
	}
	out["Host"] = []string{r.HTTP.Host}
	out["X-Forwarded-For"] = []string{source}
	out["X-Forwarded-Port"] = []string{port}
	out["X-Forwarded-Proto"] = []string{protocol}
	out["X-Amzn-Trace-Id"] = []string{r.Context.TraceID}
	if len(r.Body) > 0 || len(out["Content-Length"]) > 0 {
		out["Content-Length"] = []string{strconv.Itoa(len(r.Body))}
	}
	return out
}

// textTypes are the media types whose bodies come as text, beside text/*.
// AWS: HTTP APIs and function URLs send everything else in base64, forms and
// bodies without a type too; seen on AWS, not documented.
var textTypes = map[string]bool{"application/json": true, "application/javascript": true, "application/xml": true}

// isText tells whether a body of that type comes as text.
func isText(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	return textTypes[mediaType] || strings.HasPrefix(mediaType, "text/")
}

// text is the body as the event has it: as it is, or in base64.
func (r *Request) text() (body string, encoded bool) {
	if isText(r.HTTP.Header.Get("Content-Type")) && utf8.Valid(r.Body) {
		return string(r.Body), false
	}
	return base64.StdEncoding.EncodeToString(r.Body), true
}

// Pair is one parameter of a query.
type Pair struct{ Name, Value string }

// Query reads the parameters of a query in their order. What is no valid escape
// stays as it is.
func Query(raw string) (pairs []Pair) {
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, Pair{unescape(name), unescape(value)})
	}
	return pairs
}

func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// timeLayout is that of requestContext.time: 12/Mar/2020:19:03:58 +0000.
const timeLayout = "02/Jan/2006:15:04:05 -0700"
