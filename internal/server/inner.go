package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/hosts"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/wire/authority"
)

// What functions trust: the public authorities that this machine trusts, and the
// platform's own. Code for AWS calls https://{domainName}/{stage} of the events that it
// gets, and sites of others, in one process.
const (
	trustFolder = "trust"
	trustFile   = "ca-bundle.crt"
)

// publicRoots are where Linux distributions keep the authorities that they trust:
// Debian and Ubuntu, Fedora and Amazon Linux, SUSE, Alpine.
var publicRoots = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}

// openAuthority opens what signs the platform's certificates.
func (s *Server) openAuthority() error {
	folder, err := s.folder(authorityFolder, privateMode)
	if err != nil {
		return err
	}
	s.authority, err = authority.Open(folder, s.named)
	return err
}

// writeTrust makes the folder of what functions trust; empty where this machine has no
// public authorities: a file of ours alone would keep functions from all other sites.
func (s *Server) writeTrust() (folder string, err error) {
	roots, err := readFirst(publicRoots)
	if err != nil {
		s.config.Logger.Warn("functions do not trust the platform's certificates: this machine has no file of public authorities (apt install ca-certificates)", "err", err)
		return "", nil
	}
	if folder, err = s.folder(trustFolder, sharedMode); err != nil {
		return "", err
	}
	path := filepath.Join(folder, trustFile)
	all := slices.Concat(bytes.TrimRight(roots, "\n"), []byte("\n"), s.authority.PEM())
	if err := os.WriteFile(path+".tmp", all, 0o644); err != nil {
		return "", err
	}
	return folder, os.Rename(path+".tmp", path)
}

func readFirst(paths []string) ([]byte, error) {
	var all error
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err == nil {
			return text, nil
		}
		all = errors.Join(all, err)
	}
	return nil, all
}

// trusted is the file, inside functions, of what they trust; or "".
func (s *Server) trusted() string {
	if s.trust == "" {
		return ""
	}
	return filepath.Join(sandbox.TrustPlace, trustFile)
}

// listenInside opens the address with TLS that functions have.
func (s *Server) listenInside() {
	s.inner = tls.NewListener(s.host.SecureEndpoint(), s.authority.Config())
}

// insideFor tells which host names lead functions to the platform: those below
// localhost of the front doors, wherever else a host form has an id of ours, and those
// that the operator gave the server.
//
// Users' own domain names are not among them: whoever may make one would answer for
// that name to the functions of all accounts.
func (s *Server) insideFor(name string) bool {
	if _, label := hosts.ID(name); label != "" && hosts.Local(name) {
		return true
	}
	return s.isDoor(name) || s.isAllowedHost(name)
}

// isDoor tells whether a name is the host form of an API or function URL that there is.
func (s *Server) isDoor(name string) bool {
	switch id, label := hosts.ID(name); label {
	case hosts.APILabel:
		return s.apis.Find(id) != nil
	case hosts.URLLabel:
		url, err := s.urls.Find(context.Background(), id)
		return err == nil && url != nil
	}
	return false
}

func (s *Server) isAllowedHost(name string) bool {
	return slices.ContainsFunc(s.config.AllowedHosts, func(host string) bool { return strings.EqualFold(host, name) })
}

// named tells whether a name is one of the server's own, beside those that it has
// anywhere: a user's domain name, one of the configuration, a host form below it.
func (s *Server) named(name string) bool {
	return s.names.Serves(name) || s.isAllowedHost(name) || s.isDoor(name)
}

// fromFunctions tells whether a listener's connections come from functions.
func (s *Server) fromFunctions(l net.Listener) bool { return l == s.host.Endpoint() || l == s.inner }
