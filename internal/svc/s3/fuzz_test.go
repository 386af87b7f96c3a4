package s3

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/api/s3api"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/restxml"
)

// FuzzByteRange: what a range chooses lies in the object.
func FuzzByteRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=9-2", "bytes=0-1,3-4", "bytes=-0", "bytes=99999999999999999999-", "items=1-2", "bytes=+1-2", ""} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, text string, size int64) {
		if size < 0 {
			return
		}
		s, err := byteRange(text, size)
		if err == nil && (s.offset < 0 || s.size < 0 || s.offset > size || s.size > size-s.offset || s.partial && s.size == 0) {
			t.Errorf("%q of %d: %+v", text, size, s)
		}
	})
}

// TestByteRange has the examples of https://www.rfc-editor.org/rfc/rfc9110#name-byte-ranges
func TestByteRange(t *testing.T) {
	for text, want := range map[string]span{
		"bytes=0-499": {0, 500, true}, "bytes=500-999": {500, 500, true}, "bytes=-500": {9500, 500, true}, "bytes=9500-": {9500, 500, true},
		"bytes=0-0,-1": {0, 10000, false}, "bytes=500-600,601-999": {0, 10000, false}, "bytes=9-1": {0, 10000, false}, "bytes=-20000": {0, 10000, true}, "bytes=9999-20000": {9999, 1, true},
	} {
		if got, err := byteRange(text, 10_000); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if _, err := byteRange("bytes=10000-", 10_000); err == nil {
		t.Error("a range behind the end is satisfiable")
	}
}

// FuzzHeaders: texts of clients are read or refused.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{"bucket/key", "/bucket/a%20b?versionId=null", "bucket/key?versionId=x", "%zz", "a=1&b=2", "a=1&a=2", `{"Statement":[{"Effect":"Allow"}]}`, "arn:aws:s3:::x/y", `"etag", W/"x", *`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		call := &wire.Call{Request: httptest.NewRequest(http.MethodPut, "/", nil), Header: http.Header{}}
		if from, err := copySource(call, text, conditions{}); err == nil && (from.Bucket == "" || from.Key == "") {
			t.Errorf("%q: %+v", text, from)
		}
		_, _ = tagQuery(text) // an error is a refusal: only a panic is wrong
		_ = checkPolicy(text)
		matches(text, "etag")
		escape(text)
	})
}

// FuzzBodies: every body is decoded or refused, and what the operations read of it
// before they look at a bucket does not break them.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`<Delete><Object><Key>a</Key></Object><Quiet>true</Quiet></Delete>`, `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part></CompleteMultipartUpload>`,
		`<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`,
		`<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:r:0:q</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>v</Value></FilterRule></S3Key></Filter></QueueConfiguration></NotificationConfiguration>`,
		`<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>`, `<CORSConfiguration><CORSRule/></CORSConfiguration>`,
	} {
		f.Add(seed)
	}
	service := Service(nil)
	f.Fuzz(func(t *testing.T, body string) {
		for _, name := range []string{"PutBucketLifecycleConfiguration", "PutBucketNotificationConfiguration", "PutBucketTagging", "DeleteObjects", "CompleteMultipartUpload", "PutBucketCors"} {
			x := &wire.Exchange{Service: service.Model, Operation: service.Model.Operation(name), Body: []byte(body), Path: "/bucket/key",
				Call: &wire.Call{Request: httptest.NewRequest(http.MethodPut, "/bucket/key?uploadId=1", nil), Header: http.Header{}}}
			in, err := restxml.Codec{Bare: true}.Decode(x)
			if err != nil {
				continue
			}
			switch in := in.(type) {
			case *s3api.PutBucketLifecycleConfigurationInput:
				if in.LifecycleConfiguration != nil {
					for i := range in.LifecycleConfiguration.Rules {
						_, _ = lifecycleRule(&in.LifecycleConfiguration.Rules[i])
					}
				}
			case *s3api.PutBucketNotificationConfigurationInput:
				if in.NotificationConfiguration != nil {
					for _, q := range in.NotificationConfiguration.QueueConfigurations {
						_, _ = destination(q.Id, q.QueueArn, "sqs", q.Events, q.Filter)
					}
				}
			case *s3api.PutBucketTaggingInput:
				if in.Tagging != nil {
					_, _ = tagMap(in.Tagging.TagSet)
				}
			}
		}
	})
}
