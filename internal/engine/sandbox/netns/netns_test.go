package netns

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/test/neighbour"
)

func TestPolicy(t *testing.T) {
	tests := []struct {
		mode    Mode
		list    []string
		address string
		want    bool
	}{
		{"", nil, "93.184.216.34:443", true},
		{"", nil, "10.1.2.3:443", false},
		{Public, nil, "93.184.216.34:443", true},
		{Public, nil, "127.0.0.1:80", false},
		{Public, nil, "10.1.2.3:80", false},
		{Public, nil, "172.16.0.1:80", false},
		{Public, nil, "192.168.1.1:80", false},
		{Public, nil, "169.254.169.254:80", false},
		{Public, nil, "168.63.129.16:80", false},
		{Public, nil, "100.64.0.1:80", false},
		{Public, nil, "0.0.0.0:80", false},
		{Public, nil, "0.1.2.3:80", false},
		{Public, nil, "203.0.113.1:80", false},
		{Public, nil, "224.0.0.1:80", false},
		{Public, nil, "255.255.255.255:80", false},
		{Public, nil, "[::ffff:127.0.0.1]:80", false},
		{Public, nil, "[::ffff:10.0.0.1]:80", false},
		{Public, nil, "[::ffff:93.184.216.34]:80", true},
		{Public, nil, "[::127.0.0.1]:80", false},
		{Public, nil, "[::]:80", false},
		{Public, nil, "[::1]:80", false},
		{Public, nil, "[fe80::1]:80", false},
		{Public, nil, "[fd00::1]:80", false},
		{Public, nil, "[fec0::1]:80", false},
		{Public, nil, "[ff02::1]:80", false},
		{Public, nil, "[fd00:ec2::254]:80", false},
		{Public, nil, "[64:ff9b::a9fe:a9fe]:80", false},
		{Public, nil, "[64:ff9b:1::7f00:1]:80", false},
		{Public, nil, "[2002:7f00:1::]:80", false},
		{Public, nil, "[2001:0:7f00:1::]:80", false},
		{Public, nil, "[2001:db8::1]:80", false},
		{Public, nil, "[2606:4700::1111]:443", true},
		{Public, []string{"10.1.0.0/16"}, "10.1.2.3:80", true},
		{Public, []string{"10.1.0.0/16"}, "10.2.2.3:80", false},
		{Public, []string{"10.1.0.0/16"}, "[::ffff:10.1.2.3]:80", true},
		{Public, []string{"10.1.0.0/16:5432"}, "10.1.2.3:5432", true},
		{Public, []string{"10.1.0.0/16:5432"}, "10.1.2.3:5433", false},
		{Listed, []string{"10.1.2.3"}, "10.1.2.3:80", true},
		{Listed, []string{"10.1.2.3:443"}, "10.1.2.3:80", false},
		{Listed, []string{"10.1.2.3"}, "93.184.216.34:80", false},
		{Listed, []string{"fd00::/8"}, "[fd00::1]:80", true},
		{Listed, []string{"[fd00::/8]:443"}, "[fd00::1]:443", true},
		{Listed, []string{"[fd00::/8]:443"}, "[fd00::1]:80", false},
		{Listed, []string{"[fd00::1]"}, "[fd00::1]:80", true},
		{Listed, nil, "93.184.216.34:80", false},
		{Deny, nil, "93.184.216.34:80", false},
	}
	for _, test := range tests {
		p, err := NewPolicy(test.mode, test.list)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Allows(netip.MustParseAddrPort(test.address)); got != test.want {
			t.Errorf("mode %q, list %v: %s allowed: %t", test.mode, test.list, test.address, got)
		}
	}
}

func TestPolicyRefusesWhatItCannotRead(t *testing.T) {
	for _, entry := range []string{"", "*", "*.", ".", ":80", "http://example.com", "10.0.0.0/99", "10.0.0.999", "2130706433", "a b", "db.example.com:", "db.example.com:0",
		"db.example.com:65536", "db.example.com:https", "[fd00::1]:", "::ffff:10.0.0.0/104", "*.*.example.com"} {
		if _, err := NewPolicy(Listed, []string{entry}); err == nil {
			t.Errorf("%q is taken", entry)
		}
	}
	if _, err := NewPolicy("everything", nil); err == nil {
		t.Error("an unknown mode is taken")
	}
	if _, err := NewPolicy(Deny, []string{"10.1.2.3"}); err == nil {
		t.Error("a list is taken that would have no effect")
	}
}

