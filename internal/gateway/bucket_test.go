package gateway

import "testing"

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
