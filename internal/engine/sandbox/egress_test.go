package sandbox

import (
	"errors"
	"fmt"
	"net"
	"testing"
)

// TestAFunctionNarrowsItsEgress: LAMBKIN_EGRESS of the configuration holds from
// the first line of the function's code on, in a clone too, and what the code
// does to the variable changes nothing.
func TestAFunctionNarrowsItsEgress(t *testing.T) {
	port, address := listen(t)
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
