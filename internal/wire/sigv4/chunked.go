package sigv4

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Bounds of a chunked body.
const (
	maxChunkLine    = 4 << 10 // a chunk header or a trailer line
	maxTrailers     = 16
	maxChunkBytes   = 5 << 30 // S3's largest single upload
	chunkBufferSize = 16 << 10
)

// Chunked tells whether a stated payload hash means a body in chunks
// (Content-Encoding aws-chunked).
func Chunked(payloadHash string) bool {
	switch payloadHash {
	case StreamingPayload, StreamingPayloadTrailer, StreamingUnsigned:
		return true
	}
	return false
}

// Body reads the payload out of a body in chunks. Chunk signatures are checked
// at the end of each chunk, so data is handed out before it is proven: only
// io.EOF says that all of it was.
type Body struct {
	in       *bufio.Reader
	claim    Claim
	key      [32]byte
	signed   bool // chunks carry signatures that are checked
	checked  bool // false in development mode: signatures are read and ignored
	trailed  bool // trailer lines follow the last chunk
	previous [32]byte
	current  [32]byte // signature that the present chunk claims
	sum      hash.Hash
	left     int64 // bytes of the present chunk that were not read yet
	open     bool  // inside a chunk
	trailer  http.Header
	err      error // sticky, io.EOF included
}

// NewBody reads the chunks of in; payloadHash is the claim's and must be
// Chunked. The claim must have been verified with that secret already, because
// its signature is the seed of the chain; with an empty secret (development
// mode) signatures are not checked.
func NewBody(in io.Reader, c *Claim, secret string) *Body {
	b := &Body{
		in:      bufio.NewReaderSize(in, chunkBufferSize),
		claim:   *c,
		signed:  c.PayloadHash != StreamingUnsigned,
		trailed: c.PayloadHash != StreamingPayload,
		sum:     sha256.New(),
		trailer: http.Header{},
	}
	b.checked = b.signed && secret != ""
	if b.checked {
		b.key = signingKey(secret, c.Date, c.Region, c.Service)
		b.previous = c.signature
	}
	return b
}

// Trailer holds the trailer lines (x-amz-checksum-…) after io.EOF.
func (b *Body) Trailer() http.Header { return b.trailer }

// Read hands out payload bytes.
func (b *Body) Read(p []byte) (int, error) {
	if b.err == nil && len(p) > 0 {
		n, err := b.read(p)
		b.err = err
		return n, err
	}
	return 0, b.err
}

