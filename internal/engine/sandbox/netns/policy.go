package netns

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Mode says what functions reach besides the platform.
type Mode string

// The modes of a policy.
const (
	Public Mode = ""     // public addresses, and what is listed
	Listed Mode = "list" // what is listed only
	Deny   Mode = "deny" // nothing
)

// Bounds of what a policy remembers.
const (
	maxLearnt     = 4096             // addresses of listed names
	learntFor     = 10 * time.Minute // an address stays allowed so long after its last answer
	hostAddresses = 5 * time.Second  // how often the host's own addresses are read
)

// Policy decides which addresses outside functions may call. The host's own
// addresses, loopback, private and link-local ranges are refused unless listed.
type Policy struct {
	Mode     Mode
	prefixes []netip.Prefix
	names    []string // "example.com", or ".example.com" for all below it

	mu     sync.Mutex
	learnt map[netip.Addr]time.Time // address of a listed name -> until when
	own    map[netip.Addr]bool
	read   time.Time
}

// NewPolicy parses a list of networks ("10.1.0.0/16"), addresses and host names
// ("db.example.com"; "*.example.com" for all below it).
func NewPolicy(mode Mode, list []string) (*Policy, error) {
	if mode != Public && mode != Listed && mode != Deny {
		return nil, fmt.Errorf("egress mode %q: want empty (public addresses), %q or %q", mode, Listed, Deny)
	}
	p := &Policy{Mode: mode, learnt: map[netip.Addr]time.Time{}}
	for _, entry := range list {
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			p.prefixes = append(p.prefixes, prefix.Masked())
			continue
		}
		if address, err := netip.ParseAddr(entry); err == nil {
			p.prefixes = append(p.prefixes, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		name := strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(entry, ".")), "*")
		if name == "" || strings.ContainsAny(name, "*/: ") {
			return nil, fmt.Errorf("egress list: %q is no network, address or host name", entry)
		}
		p.names = append(p.names, name)
	}
	return p, nil
}

// special are ranges that no function needs and that may lead to the operator's
// own machines: shared address space, protocol assignments, benchmarks, and all
// of class E. netip knows the others.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
}

// Allows tells whether a function may call the address.
func (p *Policy) Allows(address netip.Addr) bool {
	if p.Mode == Deny {
		return false
	}
	address = address.Unmap()
	for _, prefix := range p.prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	if p.isLearnt(address) {
		return true
	}
	if p.Mode == Listed {
		return false
	}
	if !address.IsGlobalUnicast() || address.IsPrivate() || p.isOwn(address) {
		return false
	}
	for _, prefix := range special {
		if prefix.Contains(address) {
			return false
		}
	}
	return true
}

// AllowsName tells whether the name may be asked for.
func (p *Policy) AllowsName(name string) bool {
	return p.Mode == Public || (p.Mode == Listed && p.lists(name))
}

func (p *Policy) lists(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, listed := range p.names {
		if name == listed || (listed[0] == '.' && strings.HasSuffix(name, listed)) {
			return true
		}
	}
	return false
}

// learn notes the addresses of a listed name. An answer cannot open the way to
// the host itself: its loopback and own addresses stay closed.
func (p *Policy) learn(name string, addresses []netip.Addr) {
	if !p.lists(name) {
		return
	}
	until := time.Now().Add(learntFor)
	for _, address := range addresses {
		if address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsUnspecified() || p.isOwn(address) {
			continue
		}
		p.mu.Lock()
		if len(p.learnt) >= maxLearnt {
			clear(p.learnt)
		}
		p.learnt[address] = until
		p.mu.Unlock()
	}
}

func (p *Policy) isLearnt(address netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.learnt[address]
	return ok && time.Now().Before(until)
}

// isOwn tells whether the address is one of the host's.
func (p *Policy) isOwn(address netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.read) > hostAddresses {
		p.read, p.own = time.Now(), map[netip.Addr]bool{}
		addresses, err := net.InterfaceAddrs()
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				p.own[prefix.Addr().Unmap()] = true
			}
		}
		if err != nil {
			p.own = nil // unknown: everything may be ours
		}
	}
	return p.own == nil || p.own[address]
}
