// Package checksum has the checksums that AWS's clients send along with bodies,
// in the form in which they travel: base64 of the big-endian sum.
//
// It promises that Combine gives the sum of two pieces of data from the sums of
// the pieces, for the cyclic ones (CRC32, CRC32C, CRC64NVME). XXHASH sums are not
// known. No goroutines, no locks. Start reading at Algorithm.
//
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
package checksum

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"sync"
)

// Algorithm is the name of a checksum as AWS spells it.
type Algorithm string

// The algorithms.
const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
	SHA512    Algorithm = "SHA512"
	MD5       Algorithm = "MD5"
)

// All are the algorithms, those that are cheapest to compute first.
var All = []Algorithm{CRC64NVME, CRC32, CRC32C, SHA1, SHA256, SHA512, MD5}

// The polynomials of the cyclic sums, bits reversed.
const nvme = 0x9a6c9329ac4bc9b5

// tables are built when the first sum needs them.
var (
	castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })
	nvmeTable  = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(nvme) })
)

// New makes a hash of that algorithm; nil for one that is not known.
func (a Algorithm) New() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(castagnoli())
	case CRC64NVME:
		return crc64.New(nvmeTable())
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	case MD5:
		return md5.New()
	}
	return nil
}

// Size is the length of a sum in bytes; 0 for an algorithm that is not known.
func (a Algorithm) Size() int {
	if h := a.New(); h != nil {
		return h.Size()
	}
	return 0
}

// Valid tells whether text can be a sum of that algorithm.
func (a Algorithm) Valid(text string) bool {
	sum, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(sum) > 0 && len(sum) == a.Size()
}

// Cyclic tells whether Combine knows the algorithm.
func (a Algorithm) Cyclic() bool { return a == CRC32 || a == CRC32C || a == CRC64NVME }

// Text is the sum as it travels.
func Text(h hash.Hash) string { return base64.StdEncoding.EncodeToString(h.Sum(nil)) }

// Combine is the sum of the data of first followed by the data of second, which
// is secondSize bytes long. Empty if the algorithm is not cyclic or a text is no sum of it.
func (a Algorithm) Combine(first, second string, secondSize int64) string {
	if !a.Cyclic() || !a.Valid(first) || !a.Valid(second) || secondSize < 0 {
		return ""
	}
	polynomial := map[Algorithm]uint64{CRC32: crc32.IEEE, CRC32C: crc32.Castagnoli, CRC64NVME: nvme}[a]
	x, y := number(first), number(second)
	sum := shift(x, secondSize, polynomial, 8*a.Size()) ^ y
	bytes := binary.BigEndian.AppendUint64(nil, sum)
	return base64.StdEncoding.EncodeToString(bytes[len(bytes)-a.Size():])
}

func number(text string) (n uint64) {
	sum, _ := base64.StdEncoding.DecodeString(text) // Valid was asked
	for _, b := range sum {
		n = n<<8 | uint64(b)
	}
	return n
}

// shift is what the register becomes after size bytes of zero: the register times
// x to the power of 8*size, modulo the polynomial, whose bits are reversed.
func shift(register uint64, size int64, polynomial uint64, width int) uint64 {
	top := uint64(1) << (width - 1)
	power := top >> 8 // x to the power of 8
	for ; size > 0; size >>= 1 {
		if size&1 == 1 {
			register = multiply(register, power, polynomial, top)
		}
		power = multiply(power, power, polynomial, top)
	}
	return register
}

// multiply multiplies two polynomials whose highest bit is the coefficient of x^0.
func multiply(a, b, polynomial, top uint64) (product uint64) {
	for bit := top; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if carry := b & 1; carry != 0 {
			b = b>>1 ^ polynomial
		} else {
			b >>= 1
		}
	}
	return product
}

// Bytes is the sum that Text wrote; nil for what is none.
func Bytes(text string) []byte {
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return sum
}
