package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
)

// Deliver stores what another service sends to a bucket, such as the record of a
// function that failed: the subject of the message is the key. A second delivery
// stores the same object again.
//
// AWS: the sender's role decides who may; here everybody of the bucket's account may.
func (o *Objects) Deliver(ctx context.Context, m *delivery.Message) error {
	a, err := arn.Parse(m.Target)
	if err != nil || a.Service != "s3" || m.Subject == "" || strings.Contains(a.Resource, "/") {
		return delivery.Permanent(fmt.Errorf("%s with the key %q is no place for an object", m.Target, m.Subject))
	}
	in := Place{Bucket: a.Resource, Key: m.Subject}
	if from, err := arn.Parse(m.Source); err == nil {
		in.Account = from.Account
	}
	body := Body{Reader: bytes.NewReader(m.Body), Algorithms: []checksum.Algorithm{checksum.CRC64NVME}}
	_, err = o.Put(ctx, in, Attributes{Headers: Headers{ContentType: "application/json"}}, body, checksum.CRC64NVME, Condition{}, CreatedPut)
	var refusal *Error
	if errors.As(err, &refusal) {
		return delivery.Permanent(delivery.Coded(string(refusal.Code), err))
	}
	return err
}
