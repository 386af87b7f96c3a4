package checksum

import (
	"encoding/base64"
	"encoding/hex"
	"testing"
)

func sum(a Algorithm, text string) string {
	h := a.New()
	h.Write([]byte(text))
	return Text(h)
}

// The check values of the catalogue of parametrised CRC algorithms
// (https://reveng.sourceforge.io/crc-catalogue/all.htm) and of FIPS 180 and RFC 1321.
func TestSumsOfTheCheckText(t *testing.T) {
	for algorithm, want := range map[Algorithm]string{
		CRC32: "cbf43926", CRC32C: "e3069283", CRC64NVME: "ae8b14860a799888",
		SHA1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441", MD5: "25f9e794323b453885f5181f1b624d0b",
	} {
		got := sum(algorithm, "123456789")
		raw, err := base64.StdEncoding.DecodeString(got)
		if err != nil || hex.EncodeToString(raw) != want {
			t.Errorf("%s: %x, want %s", algorithm, raw, want)
		}
		if !algorithm.Valid(got) || algorithm.Valid(got[1:]) || algorithm.Valid("") {
			t.Errorf("%s: Valid is wrong", algorithm)
		}
	}
	if Algorithm("XXHASH64").New() != nil || Algorithm("XXHASH64").Valid("") {
		t.Error("an unknown algorithm has sums")
	}
}

func TestCombineIsTheSumOfTheWhole(t *testing.T) {
	pieces := []string{"", "a", "123456789", string(make([]byte, 100_003)), "the end"}
	for _, algorithm := range All {
		whole, text := sum(algorithm, ""), ""
		for _, piece := range pieces {
			text += piece
			whole = algorithm.Combine(whole, sum(algorithm, piece), int64(len(piece)))
			want := sum(algorithm, text)
			if !algorithm.Cyclic() {
				want = ""
			}
			if whole != want {
				t.Errorf("%s after %d bytes: %s, want %s", algorithm, len(text), whole, want)
			}
		}
	}
}
