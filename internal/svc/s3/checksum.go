package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/checksum"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire"
)

const (
	checksumHeader = "x-amz-checksum-"
	trailerHeader  = "X-Amz-Trailer"
)

// unknownSums are algorithms of the model that the platform does not compute.
var unknownSums = []string{"XXHASH64", "XXHASH3", "XXHASH128"}

// algorithm reads the name of a checksum.
func algorithm(name string) (checksum.Algorithm, error) {
	a := checksum.Algorithm(strings.ToUpper(name))
	if a == "" || a.New() != nil {
		return a, nil
	}
	for _, unknown := range unknownSums {
		if string(a) == unknown {
			return "", notImplemented(checksumHeader+strings.ToLower(unknown), "this checksum is not computed")
		}
	}
	return "", invalidArgument("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]", "x-amz-checksum-algorithm", name)
}

// statement is what a request says about its body.
type statement struct {
	length    int64 // -1: not told
	md5       []byte
	algorithm checksum.Algorithm // empty: no checksum
	value     string             // empty: it comes in the trailer
}

// state reads the headers of an upload.
func state(call *wire.Call) (*statement, error) {
	h := call.Request.Header
	s := &statement{length: call.Request.ContentLength}
	if decoded := h.Get("X-Amz-Decoded-Content-Length"); decoded != "" {
		n, err := strconv.ParseInt(decoded, 10, 64)
		if err != nil || n < 0 {
			return nil, invalidArgument("The x-amz-decoded-content-length header is not a number.", "x-amz-decoded-content-length", decoded)
		}
		s.length = n
	}
	if s.length < 0 && !call.Form {
		return nil, refused(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	if s.length > limit.ObjectPutBytes {
		return nil, refused(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size",
			"ProposedSize", strconv.FormatInt(s.length, 10), "MaxSizeAllowed", strconv.FormatInt(limit.ObjectPutBytes, 10))
	}
	if given := h.Get("Content-Md5"); given != "" {
		sum, err := base64.StdEncoding.DecodeString(given)
		if err != nil || len(sum) != md5.Size {
			return nil, refused(400, "InvalidDigest", "The Content-MD5 you specified was invalid.", "Content-MD5", given)
		}
		s.md5 = sum
	}
	return s, s.checksum(h)
}

// checksum finds the one checksum that the headers have or announce.
func (s *statement) checksum(h http.Header) error {
	found := 0
	for name, values := range h {
		kind, ok := strings.CutPrefix(strings.ToLower(name), checksumHeader)
		if !ok || kind == "algorithm" || kind == "type" || kind == "mode" || len(values) == 0 {
			continue
		}
		a, err := algorithm(kind)
		if err != nil {
			return err
		}
		if !a.Valid(values[0]) {
			return refused(400, "InvalidRequest", "Value for "+checksumHeader+kind+" header is invalid.")
		}
		s.algorithm, s.value = a, values[0]
		found++
	}
	if kind, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(h.Get(trailerHeader))), checksumHeader); ok {
		a, err := algorithm(kind)
		if err != nil {
			return err
		}
		s.algorithm = a
		found++
	} else if h.Get(trailerHeader) != "" {
		return refused(400, "InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
	}
	if found > 1 {
		return refused(400, "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	if wanted := h.Get("X-Amz-Sdk-Checksum-Algorithm"); wanted != "" && found == 0 {
		return refused(400, "InvalidRequest", "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	return nil
}

// body is the body of an upload, to be checked when it has ended.
func (s *statement) body(call *wire.Call) object.Body {
	return object.Body{Reader: call.Request.Body, Algorithms: []checksum.Algorithm{s.kept()}, Check: func(sums *object.Sums) error { return s.check(call, sums) }}
}

// kept is the algorithm of the checksum that stays with the object.
// AWS: CRC64NVME where the client sends none.
func (s *statement) kept() checksum.Algorithm {
	if s.algorithm == "" {
		return checksum.CRC64NVME
	}
	return s.algorithm
}

// check compares what came with what was stated.
func (s *statement) check(call *wire.Call, sums *object.Sums) error {
	if sums.Size != s.length && !call.Form {
		return refused(400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
	}
	if s.md5 != nil && !bytes.Equal(s.md5, sums.MD5) {
		return refused(400, "BadDigest", "The Content-MD5 you specified did not match what we received.",
			"ExpectedDigest", base64.StdEncoding.EncodeToString(s.md5), "CalculatedDigest", base64.StdEncoding.EncodeToString(sums.MD5))
	}
	if s.algorithm == "" {
		return nil
	}
	if s.value == "" {
		s.value = call.Request.Trailer.Get(checksumHeader + string(s.algorithm))
		if !s.algorithm.Valid(s.value) {
			return refused(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
		}
	}
	if s.value != sums.Text[s.algorithm] {
		return refused(400, "BadDigest", "The "+string(s.algorithm)+" you specified did not match the calculated checksum.")
	}
	return nil
}

// setChecksum fills the members of an output, or of a part in one, that have checksums.
func setChecksum(out any, sum object.Checksum, suffix string) {
	if sum.Algorithm == "" || sum.Value == "" {
		return
	}
	v := reflect.ValueOf(out).Elem()
	if field := v.FieldByName("Checksum" + string(sum.Algorithm)); field.IsValid() {
		field.Set(reflect.ValueOf(ptr(sum.Value + suffix)))
	}
	if field := v.FieldByName("ChecksumType"); field.IsValid() && field.Kind() == reflect.Pointer {
		field.Set(reflect.ValueOf(ptr(checksumType(sum))))
	}
}

// checksumType is the word for how a checksum came about.
func checksumType(sum object.Checksum) string {
	if sum.Composite {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// setObjectChecksum sets that of an object: one over checksums has their number behind it.
func setObjectChecksum(out any, v *object.Version) {
	suffix := ""
	if v.Checksum.Composite {
		suffix = "-" + strconv.Itoa(v.PartsCount())
	}
	setChecksum(out, v.Checksum, suffix)
}

// statedChecksum is the checksum of an input or a part in one, of that algorithm.
func statedChecksum(in any, a checksum.Algorithm) string {
	return fields{reflect.ValueOf(in).Elem()}.text("Checksum" + string(a))
}
