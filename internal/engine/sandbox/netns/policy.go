package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Mode says what functions reach besides the platform.
type Mode string

// The modes of a policy; the empty one is Public.
const (
	Public Mode = "allow" // public addresses, and what is listed
	Listed Mode = "list"  // what is listed only
	Deny   Mode = "deny"  // nothing
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
	prefixes []listedPrefix
	names    []listedName

	mu     sync.Mutex
	learnt map[netip.AddrPort]time.Time // address of a listed name, port 0 for all -> until when
	own    map[netip.Addr]bool
	read   time.Time
}

// listedPrefix and listedName are entries of a list; port 0 stands for all.
type listedPrefix struct {
	netip.Prefix
	port uint16
}

type listedName struct {
	name string // "example.com", or ".example.com" for all below it
	port uint16
}

// NewPolicy parses a list of networks ("10.1.0.0/16"), addresses and host names
// ("db.example.com"; "*.example.com" for all below it), each for one port
// ("db.example.com:5432", "[fd00::/8]:443") or for all.
func NewPolicy(mode Mode, list []string) (*Policy, error) {
	switch mode {
	case "":
		mode = Public
	case Public, Listed:
	case Deny:
		if len(list) > 0 {
			return nil, fmt.Errorf("egress %q allows nothing, so there is no list: use %q to allow only %s", Deny, Listed, strings.Join(list, ", "))
		}
	default:
		return nil, fmt.Errorf("egress %q: want %q (public addresses, and what is listed), %q (only what is listed) or %q (the platform only)", mode, Public, Listed, Deny)
	}
	p := &Policy{Mode: mode, learnt: map[netip.AddrPort]time.Time{}}
	for _, entry := range list {
		if err := p.add(entry); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Variable is the environment variable by which a function's configuration
// narrows what the platform allows.
const Variable = "LAMBKIN_EGRESS"

// FunctionPolicy parses the value of Variable: "deny", a list as of NewPolicy by
// commas, or, for all that the platform allows, "allow" or nothing: then it is nil.
func FunctionPolicy(value string) (*Policy, error) {
	switch value = strings.TrimSpace(value); Mode(value) {
	case "", Public:
		return nil, nil
	case Deny:
		return NewPolicy(Deny, nil)
	}
	list := strings.Split(value, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return NewPolicy(Listed, list)
}

// add parses one entry of the list.
func (p *Policy) add(entry string) error {
	wrong := func(what string) error {
		return fmt.Errorf("egress list: %q %s; want a network, an address or a host name, with or without a port (10.0.0.0/8, [fd00::/8]:443, db.example.com:5432)", entry, what)
	}
	host, port, err := splitPort(entry)
	if err != nil {
		return wrong("has no port between 1 and 65535 after its last colon")
	}
	if prefix, err := netip.ParsePrefix(host); err == nil {
		if prefix.Addr().Is4In6() {
			return wrong("is an IPv4 network in IPv6 form")
		}
		p.prefixes = append(p.prefixes, listedPrefix{prefix.Masked(), port})
		return nil
	}
	if address, err := netip.ParseAddr(host); err == nil {
		address = address.Unmap().WithZone("")
		p.prefixes = append(p.prefixes, listedPrefix{netip.PrefixFrom(address, address.BitLen()), port})
		return nil
	}
	name := strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(host, ".")), "*")
	if strings.Trim(name, ".") == "" || strings.ContainsAny(name, "*/:[] ") || strings.Trim(name, "0123456789.") == "" {
		return wrong("cannot be read")
	}
	p.names = append(p.names, listedName{name, port})
	return nil
}

// splitPort takes the port off an entry; 0 if it has none.
func splitPort(entry string) (string, uint16, error) {
	colon := strings.LastIndexByte(entry, ':')
	switch {
	case strings.HasPrefix(entry, "[") && strings.HasSuffix(entry, "]"):
		return entry[1 : len(entry)-1], 0, nil
	case colon < 0, strings.Count(entry, ":") > 1 && entry[0] != '[':
		return entry, 0, nil // an IPv6 address without brackets has no port
	}
	port, err := strconv.ParseUint(entry[colon+1:], 10, 16)
	if err != nil || port == 0 {
		return "", 0, fmt.Errorf("port %q", entry[colon+1:])
	}
	return strings.Trim(entry[:colon], "[]"), uint16(port), nil
}

// special are ranges that no function needs and that may lead to the operator's
// own machines: shared address space, protocol assignments, documentation,
// benchmarks, and all of class E. netip knows the others. Among what looks public
// is one address of a cloud that is every machine's own: Azure's services.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
}

// assigned6 is all of IPv6 that is public. NAT64 (64:ff9b::/96, and 64:ff9b:1::/48)
// is outside: it leads to any IPv4 address, private ones too.
var assigned6 = netip.MustParsePrefix("2000::/3")

// Allows tells whether a function may call the address and port.
func (p *Policy) Allows(target netip.AddrPort) bool {
	if p.Mode == Deny {
		return false
	}
	address := target.Addr().Unmap()
	for _, listed := range p.prefixes {
		if listed.Contains(address) && (listed.port == 0 || listed.port == target.Port()) {
			return true
		}
	}
	if p.isLearnt(address, target.Port()) {
		return true
	}
	return p.Mode == Public && isPublic(address) && !p.isOwn(address)
}

func isPublic(address netip.Addr) bool {
	if !address.IsGlobalUnicast() || address.IsPrivate() || (address.Is6() && !assigned6.Contains(address)) {
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
	return p.Mode == Public || (p.Mode == Listed && len(p.ports(name)) > 0)
}

// ports are those for which the name is listed.
func (p *Policy) ports(name string) []uint16 {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	var found []uint16
	for _, listed := range p.names {
		if name == listed.name || (listed.name[0] == '.' && strings.HasSuffix(name, listed.name)) {
			found = append(found, listed.port)
		}
	}
	return found
}

// learn notes the addresses of a listed name. An answer cannot open the way to
// the host itself, however the name's owner writes its address: its loopback,
// link-local (metadata) and own addresses stay closed.
func (p *Policy) learn(name string, addresses []netip.Addr) {
	until := time.Now().Add(learntFor)
	for _, port := range p.ports(name) {
		for _, address := range addresses {
			if address = address.Unmap(); p.leadsHome(address) {
				continue
			}
			p.mu.Lock()
			if len(p.learnt) >= maxLearnt {
				clear(p.learnt)
			}
			p.learnt[netip.AddrPortFrom(address, port)] = until
			p.mu.Unlock()
		}
	}
}

// leadsHome tells whether the address may lead to the host itself. What is neither
// public nor an ordinary private address is not looked at closely: it may hold
// an IPv4 address (NAT64, 6to4, Teredo).
func (p *Policy) leadsHome(address netip.Addr) bool {
	return p.isOwn(address) || !(isPublic(address) || address.IsPrivate()) || address == metadata6
}

// metadata6 is the metadata service of EC2 by IPv6, among private addresses.
var metadata6 = netip.MustParseAddr("fd00:ec2::254")

func (p *Policy) isLearnt(address netip.Addr, port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for _, port := range []uint16{port, 0} {
		if until, ok := p.learnt[netip.AddrPortFrom(address, port)]; ok && now.Before(until) {
			return true
		}
	}
	return false
}

// hostHasIPv6 is nil if the host has an address by which IPv6 leads further.
func hostHasIPv6() error {
	addresses, err := net.InterfaceAddrs()
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is6() && prefix.Addr().IsGlobalUnicast() {
			return nil
		}
	}
	return errors.Join(errors.New("the host has no IPv6 address"), err)
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
