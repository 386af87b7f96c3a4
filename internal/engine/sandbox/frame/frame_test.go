package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func TestReadFrameRefusesWhatIsTooLong(t *testing.T) {
	data := Append(nil, Result, "", nil)
	binary.BigEndian.PutUint32(data[8:], MaxPayloadBytes+1)
	if _, err := Read(bytes.NewReader(data)); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v, want %v", err, ErrProtocol)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(Append(nil, Result, "id\x00application/json", []byte("{}")))
	f.Add(Append(nil, TooLarge, "id\x007000000", nil))
	f.Add([]byte{19, 1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if again := Append(nil, got.Kind, string(got.Meta), got.Payload); !bytes.HasPrefix(data, again) {
			t.Errorf("%x read as %+v, which is %x", data, got, again)
		}
	})
}
