package sigv4

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
)

// Kind says what is wrong with a signature; the gateway knows its error code in
// each protocol.
type Kind uint8

// The kinds of errors.
const (
	Missing            Kind = iota + 1 // the request carries no signature
	Incomplete                         // the Authorization header lacks a part or cannot be read
	BadQuery                           // so do the query parameters of a presigned request
	Unsupported                        // another algorithm
	Mismatch                           // the signature or its scope is wrong
	Expired                            // a presigned request came too late or too early (s3 family)
	Skewed                             // the clocks differ too much (s3 family)
	HeadersNotSigned                   // x-amz-* headers outside the signature (s3 family)
	PayloadMismatch                    // the body does not have the hash that was signed (s3 family)
	PayloadNotReadable                 // the chunked body is malformed
	FormField                          // a form lacks the field that Message names (s3)
)

// Error is a refused signature with AWS's message.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return e.Message }

// Claim is what a request says about its signature. Nothing in it is proven
// before Verifier.Verify. Its strings point into the request.
type Claim struct {
	AccessKeyID  string
	Date         string // YYYYMMDD of the credential scope
	Region       string
	Service      string // signing name
	SessionToken string
	Time         time.Time
	Presigned    bool
	Expires      time.Duration // of a presigned request
	Bucket       string        // that the host names: the caller of Verify sets it, for S3
	PayloadHash  string        // the hash, or the kind of payload, that the request states; empty when it states none

	signedHeaders string // "host;x-amz-date"
	signature     [32]byte
	version2      string // signature of a URL of version 2; then Time is when it expires
}

// Parse reads the signature of a request. The error is an *Error; its Kind is
// Missing when there is none. With an error the claim holds what was read so
// far, which may tell the service that should answer.
func Parse(r *http.Request) (Claim, error) {
	authorization := r.Header.Get("Authorization")
	presigned := r.URL.RawQuery != "" && strings.Contains(r.URL.RawQuery, "X-Amz-Algorithm=")
	switch {
	case authorization != "" && presigned:
		// AWS: S3's InvalidArgument; the other services have no text of their own.
		return Claim{}, &Error{Incomplete, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"}
	case presigned:
		return parseQuery(r)
	case authorization == "" && presigned2(r.URL.RawQuery):
		return parseQuery2(r)
	case authorization == "":
		return Claim{}, &Error{Missing, "Missing Authentication Token"}
	}
	return parseHeader(r, authorization)
}

func parseHeader(r *http.Request, authorization string) (Claim, error) {
	rest, ok := strings.CutPrefix(authorization, algorithm)
	if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return Claim{}, unsupported(authorization)
	}
	credential, signedHeaders, signature, err := authorizationParts(rest)
	if err != nil {
		return Claim{}, err
	}
	text := r.Header.Get("X-Amz-Date")
	if text == "" {
		text = r.Header.Get("Date")
	}
	// AWS lists everything that is missing in one message.
	var missing []string
	for _, part := range []struct{ name, value string }{{"Credential", credential}, {"Signature", signature}, {"SignedHeaders", signedHeaders}} {
		if part.value == "" {
			missing = append(missing, "Authorization header requires '"+part.name+"' parameter.")
		}
	}
	if text == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if missing != nil {
		return Claim{}, &Error{Incomplete, strings.Join(missing, " ")}
	}
	c := Claim{signedHeaders: signedHeaders, SessionToken: r.Header.Get("X-Amz-Security-Token"), PayloadHash: r.Header.Get("X-Amz-Content-Sha256")}
	if c.Time, err = parseTime(text); err != nil {
		return Claim{}, &Error{Incomplete, err.Error()}
	}
	return c.finish(Incomplete, credential, signature)
}

// unsupported is the error of an Authorization header of another kind.
func unsupported(authorization string) *Error {
	scheme, _, _ := strings.Cut(authorization, " ")
	if strings.HasPrefix(scheme, "AWS") {
		return &Error{Unsupported, "Unsupported AWS 'algorithm': '" + printable(scheme) + "'."}
	}
	return &Error{Incomplete, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."}
}

// authorizationParts reads the key=value list behind the algorithm.
func authorizationParts(list string) (credential, signedHeaders, signature string, err error) {
	for list != "" {
		var part string
		part, list, _ = strings.Cut(list, ",")
		part = strings.Trim(part, " \t")
		if part == "" {
			continue
		}
		name, value, found := strings.Cut(part, "=")
		if !found {
			return "", "", "", &Error{Incomplete, "Invalid key=value pair (missing equal-sign) in Authorization header."}
		}
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			signedHeaders = value
		case "Signature":
			signature = value
		}
	}
	return credential, signedHeaders, signature, nil
}

// maxExpires is the longest life of a presigned request: 7 days.
const maxExpires = 604800

