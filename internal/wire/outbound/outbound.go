// Package outbound makes the HTTP requests to addresses that users name: SNS's
// endpoints, HTTP integrations of APIs, issuers of tokens.
//
// It promises that no address is called from which a host is administered:
// link-local ones (the metadata service of clouds is one), multicast, our own
// listeners, and the loopback interface unless the platform itself is only
// reachable there, as on a laptop. What a name means is looked at when the
// connection is made, so a name that changes its meaning does not get around that.
// Redirections are not followed. On behalf of functions only what they may call
// themselves is called.
//
// A Guard never changes; no goroutines, no locks. Start reading at Guard.Client.
package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrForbidden tells of an address that is not called.
var ErrForbidden = errors.New("this platform calls no such address")

// Connections that wait for the next request.
const (
	idleAll   = 64
	idleAfter = 90 * time.Second
)

// Guard decides which addresses are called.
type Guard struct {
	Own      []net.Addr // our own listeners
	Loopback bool       // the loopback interface may be called
	// Functions tells what functions may call: nil for everything.
	Functions func(netip.AddrPort) bool
}

// Limits bound the requests of a client.
type Limits struct {
	Timeout     time.Duration // of a whole request; 0: its context bounds it, and this package its connection
	HeaderBytes int64         // of an answer
	IdlePerHost int
}

// connectTimeout bounds a connection where Limits do not.
const connectTimeout = 30 * time.Second

// Client makes requests within the limits; forFunctions adds what functions may
// not call.
func (g *Guard) Client(l Limits, forFunctions bool) *http.Client {
	connect := l.Timeout
	if connect == 0 {
		connect = connectTimeout
	}
	check := g.check
	if forFunctions {
		check = func(address string) error { return errors.Join(g.check(address), g.checkFunction(address)) }
	}
	dialer := &net.Dialer{Timeout: connect, Control: func(_, address string, _ syscall.RawConn) error { return check(address) }}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: connect, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: l.HeaderBytes, MaxIdleConnsPerHost: l.IdlePerHost, MaxIdleConns: idleAll, IdleConnTimeout: idleAfter, ForceAttemptHTTP2: true}
	return &http.Client{Transport: transport, Timeout: l.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// checkFunction tells whether a function may make the connection itself.
func (g *Guard) checkFunction(address string) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil || g.Functions != nil && !g.Functions(target) {
		return fmt.Errorf("%w for a function: %s", ErrForbidden, address)
	}
	return nil
}

// check tells whether a connection to the address, an IP with a port, may be made.
func (g *Guard) check(address string) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrForbidden, address)
	}
	ip := target.Addr().Unmap().WithZone("")
	switch {
	case ip.IsLoopback() && !g.Loopback, ip.IsUnspecified(), ip.IsMulticast(), ip.IsLinkLocalUnicast(), metadata[ip]:
		return fmt.Errorf("%w: %s", ErrForbidden, ip)
	}
	for _, own := range g.Own {
		listener, err := netip.ParseAddrPort(own.String())
		if err != nil || listener.Port() != target.Port() {
			continue
		}
		at := listener.Addr().Unmap()
		if at == ip || at.IsUnspecified() && local(ip) {
			return fmt.Errorf("%w: it is the platform itself", ErrForbidden)
		}
	}
	return nil
}

// metadata are addresses of clouds' metadata services that are not link-local.
var metadata = map[netip.Addr]bool{netip.MustParseAddr("fd00:ec2::254"): true, netip.MustParseAddr("100.100.100.200"): true}

// local tells whether an address is one of this machine; in doubt it is.
func local(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, address := range addresses {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil && prefix.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}