func TestNamesOpenTheirAddresses(t *testing.T) {
	p, err := NewPolicy(Listed, []string{"db.example.com", "*.internal.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"db.example.com": true, "DB.Example.com.": true, "x.db.example.com": false, "a.b.internal.example.com": true,
		"internal.example.com": false, "evilinternal.example.com": false, "example.com": false} {
		if p.AllowsName(name) != want {
			t.Errorf("%s may be asked for: %t", name, !want)
		}
	}
	private := netip.MustParseAddr("10.9.9.9")
	allows := func(address netip.Addr) bool { return p.Allows(netip.AddrPortFrom(address, 443)) }
	p.learn("other.example.com", []netip.Addr{private})
	if allows(private) {
		t.Error("the answer for a name that is not listed opened its address")
	}
	p.learn("db.example.com", []netip.Addr{private})
	if !allows(private) {
		t.Error("a listed name does not open its address")
	}
	for _, home := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "fd00:ec2::254", "168.63.129.16", "64:ff9b::7f00:1", "2002:7f00:1::"} {
		address := netip.MustParseAddr(home)
		if p.learn("db.example.com", []netip.Addr{address}); allows(address) {
			t.Errorf("the owner of a listed name opened the way to %s", home)
		}
	}
}

// TestANameIsOpenAtItsPort: the addresses of a name listed with a port are open
// at this port only.
func TestANameIsOpenAtItsPort(t *testing.T) {
	p, err := NewPolicy(Listed, []string{"db.example.com:5432"})
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddr("10.9.9.9")
	p.learn("db.example.com", []netip.Addr{address})
	if !p.Allows(netip.AddrPortFrom(address, 5432)) || p.Allows(netip.AddrPortFrom(address, 22)) {
		t.Error("open at another port than the listed one, or not there")
	}
}

// query makes a DNS question of type A.
func query(name ...string) []byte {
	q := []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, label := range name {
		q = append(append(q, byte(len(label))), label...)
	}
	return append(q, 0, 0, 1, 0, 1)
}

// reply answers a question by a compressed CNAME and two A records.
func reply(q []byte) []byte {
	r := bytes.Clone(q)
	r[2] |= 0x80
	binary.BigEndian.PutUint16(r[6:], 3)
	r = append(r, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 12)
	for last := byte(1); last <= 2; last++ {
		r = append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 9, 9, last)
	}
	return r
}

func TestAddressesOfAnAnswer(t *testing.T) {
	found := addresses(reply(query("db", "example", "com")))
	if len(found) != 2 || found[0].String() != "10.9.9.1" || found[1].String() != "10.9.9.2" {
		t.Errorf("found %v", found)
	}
	six := query("db", "example", "com")
	binary.BigEndian.PutUint16(six[6:], 1)
	six = append(six, 0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0x26, 6, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x11)
	if found := addresses(six); len(found) != 1 || found[0].String() != "2606:4700::1111" {
		t.Errorf("found %v", found)
	}
}

func FuzzDNS(f *testing.F) {
	f.Add(query("db", "example", "com"))
	f.Add(reply(query("db", "example", "com")))
	f.Add(bytes.Repeat([]byte{0xc0}, 40))
	f.Fuzz(func(_ *testing.T, message []byte) {
		if _, end, err := parseQuestion(message); err == nil {
			p := &Pool{own: func(string) bool { return true }}
			if got := addresses(p.platformAnswer(message[:end], typeA)); len(got) != 1 || got[0].String() != PlatformAddress {
				panic(got)
			}
		}
		addresses(message)
	})
}

func newPool(t *testing.T, mode Mode, list ...string) *Pool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: network namespaces need root")
	}
	policy, err := NewPolicy(mode, list)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPool(policy, nil, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { p.Close() })
	return p
}

func get(t *testing.T, p *Pool) *Network {
	t.Helper()
	n, err := p.Get()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Release)
	return n
}

// dial connects from inside the namespace.
func dial(n *Network, network, address string) (conn net.Conn, err error) {
	err = inside(func() error { return unix.Setns(n.namespace, unix.CLONE_NEWNET) }, func() error {
		// The socket is made by this call, on this thread, for a numeric address.
		conn, err = net.DialTimeout(network, address, 30*time.Second)
		return err
	})
	if conn != nil {
		conn.SetDeadline(time.Now().Add(30 * time.Second))
	}
	return conn, err
}

