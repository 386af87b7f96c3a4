package outbound

import (
	"net"
	"testing"
)

// address is one of our listeners.
func address(t *testing.T, text string) net.Addr {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAddressesThatAreNotCalled(t *testing.T) {
	laptop := &Guard{Own: []net.Addr{address(t, "127.0.0.1:4566"), address(t, "10.200.0.1:4566")}, Loopback: true}
	public := &Guard{Own: []net.Addr{address(t, "0.0.0.0:4566")}}
	for _, c := range []struct {
		address        string
		laptop, public bool
	}{
		{"93.184.216.34:443", true, true}, {"10.0.0.7:80", true, true}, {"[2606:2800::1]:443", true, true},
		{"127.0.0.1:8000", true, false}, {"[::1]:8000", true, false}, {"127.0.0.2:8000", true, false}, {"[::ffff:127.0.0.1]:8000", true, false},
		{"127.0.0.1:4566", false, false}, {"[::ffff:127.0.0.1]:4566", false, false}, {"10.200.0.1:4566", false, true},
		{"169.254.169.254:80", false, false}, {"[fe80::1%eth0]:80", false, false}, {"[fd00:ec2::254]:80", false, false}, {"100.100.100.200:80", false, false},
		{"0.0.0.0:80", false, false}, {"[::]:80", false, false}, {"224.0.0.1:80", false, false}, {"[ff02::1]:80", false, false}, {"x", false, false},
	} {
		if err := laptop.check(c.address); (err == nil) != c.laptop {
			t.Errorf("on a laptop %s: %v", c.address, err)
		}
		if err := public.check(c.address); (err == nil) != c.public {
			t.Errorf("on a public host %s: %v", c.address, err)
		}
	}
}
