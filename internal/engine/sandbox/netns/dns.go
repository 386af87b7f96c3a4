package netns

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Where names are asked for, and the bounds.
const (
	namesPort      = 53
	maxQueries     = 32               // questions of one environment under way
	maxDNSMessage  = 4096             // bytes by UDP; what resolvers offer by EDNS
	maxDNSStream   = 1<<16 - 1        // bytes by TCP; its length has 16 bits
	streamTimeout  = 10 * time.Second // of a connection with questions that has none
	resolveTimeout = 5 * time.Second  // of one name server
)

// Layout of a DNS message, RFC 1035.
const (
	dnsHeader   = 12
	typeA       = 1
	typeAAAA    = 28
	typeIXFR    = 251
	typeAXFR    = 252
	opcode      = 0x78 // bits of the third byte; 0 is a question
	codeRefused = 5
	codeFailed  = 2
	pointer     = 0xc0 // in the high bits: where a name is that came before
)

// ownSeconds is how long a function may remember that a name is the platform's.
const ownSeconds = 10

// relayNames answers the DNS questions of one namespace by the host's resolvers.
func (n *Network) relayNames(names *net.UDPConn) {
	under := make(chan struct{}, maxQueries)
	for { // ends when names is closed
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
			if answer := n.answer("udp", buffer[:size]); answer != nil {
				names.WriteToUDPAddrPort(answer, from) // a client that went away needs none
			}
		}()
	}
}

// toNames answers the questions that come by one TCP connection, one after the other.
func (n *Network) toNames(conn net.Conn) {
	go func() { // ends with the connection, streamTimeout after the last question, or when the environment ends
		defer conn.Close()
		_, tenant := n.policies()
		if !n.hold(tenant, conn) {
			return
		}
		defer n.unhold(conn)
		for {
			if err := conn.SetDeadline(time.Now().Add(streamTimeout)); err != nil {
				return
			}
			query, err := readStream(conn)
			if err != nil {
				return
			}
			answer := n.answer("tcp", query)
			if answer == nil || writeStream(conn, answer) != nil {
				return
			}
		}
	}()
}

// readStream reads one message of a connection, RFC 1035 4.2.2.
func readStream(from io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(from, message)
	return message, err
}

func writeStream(to io.Writer, message []byte) error {
	if len(message) > maxDNSStream {
		return errMalformed
	}
	_, err := to.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}

// answer is the reply to a question, nil for what is no question. The platform's own
// names are answered here, whatever the policies are; for others the host's resolvers
// are asked the way that the function asked.
func (n *Network) answer(network string, query []byte) []byte {
	name, end, err := parseQuestion(query)
	if err != nil || query[2]&0x80 != 0 {
		return nil
	}
	policies, _ := n.policies()
	// A resolver may take updates from this host and hand it whole zones: neither is a function's business.
	kind := binary.BigEndian.Uint16(query[end-4:])
	transfer := query[2]&opcode != 0 || kind == typeAXFR || kind == typeIXFR
	switch {
	case !transfer && n.pool.owns(name):
		return n.pool.platformAnswer(query[:end], kind)
	case transfer || !n.outside || !policies.allowName(name):
		return failure(query, codeRefused)
	}
	for _, server := range n.pool.nameServers() {
		answer, err := ask(network, server, query)
		if err != nil {
			continue
		}
		found := addresses(answer)
		for _, policy := range policies {
			policy.learn(name, found)
		}
		return answer
	}
	return failure(query, codeFailed)
}

// owns tells whether a name is the platform's.
func (p *Pool) owns(name string) bool {
	return p.own != nil && p.own(strings.TrimSuffix(strings.ToLower(name), "."))
}

// platformAnswer is the reply to a question for a name of the platform: where it is, by
// IPv4 only.
func (p *Pool) platformAnswer(question []byte, kind uint16) []byte {
	reply := append([]byte(nil), question...)
	reply[2] = reply[2]&1 | 0x84 // an authoritative response; recursion was desired as it was
	reply[3] = 0x80              // recursion is there
	clear(reply[6:dnsHeader])    // no records but the question
	if kind != typeA {
		return reply
	}
	reply[7] = 1
	reply = binary.BigEndian.AppendUint16(reply, pointer<<8|dnsHeader)
	reply = binary.BigEndian.AppendUint16(reply, typeA)
	reply = append(reply, question[len(question)-2:]...) // its class
	reply = binary.BigEndian.AppendUint32(reply, ownSeconds)
	address := netip.MustParseAddr(PlatformAddress).AsSlice()
	return append(binary.BigEndian.AppendUint16(reply, uint16(len(address))), address...)
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

func ask(network, server string, query []byte) ([]byte, error) {
	conn, err := net.DialTimeout(network, server, resolveTimeout)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(resolveTimeout)); err != nil {
		return nil, err
	}
	if network == "tcp" {
		if err := writeStream(conn, query); err != nil {
			return nil, err
		}
		return answerTo(query, func() ([]byte, error) { return readStream(conn) })
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	buffer := make([]byte, maxDNSMessage)
	return answerTo(query, func() ([]byte, error) {
		size, err := conn.Read(buffer)
		return buffer[:size], err
	})
}

// answerTo reads until the answer to the query comes: its number, and its question.
func answerTo(query []byte, read func() ([]byte, error)) ([]byte, error) {
	asked, _, err := parseQuestion(query)
	if err != nil {
		return nil, err
	}
	for {
		answer, err := read()
		if err != nil {
			return nil, err
		}
		if len(answer) < dnsHeader || answer[0] != query[0] || answer[1] != query[1] {
			continue
		}
		// Some servers do not repeat the question with a failure.
		failed := answer[3]&0xf != 0 && binary.BigEndian.Uint16(answer[4:]) == 0
		if name, _, err := parseQuestion(answer); failed || (err == nil && strings.EqualFold(name, asked)) {
			return answer, nil
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
		label := string(message[at : at+size])
		if strings.Contains(label, ".") {
			return "", 0, errMalformed // it would read as two, and so as another name
		}
		labels = append(labels, label)
		at += size
	}
	if at+4 > len(message) {
		return "", 0, errMalformed
	}
	return strings.Join(labels, "."), at + 4, nil
}

// addresses returns the A and AAAA records of an answer to one question.
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
		if kind == typeAAAA && size == 16 {
			found = append(found, netip.AddrFrom16([16]byte(message[at:at+16])))
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
		case size&pointer == pointer:
			return at + 2
		case size > 63:
			return -1
		}
		at += 1 + size
	}
	return -1
}