func (b *Body) read(p []byte) (int, error) {
	if !b.open {
		if err := b.header(); err != nil {
			return 0, err
		}
		if b.left == 0 {
			return 0, b.end()
		}
		b.open = true
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.in.Read(p)
	b.left -= int64(n)
	if b.checked {
		b.sum.Write(p[:n])
	}
	if err != nil {
		return n, truncated(err)
	}
	if b.left == 0 {
		b.open = false
		if err := b.blankLine(); err != nil {
			return n, err
		}
		return n, b.verifyChunk()
	}
	return n, nil
}

// end finishes the body after the chunk of size zero.
func (b *Body) end() error {
	if err := b.verifyChunk(); err != nil {
		return err
	}
	if b.trailed {
		if err := b.readTrailer(); err != nil {
			return err
		}
	} else if err := b.blankLine(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err // some clients leave the last line end out
	}
	if _, err := b.in.ReadByte(); err == nil {
		return malformed("data after the last chunk")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return io.EOF
}

// header reads "size[;chunk-signature=hex]".
func (b *Body) header() error {
	line, err := b.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	if b.left, err = strconv.ParseInt(size, 16, 64); err != nil || b.left < 0 || b.left > maxChunkBytes || size[0] == '+' || size[0] == '-' {
		return malformed("a chunk size is not readable")
	}
	if !b.signed {
		return nil
	}
	signature, ok := strings.CutPrefix(extension, "chunk-signature=")
	if !ok {
		return malformed("a chunk has no signature")
	}
	return decodeSignature(&b.current, signature)
}

func decodeSignature(into *[32]byte, text string) error {
	if len(text) != 2*len(into) {
		return malformed("a chunk signature is not readable")
	}
	if _, err := hex.Decode(into[:], []byte(text)); err != nil {
		return malformed("a chunk signature is not readable")
	}
	return nil
}

// emptyHash is the SHA-256 of nothing, part of every chunk's string to sign.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// verifyChunk checks the signature of the chunk that ended.
func (b *Body) verifyChunk() error {
	if !b.checked {
		return nil
	}
	message := b.chunkMessage("AWS4-HMAC-SHA256-PAYLOAD")
	message = append(message, emptyHash+"\n"...)
	message = hex.AppendEncode(message, b.sum.Sum(nil))
	b.sum.Reset()
	return b.verify(message)
}

func (b *Body) chunkMessage(kind string) []byte {
	message := append(make([]byte, 0, 2*maxMessage), kind+"\n"...)
	message = b.claim.Time.AppendFormat(message, timeFormat)
	message = append(message, '\n')
	message = appendScope(message, b.claim.Date, b.claim.Region, b.claim.Service)
	message = append(message, '\n')
	message = hex.AppendEncode(message, b.previous[:])
	return append(message, '\n')
}

func (b *Body) verify(message []byte) error {
	want := sign(&b.key, message)
	if subtle.ConstantTimeCompare(want[:], b.current[:]) != 1 {
		return errMismatch(b.claim.Service)
	}
	b.previous = want
	return nil
}

// readTrailer reads "name:value" lines up to an empty line or the end, and the
// signature over them where the payload is signed.
func (b *Body) readTrailer() error {
	text, signature := sha256.New(), ""
	for lines := 0; ; lines++ {
		line, err := b.line()
		if errors.Is(err, io.ErrUnexpectedEOF) || err == nil && line == "" {
			break
		}
		if err != nil {
			return err
		}
		if lines == maxTrailers {
			return malformed("too many trailer lines")
		}
		name, value, found := strings.Cut(line, ":")
		if name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value); !found || name == "" {
			return malformed("a trailer line is not readable")
		}
		if name == "x-amz-trailer-signature" {
			signature = value
			continue
		}
		text.Write([]byte(name + ":" + value + "\n"))
		b.trailer.Add(name, value)
	}
	if !b.checked {
		return nil
	}
	if err := decodeSignature(&b.current, signature); err != nil {
		return err
	}
	return b.verify(hex.AppendEncode(b.chunkMessage("AWS4-HMAC-SHA256-TRAILER"), text.Sum(nil)))
}

// line reads one line without its end.
func (b *Body) line() (string, error) {
	line, err := b.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(line) > maxChunkLine {
		return "", malformed("a line is too long")
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		return "", malformed("a line has no end")
	}
	if err != nil {
		return "", truncated(err)
	}
	return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
}

// blankLine reads the line end behind the data of a chunk.
func (b *Body) blankLine() error {
	line, err := b.line()
	if err == nil && line != "" {
		return malformed("a chunk is longer than it says")
	}
	return err
}

// truncated makes an early end of the body an error of its own.
func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func malformed(detail string) *Error {
	return &Error{PayloadNotReadable, "The request body is not valid aws-chunked content: " + detail + "."}
}

// Hashed reads a body whose hash was signed and compares it at the end: io.EOF
// says that the hash was right. The stated hash must be hex.
func Hashed(in io.Reader, c *Claim) io.Reader {
	return &hashed{in: in, sum: sha256.New(), want: c.PayloadHash}
}

type hashed struct {
	in   io.Reader
	sum  hash.Hash
	want string
	err  error
}

func (h *hashed) Read(p []byte) (int, error) {
	if h.err != nil {
		return 0, h.err
	}
	n, err := h.in.Read(p)
	h.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && !strings.EqualFold(hex.EncodeToString(h.sum.Sum(nil)), h.want) {
		err = ErrPayloadMismatch()
	}
	h.err = err
	return n, err
}

// ErrPayloadMismatch is the error of a body that has not the hash that was signed.
func ErrPayloadMismatch() *Error {
	return &Error{PayloadMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed."}
}
