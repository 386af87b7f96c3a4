package eventstream

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func all() Message {
	return Message{
		Headers: []Header{
			{"yes", true}, {"no", false}, {"byte", int8(-1)}, {"short", int16(-2)}, {"integer", int32(-3)}, {"long", int64(-4)},
			{"bytes", []byte{1, 2}}, {":event-type", "PayloadChunk"}, {"time", time.UnixMilli(1_700_000_000_123).UTC()}, {"uuid", UUID{15: 9}},
		},
		Payload: []byte("hello"),
	}
}

func TestRoundTrip(t *testing.T) {
	want := all()
	data, err := Append([]byte("before"), want)
	if err != nil {
		t.Fatal(err)
	}
	got, rest, err := Parse(append(data[len("before"):], "after"...))
	if err != nil || string(rest) != "after" {
		t.Fatalf("Parse: rest %q, %v", rest, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Text(":event-type") != "PayloadChunk" || got.Text("byte") != "" {
		t.Error("Text does not find string headers only")
	}
}

// TestKnownFrames compares with the vectors of the format's specification.
func TestKnownFrames(t *testing.T) {
	for frame, want := range map[string]Message{
		"000000100000000005c248eb7d98c8ff":                           {Payload: []byte{}},
		"0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936": {Payload: []byte("{'foo':'bar'}")},
		"0000002d0000001041c424b8" + "0c636f6e74656e742d74797065" + "04" + "0000a00c" + "7b27666f6f273a27626172277d" + "360d4c9f": {}, // a damaged one
	} {
		data, err := hex.DecodeString(frame)
		if err != nil {
			t.Fatal(err)
		}
		got, rest, err := Parse(data)
		if want.Payload == nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("Parse(%s) = %v, want ErrMalformed", frame, err)
			}
			continue
		}
		if err != nil || len(rest) != 0 || !bytes.Equal(got.Payload, want.Payload) {
			t.Errorf("Parse(%s) = %+v, %v", frame, got, err)
		}
		again, err := Append(nil, want)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("Append(%+v) = %x, %v, want %s", want, again, err, frame)
		}
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	data, err := Append(nil, all())
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		broken := bytes.Clone(data)
		broken[i] ^= 0x40
		if _, _, err := Parse(broken); err == nil {
			t.Errorf("a flipped bit in byte %d is not found", i)
		}
	}
	for i := range data {
		if _, _, err := Parse(data[:i]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Parse of the first %d bytes = %v", i, err)
		}
	}
}

func TestRead(t *testing.T) {
	one, err := Append(nil, all())
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(append(bytes.Clone(one), one...))
	for range 2 {
		if m, err := Read(r); err != nil || string(m.Payload) != "hello" {
			t.Fatalf("Read = %+v, %v", m, err)
		}
	}
	if _, err := Read(r); err != io.EOF {
		t.Errorf("Read at the end = %v", err)
	}
	if _, err := Read(bytes.NewReader(one[:len(one)-1])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Read of a cut message = %v", err)
	}
}

func TestLimits(t *testing.T) {
	if _, err := Append(nil, Message{Payload: make([]byte, MaxPayloadBytes+1)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("payload: %v", err)
	}
	if _, err := Append(nil, Message{Headers: []Header{{"a", string(make([]byte, maxTextBytes+1))}}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("header: %v", err)
	}
	for _, h := range []Header{{"", true}, {string(make([]byte, 256)), true}, {"a", 1}} {
		if _, err := Append(nil, Message{Headers: []Header{h}}); err == nil {
			t.Errorf("header %.5q %v is accepted", h.Name, h.Value)
		}
	}
}

func FuzzParse(f *testing.F) {
	seed, err := Append(nil, all())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, _, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Append(nil, m)
		if err != nil {
			t.Fatalf("a parsed message cannot be written: %v", err)
		}
		if !bytes.Equal(again, data[:len(again)]) {
			t.Fatalf("written again as %x, was %x", again, data)
		}
	})
}
