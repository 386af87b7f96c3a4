package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
	"github.com/lambkin-dev/lambkin/internal/wire/sigv4"
)

// Web pages run on the same machine as a development server and reach its
// loopback address. In development mode, where a key needs no proof, any page
// could therefore deploy and run code. Two rules prevent it: a request with an
// Origin is answered only for local origins and those of the configuration (of
// S3's buckets: also for those that the bucket's CORS configuration names); and an
// unverified caller must reach us by an address, a local name or a configured
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

// origin is what is known of the web origin of a request.
type origin uint8

const (
	welcome  origin = iota // none, or one that may call
	unproven               // a stranger that a bucket does not name: the signature must be proven
	strange                // a stranger
)

// crossOrigin judges the origin of a request, writes the headers of CORS, and
// answers a preflight: then nothing is left to do.
func (e *exchange) crossOrigin() (answered bool) {
	from := e.r.Header.Get("Origin")
	options := e.r.Method == http.MethodOptions
	if from == "" && !options {
		return false
	}
	if e.gateway.buckets != nil && !e.gateway.origins[strings.ToLower(from)] {
		if bucket, certain := e.bucket(); bucket != "" {
			if done, answered := e.bucketOrigin(bucket, certain); done {
				return answered
			}
		}
	}
	if from == "" {
		return false
	}
	e.w.Header().Add("Vary", "Origin")
	if !e.gateway.allowedOrigin(from) {
		e.origin = strange
		return false
	}
	e.w.Header().Set("Access-Control-Allow-Origin", from)
	e.w.Header().Set("Access-Control-Expose-Headers", exposed)
	return preflight(&e.w, e.r)
}

// preflight answers the question that browsers ask before a cross-origin request.
func preflight(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	w.Header().Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// bucketOrigin lets a bucket decide, by its CORS configuration. A request that is not
// certain to be S3's is not done if there is no such bucket.
//
// AWS: does what a request asks for whatever its origin is, and only leaves the headers
// out. So it is here where the signature proves who asks. In development mode it proves
// nothing: a page of a stranger must be one that the bucket names, not by "*" alone.
func (e *exchange) bucketOrigin(bucket string, certain bool) (done, answered bool) {
	headers, err := e.gateway.buckets(e.r.Context(), bucket, e.r)
	refusal := fault.From(err)
	options := e.r.Method == http.MethodOptions
	switch {
	case err != nil && refusal == nil, refusal != nil && options && (certain || refusal.Code != "NoSuchBucket"):
		e.dest = destination{protocol: shape.RestXML, signing: s3Name}
		if refusal != nil && refusal.Code == "NoSuchBucket" {
			err = &fault.Fault{Code: "AccessForbidden", Message: "CORSResponse: Bucket not found", Status: http.StatusForbidden, Sender: true}
		}
		e.aim()
		e.fail(err)
		return true, true
	case refusal != nil && !certain:
		return false, false
	}
	for name, values := range headers {
		e.w.Header()[name] = values
	}
	if options {
		e.call.Header = nil
		e.w.Header().Set("X-Amz-Request-Id", e.call.RequestID)
		e.w.Header().Set("Content-Length", "0")
		e.w.WriteHeader(http.StatusOK)
		return true, true
	}
	named := headers.Get("Access-Control-Allow-Origin")
	if !e.gateway.allowedOrigin(e.r.Header.Get("Origin")) && (named == "" || named == "*") {
		e.origin = unproven
	}
	return true, false
}

// bucket is the bucket that a request is for, if it is one for S3. Certain is false
// where only the name can tell: a preflight carries no signature.
func (e *exchange) bucket() (name string, certain bool) {
	name, _, _ = strings.Cut(objectPath(bucketPath(e.r.Host, e.r.URL.EscapedPath())), "/")
	claim, err := sigv4.Parse(e.r)
	switch {
	case sigv4.S3Family(claim.Service), s3Host(e.r.Host), e.isForm():
		return name, true
	case isMissing(err) && e.r.Method == http.MethodOptions:
		return name, false
	}
	return "", false
}
