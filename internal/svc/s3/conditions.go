package s3

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/object"
	"github.com/lambkin-dev/lambkin/internal/wire/member"
)

// conditions are those of a read, or of the source of a copy.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html
type conditions struct {
	match, noneMatch string
	since, before    time.Time // If-Modified-Since, If-Unmodified-Since
	copying          bool
}

// check compares them with a version. With both kinds, ETags decide.
func (c *conditions) check(v *object.Version) error {
	prefix := ""
	if c.copying {
		prefix = "x-amz-copy-source-"
	}
	switch {
	case c.match != "" && !matches(c.match, v.ETag):
		return failed(prefix + "If-Match")
	case c.match == "" && !c.before.IsZero() && v.Modified.After(c.before):
		return failed(prefix + "If-Unmodified-Since")
	case c.noneMatch != "" && matches(c.noneMatch, v.ETag):
		return c.unmodified(v, prefix+"If-None-Match")
	case c.noneMatch == "" && !c.since.IsZero() && !v.Modified.After(c.since):
		return c.unmodified(v, prefix+"If-Modified-Since")
	}
	return nil
}

func failed(condition string) error {
	return refused(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", "Condition", condition)
}

// unmodified is 304 for a read.
func (c *conditions) unmodified(v *object.Version, condition string) error {
	if c.copying {
		return failed(condition)
	}
	f := refused(http.StatusNotModified, "NotModified", "Not Modified")
	return f.WithHeader("ETag", *quoted(v.ETag)).WithHeader("Last-Modified", v.Modified.Format(http.TimeFormat))
}

// matches tells whether a list of ETags has one.
func matches(list, etag string) bool {
	for _, one := range strings.Split(list, ",") {
		if one = unquote(one); one == "*" || one == etag {
			return true
		}
	}
	return false
}

// unquote is an ETag without quotes and the mark of a weak one.
func unquote(etag string) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(etag), "W/"), `"`)
}

// writeCondition reads the condition of a write.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func writeCondition(match, noneMatch *string) (object.Condition, error) {
	switch {
	case member.Text(match) != "" && member.Text(noneMatch) != "":
		return object.Condition{}, notImplemented("If-Match", "together with If-None-Match")
	case member.Text(noneMatch) != "" && *noneMatch != "*":
		return object.Condition{}, notImplemented("If-None-Match", "of a write it can only be *")
	case member.Text(match) == "*":
		return object.Condition{}, notImplemented("If-Match", "of a write it is an ETag")
	}
	return object.Condition{Match: unquote(member.Text(match)), Absent: noneMatch != nil && *noneMatch == "*"}, nil
}

// span is a range of bytes.
type span struct {
	offset, size int64
	partial      bool
}

// byteRange reads a Range header. What is no single range of bytes is ignored.
// AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
func byteRange(text string, size int64) (span, error) {
	whole := span{size: size}
	list, ok := strings.CutPrefix(text, "bytes=")
	if !ok || strings.Contains(list, ",") {
		return whole, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(list), "-")
	if !ok {
		return whole, nil
	}
	from, fromErr := parseBytes(first)
	to, toErr := parseBytes(last)
	switch {
	case first == "" && toErr == nil: // the last bytes
		if to == 0 || size == 0 {
			return whole, unsatisfiable(text, size)
		}
		to = min(to, size)
		return span{size - to, to, true}, nil
	case fromErr != nil || last != "" && (toErr != nil || to < from):
		return whole, nil
	case from >= size:
		return whole, unsatisfiable(text, size)
	case last == "":
		to = size - 1
	}
	to = min(to, size-1)
	return span{from, to - from + 1, true}, nil
}

// parseBytes reads digits; more than fit stand for the largest number.
func parseBytes(text string) (int64, error) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 1<<63 - 1, nil
	}
	return n, nil
}

func unsatisfiable(asked string, size int64) error {
	return refused(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable",
		"RangeRequested", asked, "ActualObjectSize", strconv.FormatInt(size, 10)).
		WithHeader("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
}

// contentRange is the header of a partial answer.
func (s span) contentRange(size int64) string {
	return "bytes " + strconv.FormatInt(s.offset, 10) + "-" + strconv.FormatInt(s.offset+s.size-1, 10) + "/" + strconv.FormatInt(size, 10)
}
