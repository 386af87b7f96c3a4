package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/lambkin-dev/lambkin/internal/wire/authority"
)

// validateTLS keeps a second address from being reachable by more than the first.
func (c *Config) validateTLS(listen string) error {
	if c.TLS == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.TLS)
	if err != nil {
		return fmt.Errorf("the address for TLS must be HOST:PORT: %w", err)
	}
	if ip := net.ParseIP(host); c.AccessKey == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New(c.TLS + " is reachable by others: configure an access key first (LAMBKIN_ACCESS_KEY and LAMBKIN_SECRET_KEY), or use TLS on 127.0.0.1 beside " + listen)
	}
	return nil
}

// authorityFolder is where the certificate authority is, below the data folder.
const authorityFolder = "tls"

// AuthorityFile has the certificate of the authority of a data folder, in PEM.
func AuthorityFile(folder string) string {
	return filepath.Join(folder, authorityFolder, authority.CertificateFile)
}

// listenTLS opens the second address.
func (s *Server) listenTLS() error {
	if s.config.TLS == "" {
		return nil
	}
	plain, err := net.Listen("tcp", s.config.TLS)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", s.config.TLS, err)
	}
	s.secure = tls.NewListener(plain, s.authority.Config())
	s.closers = append(s.closers, func() error { s.secure.Close(); return nil }) // closed twice after a shutdown
	return nil
}

// TLS is host:port of the address with TLS, or "", and the file of the certificate
// that its clients have to trust.
func (s *Server) TLS() (address, certificate string) {
	if s.secure == nil {
		return "", ""
	}
	return s.secure.Addr().String(), AuthorityFile(s.config.Folder)
}

// own are the listeners of this server.
func (s *Server) own() []net.Addr {
	all := []net.Addr{s.listener.Addr(), s.host.Endpoint().Addr()}
	if s.secure != nil {
		all = append(all, s.secure.Addr())
	}
	return all
}
