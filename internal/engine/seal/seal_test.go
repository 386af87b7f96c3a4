package seal

import (
	"bytes"
	"testing"
)

func TestOnlyWhatWasSealedIsOpened(t *testing.T) {
	secret := bytes.Repeat([]byte{1}, 32)
	s, err := New(secret, "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(secret, "b")
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.Seal([]byte("plain"), "name")
	if plain, err := s.Open(sealed, "name"); err != nil || string(plain) != "plain" {
		t.Errorf("%q %v", plain, err)
	}
	if bytes.Contains(sealed, []byte("plain")) || bytes.Equal(sealed, s.Seal([]byte("plain"), "name")) {
		t.Error("it can be read, or compared")
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for why, open := range map[string]func() ([]byte, error){
		"another name":    func() ([]byte, error) { return s.Open(sealed, "other") },
		"another purpose": func() ([]byte, error) { return other.Open(sealed, "name") },
		"changed":         func() ([]byte, error) { return s.Open(changed, "name") },
		"cut off":         func() ([]byte, error) { return s.Open(sealed[:5], "name") },
	} {
		if plain, err := open(); err == nil {
			t.Errorf("%s: %q", why, plain)
		}
	}
}
