// Package tuple is the one encoding of keys: a list of typed parts becomes
// bytes whose order is the order of the parts, compared one after the other.
//
// It promises: Parse gives back what Key was given; for lists of equal types
// bytes.Compare(Key(a), Key(b)) is the order of a and b, and a list sorts before
// every longer list that begins with it. Parts may hold any bytes. Keys never
// begin with 0x00, which engines keep for themselves. No goroutines, no locks.
// Start reading at Key.
package tuple

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The tag of a part. The numbers are on disk: never change one. A tag is
// neither escape byte (0x00, 0xFF), so a prefix of parts ends where its bytes end.
const (
	tagBytes  = 0x02
	tagString = 0x03
	tagInt    = 0x04
	tagUint   = 0x05
	tagTime   = 0x06
)

// Bytes and strings end with 0x00; a 0x00 inside is written as 0x00 0xFF.
const (
	end    = 0x00
	escape = 0xFF
)

// ErrMalformed tells that Parse was given bytes that Key did not make.
var ErrMalformed = errors.New("malformed tuple key")

// Key encodes parts of type string, []byte, int, int64, uint64 and time.Time.
// Any other type is a programming error and panics.
func Key(parts ...any) []byte { return Append(nil, parts...) }

// Append is Key into a buffer.
func Append(key []byte, parts ...any) []byte {
	for _, part := range parts {
		key = appendPart(key, part)
	}
	return key
}

func appendPart(key []byte, part any) []byte {
	switch p := part.(type) {
	case string:
		return append(appendEscaped(append(key, tagString), p), end)
	case []byte:
		return append(appendEscaped(append(key, tagBytes), p), end)
	case int:
		return appendInt(append(key, tagInt), int64(p))
	case int64:
		return appendInt(append(key, tagInt), p)
	case uint64:
		return binary.BigEndian.AppendUint64(append(key, tagUint), p)
	case time.Time:
		key = appendInt(append(key, tagTime), p.Unix())
		return binary.BigEndian.AppendUint32(key, uint32(p.Nanosecond()))
	}
	panic(fmt.Sprintf("tuple: a key part of type %T", part))
}

// appendInt flips the sign bit, so that negative numbers sort first.
func appendInt(key []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(key, uint64(n)^1<<63)
}

func appendEscaped[T string | []byte](key []byte, text T) []byte {
	for i := 0; i < len(text); i++ {
		key = append(key, text[i])
		if text[i] == end {
			key = append(key, escape)
		}
	}
	return key
}

// Range bounds all keys that begin with the parts: lo <= key < hi.
func Range(prefix ...any) (lo, hi []byte) {
	lo = Key(prefix...)
	return lo, append(bytes.Clone(lo), escape)
}

// PrefixRange is Range where the last part, a string or []byte, need only be
// the beginning of the part in the key.
func PrefixRange(prefix ...any) (lo, hi []byte) {
	lo = Key(prefix...)
	lo = lo[:len(lo)-1] // without the end of the last part
	return lo, successor(lo)
}

// successor is the least key above all keys that begin with prefix.
func successor(prefix []byte) []byte {
	next := bytes.Clone(prefix)
	for i := len(next) - 1; i >= 0; i-- {
		if next[i]++; next[i] != 0 {
			return next[:i+1]
		}
	}
	return nil
}

// Parse decodes a key. Integers come back as int64, times in UTC.
func Parse(key []byte) ([]any, error) {
	var parts []any
	for len(key) > 0 {
		part, rest, err := parsePart(key[0], key[1:])
		if err != nil {
			return nil, err
		}
		parts, key = append(parts, part), rest
	}
	return parts, nil
}

func parsePart(tag byte, key []byte) (part any, rest []byte, err error) {
	switch {
	case tag == tagString || tag == tagBytes:
		text, rest, err := parseEscaped(key)
		if err != nil {
			return nil, nil, err
		}
		if tag == tagString {
			return string(text), rest, nil
		}
		return text, rest, nil
	case tag == tagInt && len(key) >= 8:
		return parseInt(key), key[8:], nil
	case tag == tagUint && len(key) >= 8:
		return binary.BigEndian.Uint64(key), key[8:], nil
	case tag == tagTime && len(key) >= 12:
		nanos := binary.BigEndian.Uint32(key[8:])
		if nanos >= uint32(time.Second) {
			return nil, nil, fmt.Errorf("%w: %d nanoseconds", ErrMalformed, nanos)
		}
		return time.Unix(parseInt(key), int64(nanos)).UTC(), key[12:], nil
	}
	return nil, nil, fmt.Errorf("%w: tag %#x with %d bytes", ErrMalformed, tag, len(key))
}

func parseInt(key []byte) int64 { return int64(binary.BigEndian.Uint64(key) ^ 1<<63) }

func parseEscaped(key []byte) (text, rest []byte, err error) {
	text = []byte{}
	for i := 0; i < len(key); i++ {
		if key[i] != end {
			text = append(text, key[i])
			continue
		}
		if i+1 == len(key) || key[i+1] != escape {
			return text, key[i+1:], nil
		}
		text = append(text, end)
		i++
	}
	return nil, nil, fmt.Errorf("%w: text without an end", ErrMalformed)
}
