package inside

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// requestBytes bounds a request on the control socket of a zygote.
const requestBytes = 64 << 10

// ForkRequest is the JSON of one request to a zygote; descriptors travel beside it.
type ForkRequest struct {
	ID        uint32 `json:"id"`
	UID       int    `json:"uid"`
	TmpBytes  int64  `json:"tmp_bytes"`
	TmpInodes int    `json:"tmp_inodes"`
	Template  bool   `json:"template"` // it will make clones of itself
	Rehearse  bool   `json:"rehearse"` // nobody waits: do beforehand what a call will do
}

// Kinds of a zygote's messages.
const (
	Ready  = 'R' // preloading is done
	Exited = 'X' // fork id, wait status
	Failed = 'F' // fork id, errno: the fork itself failed
)

// messageBytes is the size of a message: its kind and two big-endian numbers.
const messageBytes = 9

// Message is what a zygote tells on its control socket.
type Message struct {
	Kind      byte
	ID, Value uint32
}

// ReadMessage waits for the next message; an error means that the zygote ends.
func ReadMessage(control int) (Message, error) {
	var data [messageBytes]byte
	n, err := retry(func() (int, error) { return unix.Read(control, data[:]) })
	if err != nil {
		return Message{}, err
	}
	if n != messageBytes {
		return Message{}, fmt.Errorf("a message of %d bytes", n)
	}
	return Message{Kind: data[0], ID: binary.BigEndian.Uint32(data[1:]), Value: binary.BigEndian.Uint32(data[5:])}, nil
}

func (m Message) send(control int) error {
	data := binary.BigEndian.AppendUint32([]byte{m.Kind}, m.ID)
	data = binary.BigEndian.AppendUint32(data, m.Value)
	return unix.Sendmsg(control, data, nil, nil, unix.MSG_NOSIGNAL)
}

// retry repeats a system call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
