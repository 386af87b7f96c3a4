// Package seal encrypts what must not lie on the disk in plain text, with keys
// derived from the secret of the data folder.
//
// It promises AES-256-GCM with a key for each purpose and a random nonce; Open
// fails for what was changed, sealed for another purpose, or for another name, so
// that a row cannot be put in another's place. It does not protect from who reads
// the whole data folder: the secret is in it.
//
// A Sealer is immutable; no goroutines, no locks. Start reading at New.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Sealer seals for one purpose.
type Sealer struct{ aead cipher.AEAD }

// keyBytes is that of AES-256.
const keyBytes = 32

// New derives the key of a purpose.
func New(secret []byte, purpose string) (*Sealer, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive the key of %s: %w", purpose, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &Sealer{aead}, err
}

// Seal encrypts; the name is what Open must be given again.
func (s *Sealer) Seal(plain []byte, name string) []byte {
	nonce := make([]byte, s.aead.NonceSize())
	rand.Read(nonce) // never fails
	return s.aead.Seal(nonce, nonce, plain, []byte(name))
}

// Open decrypts.
func (s *Sealer) Open(sealed []byte, name string) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("what was sealed is cut off")
	}
	return s.aead.Open(nil, sealed[:n], sealed[n:], []byte(name))
}
