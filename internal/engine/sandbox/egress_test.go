package sandbox

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lambkin-dev/lambkin/test/neighbour"
)

// forbidden are destinations that lead to the host, its network or its cloud,
// as a function may write them. Each is one that a public policy could overlook.
var forbidden = map[string]string{
	"a private address":                    "10.0.0.1",
	"another private address":              "172.31.0.1",
	"a router's usual address":             "192.168.0.1",
	"the metadata service":                 "169.254.169.254",
	"metadata as one number":               "2852039166",
	"metadata in octal":                    "0251.0376.0251.0376",
	"metadata in hexadecimal":              "0xa9fea9fe",
	"metadata mapped into IPv6":            "::ffff:169.254.169.254",
	"metadata behind NAT64":                "64:ff9b::a9fe:a9fe",
	"metadata behind 6to4":                 "2002:a9fe:a9fe::1",
	"metadata by IPv6":                     "fd00:ec2::254",
	"metadata of Oracle":                   "192.0.0.192",
	"metadata of Alibaba":                  "100.100.100.200",
	"the host's services on Azure":         "168.63.129.16",
	"a short form":                         "10.1",
	"carrier-grade NAT":                    "100.64.0.1",
	"a benchmark network":                  "198.18.0.1",
	"class E":                              "240.0.0.1",
	"a private address mapped into IPv6":   "::ffff:a00:1",
	"a private address in old IPv6 form":   "::a00:1",
	"a private address behind local NAT64": "64:ff9b:1::a00:1",
	"a private address behind Teredo":      "2001:0:a00:1::",
	"a unique local address":               "fd12::1",
	"a site-local address":                 "fec0::1",
	"an alias of the function's own end":   "fd6c:616d:626b::2",
	"a name that changes its address":      "rebind.example.com",
}

// TestEgressEscapes tries each forbidden destination under the public policy, where
// no connection may be made, and under one that lists everything, where it must be:
// the outside is a server that answers wherever it is called.
func TestEgressEscapes(t *testing.T) {
	source := `
import socket
def handler(event, context):
    try:
        if event.endswith(".com"): socket.gethostbyname(event) # the first answer is public and allowed
        with socket.create_connection((event, 80), 20) as s: return s.recv(4) == b"host"
    except OSError as error: return str(error)
`
	for _, protected := range []bool{true, false} {
		host := newHost(t, Config{EgressList: []string{"rebind.example.com"}, off: protections{egress: !protected}, Parked: -1})
		var dialled atomic.Value
		port, _ := neighbour.Everywhere(t)
		host.networks.Divert(func(network, address string) (net.Conn, error) {
			dialled.Store(address)
			return net.Dial(network, fmt.Sprintf("127.0.0.1:%d", port))
		}, rebinding(t))
		if err := host.networks.EgressError(); err != nil {
			t.Skipf("SKIPPED: this kernel cannot redirect: %v", err)
		}
		spec, collected := specOf(t, source)
		e, init, err := host.Start(t.Context(), spec)
		if err != nil || init.ErrorType != "" {
			t.Fatalf("%v, %s, log %s", err, init.ErrorBody, collected.text())
		}
		call := func(target string) (answer, address string) {
			dialled.Store("")
			result, err := invoke(t, e, fmt.Sprintf("%q", target), escapeTimeout)
			if err != nil {
				t.Fatal(err)
			}
			return string(result.Payload), dialled.Load().(string)
		}
		for name, target := range forbidden {
			answer, address := call(target)
			reached := answer == "true" || address != ""
			switch {
			case reached == !protected:
			case protected:
				t.Errorf("ESCAPED to %s (%s): the host called %q", name, target, address)
			case strings.Contains(target, ":") && host.networks.IPv6Error() != nil:
				t.Logf("NOT SHOWN to succeed without protection: %s: %v", name, host.networks.IPv6Error())
			default:
				t.Errorf("%s (%s) fails without protection too: the attempt proves nothing (%s)", name, target, answer)
			}
		}
		// What is public is reached, by the address that was checked.
		if answer, address := call("93.184.216.34"); answer != "true" || address != "93.184.216.34:80" {
			t.Errorf("a public address: %s; the host called %q", answer, address)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// rebinding is a name server whose first answer is a public address, and every
// other that of the metadata service.
func rebinding(t *testing.T) string {
	t.Helper()
	packets, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	go func() { // ends with the socket
		address := []byte{93, 184, 216, 34}
		for {
			message := make([]byte, 512)
			n, from, err := packets.ReadFromUDPAddrPort(message)
			if err != nil {
				return
			}
			// The answer is the question, and for an IPv4 address one record.
			answer := message[:n]
			answer[2], answer[7] = answer[2]|0x80, 0
			if answer[n-3] == 1 {
				answer[7] = 1
				answer = append(append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), address...)
				address = []byte{169, 254, 169, 254}
			}
			packets.WriteToUDPAddrPort(answer, from)
		}
	}()
	return packets.LocalAddr().String()
}

// TestAFunctionNarrowsItsEgress: LAMBKIN_EGRESS of the configuration holds from
// the first line of the function's code on, in a clone too, and what the code
// does to the variable changes nothing.
func TestAFunctionNarrowsItsEgress(t *testing.T) {
	port, address := neighbour.Everywhere(t)
	host := newHost(t, Config{EgressList: []string{address}, Parked: -1})
	if err := host.networks.EgressError(); err != nil || net.ParseIP(address).IsLoopback() {
		t.Skipf("SKIPPED: it needs nftables (%v) and an address besides loopback", err)
	}
	source := `
import os, socket
os.environ["LAMBKIN_EGRESS"] = "allow"
def reached(event):
    try:
        with socket.create_connection((event["address"], event["port"]), 20) as s: return s.recv(4) == b"host"
    except OSError: return False
def handler(event, context): return reached(event)
`
	payload := fmt.Sprintf(`{"address": %q, "port": %d}`, address, port)
	for value, want := range map[string]string{"": "true", "allow": "true", "deny": "false", address: "true", "10.0.0.0/8": "false"} {
		spec, collected := specOf(t, source)
		spec.Environ = append(spec.Environ, "LAMBKIN_EGRESS="+value)
		e, init, err := host.Start(t.Context(), spec)
		if err != nil || init.ErrorType != "" {
			t.Fatalf("%v, %s, log %s", err, init.ErrorBody, collected.text())
		}
		if result, err := invoke(t, e, payload, escapeTimeout); err != nil || string(result.Payload) != want {
			t.Errorf("%q: reached %s, want %s (%v)", value, result.Payload, want, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	for value, want := range map[string]string{"": "true", "deny": "false"} {
		spec, _ := specOf(t, source)
		spec.Environ = append(spec.Environ, "LAMBKIN_EGRESS="+value)
		template, init, err := host.Snapshot(t.Context(), spec)
		if err != nil || init.ErrorType != "" {
			t.Fatalf("%v, %s", err, init.ErrorBody)
		}
		e := cloneOf(t, template, spec)
		if result, err := invoke(t, e, payload, escapeTimeout); err != nil || string(result.Payload) != want {
			t.Errorf("%q: a clone reached %s, want %s (%v)", value, result.Payload, want, err)
		}
		if err := errors.Join(e.Close(), template.Close()); err != nil {
			t.Error(err)
		}
	}
	spec, _ := specOf(t, source)
	spec.Environ = append(spec.Environ, "LAMBKIN_EGRESS=http://example.com")
	if e, _, err := host.Start(t.Context(), spec); err == nil {
		e.Close()
		t.Error("a list is taken that cannot be read")
	}
}
