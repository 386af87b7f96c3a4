package logs

import (
	"bytes"
	"slices"
	"testing"
)

func TestBlocksReadBackAndStopAtATornOne(t *testing.T) {
	first := []event{{time: 5, seq: 1, message: "a"}, {time: 3, seq: 2, message: ""}, {time: 9, seq: 3, message: "ü\x00\n"}}
	second := []event{{time: -4, seq: 4, message: "b"}}
	data := appendBlock(appendBlock(nil, first, 1, 100), second, 4, 101)
	for cut := range len(data) + 1 {
		blocks, err := readHeaders(bytes.NewReader(data[:cut]), 0, int64(cut))
		if err != nil {
			t.Fatal(err)
		}
		var got []event
		for _, b := range blocks {
			events, err := readBlock(bytes.NewReader(data), b)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, events...)
		}
		want := slices.Concat(first, second)
		if len(blocks) < 2 {
			want = want[:3*len(blocks)]
		}
		if !slices.Equal(got, want) {
			t.Fatalf("cut at %d: %v", cut, got)
		}
	}
}

func TestFlippedBitsAreFound(t *testing.T) {
	data := appendBlock(nil, []event{{time: 5, seq: 1, message: "abc"}, {time: 6, seq: 2, message: "d"}}, 1, 100)
	for i := range len(data) * 8 {
		damaged := bytes.Clone(data)
		damaged[i/8] ^= 1 << (i % 8)
		h, err := decodeHeader(damaged)
		if err != nil {
			continue
		}
		if _, err := decodeEvents(h, damaged[headerBytes:]); err == nil {
			t.Errorf("bit %d is flipped and nobody noticed", i)
		}
	}
}

func FuzzReadSegment(f *testing.F) {
	f.Add(appendBlock(nil, []event{{time: 5, message: "abc"}, {time: 6, message: ""}}, 1, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		blocks, err := readHeaders(bytes.NewReader(data), 0, int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if b.end() > int64(len(data)) {
				t.Fatal("a block reaches over the end")
			}
			readBlock(bytes.NewReader(data), b)
		}
		// The payload parser behind the sums.
		h := header{count: 3, min: 1, max: 1 << 20, payloadBytes: uint32(len(data))}
		sealed := appendBlock(nil, []event{{message: string(data)}}, 1, 1)
		h.payloadSum = checksum(data)
		if events, err := decodeEvents(h, data); err == nil && len(events) != 3 {
			t.Fatalf("%d events", len(events))
		}
		if h, err := decodeHeader(sealed); err == nil {
			if events, err := decodeEvents(h, sealed[headerBytes:]); err != nil || events[0].message != string(data) {
				t.Fatalf("%v", err)
			}
		}
	})
}
