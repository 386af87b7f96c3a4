package gateway

import (
	"net/http"
	"testing"
)

// TestNoDomainNameTakesThePlatformsRequests: whoever makes a domain name must not get
// the requests, and with them the signatures, of all others.
func TestNoDomainNameTakesThePlatformsRequests(t *testing.T) {
	taken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	s := start(t, true, func(c *Config) {
		c.AllowedHosts = []string{"platform.example"}
		c.Named = func(string) http.Handler { return taken }
		c.Mounts = append(c.Mounts, Mount{Label: "execute-api", Handler: http.NotFoundHandler()})
	})
	for host, want := range map[string]bool{
		"localhost:4566": false, "127.0.0.1:4566": false, "[::1]:4566": false, "lambkin": false, "platform.example:4566": false, "sqs.eu-west-1.amazonaws.com": false,
		"lambda.localhost:4566": false, "lambda.eu-west-1.localhost": false, "abc.execute-api.eu-west-1.localhost": false,
		"shop.example.com": true, "shop.localhost:4566": true,
	} {
		reply, err := http.DefaultClient.Do(s.request("GET", "/", nil, "Host", host))
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if got := reply.StatusCode == http.StatusTeapot; got != want {
			t.Errorf("%s: %s", host, reply.Status)
		}
	}
}

// TestASegmentTellsAMountFromAnAPI: what is below a path of one of AWS's APIs stays there,
// but for paths with the segment in its place.
func TestASegmentTellsAMountFromAnAPI(t *testing.T) {
	m := Mount{Path: "/restapis/", Segment: "_user_request_"}
	for path, want := range map[string]bool{
		"/restapis/a/s/_user_request_": true, "/restapis/a/s/_user_request_/": true, "/restapis/a/s/_user_request_/x/y": true,
		"/restapis": false, "/restapis/a": false, "/restapis/a/resources/b": false, "/restapis/a/_user_request_": false, "/restapis/a/s/t/_user_request_": false, "/x/a/s/_user_request_": false, "/restapis/a/s/_user_request_x": false,
	} {
		if got := m.takes(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