func parseQuery(r *http.Request) (Claim, error) {
	raw := r.URL.RawQuery
	if got := queryValue(raw, "X-Amz-Algorithm"); got != algorithm {
		return Claim{}, &Error{Unsupported, "Unsupported AWS 'algorithm': '" + printable(got) + "'."}
	}
	credential, signature, text, expires := queryValue(raw, "X-Amz-Credential"), queryValue(raw, "X-Amz-Signature"), queryValue(raw, "X-Amz-Date"), queryValue(raw, "X-Amz-Expires")
	c := Claim{Presigned: true, signedHeaders: queryValue(raw, "X-Amz-SignedHeaders"), SessionToken: queryValue(raw, "X-Amz-Security-Token")}
	if credential == "" || signature == "" || text == "" || c.signedHeaders == "" {
		return Claim{}, &Error{BadQuery, "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."}
	}
	var err error
	if c.Time, err = parseTime(text); err != nil || len(text) != len(timeFormat) {
		return Claim{}, &Error{BadQuery, `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`}
	}
	seconds := int(Skew / time.Second) // AWS: services other than s3 take a presigned request without it for the usual skew
	if expires != "" {
		if seconds, err = strconv.Atoi(expires); err != nil {
			return Claim{}, &Error{BadQuery, "X-Amz-Expires should be a number"}
		}
	}
	switch {
	case seconds < 0:
		return Claim{}, &Error{BadQuery, "X-Amz-Expires must be non-negative"}
	case seconds > maxExpires:
		return Claim{}, &Error{BadQuery, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"}
	}
	c.Expires = time.Duration(seconds) * time.Second
	if c, err = c.finish(BadQuery, credential, signature); err != nil {
		return c, err
	}
	c.PayloadHash = r.Header.Get("X-Amz-Content-Sha256")
	if c.PayloadHash == "" {
		c.PayloadHash = queryValue(raw, "X-Amz-Content-Sha256")
	}
	if c.PayloadHash == "" && S3Family(c.Service) {
		c.PayloadHash = UnsignedPayload
	}
	return c, nil
}

// finish reads the credential scope and the signature.
func (c Claim) finish(kind Kind, credential, signature string) (Claim, error) {
	// The access key id may not contain a slash; five parts exactly.
	parts, n := [5]string{}, 0
	for rest, more := credential, true; more; n++ {
		if n == len(parts) {
			return Claim{}, badCredential(kind, credential)
		}
		parts[n], rest, more = strings.Cut(rest, "/")
	}
	if n != len(parts) {
		return Claim{}, badCredential(kind, credential)
	}
	c.AccessKeyID, c.Date, c.Region, c.Service = parts[0], parts[1], parts[2], parts[3]
	if err := c.scope(parts[4]); err != nil {
		return c, err
	}
	if len(signature) != 2*len(c.signature) {
		return c, errMismatch(c.Service)
	}
	if _, err := hex.Decode(c.signature[:], []byte(signature)); err != nil {
		return c, errMismatch(c.Service)
	}
	return c, nil
}

func badCredential(kind Kind, credential string) *Error {
	return &Error{kind, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + printable(credential) + "'"}
}

// scope checks the form of the credential scope. AWS lists all that is wrong.
func (c *Claim) scope(term string) error {
	var wrong []string
	if !validRegion(c.Region) {
		wrong = append(wrong, "Credential should be scoped to a valid region, not '"+printable(c.Region)+"'.")
	}
	if term != terminator {
		wrong = append(wrong, "Credential should be scoped with a valid terminator: 'aws4_request', not '"+printable(term)+"'.")
	}
	var day [len(dateFormat)]byte
	if want := c.Time.AppendFormat(day[:0], dateFormat); string(want) != c.Date {
		wrong = append(wrong, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '"+
			printable(c.Date)+"' != '"+string(want)+"', from '"+c.Time.Format(timeFormat)+"'.")
	}
	if wrong == nil {
		return nil
	}
	return &Error{Mismatch, strings.Join(wrong, " ")}
}

// maxRegion bounds region names; they become parts of keys and ARNs.
const maxRegion = 32

func validRegion(s string) bool {
	if s == "" || len(s) > maxRegion {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// timeError is AWS's message for a date that cannot be read.
type timeError string

func (e timeError) Error() string {
	return "Date must be in ISO-8601 'basic format'. Got '" + printable(string(e)) + "'. See http://en.wikipedia.org/wiki/ISO_8601"
}

// parseTime reads X-Amz-Date or Date.
func parseTime(text string) (time.Time, error) {
	if len(text) == len(timeFormat) {
		if t, err := time.Parse(timeFormat, text); err == nil {
			return t, nil
		}
	}
	if t, err := http.ParseTime(text); err == nil {
		return t.UTC(), nil
	}
	return time.Time{}, timeError(text)
}

// printable keeps what a client sent fit for an error message.
func printable(s string) string {
	const most = 256
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// queryValue is the decoded value of the first parameter of that name. The
// names that we look for need no encoding.
func queryValue(raw, name string) string {
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if key, value, _ := strings.Cut(part, "="); key == name {
			decoded, err := url.QueryUnescape(value)
			if err != nil {
				return ""
			}
			return decoded
		}
	}
	return ""
}
