// Package neighbour is what a test has beside a sandbox on this machine: its
// addresses, and servers that functions shall reach or not reach.
//
// It promises that a server has ended when the test has. Goroutines: one for
// each server, one for each connection of it. No locks. Start reading at Serve.
package neighbour

import (
	"net"
	"net/netip"
	"testing"
)

// Address is an IPv4 address of this machine that is not loopback; without one
// the test is skipped.
func Address(t testing.TB) string {
	t.Helper()
	return orSkip(t, "IPv4", netip.Addr.Is4)
}

// Address6 is Address for IPv6.
func Address6(t testing.TB) string {
	t.Helper()
	return orSkip(t, "IPv6", netip.Addr.Is6)
}

func orSkip(t testing.TB, family string, fits func(netip.Addr) bool) string {
	t.Helper()
	own := find(t, fits)
	if own == "" {
		t.Skipf("SKIPPED: the machine has no %s address but loopback", family)
	}
	return own
}

func find(t testing.TB, fits func(netip.Addr) bool) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && fits(prefix.Addr()) && prefix.Addr().IsGlobalUnicast() {
			return prefix.Addr().String()
		}
	}
	return ""
}

// Serve answers TCP connections to a free port of an address, which it returns
// as host:port. answer need not close them.
func Serve(t testing.TB, address string, answer func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// Say is an answer: the same words to everybody.
func Say(words string) func(net.Conn) {
	return func(conn net.Conn) { conn.Write([]byte(words)) }
}

// Everywhere serves on all addresses of this machine, by TCP and UDP on one
// port: "host" and "pong". The address is one of them, loopback only if there is
// no other.
func Everywhere(t testing.TB) (port int, address string) {
	t.Helper()
	served, err := netip.ParseAddrPort(Serve(t, "", Say("host")))
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenUDP("udp4", &net.UDPAddr{Port: int(served.Port())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	go func() { // ends when packets is closed
		for {
			_, from, err := packets.ReadFromUDPAddrPort(make([]byte, 8))
			if err != nil {
				return
			}
			packets.WriteToUDPAddrPort([]byte("pong"), from)
		}
	}()
	if address = find(t, netip.Addr.Is4); address == "" {
		address = "127.0.0.1"
	}
	return int(served.Port()), address
}
