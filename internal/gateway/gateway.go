// Package gateway is placeholder text replaced below.
package gateway

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/identity"
	"github.com/lambkin-dev/lambkin/internal/wire"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Config is what New needs.
type Config struct {
	Services []*wire.Service
	Codecs   map[shape.Protocol]wire.Codec // every protocol that is spoken; a service needs at least one of its own here
	Identity *identity.Keys
	Clock    clock.Clock  // nil means clock.System
	Logger   *slog.Logger // nil means slog.Default()
	Mounts   []Mount

	// AllowedOrigins are browser origins ("https://console.example.org") that
	// may call the API besides those on the loopback interface.
	AllowedOrigins []string
	// AllowedHosts are host names by which unverified callers (development mode)
	// may reach us, besides IP addresses and local names.
	AllowedHosts []string
}

// Mount is a raw handler beside the AWS APIs. It sees the request as it came:
// no signature was checked and the body is not bounded.
type Mount struct {
	Path    string // "/_lambkin/console/" takes the subtree, "/_lambkin/x" only itself
	Label   string // instead of Path: the second label of the host, "lambda-url" in id.lambda-url.us-east-1.localhost
	Handler http.Handler
}

// Gateway is the HTTP handler of the platform.
type Gateway struct{ config Config }

// New builds the tables of dispatch.
func New(c Config) (*Gateway, error) {
	if c.Identity == nil {
		return nil, errors.New("the gateway needs an identity")
	}
	return &Gateway{config: c}, nil
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "the gateway is not built yet", http.StatusNotFound)
}
