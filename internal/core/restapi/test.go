package restapi

import "time"

// Test is a request of TestInvokeMethod or TestInvokeAuthorizer: it meets the API as
// it is configured now, not as it is deployed.
type Test struct {
	RequestID          string
	ResourceID, Method string
	PathWithQuery      string
	Body               string
	Headers            map[string][]string
	StageVariables     map[string]string
}

// TestAnswer is what came of a test.
type TestAnswer struct {
	Status  int
	Body    string
	Header  map[string][]string
	Log     string
	Latency time.Duration
}

// TestVerdict is what an authorizer told.
type TestVerdict struct {
	Status      int // that the client would get: 0 for none, as it may go on
	PrincipalID string
	Policy      string
	Context     map[string]string
	Log         string
	Latency     time.Duration
}
