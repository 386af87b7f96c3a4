// Package ids makes the identifiers that AWS clients see: request ids and
// revision ids (UUID version 4) and lower-case hex of a given length.
//
// All randomness comes from crypto/rand. No goroutines, no locks. Start
// reading at UUID.
package ids

import (
	"crypto/rand"
	"encoding/hex"
)

// UUID returns a random UUID (version 4) in the usual lower-case form.
func UUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand.Read aborts the program instead
	return uuid(b)
}

// uuid writes bytes as a UUID of version 4.
func uuid(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// Hex returns n random bytes as 2n lower-case hex digits.
func Hex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
