package gateway

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/base/fault"
)

// S3 names a bucket by the first segment of the path or by the host. Both are
// brought to the first form, which the API model has.

// s3Name is the signing name of S3.
const s3Name = "s3"

// bucketDomains are the domains below which a host name is that of a bucket.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html; .localhost
// is ours: resolvers lead all of it to this machine.
var bucketDomains = []string{".amazonaws.com", localDomain}

const localDomain = ".localhost"

// bucketOfHost is the bucket that a host names, or "". Names like s3.REGION
// in front of the domain are the service's own.
func bucketOfHost(host string) string {
	name := hostname(host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return ""
	}
	for _, domain := range bucketDomains {
		rest, ok := strings.CutSuffix(name, domain)
		if !ok {
			continue
		}
		bucket, service := cutService(rest, domain)
		if !service && domain != localDomain {
			return ""
		}
		return bucket
	}
	return ""
}

// cutService cuts s3, s3.REGION, s3.dualstack.REGION or, of AWS's own names,
// s3-REGION from the end of a host name and tells whether it was there.
func cutService(name, domain string) (bucket string, found bool) {
	labels := strings.Split(name, ".")
	const most = 3
	last := len(labels) - 1
	for i := last; i >= max(0, len(labels)-most); i-- {
		if labels[i] == s3Name || i == last && domain != localDomain && strings.HasPrefix(labels[i], s3Name+"-") {
			return strings.Join(labels[:i], "."), true
		}
	}
	return name, false
}

// s3Host tells that a host name has S3's name in it, for requests without a signature.
func s3Host(host string) bool {
	name := hostname(host)
	for _, domain := range bucketDomains {
		if rest, ok := strings.CutSuffix(name, domain); ok {
			_, found := cutService(rest, domain)
			return found
		}
	}
	return false
}

// bucketPath is the path of a request with the bucket as its first segment.
func bucketPath(host, path string) string {
	if bucket := bucketOfHost(host); bucket != "" {
		return "/" + bucket + path
	}
	return path
}

// objectPath is the path for the walk through the templates. A final slash is part of
// an object's key and none of a bucket's name.
func objectPath(path string) string {
	path = strings.TrimPrefix(path, "/")
	if bucket, key, _ := strings.Cut(path, "/"); key == "" {
		return bucket
	}
	return path
}

// checkDigests compares a body in memory with the digests that came in the headers.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func checkDigests(h http.Header, body []byte) error {
	if given := h.Get("Content-Md5"); given != "" {
		stated, err := base64.StdEncoding.DecodeString(given)
		if err != nil || len(stated) != md5.Size {
			return &fault.Fault{Code: "InvalidDigest", Message: "The Content-MD5 you specified was invalid.", Status: http.StatusBadRequest, Sender: true}
		}
		if sum := md5.Sum(body); string(sum[:]) != string(stated) {
			return badDigest("The Content-MD5 you specified did not match what we received.")
		}
	}
	for _, algorithm := range checksum.All {
		given := h.Get("X-Amz-Checksum-" + string(algorithm))
		if given == "" {
			continue
		}
		sum := algorithm.New()
		sum.Write(body)
		if checksum.Text(sum) != given {
			return badDigest("The " + string(algorithm) + " you specified did not match the calculated checksum.")
		}
	}
	return nil
}

func badDigest(message string) error {
	return &fault.Fault{Code: "BadDigest", Message: message, Status: http.StatusBadRequest, Sender: true}
}
