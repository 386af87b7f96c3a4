package source

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Object names an object of S3.
type Object struct{ Bucket, Key, VersionID string }

// Parse reads the URL of an object: with the bucket in the path or in the host
// name, of Amazon S3 or of this server, which the client reaches at endpoint.
//
// The tools send what they uploaded to, so the URL has the endpoint of this server
// when it has been set as theirs.
func Parse(text, endpoint, member string) (Object, error) {
	u, err := url.Parse(text)
	if err == nil && u.Scheme == "s3" {
		// Recorded: localstack, test_create_stack_from_s3_template_url.
		return Object{}, refuse("S3 error: Domain name specified in %s is not a valid S3 domain", u.Host)
	}
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return Object{}, refuse("%s must be a supported URL.", member)
	}
	bucket, ok := bucketOf(strings.ToLower(u.Hostname()), endpoint)
	if !ok {
		return Object{}, refuse("%s must be a supported URL.", member)
	}
	key := strings.TrimPrefix(u.Path, "/")
	if bucket == "" {
		bucket, key, _ = strings.Cut(key, "/")
	}
	if bucket == "" || key == "" {
		return Object{}, refuse("%s must be a supported URL.", member)
	}
	return Object{Bucket: bucket, Key: key, VersionID: u.Query().Get("versionId")}, nil
}

// bucketOf is the bucket that a host name has, empty for the service's own; not ok
// for one that is neither S3's nor ours.
func bucketOf(host, endpoint string) (bucket string, ok bool) {
	for _, domain := range []string{".amazonaws.com", ".amazonaws.com.cn"} {
		if rest, found := strings.CutSuffix(host, domain); found {
			return amazon(rest)
		}
	}
	own := ""
	if u, err := url.Parse(endpoint); err == nil {
		own = strings.ToLower(u.Hostname())
	}
	if host == own || loopback(host) {
		return "", true
	}
	for _, suffix := range []string{own, "localhost"} {
		if rest, found := strings.CutSuffix(host, "."+suffix); found && suffix != "" {
			bucket, found := amazon(rest)
			if !found { // bucket.localhost
				bucket = rest
			}
			return bucket, true
		}
	}
	return "", false
}

// amazon reads [bucket.]s3[.dualstack][.REGION] and [bucket.]s3-REGION
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html).
func amazon(name string) (bucket string, ok bool) {
	const most = 3 // s3.dualstack.REGION
	labels := strings.Split(name, ".")
	for i := len(labels) - 1; i >= max(0, len(labels)-most); i-- {
		if labels[i] == "s3" || i == len(labels)-1 && strings.HasPrefix(labels[i], "s3-") {
			return strings.Join(labels[:i], "."), true
		}
	}
	return "", false
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// parseLocation reads s3://BUCKET/KEY.
func parseLocation(location string) (Object, error) {
	rest, ok := strings.CutPrefix(location, "s3://")
	bucket, key, found := strings.Cut(rest, "/")
	if !ok || !found || bucket == "" || key == "" || net.ParseIP(bucket) != nil {
		return Object{}, refuse("The location parameter is not a valid S3 uri.")
	}
	return Object{Bucket: bucket, Key: key}, nil
}
