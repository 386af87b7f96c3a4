package pattern

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// kind is what a matcher compares.
type kind uint8

const (
	exactly    kind = iota // the value itself
	prefix                 // of a text
	suffix                 // of a text
	folded                 // a text in any case
	prefixFold             // of a text in any case
	suffixFold             // of a text in any case
	wildcard               // a text with asterisks for any text
	numeric                // numbers of a range
	network                // addresses of a network
	exists                 // any value
	absent                 // no value: it accepts none; see clause.absent
)

// matcher accepts some values. A pattern has one for each member of a list.
type matcher struct {
	kind    kind
	not     bool     // it accepts what it would refuse: anything-but
	values  []value  // exactly
	texts   []string // the others that compare texts; lower case where the case does not matter
	wilds   []wild   // wildcard
	numbers interval // numeric
	lo, hi  netip.Addr
}

// interval is a range of numbers in millionths, both ends included.
type interval struct{ lo, hi int64 }

func (m *matcher) accepts(v *value) bool { return m.matches(v) != m.not }

func (m *matcher) matches(v *value) bool {
	switch m.kind {
	case exists:
		return true
	case absent:
		return false
	case exactly:
		return slices.ContainsFunc(m.values, func(want value) bool { return want.equal(v) })
	case numeric:
		return v.exact && m.numbers.lo <= v.decimal && v.decimal <= m.numbers.hi
	case network:
		return v.address.IsValid() && v.address.BitLen() == m.lo.BitLen() && m.lo.Compare(v.address) <= 0 && v.address.Compare(m.hi) <= 0
	case wildcard:
		return v.kind == text && slices.ContainsFunc(m.wilds, func(w wild) bool { return w.matches(v.text) })
	}
	return v.kind == text && m.matchesText(v.text)
}

func (m *matcher) matchesText(s string) bool {
	if m.kind != prefix && m.kind != suffix {
		s = strings.ToLower(s)
	}
	return slices.ContainsFunc(m.texts, func(want string) bool {
		switch m.kind {
		case prefix, prefixFold:
			return strings.HasPrefix(s, want)
		case suffix, suffixFold:
			return strings.HasSuffix(s, want)
		}
		return s == want
	})
}

// equal compares two scalars.
//
// AWS: numbers are equal by their text or, as far as they can be compared, by
// their value (JsonRuleCompiler.java of event-ruler), although the user guide of
// EventBridge says that only the text counts. Addresses are equal by their value.
func (want *value) equal(v *value) bool {
	switch {
	case want.kind != v.kind:
		return false
	case want.text == v.text:
		return true
	case want.kind == number:
		return want.exact && v.exact && want.decimal == v.decimal
	}
	return want.address.IsValid() && want.address == v.address
}

// The numbers that can be compared: up to five billion, with six digits behind
// the point (ComparableNumber.java of event-ruler).
const (
	maxNumber = 5e9
	millions  = 1e6
)

// millionths is a number in millionths; false if it is too large to be compared.
func millionths(s string) (int64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(f) > maxNumber {
		return 0, false
	}
	return int64(math.Round(f * millions)), true
}

// refuse is a refusal without a place.
func refuse(format string, args ...any) *Error { return &Error{Reason: fmt.Sprintf(format, args...)} }

// all is every number that can be compared.
var all = interval{-maxNumber * millions, maxNumber * millions}

// address reads an address; the zero one if it is none.
func address(s string) netip.Addr {
	// The engine's own test of what looks like an address; a zone is none.
	if strings.Trim(s, "0123456789.") != "" && strings.Trim(s, "0123456789abcdefABCDEF:") != "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

// parseNetwork reads a network: the addresses from the given one to the last.
//
// AWS: the range begins at the address itself, not at the network's first one.
func parseNetwork(s string) (lo, hi netip.Addr, err *Error) {
	host, bits, found := strings.Cut(s, "/")
	if !found || strings.Contains(bits, "/") {
		return lo, hi, refuse("Malformed CIDR, one '/' required")
	}
	n, notNumber := strconv.Atoi(bits)
	if notNumber != nil {
		return lo, hi, refuse("Malformed CIDR, mask bits must be an integer")
	}
	if n < 0 {
		return lo, hi, refuse("Malformed CIDR, mask bits must not be negative")
	}
	lo = address(host)
	switch {
	case !lo.IsValid():
		return lo, hi, refuse("Nonstandard IP address: %s", host)
	case n >= lo.BitLen() && lo.Is4():
		return lo, hi, refuse("IPv4 mask bits must be < 32")
	case n >= lo.BitLen():
		return lo, hi, refuse("IPv6 mask bits must be < 128")
	}
	last := lo.AsSlice()
	for bit := n; bit < lo.BitLen(); bit++ {
		last[bit/8] |= 1 << (7 - bit%8)
	}
	hi, _ = netip.AddrFromSlice(last) // it has the length of an address
	return lo, hi, nil
}

// wild is the texts between the asterisks of a wildcard pattern.
type wild []string

// parseWild reads a wildcard pattern. A backslash takes an asterisk or another
// backslash literally.
func parseWild(s string) (wild, *Error) {
	var w wild
	var part strings.Builder
	for i := 0; i < len(s); i++ {
		// Positions are those in the text with its quotes.
		switch next := s[i+1:]; {
		case s[i] == '*' && strings.HasPrefix(next, "*"):
			return nil, refuse("Consecutive wildcard characters at pos %d", i+1)
		case s[i] == '*':
			w = append(w, part.String())
			part.Reset()
		case s[i] == '\\' && !strings.HasPrefix(next, "*") && !strings.HasPrefix(next, `\`):
			return nil, refuse("Invalid escape character at pos %d", i+1)
		case s[i] == '\\':
			i++
			part.WriteByte(s[i])
		default:
			part.WriteByte(s[i])
		}
	}
	return append(w, part.String()), nil
}

// matches takes each part where it comes first, which is enough: what is between
// two parts does not matter.
func (w wild) matches(s string) bool {
	last := len(w) - 1
	if last == 0 {
		return s == w[0]
	}
	if !strings.HasPrefix(s, w[0]) {
		return false
	}
	s = s[len(w[0]):]
	for _, part := range w[1:last] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, w[last])
}
