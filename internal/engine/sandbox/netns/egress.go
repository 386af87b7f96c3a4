package netns

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
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
	if !n.pool.policy.Allows(target) {
		return fmt.Errorf("%s is not allowed by the egress policy", target)
	}
	n.mu.Lock()
	tenant := n.tenant
	n.mu.Unlock()
	conn, err := net.DialTimeout("tcp4", target.String(), dialTimeout)
	if err != nil {
		return err
	}
	outer := conn.(*net.TCPConn)
	n.mu.Lock()
	if n.tenant != tenant {
		n.mu.Unlock()
		return errors.Join(net.ErrClosed, outer.Close()) // the environment ended while we dialled
	}
	n.conns[inner], n.conns[outer] = struct{}{}, struct{}{}
	n.mu.Unlock()
	defer func() {
		outer.Close()
		n.mu.Lock()
		delete(n.conns, inner)
		delete(n.conns, outer)
		n.mu.Unlock()
	}()
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