// echoServer serves on the machine's address.
func echoServer(t *testing.T, address string) string {
	t.Helper()
	return neighbour.Serve(t, address, func(conn net.Conn) { io.Copy(conn, conn) })
}

func echo(conn net.Conn, text string) (string, error) {
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	got, err := io.ReadAll(conn)
	return string(got), err
}

func TestEgressReachesWhatIsListed(t *testing.T) {
	own := neighbour.Address(t)
	p := newPool(t, Public, own)
	if err := p.EgressError(); err != nil {
		t.Skipf("SKIPPED: this kernel cannot redirect: %v", err)
	}
	server, n := echoServer(t, own), get(t, p)
	for _, size := range []int{1, 10 << 20} {
		conn, err := dial(n, "tcp4", server)
		if err != nil {
			t.Fatal(err)
		}
		text := string(bytes.Repeat([]byte("x"), size))
		sent := make(chan error, 1)
		go func() { // ends when all is written
			_, err := io.WriteString(conn, text)
			sent <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
		}()
		got, err := io.ReadAll(conn)
		if err != nil || string(got) != text {
			t.Errorf("%d bytes came back of %d: %v", len(got), size, err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		conn.Close()
	}
}

func TestEgressRefuses(t *testing.T) {
	own := neighbour.Address(t)
	server := echoServer(t, own)
	_, port, err := net.SplitHostPort(echoServer(t, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []Mode{Public, Listed, Deny} {
		n := get(t, newPool(t, mode))
		for _, address := range []string{server, "127.0.0.1:" + port, PlatformAddress + ":" + port, "169.254.169.254:80"} {
			conn, err := dial(n, "tcp4", address)
			if err != nil {
				continue
			}
			if got, err := echo(conn, "x"); err == nil && got != "" {
				t.Errorf("mode %q: %s answered %q", mode, address, got)
			}
		}
	}
}

// TestATenantsConnectionsEndWithIt: a connection to the outside must not be
// there when the namespace has its next tenant.
func TestATenantsConnectionsEndWithIt(t *testing.T) {
	own := neighbour.Address(t)
	p := newPool(t, Listed, own)
	if err := p.EgressError(); err != nil {
		t.Skipf("SKIPPED: this kernel cannot redirect: %v", err)
	}
	server := echoServer(t, own)
	n, err := p.Get()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dial(n, "tcp4", server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	n.Release()
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection outlives its tenant: %v", err)
	}
}

// answers tells whether the echo server is reached from inside.
func answers(t *testing.T, n *Network, server string) bool {
	t.Helper()
	conn, err := dial(n, "tcp4", server)
	if err != nil {
		return false
	}
	got, err := echo(conn, "x")
	return err == nil && got == "x"
}

func TestEgressByIPv6(t *testing.T) {
	own := neighbour.Address6(t)
	server, loopback := echoServer(t, own), echoServer(t, "::1")
	p := newPool(t, Listed, own)
	n := get(t, p)
	if err := errors.Join(p.EgressError(), p.IPv6Error()); err != nil {
		t.Skipf("SKIPPED: this kernel cannot redirect: %v", err)
	}
	conn, err := dial(n, "tcp6", server)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := echo(conn, "hello"); got != "hello" {
		t.Errorf("a listed server echoes %q (%v)", got, err)
	}
	for _, address := range []string{loopback, server} {
		closed := get(t, newPool(t, Public))
		conn, err := dial(closed, "tcp6", address)
		if err != nil {
			continue
		}
		if got, _ := echo(conn, "x"); got != "" {
			t.Errorf("%s answered %q", address, got)
		}
	}
}

// TestAHostWithoutIPv6 refuses at once, so that clients take IPv4.
func TestAHostWithoutIPv6(t *testing.T) {
	p := newPool(t, Public)
	p.hostIPv6 = func() error { return errors.New("the host has no IPv6 address") }
	n := get(t, p)
	if conn, err := dial(n, "tcp6", "[2606:4700::1111]:443"); !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("got %v, %v, want that the network is unreachable", conn, err)
	}
	if p.EgressError() == nil && !strings.HasSuffix(p.Reach(), "; by IPv4 only: the host has no IPv6 address") {
		t.Errorf("it is not told: %s", p.Reach())
	}
}

// TestAFunctionNarrowsThePlatform: what a function's own policy says holds for its
// environment, never opens what the platform closes, and ends with it.
func TestAFunctionNarrowsThePlatform(t *testing.T) {
	own := neighbour.Address(t)
	p := newPool(t, Listed, own, "db.example.com")
	if err := p.EgressError(); err != nil {
		t.Skipf("SKIPPED: this kernel cannot redirect: %v", err)
	}
	names := nameServer(t)
	p.nameServers = func() []string { return []string{names.String()} }
	server := echoServer(t, own)
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]bool{"": true, "allow": true, "deny": false, own + ":" + port: true, own + ":1": false, "10.0.0.0/8, " + own: true, "10.0.0.0/8": false} {
		n, err := p.Get()
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Narrow(value); err != nil {
			t.Fatal(err)
		}
		if answers(t, n, server) != want {
			t.Errorf("%q: the listed server is reached: %t", value, !want)
		}
		asked := askInside(t, n, "udp4", query("db", "example", "com"))[3]&0xf != codeRefused
		if wantName := value == "" || value == "allow"; asked != wantName {
			t.Errorf("%q: the name is answered: %t", value, asked)
		}
		n.Release()
		next := get(t, p)
		if !answers(t, next, server) {
			t.Errorf("%q outlives its environment", value)
		}
	}
	closed := newPool(t, Listed, "10.0.0.0/8")
	n := get(t, closed)
	if err := n.Narrow("0.0.0.0/0," + own); err != nil {
		t.Fatal(err)
	}
	if answers(t, n, server) {
		t.Error("a function opened what the platform closes")
	}
	if err := n.Narrow("http://example.com"); err == nil {
		t.Error("a list is taken that cannot be read")
	}
}

// TestAnsweredNamesAreCheckedAgain: a name of a function's own list, whose owner
// answers a private address, opens nothing that the platform closes (rebinding).
func TestAnsweredNamesAreCheckedAgain(t *testing.T) {
	p := newPool(t, Public)
	if err := p.EgressError(); err != nil {
		t.Skipf("SKIPPED: this kernel cannot redirect: %v", err)
	}
	names := nameServer(t)
	p.nameServers = func() []string { return []string{names.String()} }
	n := get(t, p)
	if err := n.Narrow("db.example.com"); err != nil {
		t.Fatal(err)
	}
	if got := askInside(t, n, "tcp4", query("db", "example", "com")); len(addresses(got)) != 2 {
		t.Fatalf("answer %x", got)
	}
	all, _ := n.policies()
	target := netip.MustParseAddrPort("10.9.9.1:443")
	if !n.narrow.Allows(target) {
		t.Error("the function's own list does not open the address of its name: the test proves nothing")
	}
	if all.allow(target) {
		t.Error("an answer opened a private address")
	}
}

// TestUDPIsClosed: a datagram to a listed address goes nowhere.
func TestUDPIsClosed(t *testing.T) {
	own := neighbour.Address(t)
	packets, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(own)})
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	for _, inside := range []bool{true, false} { // from outside it arrives: the test can fail
		conn, err := net.Dial("udp4", packets.LocalAddr().String())
		if inside {
			conn, err = dial(get(t, newPool(t, Public, own)), "udp4", packets.LocalAddr().String())
		}
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte{map[bool]byte{true: 1, false: 2}[inside]})
	}
	first := make([]byte, 1)
	if err := packets.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := packets.Read(first); err != nil || first[0] != 2 {
		t.Errorf("datagram %d arrived first (%v), want 2 only", first[0], err)
	}
}

