package shape

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// AppendTime writes t in the given format, in UTC with milliseconds when it has
// any. An unknown format is written as unix seconds.
func AppendTime(dst []byte, t time.Time, format TimestampFormat) []byte {
	t = t.UTC()
	whole := t.Nanosecond()/int(time.Millisecond) == 0
	switch format {
	case ISO8601:
		if whole {
			return t.AppendFormat(dst, "2006-01-02T15:04:05Z")
		}
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	case RFC822:
		if whole {
			return t.AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
		}
		return t.AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05.000 GMT")
	}
	return appendUnix(dst, t.UnixMilli())
}

// appendUnix writes milliseconds as decimal seconds, without trailing zeros.
func appendUnix(dst []byte, ms int64) []byte {
	if ms < 0 {
		dst = append(dst, '-')
		ms = -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	frac := ms % 1000
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// maxTimeText bounds the text that ParseTime looks at.
const maxTimeText = 64

// timeLayouts are the texts that AWS endpoints accept besides unix seconds.
var timeLayouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00",
	"20060102T150405Z",
	"2006-01-02",
	"Mon, 02 Jan 2006 15:04:05 MST",
	"Mon, 02 Jan 2006 15:04:05.999 MST",
	"Mon, 02 Jan 2006 15:04:05 -0700",
	time.RFC850,
	time.ANSIC,
}

// ParseTime reads a timestamp in any of the formats, whatever the model says:
// AWS's servers are as lenient, and clients differ. The result is in UTC with
// millisecond precision at least.
func ParseTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxTimeText {
		return time.Time{}, fmt.Errorf("%.64q is not a timestamp", text)
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return UnixTime(seconds)
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a timestamp", text)
}

// UnixTime is the time at that many seconds after 1970, rounded to milliseconds.
func UnixTime(seconds float64) (time.Time, error) {
	const earliest, latest = -62135596800, 253402300799 // years 1 and 9999: what all formats express
	if math.IsNaN(seconds) || seconds < earliest || seconds > latest {
		return time.Time{}, fmt.Errorf("%v is out of the range of timestamps", seconds)
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), nil
}
