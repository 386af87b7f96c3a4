package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
)

// objects puts and deletes objects of one bucket, small ones and such that are blobs,
// under few keys. What was acknowledged last of a key must be there, whole; what was
// on its way when the server died may be.
type objects struct {
	random *rand.Rand
	made   bool
	serial int
	held   map[string][][]byte // what each key may hold, nil for nothing; one: it must
	puts   int                 // that were acknowledged
}

const objectKeys = 8

// s3 makes a call whose body is no JSON.
func (c client) s3(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	sum := sha256.Sum256(body)
	header := http.Header{"X-Amz-Content-Sha256": {hex.EncodeToString(sum[:])}}
	reply, err := c.server.CallService(ctx, "s3", method, path, header, body)
	switch {
	case err != nil:
		return nil, &downError{err}
	case reply.Status >= http.StatusMultipleChoices:
		return nil, &statusError{reply.Status, fmt.Sprintf("%s %s: %s", method, path, reply.Body)}
	}
	return reply.Body, nil
}

func (o *objects) write(ctx context.Context, c client) error {
	if !o.made {
		o.held = map[string][][]byte{}
		_, err := c.s3(ctx, "PUT", "/crash-objects", nil)
		o.made = err == nil
		return err
	}
	key := fmt.Sprint("key/", o.random.IntN(objectKeys))
	if o.held[key] == nil {
		o.held[key] = [][]byte{nil}
	}
	var data []byte
	var err error
	if o.random.IntN(4) > 0 {
		o.serial++
		size := o.random.IntN(3000)
		if o.random.IntN(2) == 0 {
			size = 70_000 + o.random.IntN(500_000)
		}
		data = bytes.Repeat(fmt.Appendf(nil, "%d ", o.serial), 1+size/8)
		_, err = c.s3(ctx, "PUT", "/crash-objects/"+key, data)
	} else {
		_, err = c.s3(ctx, "DELETE", "/crash-objects/"+key, nil)
	}
	switch {
	case isDown(err):
		o.held[key] = append(o.held[key], data)
	case err == nil:
		o.held[key] = [][]byte{data}
		if data != nil {
			o.puts++
		}
	}
	return err
}

// check compares what each key holds, and settles what nobody knew.
func (o *objects) check(ctx context.Context, c client) error {
	for key, may := range o.held {
		got, err := c.s3(ctx, "GET", "/crash-objects/"+key, nil)
		if isAbsent(err) {
			got, err = nil, nil
		}
		if err != nil {
			return err
		}
		fits := false
		for _, data := range may {
			fits = fits || bytes.Equal(got, data) && (got == nil) == (data == nil)
		}
		if !fits {
			return fmt.Errorf("%s holds %d bytes (%.10q), which is none of the %d contents that it can have", key, len(got), got, len(may))
		}
		o.held[key] = [][]byte{got}
	}
	return nil
}