func TestALabelWithADotIsNoName(t *testing.T) {
	if name, _, err := parseQuestion(query("db.example", "com")); err == nil {
		t.Errorf("it reads as %s", name)
	}
}

func TestNamespacesDoNotSeeEachOther(t *testing.T) {
	p := newPool(t, Public)
	first, second := get(t, p), get(t, p)
	listener, err := first.Listen(RuntimeAPIPort)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := net.JoinHostPort(PlatformAddress, strconv.Itoa(RuntimeAPIPort))
	if conn, err := dial(second, "tcp4", address); err == nil {
		conn.Close()
		t.Error("a listener of another namespace answers")
	}
	conn, err := dial(first, "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestThePlatformIsReachedInEveryMode(t *testing.T) {
	for _, mode := range []Mode{Public, Listed, Deny} {
		p := newPool(t, mode)
		conn, err := dial(get(t, p), "tcp4", p.Endpoint().Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := p.Endpoint().Accept()
		if err != nil {
			t.Fatal(err)
		}
		accepted.Close()
		conn.Close()
	}
}

// TestThePlatformsNamesLeadToIt: in every mode, also where no other name may be asked
// for, and whatever the function's own policy is.
func TestThePlatformsNamesLeadToIt(t *testing.T) {
	for _, mode := range []Mode{Public, Listed, Deny} {
		p := newPool(t, mode)
		p.own = func(name string) bool { return name == "abc.execute-api.us-east-1.localhost" }
		p.nameServers = func() []string { return nil }
		n := get(t, p)
		if err := n.Narrow("deny"); err != nil {
			t.Fatal(err)
		}
		for _, network := range []string{"udp4", "tcp4"} {
			for _, id := range []string{"abc", "ABC"} {
				q := append(query(id, "execute-api", "us-east-1", "localhost"), 0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0) // with EDNS, which is not repeated
				q[11] = 1
				if got := addresses(askInside(t, n, network, q)); len(got) != 1 || got[0].String() != PlatformAddress {
					t.Errorf("mode %q, %s: %v", mode, network, got)
				}
			}
			q := query("abc", "execute-api", "us-east-1", "localhost")
			q[len(q)-3] = typeAAAA
			if got := askInside(t, n, network, q); got[3]&0xf != 0 || binary.BigEndian.Uint16(got[6:]) != 0 {
				t.Errorf("mode %q, %s: there is an IPv6 address, or the name is said not to be: %x", mode, network, got)
			}
			q[2] |= 5 << 3 // an update
			if got := askInside(t, n, network, q); got[3]&0xf != codeRefused {
				t.Errorf("an update is let through: %x", got)
			}
			if got := askInside(t, n, network, query("elsewhere", "example", "com")); got[3]&0xf != codeRefused {
				t.Errorf("mode %q: another name is answered: %x", mode, got)
			}
		}
		conn, err := dial(n, "tcp4", p.Secure().Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := p.Secure().Accept()
		if err != nil {
			t.Fatal(err)
		}
		accepted.Close()
		conn.Close()
	}
}

// askInside asks the platform's address from inside the namespace.
func askInside(t *testing.T, n *Network, network string, q []byte) []byte {
	t.Helper()
	conn, err := dial(n, network, PlatformAddress+":53")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if network == "tcp4" {
		if err := writeStream(conn, q); err != nil {
			t.Fatal(err)
		}
		answer, err := readStream(conn)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if _, err := conn.Write(q); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, maxDNSMessage)
	size, err := conn.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	return answer[:size]
}

// nameServer answers every question by reply, by UDP and TCP on the same port.
func nameServer(t *testing.T) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
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
			if q, err := readStream(conn); err == nil {
				writeStream(conn, reply(q))
			}
			conn.Close()
		}
	}()
	packets, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: listener.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	go func() { // ends with the socket
		for {
			buffer := make([]byte, maxDNSMessage)
			n, from, err := packets.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			packets.WriteToUDPAddrPort(reply(buffer[:n]), from)
		}
	}()
	return packets.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestNamesAreRelayed(t *testing.T) {
	p, server := newPool(t, Listed, "db.example.com"), nameServer(t)
	p.nameServers = func() []string { return []string{server.String()} }
	if err := p.EgressError(); err != nil {
		t.Skipf("SKIPPED: this kernel cannot redirect: %v", err)
	}
	n := get(t, p)
	ask := func(q []byte) []byte { return askInside(t, n, "udp4", q) }
	for _, network := range []string{"udp4", "tcp4"} {
		if got := askInside(t, n, network, query("db", "example", "com")); len(addresses(got)) != 2 {
			t.Errorf("%s: answer %x", network, got)
		}
	}
	if !p.policy.Allows(netip.MustParseAddrPort("10.9.9.1:443")) {
		t.Error("the address of the listed name is not open")
	}
	if got := ask(query("elsewhere", "example", "com")); got[3]&0xf != codeRefused {
		t.Errorf("a name that is not listed is answered: %x", got)
	}
	update, zone := query("db", "example", "com"), query("db", "example", "com")
	update[2] |= 5 << 3
	zone[len(zone)-3] = typeAXFR
	for what, q := range map[string][]byte{"an update": update, "a whole zone": zone} {
		if got := askInside(t, n, "tcp4", q); got[3]&0xf != codeRefused {
			t.Errorf("%s is let through: %x", what, got)
		}
	}
}
