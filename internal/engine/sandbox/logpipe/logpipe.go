// Package logpipe reads what an environment writes to its log.
//
// It promises: each record is passed on once, in order, as soon as it has been
// read; memory is bounded whatever hostile hands write; after Drain all that was
// written before has been delivered. It starts no goroutines: the owner of the
// environment runs Run on one. Pipe.mu guards the parser and is a leaf; the
// receiver is called with it held. Start reading at Pipe.
package logpipe

import (
	"bytes"
	"encoding/binary"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Layout of a framed record on the log pipe; see pyboot/PROTOCOL.md.
const (
	frameMagic  = 0xA55A0000 // upper half of the type
	frameHeader = 16
	pipeRead    = 64 << 10
)

// Record is one log event of an environment.
type Record struct {
	Time time.Time
	Data []byte
}

// MaxRecordBytes is where an endless line is cut (a CloudWatch Logs event
// holds 256 KB, and 26 bytes of it are its own).
const MaxRecordBytes = 256<<10 - 26

// Pipe reads what an environment writes to its log and cuts it into records.
type Pipe struct {
	file *os.File
	emit func(Record)

	mu      sync.Mutex
	buffer  [pipeRead]byte
	pending []byte // the unfinished line or frame
	closed  bool
}

// Deliver says where records go from now on.
func (l *Pipe) Deliver(emit func(Record)) {
	if emit == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit = emit
}

// Run delivers records until the pipe ends.
func (l *Pipe) Run() {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return
	}
	raw.Read(func(fd uintptr) bool { return l.readAvailable(int(fd)) })
}

// Drain delivers all that has been written so far, an unfinished line included.
// The caller knows that nothing of the event is written any more.
func (l *Pipe) Drain() {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { l.readAvailable(int(fd)) })
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) > 0 && !isFrame(l.pending) {
		l.flush(len(l.pending))
	}
}

// readAvailable reads until the pipe is empty; true means that it has ended.
func (l *Pipe) readAvailable(fd int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed {
		n, err := syscall.Read(fd, l.buffer[:])
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return false
		case err != nil || n == 0:
			l.closed = true
		default:
			l.feed(l.buffer[:n])
		}
	}
	return true
}

func isFrame(data []byte) bool {
	return len(data) >= 2 && data[0] == frameMagic>>24 && data[1] == frameMagic>>16&0xff
}

// feed cuts data into records. Memory stays bounded: an endless line is cut, a
// frame that claims more than a record may hold is taken as raw text.
func (l *Pipe) feed(data []byte) {
	if len(l.pending) > 0 {
		l.pending = append(l.pending, data...)
		data = l.pending
	}
	for len(data) > 0 {
		if isFrame(data) || (len(data) == 1 && data[0] == frameMagic>>24) {
			if len(data) < frameHeader {
				break
			}
			size := int(binary.BigEndian.Uint32(data[4:]))
			if size <= MaxRecordBytes {
				if len(data) < frameHeader+size {
					break
				}
				micros := int64(binary.BigEndian.Uint64(data[8:]))
				l.emit(Record{Time: time.UnixMicro(micros), Data: data[frameHeader : frameHeader+size]})
				data = data[frameHeader+size:]
				continue
			}
		}
		end := bytes.IndexByte(data, '\n') + 1
		if end == 0 && len(data) < MaxRecordBytes {
			break
		}
		if end == 0 || end > MaxRecordBytes {
			end = MaxRecordBytes
		}
		l.emit(Record{Time: time.Now(), Data: data[:end]})
		data = data[end:]
	}
	l.pending = append(l.pending[:0], data...)
}

func (l *Pipe) flush(n int) {
	l.emit(Record{Time: time.Now(), Data: l.pending[:n]})
	l.pending = l.pending[:0]
}

// New returns the reading side and the descriptor for the environment.
// What comes before Deliver is lost.
func New() (*Pipe, int, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, -1, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, -1, err
	}
	return &Pipe{file: os.NewFile(uintptr(fds[0]), "log"), emit: func(Record) {}}, fds[1], nil
}

// Close gives up the reading side.
func (l *Pipe) Close() error { return l.file.Close() }
