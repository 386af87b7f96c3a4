package jsonvalue

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// validTexts are values and what nearly is one, on both sides of each rule.
var validTexts = []string{
	"", " ", "{}", "[]", " {} ", "{} x", "null", "nul", "true", "truex", "false", "0", "-0", "01", "-", "1.", "1.5", "1e", "1e5", "1E-5", "+1", ".5",
	`"`, `""`, `"a"`, `"12345678"`, `"1234567\"8"`, `"12345678`, "\"1234567\n\"", "\"\x7f\"", "\"\x1f\"", "\"12345678\x00\"", `"\u12aF"`, `"\u12a"`, `"\u12ag"`, `"\x"`, `"\`, "\"\xff\"", "\"12345678é\"",
	`{"a":1}`, `{"a" : 1 , "b" : [1, 2]}`, `{"a":1,}`, `{"a"}`, `{a:1}`, `{"a":}`, `{,}`, `[1,]`, `[,]`, `[1 2]`, `[1`, `]`, `}`, `[}`, `{]`, "[1]\x00", "\x00",
	strings.Repeat("[", validDepth) + strings.Repeat("]", validDepth), strings.Repeat("[", validDepth+1) + strings.Repeat("]", validDepth+1),
}

func TestValidSaysWhatTheStandardLibrarySays(t *testing.T) {
	for _, text := range validTexts {
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.60q: %t, want %t", text, got, want)
		}
	}
	// Each byte at each place of a word of eight.
	for c := range 256 {
		for at := range 9 {
			text := []byte(`"` + strings.Repeat("x", 9) + `"`)
			text[1+at] = byte(c)
			if got, want := Valid(text), json.Valid(text); got != want {
				t.Errorf("%q: %t, want %t", text, got, want)
			}
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range validTexts {
		if len(text) < 100 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := Valid(data), json.Valid(data); got != want {
			t.Errorf("%q: %t, want %t", data, got, want)
		}
	})
}

func BenchmarkValid(b *testing.B) {
	event := []byte(`{"message": "` + string(bytes.Repeat([]byte("x"), 1000)) + `"}`)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			Valid(event)
		}
	})
	b.Run("standard library", func(b *testing.B) {
		for b.Loop() {
			json.Valid(event)
		}
	})
}
