package intake

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

func TestReadAllKeepsItsBounds(t *testing.T) {
	for _, test := range []struct {
		size      int
		announced int64
		ok        bool
	}{{0, 0, true}, {10, 10, true}, {10, -1, true}, {100, 100, true}, {101, -1, false}, {101, 101, false}, {100, 5, true}, {101, 5, false}} {
		body, err := ReadAll(bytes.NewReader(make([]byte, test.size)), test.announced, 100)
		if test.ok != (err == nil) || err == nil && len(body) != test.size || err != nil && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%+v: %d bytes, %v", test, len(body), err)
		}
	}
	// The announced length is not believed.
	body, err := ReadAll(strings.NewReader("x"), limit.CreateBodyBytes, limit.CreateBodyBytes)
	if err != nil || cap(body) > firstBuffer+1 {
		t.Errorf("allocated %d bytes for one, %v", cap(body), err)
	}
}
