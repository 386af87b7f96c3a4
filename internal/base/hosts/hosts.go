// Package hosts knows the names and addresses by which HTTP clients of users'
// applications reach function URLs and APIs. The server's door takes requests by
// them, services tell them, the command line shows them.
//
// No goroutines, no locks. Start reading at Address.
package hosts

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// The second labels of the host names, and the path forms of the doors.
const (
	URLLabel = "lambda-url"
	APILabel = "execute-api"
	URLPath  = "/_aws/lambda-url/"
	APIPath  = "/_aws/execute-api/"
)

// The path form that scripts for LocalStack have: /restapis/API/STAGE/_user_request_/PATH.
// AWS's own API has operations below the same path, none with that segment.
const (
	ScriptPath    = "/restapis/"
	ScriptSegment = "_user_request_"
)

// Platform tells of a host name that no user's domain name may be, since clients reach
// the platform itself by it: an address, a name without a dot, AWS's own.
func Platform(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	name = strings.TrimPrefix(name, "*.")
	return !strings.Contains(name, ".") || strings.HasSuffix("."+name, ".amazonaws.com") || strings.HasSuffix("."+name, ".on.aws")
}

// ID reads the name of a front door: what comes before its label, "" for a name of
// another form.
func ID(name string) (id, label string) {
	id, rest, _ := strings.Cut(name, ".")
	label, region, found := strings.Cut(rest, ".")
	if !found || region == "" || label != URLLabel && label != APILabel {
		return "", ""
	}
	return id, label
}

// Local tells of a name that is this machine's wherever it is asked for.
func Local(name string) bool { return strings.HasSuffix(name, ".localhost") }

// Address is the URL, without a final slash, by which a client that reaches the
// server at endpoint reaches an id: by a host name below that of the server, or
// by path where the server's is an address that has no names below it.
//
// AWS: names of its own, https://ID.LABEL.REGION.…; the names below localhost
// lead to this machine without any set-up.
func Address(endpoint *url.URL, label, path, id, region string) string {
	host, port := endpoint.Host, ""
	if name, number, err := net.SplitHostPort(host); err == nil {
		host, port = name, ":"+number
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if !ip.IsLoopback() {
			return endpoint.Scheme + "://" + endpoint.Host + path + id
		}
		host = "localhost"
	}
	return endpoint.Scheme + "://" + id + "." + label + "." + region + "." + host + port
}
