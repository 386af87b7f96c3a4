package relay

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/extension"
)

// maxRequestBytes bounds a subscription request, maxSubscriptions how many of an
// environment are told of.
const (
	maxRequestBytes  = 64 << 10
	maxSubscriptions = 100
)

// request is a subscription as it was asked for.
type request struct {
	SchemaVersion string   `json:"schemaVersion"`
	Types         []string `json:"types"`
	Destination   struct {
		Protocol string `json:"protocol"`
		URI      string `json:"URI"`
		Port     int    `json:"port"`
		Method   string `json:"method"`
	} `json:"destination"`
	Buffering struct {
		MaxItems  *int `json:"maxItems"`
		MaxBytes  *int `json:"maxBytes"`
		TimeoutMs *int `json:"timeoutMs"`
	} `json:"buffering"`

	logs bool     // asked of the Logs API
	uri  *url.URL // of an HTTP destination
	port int
}

// api is one of the two that take subscriptions.
type api struct {
	path       string
	name       string // in texts and error types
	schemas    []string
	invalid    string // error type
	defaultFor string // schema version when none is given; empty: it must be
}

// AWS: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html
// and runtimes-logs-api.html.
var (
	telemetryAPI = api{"/2022-07-01/telemetry", "Telemetry", []string{"2022-07-01", "2022-12-13", "2025-01-29"}, "ValidationError", ""}
	logsAPI      = api{"/2020-08-15/logs", "Logs", []string{"2020-08-15", "2021-03-18"}, "Logs.ValidationError", "2020-08-15"}
)

// Handle adds the APIs to a mux. The registry knows the extensions.
func (r *Relay) Handle(mux *http.ServeMux, extensions *extension.Registry) {
	for _, a := range []*api{&telemetryAPI, &logsAPI} {
		subscribe := func(w http.ResponseWriter, request *http.Request) {
			id, ok := extension.Identify(w, request)
			if !ok {
				return
			}
			if name, ok := extensions.Name(w, id); ok {
				r.subscribe(w, request, a, name)
			}
		}
		mux.HandleFunc("PUT "+a.path, subscribe)
		mux.HandleFunc("PUT "+a.path+"/{$}", subscribe)
	}
}

func (r *Relay) subscribe(w http.ResponseWriter, incoming *http.Request, a *api, name string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, incoming.Body, maxRequestBytes))
	var wanted request
	if err == nil {
		err = json.Unmarshal(body, &wanted)
	}
	if err != nil {
		answer(w, http.StatusBadRequest, a.invalid, err.Error())
		return
	}
	if problems := wanted.check(a); len(problems) > 0 {
		answer(w, http.StatusBadRequest, a.invalid, strings.Join(problems, "; "))
		return
	}
	switch {
	case r.add(name, &wanted):
		extension.Refuse(w, a.name+".SubscriptionClosed", a.name+" API subscription is closed")
	default:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `"OK"`)
	}
}

func answer(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(struct { // who went away needs no answer
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, message})
}

// check completes the request and tells what is wrong with it.
func (q *request) check(a *api) (problems []string) {
	q.logs = a == &logsAPI
	if q.SchemaVersion == "" {
		q.SchemaVersion = a.defaultFor
	}
	if !slices.Contains(a.schemas, q.SchemaVersion) {
		problems = append(problems, "schemaVersion should be one of "+strings.Join(a.schemas, ", "))
	}
	problems = append(problems, q.checkDestination()...)
	if len(q.Types) == 0 {
		problems = append(problems, "types should not be empty")
	}
	var distinct []string
	for _, kind := range q.Types {
		if !slices.Contains([]string{Platform, Function, Extension}, kind) {
			problems = append(problems, "types should be platform, function or extension")
			break
		}
		if !slices.Contains(distinct, kind) {
			distinct = append(distinct, kind)
		}
	}
	q.Types = distinct
	for _, limited := range []struct {
		name       string
		value      *int
		least, max int
	}{{"maxItems", q.Buffering.MaxItems, 1000, 10_000}, {"maxBytes", q.Buffering.MaxBytes, 256 << 10, 1 << 20}, {"timeoutMs", q.Buffering.TimeoutMs, 25, 30_000}} {
		if v := limited.value; v != nil && (*v < limited.least || *v > limited.max) {
			problems = append(problems, fmt.Sprintf("%s should be between %d and %d", limited.name, limited.least, limited.max))
		}
	}
	return problems
}

// checkDestination reads where to send: only to the environment itself.
func (q *request) checkDestination() (problems []string) {
	d := &q.Destination
	switch d.Protocol {
	case "TCP":
		if d.Port < 1 || d.Port > 65535 {
			return []string{"port is not provided"}
		}
		q.port = d.Port
	case "HTTP":
		uri, err := url.Parse(d.URI)
		if err != nil || uri.Scheme != "http" {
			return []string{"URI should be http://sandbox.localdomain:PORT"}
		}
		if host := uri.Hostname(); host != "sandbox.localdomain" && host != "sandbox" {
			problems = append(problems, "URI host should be sandbox.localdomain")
		}
		q.port, err = strconv.Atoi(uri.Port())
		if err != nil || q.port < 1 || q.port > 65535 {
			problems = append(problems, "URI port is not provided")
		}
		if d.Method == "" {
			d.Method = http.MethodPost
		}
		if d.Method != http.MethodPost && (d.Method != http.MethodPut || !q.logs) {
			problems = append(problems, "method should be POST")
		}
		q.uri = uri
	default:
		return []string{"protocol should be HTTP or TCP"}
	}
	return problems
}

// buffer is how much is collected before it is sent.
//
// AWS: the defaults of telemetry-api.html; its reference page has 1,000 items.
func (q *request) buffer() (items, bytes int, wait time.Duration) {
	or := func(value *int, otherwise int) int {
		if value == nil {
			return otherwise
		}
		return *value
	}
	return or(q.Buffering.MaxItems, 10_000), or(q.Buffering.MaxBytes, 256<<10), time.Duration(or(q.Buffering.TimeoutMs, 1000)) * time.Millisecond
}
