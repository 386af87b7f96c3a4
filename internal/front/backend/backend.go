// Package backend calls what stands behind the integrations of REST and WebSocket APIs
// that are no Lambda proxies: HTTP endpoints, and operations of our own services.
//
// It promises: an endpoint is called by the client that it is given, which keeps the
// border of the platform; answers and times are bounded; a service is called as the
// identity that it is given.
//
// No state, no goroutines, no locks. Start reading at Fetch and Service.
package backend

import (
	"net/http"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/core/vtl"
)

// Sending is told of what is about to be sent, for execution logs; nil: nobody wants
// to know.
type Sending func(address string, header map[string][]string, body []byte)

func (s Sending) tell(address string, header map[string][]string, body string) {
	if s != nil {
		s(address, header, []byte(body))
	}
}

// Request is what mappings and templates made for an integration.
type Request struct {
	Body, ContentType string
	Header            map[string]string
	Path              map[string]string // for the variables of the address
	Query             map[string][]string
}

// Reply is what an integration answered.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// MockStatus reads the statusCode that the request template of a mock made.
func MockStatus(text string) (int, bool) {
	value, err := vtl.ParseJSON(text)
	object, is := value.(*vtl.Map)
	if err != nil || !is {
		return 0, false
	}
	value, _ = object.Get("statusCode")
	status, err := strconv.Atoi(vtl.Text(value))
	return status, err == nil
}
