package gateway

import (
	"net/http"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/fault"
)

// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
func TestBucketOfHost(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1:4566": "", "[::1]:4566": "", "localhost:4566": "", "lambkin:4566": "", "example.com": "",
		"s3.localhost": "", "s3.us-east-1.localhost:4566": "", "photos.s3.us-east-1.localhost:4566": "photos",
		"photos.localhost:4566": "photos", "a.b.localhost": "a.b", "Photos.S3.localhost": "photos", "s3-photos.localhost": "s3-photos",
		"photos.s3.amazonaws.com": "photos", "photos.s3.eu-west-1.amazonaws.com": "photos", "photos.s3-eu-west-1.amazonaws.com": "photos",
		"a.b.s3.dualstack.eu-west-1.amazonaws.com": "a.b", "s3.amazonaws.com": "", "sqs.us-east-1.amazonaws.com": "",
	} {
		if got := bucketOfHost(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestPathOfABucketAndAnObject(t *testing.T) {
	for _, test := range []struct{ host, path, bucketPath, objectPath string }{
		{"localhost", "/", "/", ""}, {"localhost", "/b", "/b", "b"}, {"localhost", "/b/", "/b/", "b"}, {"localhost", "/b/k/", "/b/k/", "b/k/"},
		{"localhost", "/b//", "/b//", "b//"}, {"b.localhost", "/", "/b/", "b"}, {"b.localhost", "/k%2F", "/b/k%2F", "b/k%2F"}, {"b.s3.localhost", "//", "/b//", "b//"},
	} {
		if got := bucketPath(test.host, test.path); got != test.bucketPath || objectPath(got) != test.objectPath {
			t.Errorf("%+v: %q, %q", test, got, objectPath(got))
		}
	}
}

func TestDigestsOfABodyInMemory(t *testing.T) {
	for _, test := range []struct{ name, value, code string }{
		{"Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==", ""}, {"Content-MD5", "no", "InvalidDigest"}, {"Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"},
		{"x-amz-checksum-crc32", "NhCmhg==", ""}, {"x-amz-checksum-crc32", "AAAAAA==", "BadDigest"}, {"x-amz-checksum-sha256", "x", "BadDigest"},
	} {
		h := http.Header{}
		h.Set(test.name, test.value)
		code := ""
		if err := checkDigests(h, []byte("hello")); err != nil {
			code = fault.From(err).Code
		}
		if code != test.code {
			t.Errorf("%+v: %q", test, code)
		}
	}
}
