package logpipe

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"
)

func record(text string) string {
	head := make([]byte, frameHeader)
	binary.BigEndian.PutUint32(head, frameMagic|3)
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	binary.BigEndian.PutUint64(head[8:], uint64(time.Unix(7, 0).UnixMicro()))
	return string(head) + text
}

// records feeds the parts one by one and lists what came out.
func records(parts ...string) ([]string, *Pipe) {
	var got []string
	l := &Pipe{emit: func(r Record) { got = append(got, string(r.Data)) }}
	for _, part := range parts {
		l.feed([]byte(part))
	}
	return got, l
}

func TestTheLogIsCutIntoRecordsWhereverTheReadsFall(t *testing.T) {
	text := "one\n" + record("a\nb\n") + "two\nthree\n" + record("") + "end\n"
	want := []string{"one\n", "a\nb\n", "two\n", "three\n", "", "end\n"}
	for cut := range len(text) {
		if got, _ := records(text[:cut], text[cut:]); !slices.Equal(got, want) {
			t.Fatalf("cut at %d: %q, want %q", cut, got, want)
		}
	}
	if got, _ := records(strings.Split(text, "")...); !slices.Equal(got, want) {
		t.Errorf("byte by byte: %q, want %q", got, want)
	}
}

func TestAnEndlessLineIsCut(t *testing.T) {
	got, l := records(strings.Repeat("x", MaxRecordBytes), strings.Repeat("y", 10))
	if len(got) != 1 || len(got[0]) != MaxRecordBytes || len(l.pending) != 10 {
		t.Errorf("%d records, %d bytes pending", len(got), len(l.pending))
	}
}

func FuzzPipe(f *testing.F) {
	f.Add([]byte("line\n"+record("framed")), 3)
	f.Add([]byte{0xA5, 0x5A, 0, 3, 0xff, 0xff, 0xff, 0xff}, 1)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		total := 0
		l := &Pipe{emit: func(r Record) { total += len(r.Data) }}
		cut = max(0, min(cut, len(data)))
		l.feed(data[:cut])
		l.feed(data[cut:])
		if total+len(l.pending) > len(data) {
			t.Errorf("%d bytes in, %d out and %d pending", len(data), total, len(l.pending))
		}
		if len(l.pending) > MaxRecordBytes+frameHeader {
			t.Errorf("%d bytes pending", len(l.pending))
		}
	})
}
