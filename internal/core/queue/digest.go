package queue

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// The kinds of a value in a digest.
const (
	digestText   = 1
	digestBinary = 2
)

// Digest is the MD5 of message attributes that clients compare.
//
// AWS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func Digest(attributes map[string]Attribute) string {
	var b []byte
	field := func(text string) {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		field(name)
		field(a.DataType)
		if strings.HasPrefix(a.DataType, "Binary") {
			b = append(b, digestBinary)
			field(string(a.Binary))
			continue
		}
		b = append(b, digestText)
		field(a.String)
	}
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}
