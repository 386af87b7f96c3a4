package netns

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// dialTimeout bounds a connection to the outside.
const dialTimeout = 10 * time.Second

// originalDestination is SO_ORIGINAL_DST: what a redirected connection called.
const originalDestination = 80

// destination tells what the function called.
func destination(conn *net.TCPConn) (netip.AddrPort, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	var found netip.AddrPort
	var failed error
	err = raw.Control(func(fd uintptr) {
		if conn.LocalAddr().(*net.TCPAddr).IP.To4() == nil {
			// The option is a struct sockaddr_in6; this call reads as many bytes.
			value, err := unix.GetsockoptIPv6MTUInfo(int(fd), unix.SOL_IPV6, originalDestination)
			if err != nil {
				failed = err
				return
			}
			found = netip.AddrPortFrom(netip.AddrFrom16(value.Addr.Addr), binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, value.Addr.Port)))
			return
		}
		// The option is a struct sockaddr_in; this call reads as many bytes.
		value, err := unix.GetsockoptIPv6Mreq(int(fd), unix.SOL_IP, originalDestination)
		if err != nil {
			failed = err
			return
		}
		b := value.Multiaddr
		found = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), uint16(b[2])<<8|uint16(b[3]))
	})
	if err == nil {
		err = failed
	}
	return found, err
}

// policies are the platform's, and the function's if it has one: what they allow
// is what each of them does.
type policies []*Policy

func (all policies) allow(target netip.AddrPort) bool {
	return !slices.ContainsFunc(all, func(p *Policy) bool { return !p.Allows(target) })
}

func (all policies) allowName(name string) bool {
	return !slices.ContainsFunc(all, func(p *Policy) bool { return !p.AllowsName(name) })
}

// policies are those of the tenant that the namespace has now.
func (n *Network) policies() (policies, int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.narrow == nil {
		return policies{n.pool.policy}, n.tenant
	}
	return policies{n.pool.policy, n.narrow}, n.tenant
}

// Narrow restricts the tenant to what its function's Variable says, until the
// namespace is released. It comes before any of the function's code runs.
func (n *Network) Narrow(value string) error {
	narrow, err := FunctionPolicy(value)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.narrow = narrow
	return err
}

// hold notes a tenant's connection, so that it ends with it; false means that the
// tenant has ended.
func (n *Network) hold(tenant int, conns ...net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.tenant != tenant {
		return false
	}
	for _, conn := range conns {
		n.conns[conn] = struct{}{}
	}
	return true
}

func (n *Network) unhold(conns ...net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range conns {
		delete(n.conns, conn)
	}
}

// toOutside joins a function's connection to what it called, if it may.
func (n *Network) toOutside(conn net.Conn) {
	go func() { // ends with the connection, at the latest when the environment ends
		defer conn.Close()
		inner := conn.(*slotConn).Conn.(*net.TCPConn)
		if err := n.join(inner); err != nil {
			inner.SetLinger(0) // a reset, not an orderly end: nobody answered
			n.pool.logger.Debug("a function's connection was not made", "err", err)
		}
	}()
}

func (n *Network) join(inner *net.TCPConn) error {
	target, err := destination(inner)
	if err != nil {
		return fmt.Errorf("read the destination: %w", err)
	}
	policies, tenant := n.policies()
	if !policies.allow(target) {
		return fmt.Errorf("%s is not allowed by the egress policy", target)
	}
	conn, err := n.pool.dial("tcp", target.String())
	if err != nil {
		return err
	}
	outer := conn.(*net.TCPConn)
	defer outer.Close()
	if !n.hold(tenant, inner, outer) {
		return net.ErrClosed // the environment ended while we dialled
	}
	defer n.unhold(inner, outer)
	done := make(chan struct{})
	go func() { // ends when either side is closed
		pump(outer, inner)
		close(done)
	}()
	pump(inner, outer)
	<-done
	return nil
}

// pump copies until the source ends and tells the other side so.
func pump(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close() // broken, not ended: the other direction ends too
		return
	}
	to.CloseWrite()
}
