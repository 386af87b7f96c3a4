package tuple

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseGivesBackTheParts(t *testing.T) {
	parts := []any{"", "a\x00b", []byte{0, 0xff, 0}, int64(-5), uint64(math.MaxUint64), time.Unix(-7, 9).UTC(), "ü"}
	got, err := Parse(Key(parts...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parts, got); diff != "" {
		t.Error(diff)
	}
}

func TestOrderOfKeysIsOrderOfParts(t *testing.T) {
	ordered := [][]any{
		{""}, {"", "x"}, {"\x00"}, {"\x00", "x"}, {"\x00\x00"}, {"\x01"}, {"a"}, {"a", ""}, {"a", "b"}, {"a\x00"}, {"a\x00b"}, {"a\xff"}, {"b"},
		{int64(math.MinInt64)}, {int64(-1)}, {int64(0)}, {int64(0), int64(1)}, {int64(1)}, {int64(math.MaxInt64)},
		{uint64(0)}, {uint64(255)}, {uint64(256)}, {uint64(math.MaxUint64)},
		{time.Time{}}, {time.Unix(-1, 999)}, {time.Unix(0, 0)}, {time.Unix(0, 1)}, {time.Unix(1, 0)},
	}
	for i := 1; i < len(ordered); i++ {
		if bytes.Compare(Key(ordered[i-1]...), Key(ordered[i]...)) >= 0 {
			t.Errorf("%q is not before %q", ordered[i-1], ordered[i])
		}
	}
}

func TestOrderOfRandomStrings(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, random.IntN(6))
		for i := range b {
			b[i] = []byte{0, 1, 2, 0xfe, 0xff}[random.IntN(5)]
		}
		return string(b)
	}
	for range 20_000 {
		a, b, c, d := text(), text(), text(), text()
		want := bytes.Compare([]byte(a), []byte(b))
		if want == 0 {
			want = bytes.Compare([]byte(c), []byte(d))
		}
		if got := bytes.Compare(Key(a, c), Key(b, d)); got != want {
			t.Fatalf("order of (%q, %q) and (%q, %q) is %d, want %d", a, c, b, d, got, want)
		}
	}
}

func TestRangeHoldsExactlyTheKeysOfThePrefix(t *testing.T) {
	lo, hi := Range("a", int64(1))
	inside := func(parts ...any) bool {
		key := Key(parts...)
		return bytes.Compare(lo, key) <= 0 && bytes.Compare(key, hi) < 0
	}
	for _, parts := range [][]any{{"a", int64(1)}, {"a", int64(1), ""}, {"a", int64(1), "\xff\xff"}, {"a", int64(1), time.Unix(9, 9)}} {
		if !inside(parts...) {
			t.Errorf("%q is outside", parts)
		}
	}
	for _, parts := range [][]any{{"a"}, {"a", int64(0)}, {"a", int64(2)}, {"a\x00", int64(1)}, {"b", int64(1)}} {
		if inside(parts...) {
			t.Errorf("%q is inside", parts)
		}
	}
}

func TestPrefixRangeMatchesTheBeginningOfTheLastPart(t *testing.T) {
	lo, hi := PrefixRange("n", "ab")
	for text, want := range map[string]bool{"ab": true, "abc": true, "ab\x00": true, "ab\xff\xff": true, "a": false, "ac": false, "aa\xff": false, "": false} {
		key := Key("n", text)
		if got := bytes.Compare(lo, key) <= 0 && bytes.Compare(key, hi) < 0; got != want {
			t.Errorf("%q inside is %v", text, got)
		}
	}
}

func TestKeyOfAnotherTypePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Key(3.14)
}

func FuzzParse(f *testing.F) {
	f.Add(Key("a\x00", int64(-1), uint64(7), []byte{1}, time.Unix(1, 2)))
	f.Add([]byte{tagTime, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, key []byte) {
		parts, err := Parse(key)
		if err != nil {
			return
		}
		if !bytes.Equal(Key(parts...), key) {
			t.Errorf("%x parses to %q, which is another key", key, parts)
		}
	})
}
