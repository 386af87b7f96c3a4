package topic

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// The key that signs messages.
const (
	keyBits         = 2048
	certificateLife = 20 * 365 * 24 * time.Hour
	signatureOld    = "1" // SHA-1, the default as on AWS
	signatureNew    = "2" // SHA-256
)

// signer signs messages; its key is made on first use and kept in the store.
type signer struct {
	mu          sync.Mutex
	key         *rsa.PrivateKey
	certificate []byte // PEM
}

// signerRow is the key as the store has it.
type signerRow struct{ Key, Certificate []byte } // DER

func signerKey() []byte { return tuple.Key("sns", "signer") }

// Certificate is the certificate of the key that signs messages, in PEM.
func (t *Topics) Certificate(ctx context.Context) ([]byte, error) {
	_, certificate, err := t.signing(ctx)
	return certificate, err
}

// sign gives the signature of a text, in base64.
func (t *Topics) sign(ctx context.Context, version, text string) (string, error) {
	key, _, err := t.signing(ctx)
	if err != nil {
		return "", err
	}
	hash, digest := crypto.SHA1, []byte(nil)
	if version == signatureNew {
		sum := sha256.Sum256([]byte(text))
		hash, digest = crypto.SHA256, sum[:]
	} else {
		sum := sha1.Sum([]byte(text)) // AWS: signature version 1 is so
		digest = sum[:]
	}
	signature, err := rsa.SignPKCS1v15(nil, key, hash, digest)
	if err != nil {
		return "", fmt.Errorf("sign a message: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// signing reads the key, or makes one. The lock is held over that: it happens
// once in the life of a process.
func (t *Topics) signing(ctx context.Context) (*rsa.PrivateKey, []byte, error) {
	s := &t.signer
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, s.certificate, nil
	}
	row, err := t.signerRow(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read the key that signs messages: %w", err)
	}
	key, err := x509.ParsePKCS1PrivateKey(row.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("read the key that signs messages: %w", err)
	}
	s.key = key
	s.certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: row.Certificate})
	return s.key, s.certificate, nil
}

func (t *Topics) signerRow(ctx context.Context) (*signerRow, error) {
	for {
		snap, err := t.config.Store.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		row := &signerRow{}
		_, found, err := get(snap, signerKey(), row)
		snap.Close()
		if err != nil || found {
			return row, err
		}
		if row, err = newSigner(t.config.Clock.Now()); err != nil {
			return nil, err
		}
		batch := &store.Batch{Checks: []store.Check{store.Absent(signerKey())}}
		if err := put(batch, signerKey(), row); err != nil {
			return nil, err
		}
		if err := t.commit(ctx, batch); !errors.Is(err, store.ErrConflict) {
			return row, err
		}
	}
}

func newSigner(now time.Time) (*signerRow, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &signerRow{Key: x509.MarshalPKCS1PrivateKey(key), Certificate: certificate}, nil
}
