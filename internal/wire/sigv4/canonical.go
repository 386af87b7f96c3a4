package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// canonical is the working memory of one canonical request; pooled, because
// each signed request needs one.
type canonical struct {
	out   []byte
	arena []byte // encoded query parameters before they are sorted
	pairs []pair
}

// pair is one query parameter: arena[key:value] and arena[value:end].
type pair struct{ key, value, end int }

// maxPooled keeps the memory of a monstrous request out of the pool.
const maxPooled = 64 << 10

var canonicals = sync.Pool{New: func() any { return &canonical{out: make([]byte, 0, 1024)} }}

func (c *canonical) free() {
	if cap(c.out)+cap(c.arena) <= maxPooled {
		canonicals.Put(c)
	}
}

// request writes the canonical request with the given canonical path.
func (c *canonical) request(r *http.Request, path []byte, signedHeaders, payloadHash string) []byte {
	c.out = append(c.out[:0], r.Method...)
	c.out = append(c.out, '\n')
	c.out = append(c.out, path...)
	c.out = append(c.out, '\n')
	c.query(r.URL.RawQuery)
	c.out = append(c.out, '\n')
	for rest, more := signedHeaders, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, ";")
		c.header(r, name)
	}
	c.out = append(c.out, '\n')
	c.out = append(c.out, signedHeaders...)
	c.out = append(c.out, '\n')
	return append(c.out, payloadHash...)
}

// query writes the parameters sorted by encoded name, then value, without the
// signature itself.
func (c *canonical) query(raw string) {
	if raw == "" {
		return
	}
	c.arena, c.pairs = c.arena[:0], c.pairs[:0]
	for rest, more := raw, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(part, "=")
		if part == "" || name == "X-Amz-Signature" {
			continue
		}
		p := pair{key: len(c.arena)}
		c.arena = appendReencoded(c.arena, name, true)
		p.value = len(c.arena)
		c.arena = appendReencoded(c.arena, value, true)
		p.end = len(c.arena)
		c.pairs = append(c.pairs, p)
	}
	slices.SortStableFunc(c.pairs, func(a, b pair) int {
		if n := bytes.Compare(c.arena[a.key:a.value], c.arena[b.key:b.value]); n != 0 {
			return n
		}
		return bytes.Compare(c.arena[a.value:a.end], c.arena[b.value:b.end])
	})
	for i, p := range c.pairs {
		if i > 0 {
			c.out = append(c.out, '&')
		}
		c.out = append(c.out, c.arena[p.key:p.value]...)
		c.out = append(c.out, '=')
		c.out = append(c.out, c.arena[p.value:p.end]...)
	}
}

// header writes one header with all its values. A name that the request does
// not carry is written with an empty value: the signature will not match.
func (c *canonical) header(r *http.Request, name string) {
	c.out = append(c.out, name...)
	c.out = append(c.out, ':')
	values := headerValues(r.Header, name)
	switch {
	case name == "host":
		c.out = appendTrimmed(c.out, r.Host)
	case name == "content-length" && values == nil:
		if r.ContentLength >= 0 {
			c.out = strconv.AppendInt(c.out, r.ContentLength, 10)
		}
	case name == "transfer-encoding" && values == nil:
		values = r.TransferEncoding // net/http takes it out of the header
		fallthrough
	default:
		for i, value := range values {
			if i > 0 {
				c.out = append(c.out, ',')
			}
			c.out = appendTrimmed(c.out, value)
		}
	}
	c.out = append(c.out, '\n')
}

// headerValues looks a lower-case name up without allocating its canonical form.
func headerValues(h http.Header, name string) []string {
	var buffer [64]byte
	if len(name) > len(buffer) {
		return h.Values(name)
	}
	key := buffer[:len(name)]
	upper := true
	for i := range len(name) {
		b := name[i]
		if upper && b >= 'a' && b <= 'z' {
			b -= 'a' - 'A'
		}
		key[i] = b
		upper = b == '-'
	}
	return h[string(key)]
}

