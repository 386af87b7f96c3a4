package netns

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Bounds of the name relay.
const (
	maxQueries     = 32              // questions of one environment under way
	maxDNSMessage  = 4096            // bytes; what resolvers offer by EDNS
	resolveTimeout = 5 * time.Second // of one name server
)

// Layout of a DNS message, RFC 1035.
const (
	dnsHeader   = 12
	typeA       = 1
	codeRefused = 5
	codeFailed  = 2
)

// relayNames answers the DNS questions of one namespace by the host's resolvers.
func (n *Network) relayNames(names *net.UDPConn) {
	under := make(chan struct{}, maxQueries)
	for {
		buffer := make([]byte, maxDNSMessage)
		size, from, err := names.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		select {
		case under <- struct{}{}:
		default:
			continue // over the bound: lost, as by a busy server; resolvers ask again
		}
		go func() { // ends with the answer or resolveTimeout
			defer func() { <-under }()
			if answer := n.pool.answer(buffer[:size]); answer != nil {
				names.WriteToUDPAddrPort(answer, from) // a client that went away needs none
			}
		}()
	}
}

// answer is the reply to a question, nil for what is no question.
func (p *Pool) answer(query []byte) []byte {
	name, _, err := parseQuestion(query)
	if err != nil || query[2]&0x80 != 0 {
		return nil
	}
	if !p.policy.AllowsName(name) {
		return failure(query, codeRefused)
	}
	for _, server := range p.nameServers() {
		answer, err := ask(server, query)
		if err != nil {
			continue
		}
		p.policy.learn(name, addresses(answer))
		return answer
	}
	return failure(query, codeFailed)
}

// failure makes the reply to a query that says why there is none.
func failure(query []byte, code byte) []byte {
	reply := append([]byte(nil), query...)
	reply[2] |= 0x80 // a response
	reply[3] = reply[3]&0xf0 | code
	return reply
}

// hostNameServers are the host's, from its resolv.conf, read each time because DHCP
// clients change it.
func hostNameServers() []string {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	var servers []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "nameserver" {
			servers = append(servers, net.JoinHostPort(fields[1], "53"))
		}
	}
	return servers
}

func ask(server string, query []byte) ([]byte, error) {
	conn, err := net.DialTimeout("udp", server, resolveTimeout)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(resolveTimeout)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	answer := make([]byte, maxDNSMessage)
	for {
		size, err := conn.Read(answer)
		if err != nil {
			return nil, err
		}
		if size >= dnsHeader && answer[0] == query[0] && answer[1] == query[1] {
			return answer[:size], nil
		}
	}
}

var errMalformed = errors.New("malformed DNS message")

// parseQuestion returns the name that is asked for and where the question ends.
func parseQuestion(message []byte) (string, int, error) {
	if len(message) < dnsHeader || binary.BigEndian.Uint16(message[4:]) != 1 {
		return "", 0, errMalformed
	}
	var labels []string
	at := dnsHeader
	for {
		if at >= len(message) {
			return "", 0, errMalformed
		}
		size := int(message[at])
		at++
		if size == 0 {
			break
		}
		if size > 63 || at+size > len(message) {
			return "", 0, errMalformed
		}
		labels = append(labels, string(message[at:at+size]))
		at += size
	}
	if at+4 > len(message) {
		return "", 0, errMalformed
	}
	return strings.Join(labels, "."), at + 4, nil
}

// addresses returns the A records of an answer to one question.
func addresses(message []byte) []netip.Addr {
	_, at, err := parseQuestion(message)
	if err != nil {
		return nil
	}
	var found []netip.Addr
	for range binary.BigEndian.Uint16(message[6:]) {
		if at = skipName(message, at); at < 0 || at+10 > len(message) {
			return found
		}
		kind, size := binary.BigEndian.Uint16(message[at:]), int(binary.BigEndian.Uint16(message[at+8:]))
		at += 10
		if at+size > len(message) {
			return found
		}
		if kind == typeA && size == 4 {
			found = append(found, netip.AddrFrom4([4]byte(message[at:at+4])))
		}
		at += size
	}
	return found
}

// skipName returns where a name ends, -1 if it is malformed. A compressed name
// ends with its pointer.
func skipName(message []byte, at int) int {
	for at < len(message) {
		size := int(message[at])
		switch {
		case size == 0:
			return at + 1
		case size&0xc0 == 0xc0:
			return at + 2
		case size > 63:
			return -1
		}
		at += 1 + size
	}
	return -1
}
