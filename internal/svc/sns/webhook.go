package sns

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/topic"
)

// Limits of a request to an HTTP endpoint.
const (
	webhookTimeout   = 15 * time.Second // AWS: an endpoint must answer within that
	webhookReply     = 64 << 10         // of the reply, which nobody reads
	webhookHeader    = 64 << 10
	webhookIdle      = 2 // connections that wait for the next message, a host
	webhookIdleAll   = 64
	webhookIdleAfter = 90 * time.Second
)

// Webhook makes the requests to the HTTP endpoints that users name.
//
// For functions it calls only what they may call themselves.
// It calls no address from which a host is administered: link-local ones (the
// metadata service of clouds is one), multicast, our own listeners, and the
// loopback interface unless the platform itself is only reachable there, as on a
// laptop. What a name means is looked at when the connection is made, so a name
// that changes its meaning does not get around that. Redirections are not followed.
type Webhook struct {
	client      *http.Client
	forFunction *http.Client
}

// WebhookConfig is what a Webhook must know.
type WebhookConfig struct {
	Own      []net.Addr // our own listeners
	Loopback bool       // endpoints on the loopback interface may be called
	// Functions tells what functions may call: nil for everything.
	Functions func(netip.AddrPort) bool
}

// NewWebhook only builds.
func NewWebhook(c WebhookConfig) *Webhook {
	return &Webhook{client: webhookClient(c.check), forFunction: webhookClient(func(address string) error {
		return errors.Join(c.check(address), c.checkFunction(address))
	})}
}

// webhookClient makes no connection that check refuses.
func webhookClient(check func(address string) error) *http.Client {
	dialer := &net.Dialer{Timeout: webhookTimeout, Control: func(_, address string, _ syscall.RawConn) error { return check(address) }}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: webhookTimeout, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: webhookHeader, MaxIdleConnsPerHost: webhookIdle, MaxIdleConns: webhookIdleAll, IdleConnTimeout: webhookIdleAfter, ForceAttemptHTTP2: true}
	return &http.Client{Transport: transport, Timeout: webhookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// checkFunction tells whether a function may make the connection itself.
func (c *WebhookConfig) checkFunction(address string) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil || c.Functions != nil && !c.Functions(target) {
		return fmt.Errorf("%w for a function: %s", errForbidden, address)
	}
	return nil
}

// errForbidden tells of an address that is not called.
var errForbidden = errors.New("this platform calls no such address")

// check tells whether a connection to the address, an IP with a port, may be made.
func (c *WebhookConfig) check(address string) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", errForbidden, address)
	}
	ip := target.Addr().Unmap().WithZone("")
	switch {
	case ip.IsLoopback() && !c.Loopback, ip.IsUnspecified(), ip.IsMulticast(), ip.IsLinkLocalUnicast(), metadata[ip]:
		return fmt.Errorf("%w: %s", errForbidden, ip)
	}
	for _, own := range c.Own {
		listener, err := netip.ParseAddrPort(own.String())
		if err != nil || listener.Port() != target.Port() {
			continue
		}
		at := listener.Addr().Unmap()
		if at == ip || at.IsUnspecified() && local(ip) {
			return fmt.Errorf("%w: it is the platform itself", errForbidden)
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

// Deliver sends a message to an endpoint. AWS: an answer of 200 to 299 takes it;
// after one of 100 to 199, 429 and 500 to 599 it is tried again, any other is
// the endpoint's own mistake and ends it:
// https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
func (w *Webhook) Deliver(ctx context.Context, m *delivery.Message) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Target, bytes.NewReader(m.Body))
	if err != nil {
		return delivery.Permanent(fmt.Errorf("call the endpoint: %w", err))
	}
	for name, value := range m.Headers {
		request.Header.Set(name, value)
	}
	client := w.client
	if m.Detail[topic.ForFunction] != "" {
		client = w.forFunction
	}
	reply, err := client.Do(request)
	switch {
	case errors.Is(err, errForbidden):
		return delivery.Permanent(err)
	case err != nil:
		return fmt.Errorf("call the endpoint: %w", err)
	}
	defer reply.Body.Close()
	_, _ = io.CopyN(io.Discard, reply.Body, webhookReply) // so that the connection can be used again
	switch status := reply.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status < 200, status == http.StatusTooManyRequests, status >= 500:
		return fmt.Errorf("the endpoint answered %s", reply.Status)
	default:
		return delivery.Permanent(fmt.Errorf("the endpoint answered %s", reply.Status))
	}
}

// Close gives the connections back that wait for the next message.
func (w *Webhook) Close() {
	w.client.CloseIdleConnections()
	w.forFunction.CloseIdleConnections()
}
