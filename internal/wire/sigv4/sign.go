package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // empty for long-term keys
}

// Sign signs a request in its Authorization header, as AWS's SDKs do. The
// request must be complete; payloadHash is PayloadHash of its body, or
// UnsignedPayload for s3. It sets X-Amz-Date and, where they belong,
// X-Amz-Security-Token and X-Amz-Content-Sha256.
func Sign(r *http.Request, creds Credentials, service, region string, at time.Time, payloadHash string) {
	at = at.UTC()
	r.Header.Set("X-Amz-Date", at.Format(timeFormat))
	r.Header.Del("Authorization")
	if creds.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", creds.SessionToken)
	}
	if S3Family(service) {
		r.Header.Set("X-Amz-Content-Sha256", payloadHash)
	}
	signed := []string{"host"}
	for name := range r.Header {
		switch name = strings.ToLower(name); {
		case name == "content-type", name == "content-md5", strings.HasPrefix(name, "x-amz-"):
			signed = append(signed, name)
		}
	}
	slices.Sort(signed)
	signedHeaders := strings.Join(signed, ";")

	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if r.Host != host {
		copied := *r
		copied.Host = host
		r, copied.Header = &copied, r.Header
	}
	date := at.Format(dateFormat)
	key := signingKey(creds.SecretAccessKey, date, region, service)
	work := canonicals.Get().(*canonical)
	defer work.free()
	path := []byte(r.URL.EscapedPath()) // what net/http will send
	if len(path) == 0 {
		path = []byte("/")
	}
	if !S3Family(service) {
		path = appendEncoded(nil, string(path))
	}
	request := work.request(r, path, signedHeaders, payloadHash)
	signature := sign(&key, stringToSign(nil, at, date, region, service, request))
	credential := string(appendScope([]byte(creds.AccessKeyID+"/"), date, region, service))
	r.Header.Set("Authorization", algorithm+" Credential="+credential+", SignedHeaders="+signedHeaders+", Signature="+hex.EncodeToString(signature[:]))
}

// signingKey derives the key of one day, region and service.
func signingKey(secret, date, region, service string) [32]byte {
	mac := hmac.New(sha256.New, []byte("AWS4"+secret))
	mac.Write([]byte(date))
	key := [32]byte(mac.Sum(nil))
	for _, part := range []string{region, service, terminator} {
		key = sign(&key, []byte(part))
	}
	return key
}

func minutesOf(d time.Duration) string { return strconv.FormatInt(int64(d/time.Minute), 10) }
