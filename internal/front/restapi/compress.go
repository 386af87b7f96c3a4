package restapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/front/proxy"
	"github.com/lambkin-dev/lambkin/internal/wire/intake"
)

// inflate undoes the content coding of a body, of an API that has compression enabled; it
// may have as many bytes as one that was not compressed.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-make-request-with-compressed-payload.html
func (e *exchange) inflate() error {
	coding := strings.ToLower(strings.TrimSpace(e.r.Header.Get("Content-Encoding")))
	if e.deployed.MinimumCompressionSize == nil || coding == "" {
		return nil
	}
	var in io.Reader
	var err error
	switch packed := bytes.NewReader(e.body); coding {
	case "identity":
		in = packed
	case "gzip":
		in, err = gzip.NewReader(packed)
	case "deflate":
		if in, err = zlib.NewReader(packed); err != nil { // many clients leave zlib's frame out
			in, err = flate.NewReader(bytes.NewReader(e.body)), nil
		}
	default:
		return errMediaType
	}
	if err != nil {
		return errBadRequest.with(err)
	}
	plain, err := intake.ReadAll(in, -1, MaxPayloadBytes)
	switch {
	case errors.Is(err, intake.ErrTooLarge):
		return err
	case err != nil:
		return errBadRequest.with(err)
	}
	e.body, e.content = plain, nil
	e.r.Header.Del("Content-Encoding")
	e.r.Header.Set("Content-Length", strconv.Itoa(len(plain)))
	return nil
}

// compress packs the body of an answer for a client that takes it so.
// AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-receive-response-with-compression.html
func (e *exchange) compress(a *proxy.Answer) error {
	least := e.deployed.MinimumCompressionSize
	if least == nil || len(a.Body) == 0 || len(a.Body) < int(*least) || a.Header.Get("Content-Encoding") != "" {
		return nil
	}
	var packed bytes.Buffer
	var out io.WriteCloser
	coding := acceptedCoding(e.r.Header.Values("Accept-Encoding"))
	switch coding {
	case "gzip":
		out = gzip.NewWriter(&packed)
	case "deflate":
		out = zlib.NewWriter(&packed)
	default:
		return nil
	}
	if _, err := out.Write(a.Body); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	a.Body = packed.Bytes()
	a.Header.Set("Content-Encoding", coding)
	a.Header.Del("Content-Md5")
	return nil
}

// acceptedCoding is the first content coding that a client takes and we have. AWS: weights
// do not count, but zero.
func acceptedCoding(values []string) string {
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, parameters, _ := strings.Cut(strings.ToLower(item), ";")
		coding = strings.TrimSpace(coding)
		weight, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(parameters), "q="), 64)
		switch {
		case err == nil && weight == 0:
		case coding == "*":
			return "gzip"
		case coding == "gzip" || coding == "deflate":
			return coding
		}
	}
	return ""
}
