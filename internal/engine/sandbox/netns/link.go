package netns

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// sourceAddress is what functions call from. Without a source of their own the
// replies of redirected connections would go to the address that was called.
const sourceAddress = "169.254.100.2"

// sourceAddress6 is the same by IPv6; a unique local address (RFC 4193).
const sourceAddress6 = "fd6c:616d:626b::2"

// raiseLoopback brings lo up and gives it the platform's address as an alias.
func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	up, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	up.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, up); err != nil {
		return fmt.Errorf("raise lo: %w", err)
	}
	for name, address := range map[string]string{"lo:1": PlatformAddress, "lo:2": sourceAddress} {
		alias, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := alias.SetInet4Addr(net.ParseIP(address).To4()); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(socket, unix.SIOCSIFADDR, alias); err != nil {
			return fmt.Errorf("add %s to lo: %w", address, err)
		}
	}
	return nil
}

// family is what differs between IPv4 and IPv6.
type family struct {
	protocol  byte // AF_INET…
	netfilter byte // NFPROTO_IPV4…
	source    netip.Addr
	offset    uint32   // of the destination in a header
	inside    [][]byte // beginnings of the destinations that are the namespace's own
}

var (
	family4 = &family{unix.AF_INET, unix.NFPROTO_IPV4, netip.MustParseAddr(sourceAddress), 16, [][]byte{net.ParseIP(PlatformAddress).To4(), {127}}}
	family6 = &family{unix.AF_INET6, unix.NFPROTO_IPV6, netip.MustParseAddr(sourceAddress6), 24, [][]byte{net.IPv6loopback}}
)

// redirect sends every TCP connection of the families that leaves this thread's
// namespace to the port of their listener in it. It is one change of the tables:
// each costs as much as all else here.
func redirect(listeners map[*family]net.Listener) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "lambkin"})
	chain := conn.AddChain(&nftables.Chain{Name: "output", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest})
	for f, listener := range listeners {
		rule := []expr.Any{
			&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{f.netfilter}},
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		}
		for _, own := range f.inside {
			rule = append(rule,
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: f.offset, Len: uint32(len(own))},
				&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: own})
		}
		port := uint16(listener.Addr().(*net.TCPAddr).Port)
		rule = append(rule, &expr.Immediate{Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)}, &expr.Redir{RegisterProtoMin: 1})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rule})
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("add the nftables rules (kernel modules nf_tables, nft_nat, nft_redir; Linux 5.2 or newer): %w", err)
	}
	return nil
}

const loopbackIndex = 1 // the first device of a namespace

// routeEverythingHere adds "local default dev lo src" the family's source. All
// addresses become the namespace's own, so no packet can leave it even where the
// redirection does not apply.
func (f *family) routeEverythingHere() error {
	route := []byte{f.protocol, 0, 0, 0, unix.RT_TABLE_LOCAL, unix.RTPROT_BOOT, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0}
	route = appendAttribute(route, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, loopbackIndex))
	route = appendAttribute(route, unix.RTA_PREFSRC, f.source.AsSlice())
	return netlink(unix.RTM_NEWROUTE, route)
}

// addSource6 gives lo the address that functions call from by IPv6.
func addSource6() error {
	address := []byte{unix.AF_INET6, 128, unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE}
	address = binary.NativeEndian.AppendUint32(address, loopbackIndex)
	address = appendAttribute(address, unix.IFA_LOCAL, family6.source.AsSlice())
	return netlink(unix.RTM_NEWADDR, address)
}

// netlink asks the kernel to make something in this thread's namespace.
func netlink(kind uint16, request []byte) error {
	message := append(make([]byte, 16), request...)
	binary.NativeEndian.PutUint32(message[0:], uint32(len(message)))
	binary.NativeEndian.PutUint16(message[4:], kind)
	binary.NativeEndian.PutUint16(message[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	if err := unix.Sendto(socket, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(socket, reply, 0)
	if err != nil {
		return err
	}
	if n < 20 {
		return fmt.Errorf("a reply of %d bytes", n)
	}
	if number := int32(binary.NativeEndian.Uint32(reply[16:])); number != 0 {
		return unix.Errno(-number)
	}
	return nil
}

func appendAttribute(message []byte, kind uint16, value []byte) []byte {
	message = binary.NativeEndian.AppendUint16(message, uint16(4+len(value)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	return append(message, value...)
}
