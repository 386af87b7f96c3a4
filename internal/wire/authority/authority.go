// Package authority is the certificate authority of one data folder: it makes the
// certificates by which a server speaks TLS under the names that it has on its own
// machine, and under AWS's when a hosts file leads them here.
//
// It promises: the private key of the authority never leaves its folder and is
// readable by its owner only; a certificate is for one name that the server may
// have, and lives for weeks. Who trusts the authority must trust whoever can read
// the folder: that is the machine's user, not the internet.
//
// Authority.mu guards the certificates that were made; they are made while it is
// not held. No goroutines. Start reading at Open.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Files of the folder.
const (
	CertificateFile = "ca.pem"
	keyFile         = "ca.key"
)

// Lives of certificates, and how many names are kept.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	renewBefore   = 30 * 24 * time.Hour
	backdated     = time.Hour // clocks differ
	maxNames      = 1000
)

// suffixes are the domains below which every name is the server's: those of this
// machine, and AWS's, which nobody else can own.
var suffixes = []string{".localhost", ".amazonaws.com", ".on.aws"}

// Authority signs.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	own         func(name string) bool
	mu          sync.Mutex
	made        map[string]*tls.Certificate
}

// Open reads the authority of a folder, or makes it. own tells which other names
// are the server's; nil for none.
func Open(folder string, own func(name string) bool) (*Authority, error) {
	if own == nil {
		own = func(string) bool { return false }
	}
	a := &Authority{own: own, made: map[string]*tls.Certificate{}}
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, CertificateFile), filepath.Join(folder, keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a, a.create(folder)
	}
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority in %s: %w", folder, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("the files in %s are no certificate authority of this server", folder)
	}
	a.certificate, a.key = pair.Leaf, key
	return a, nil
}

// create makes the authority. The key is written first: a certificate without its
// key would be trusted by people and of no use.
func (a *Authority) create(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "lambkin local authority", Organization: []string{"lambkin"}},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	a.key = key
	if err := write(filepath.Join(folder, keyFile), "PRIVATE KEY", encoded, 0o600); err != nil {
		return err
	}
	return write(filepath.Join(folder, CertificateFile), "CERTIFICATE", der, 0o644)
}

// write writes a file whole or not at all.
func write(path, kind string, der []byte, mode fs.FileMode) error {
	file, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	err = errors.Join(pem.Encode(file, &pem.Block{Type: kind, Bytes: der}), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// serialBits is the length of a serial number.
const serialBits = 127

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		panic("the machine has no randomness: " + err.Error())
	}
	return n
}

// PEM is the certificate of the authority, for those who are to trust it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Config is for a server: of HTTP/2, and of HTTP/1.1 for clients that do not ask for it
// (those of WebSockets do not).
func (a *Authority) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: a.get, NextProtos: []string{"h2", "http/1.1"}}
}

// local is the name of the certificate for clients that name none: it is for the
// addresses of this machine too.
const local = "localhost"

// get is the certificate for the name that a client asks for.
func (a *Authority) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if name == "" {
		name = local
	}
	if !a.mine(name) {
		return nil, fmt.Errorf("this server has no name %q", name)
	}
	a.mu.Lock()
	c := a.made[name]
	a.mu.Unlock()
	if c != nil && time.Until(c.Leaf.NotAfter) > renewBefore {
		return c, nil
	}
	c, err := a.issue(name, hello)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.made) >= maxNames {
		clear(a.made)
	}
	a.made[name] = c
	return c, nil
}

// mine tells whether the server may have a name.
func (a *Authority) mine(name string) bool {
	if name == local || a.own(name) {
		return true
	}
	for _, suffix := range suffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// issue makes a certificate.
func (a *Authority) issue(name string, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name[:min(len(name), maxCommonName)]}, DNSNames: []string{name},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(leafLife), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if name == local {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		if at, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok { // the address that the client came to
			template.IPAddresses = append(template.IPAddresses, at.IP)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key, Leaf: leaf}, err
}

// maxCommonName is what X.520 allows.
const maxCommonName = 64
