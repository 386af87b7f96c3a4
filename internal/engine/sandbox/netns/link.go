package netns

import (
	"encoding/binary"
	"fmt"
	"net"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// sourceAddress is what functions call from. Without a source of their own the
// replies of redirected connections would go to the address that was called.
const sourceAddress = "169.254.100.2"

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

// redirect sends every TCP connection that leaves this thread's namespace to
// the port of a listener in it. All addresses become the namespace's own, so no
// packet can leave even where the redirection does not apply.
func redirect(port int) error {
	if err := routeEverythingHere(); err != nil {
		return fmt.Errorf("route to lo: %w", err)
	}
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "lambkin"})
	chain := conn.AddChain(&nftables.Chain{Name: "output", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest})
	target := make([]byte, 2)
	binary.BigEndian.PutUint16(target, uint16(port))
	loopback, platform := []byte{127}, net.ParseIP(PlatformAddress).To4()
	const destination = 16 // offset of the destination in an IPv4 header
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: destination, Len: 4},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: platform},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: destination, Len: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: loopback},
		&expr.Immediate{Register: 1, Data: target},
		&expr.Redir{RegisterProtoMin: 1},
	}})
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("add the nftables rule (kernel modules nf_tables, nft_nat, nft_redir): %w", err)
	}
	return nil
}

// routeEverythingHere adds "local default dev lo src sourceAddress".
func routeEverythingHere() error {
	const loopbackIndex = 1 // the first device of a namespace
	message := make([]byte, 16, 64)
	route := []byte{unix.AF_INET, 0, 0, 0, unix.RT_TABLE_LOCAL, unix.RTPROT_BOOT, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0}
	message = append(message, route...)
	message = appendAttribute(message, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, loopbackIndex))
	message = appendAttribute(message, unix.RTA_PREFSRC, net.ParseIP(sourceAddress).To4())
	binary.NativeEndian.PutUint32(message[0:], uint32(len(message)))
	binary.NativeEndian.PutUint16(message[4:], unix.RTM_NEWROUTE)
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
