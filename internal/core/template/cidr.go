package template

import (
	"math/big"
	"net/netip"
	"strconv"
)

// maxBlocks is the most that Fn::Cidr gives
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-cidr.html).
const maxBlocks = 256

// cidr cuts an address block into blocks of equal size; the third argument is
// the number of bits of an address inside one, 8 (IPv4) or 64 (IPv6) if it is
// left out.
func (r *resolver) cidr(argument any, depth int) (any, error) {
	arguments, err := list(argument, 2, 3, badCidr)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(arguments))
	for i, one := range arguments {
		text, unknown, err := r.text(one, depth, refuse("%s", badCidr))
		if err != nil || unknown {
			return Unknown, err
		}
		texts[i] = text
	}
	block, err := netip.ParsePrefix(texts[0])
	if err != nil {
		return nil, refuse("Template error: Fn::Cidr: %s is not a valid CIDR block", texts[0])
	}
	count, err := strconv.Atoi(texts[1])
	if err != nil || count < 1 || count > maxBlocks {
		return nil, refuse("Template error: Fn::Cidr: the count must be a number between 1 and %d", maxBlocks)
	}
	width := block.Addr().BitLen()
	hostBits := 8
	if block.Addr().Is6() {
		hostBits = 64
	}
	if len(texts) == 3 {
		if hostBits, err = strconv.Atoi(texts[2]); err != nil || hostBits < 1 || hostBits > width {
			return nil, refuse("Template error: Fn::Cidr: the number of CIDR bits must be between 1 and %d", width)
		}
	}
	return blocks(block, count, hostBits)
}

func blocks(block netip.Prefix, count, hostBits int) (any, error) {
	room := block.Addr().BitLen() - block.Bits() - hostBits
	if room < 0 || room < 9 && count > 1<<room {
		return nil, refuse("Template error: Fn::Cidr: %s has not enough room for %d blocks with %d CIDR bits", block, count, hostBits)
	}
	width := block.Addr().BitLen()
	base := new(big.Int).SetBytes(block.Masked().Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(1), uint(hostBits))
	list := make([]any, 0, count)
	for range count {
		address, _ := netip.AddrFromSlice(base.FillBytes(make([]byte, width/8)))
		list = append(list, netip.PrefixFrom(address, width-hostBits).String())
		base.Add(base, step)
	}
	return list, nil
}