// appendTrimmed writes a header value without outer blanks and with inner runs
// of blanks as one.
func appendTrimmed(dst []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	blank := false
	for i := range len(value) {
		b := value[i]
		if b == ' ' && blank {
			continue
		}
		blank = b == ' '
		dst = append(dst, b)
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

func unreserved(b byte) bool {
	return b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '.' || b == '_' || b == '~'
}

// appendEncoded percent-encodes everything but unreserved characters and slashes.
func appendEncoded(dst []byte, s string) []byte {
	for i := range len(s) {
		if b := s[i]; unreserved(b) || b == '/' {
			dst = append(dst, b)
		} else {
			dst = append(dst, '%', upperHex[b>>4], upperHex[b&15])
		}
	}
	return dst
}

// appendReencoded decodes s and encodes it in the one canonical way. A percent
// sign without two hex digits stands for itself.
func appendReencoded(dst []byte, s string, query bool) []byte {
	for i := 0; i < len(s); i++ {
		b := s[i]
		switch {
		case b == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = fromHex(s[i+1])<<4 | fromHex(s[i+2])
			i += 2
		case b == '+' && query:
			b = ' '
		case b == '/' && !query:
			dst = append(dst, b)
			continue
		}
		if unreserved(b) {
			dst = append(dst, b)
		} else {
			dst = append(dst, '%', upperHex[b>>4], upperHex[b&15])
		}
	}
	return dst
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func fromHex(b byte) byte {
	switch {
	case b <= '9':
		return b - '0'
	case b <= 'F':
		return b - 'A' + 10
	}
	return b - 'a' + 10
}

// wirePath is the path as it came over the wire.
func wirePath(r *http.Request) string {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.EscapedPath()
	}
	if path == "" {
		return "/"
	}
	return path
}

// paths calls try with the canonical paths that AWS's SDKs make of a request
// until one succeeds. Usually there is only one: clients differ in what they do
// with dot segments and double slashes (botocore removes them before it signs,
// the Go SDK does not), and for s3 in what they leave unescaped.
func paths(r *http.Request, service string, try func(path []byte) bool) bool {
	var buffer [256]byte
	raw := wirePath(r)
	if S3Family(service) {
		if try(append(buffer[:0], raw...)) {
			return true
		}
		again := appendReencoded(nil, raw, false)
		return string(again) != raw && try(again)
	}
	if try(appendEncoded(buffer[:0], raw)) {
		return true
	}
	if !strings.Contains(raw, "//") && !strings.Contains(raw, "/.") {
		return false
	}
	return try(appendEncoded(buffer[:0], cleanPath(raw)))
}

// cleanPath removes empty and dot segments, keeping a final slash, as botocore does.
func cleanPath(path string) string {
	var kept []string
	for _, segment := range strings.Split(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, segment)
		}
	}
	clean := "/" + strings.Join(kept, "/")
	if strings.HasSuffix(path, "/") && len(kept) > 0 {
		clean += "/"
	}
	return clean
}

// appendScope writes date/region/service/aws4_request.
func appendScope(dst []byte, date, region, service string) []byte {
	dst = append(dst, date...)
	dst = append(dst, '/')
	dst = append(dst, region...)
	dst = append(dst, '/')
	dst = append(dst, service...)
	return append(dst, "/"+terminator...)
}

// stringToSign writes the text that the signature of a request signs.
func stringToSign(dst []byte, at time.Time, date, region, service string, request []byte) []byte {
	dst = append(dst, algorithm+"\n"...)
	dst = at.AppendFormat(dst, timeFormat)
	dst = append(dst, '\n')
	dst = appendScope(dst, date, region, service)
	dst = append(dst, '\n')
	sum := sha256.Sum256(request)
	return hex.AppendEncode(dst, sum[:])
}
