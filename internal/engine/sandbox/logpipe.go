package sandbox

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

// logPipe reads what an environment writes to its log and cuts it into records.
type logPipe struct {
	file *os.File
	emit func(LogRecord)

	mu      sync.Mutex
	buffer  [pipeRead]byte
	pending []byte // the unfinished line or frame
	closed  bool
}

// deliver says where records go from now on.
func (l *logPipe) deliver(emit func(LogRecord)) {
	if emit == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit = emit
}

// run delivers records until the pipe ends.
func (l *logPipe) run() {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return
	}
	raw.Read(func(fd uintptr) bool { return l.readAvailable(int(fd)) })
}

// drain delivers all that has been written so far, an unfinished line included.
// The caller knows that nothing of the event is written any more.
func (l *logPipe) drain() {
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
func (l *logPipe) readAvailable(fd int) bool {
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
func (l *logPipe) feed(data []byte) {
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
			if size <= MaxLogRecordBytes {
				if len(data) < frameHeader+size {
					break
				}
				micros := int64(binary.BigEndian.Uint64(data[8:]))
				l.emit(LogRecord{Time: time.UnixMicro(micros), Data: data[frameHeader : frameHeader+size]})
				data = data[frameHeader+size:]
				continue
			}
		}
		end := bytes.IndexByte(data, '\n') + 1
		if end == 0 && len(data) < MaxLogRecordBytes {
			break
		}
		if end == 0 || end > MaxLogRecordBytes {
			end = MaxLogRecordBytes
		}
		l.emit(LogRecord{Time: time.Now(), Data: data[:end]})
		data = data[end:]
	}
	l.pending = append(l.pending[:0], data...)
}

func (l *logPipe) flush(n int) {
	l.emit(LogRecord{Time: time.Now(), Data: l.pending[:n]})
	l.pending = l.pending[:0]
}

// newLogPipe returns the reading side and the descriptor for the environment.
// What comes before deliver is lost.
func newLogPipe() (*logPipe, int, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, -1, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, -1, err
	}
	return &logPipe{file: os.NewFile(uintptr(fds[0]), "log"), emit: func(LogRecord) {}}, fds[1], nil
}
