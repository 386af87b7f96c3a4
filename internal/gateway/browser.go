package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Web pages run on the same machine as a development server and reach its
// loopback address. In development mode, where a key needs no proof, any page
// could therefore deploy and run code. Two rules prevent it: a request with an
// Origin is answered only for local origins and those of the configuration; and
// an unverified caller must reach us by an address, a local name or a configured
// name, so that a page cannot rebind its own name to us.

// A third one is for what pages can send without an Origin (images, links): an
// unverified request that the browser marks as coming from another site is
// refused, but for S3, whose presigned links are made to be followed.

// The refusals of those rules.
const (
	refusedOrigin = "Requests from the web origin of this page are not allowed; lambkin serve --allow-origin lists those that are."
	refusedHost   = "Unverified access keys are accepted only by an IP address, a local host name, or a host name that lambkin serve --allow-host lists."
	refusedSite   = "Unverified access keys are not accepted from pages of other web sites."
)

// localSuffixes are the names that a stranger cannot resolve. Those which any
// device of a network may take for itself (.local by multicast DNS, .lan and
// .home.arpa by DHCP) are not among them.
var localSuffixes = []string{".localhost", ".internal", ".test"}

// localHost tells whether a host, perhaps with a port, is an address or a name
// that no stranger can own.
func localHost(host string) bool {
	name := hostname(host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	if !strings.Contains(name, ".") { // "localhost", "lambkin" in a container network
		return name != ""
	}
	for _, suffix := range localSuffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	// The names of AWS itself, when they are pointed at us by /etc/hosts or a
	// proxy: no stranger owns them.
	return strings.HasSuffix(name, ".amazonaws.com")
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// allowedHost tells whether an unverified caller may use that host name.
func (g *Gateway) allowedHost(host string) bool {
	return g.hosts[hostname(host)] || localHost(host)
}

// allowedOrigin tells whether pages of that origin may call us.
func (g *Gateway) allowedOrigin(origin string) bool {
	if g.origins[strings.ToLower(origin)] {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false // "null" too: sandboxed frames and local files
	}
	name := hostname(u.Host)
	if address, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return address.IsLoopback()
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// crossSite tells a request that a page of another site made.
func crossSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Origin") == "" && (site == "cross-site" || site == "same-site")
}

// exposed are the response headers that pages may read.
const exposed = "x-amzn-RequestId, x-amzn-ErrorType, x-amz-function-error, x-amz-log-result, x-amz-executed-version, x-amz-request-id, etag, date"

// cors writes the headers of cross-origin requests and tells whether the origin
// is allowed; requests without one are no business of CORS.
func (g *Gateway) cors(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	w.Header().Add("Vary", "Origin")
	if !g.allowedOrigin(origin) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Expose-Headers", exposed)
	return true
}

// preflight answers the question that browsers ask before a cross-origin request.
func preflight(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	w.Header().Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
