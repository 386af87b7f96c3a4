package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// arrived is a function that prints how long ago its object was put: the key tells.
const arrived = `import time
def handler(event, context):
    now = time.time_ns()
    print("LATENCY", now - int(event["Records"][0]["s3"]["object"]["key"]))
`

// objects measures S3: from the beginning of PutObject to the first line of a
// function that is warm and told of new objects. The object is on the disk before.
func (b *bench) objects(ctx context.Context, p *platform.Platform) error {
	f := trivial("arrived")
	f.Files = map[string]string{"app.py": arrived}
	if err := p.Deploy(ctx, f); err != nil {
		return err
	}
	if err := s3Call(ctx, p, http.MethodPut, "/arrivals", nil); err != nil {
		return err
	}
	if err := permit(ctx, p, "arrived", "s3", "arn:aws:s3:::arrivals"); err != nil {
		return err
	}
	notification := "<NotificationConfiguration><CloudFunctionConfiguration><CloudFunction>arn:aws:lambda:" + platform.Region +
		":000000000000:function:arrived</CloudFunction><Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration></NotificationConfiguration>"
	if err := s3Call(ctx, p, http.MethodPut, "/arrivals?notification", []byte(notification)); err != nil {
		return err
	}
	p50, p99, err := oneByOne(ctx, p, "arrived", func(now string) error {
		return s3Call(ctx, p, http.MethodPut, "/arrivals/"+now, make([]byte, messageBytes))
	})
	if err != nil {
		return err
	}
	b.add(row{what: "S3 put to the start of a notified function, warm, p50 / p99", lambkin: milliseconds(p50) + " / " + milliseconds(p99), goal: atMostTime(p50, goalPutObject)})
	return nil
}

// s3Call makes a request of S3.
func s3Call(ctx context.Context, p *platform.Platform, method, path string, body []byte) error {
	sum := sha256.Sum256(body)
	reply, err := p.CallService(ctx, "s3", method, path, http.Header{"X-Amz-Content-Sha256": {hex.EncodeToString(sum[:])}}, body)
	if err == nil && reply.Status != http.StatusOK {
		err = fmt.Errorf("%s %s: status %d, body %.200q", method, path, reply.Status, reply.Body)
	}
	return err
}
