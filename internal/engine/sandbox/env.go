package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/cgroup"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/inside"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/logpipe"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
)

// exitTimeout bounds the wait for the kernel to end a killed environment.
const exitTimeout = 10 * time.Second

// env is one environment of a zygote.
type env struct {
	host    *Host
	zygote  *zygote
	group   *cgroup.Group
	idle    *idleness
	network *netns.Network
	uid     int
	pid     int // in our PID namespace
	pidfd   int // -1 before the child parked
	conn    *net.UnixConn
	reader  *bufio.Reader
	log     *logpipe.Pipe
	forget  func()
	custom  *custom // of a runtime that was executed
	debug   *debugSession

	template bool         // it makes clones
	before   atomic.Int64 // bytes it held before it came into its group

	done    chan struct{} // closed when the processes are gone
	status  syscall.WaitStatus
	exitErr error

	closing  sync.Once
	closeErr error
}

var _ Environment = (*env)(nil)

// How a child will be used.
type parkKind int

const (
	parkNow      parkKind = iota // somebody waits for it
	parkAhead                    // nobody waits for it
	parkTemplate                 // it will make clones of itself
	parkKinds
)

// newEnv takes a user id for an environment.
func (h *Host) newEnv(z *zygote) (*env, error) {
	e := &env{host: h, zygote: z, pidfd: -1, done: make(chan struct{})}
	select {
	case e.uid = <-h.uids:
		return e, nil
	default:
		return nil, fmt.Errorf("all %d environments of the host are in use", MaxEnvironments)
	}
}

// park makes a sandboxed child that waits to be bound to a function.
func (h *Host) park(z *zygote, kind parkKind) (_ *env, err error) {
	e, err := h.newEnv(z)
	if err != nil {
		return nil, err
	}
	e.template = kind == parkTemplate
	if executes(z.id) {
		e.custom = newCustom()
	}
	var theirs []int
	closeTheirs := func() {
		for _, fd := range theirs {
			unix.Close(fd)
		}
		theirs = nil
	}
	defer func() {
		closeTheirs()
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	if e.network, err = h.network(); err != nil {
		return nil, err
	}
	if e.group, err = h.group(e.uid); err != nil {
		return nil, fmt.Errorf("make the cgroup: %w", err)
	}
	e.idle = h.newIdleness(e.group)
	if e.custom != nil {
		e.idle.settled = e.custom.api.Waiting
	}
	data, err := e.openData()
	if err != nil {
		return nil, err
	}
	theirs = append(theirs, data)
	logs, pipe, err := logpipe.New()
	if err != nil {
		return nil, err
	}
	e.log = logs
	theirs = append(theirs, pipe)
	request := inside.ForkRequest{UID: e.user(), TmpBytes: defaultEphemeralMB << 20, TmpInodes: defaultEphemeralMB * tmpInodesPerMB,
		Rehearse: kind == parkAhead, Template: kind == parkTemplate}
	fds := []int{data, pipe, e.network.Namespace()}
	if e.custom != nil {
		if e.custom.log, pipe, err = logpipe.New(); err != nil {
			return nil, err
		}
		theirs = append(theirs, pipe)
		fds = append(fds, pipe)
	}
	if err := z.fork(e, request, fds...); err != nil {
		return nil, err
	}
	closeTheirs() // so that the end of the child ends the socket
	if err := e.parked(); err != nil {
		return nil, err
	}
	z.weighBefore(e, kind)
	go e.log.Run() // ends when every process of the environment has closed the pipe
	return e, nil
}

// user is the user id that the processes have. 0 is the only one of a user
// namespace; its capabilities are taken, so that it is no more than its owner.
func (e *env) user() int {
	if e.host.oneUser {
		return 0
	}
	return e.uid
}

// peakBytes is the most memory that the environment held: without a memory
// cgroup only what its first process did, while it lives.
func (e *env) peakBytes() int64 {
	if e.host.cgroups == nil || e.host.cgroups.LimitsMemory() {
		return e.group.PeakBytes()
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.pid))
	if err != nil {
		return 0 // it has ended
	}
	_, rest, _ := strings.Cut(string(status), "\nVmHWM:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	peak, err := strconv.ParseInt(kilobytes, 10, 64)
	if err != nil {
		return 0 // it is a zombie
	}
	return peak << 10
}

func (h *Host) group(uid int) (*cgroup.Group, error) {
	processes := maxProcesses
	if h.config.off.pids {
		processes = 0
	}
	return h.cgroups.Add("env-"+strconv.Itoa(uid), processes)
}

func (h *Host) network() (*netns.Network, error) {
	if h.config.off.network {
		return netns.Host()
	}
	return h.networks.Get()
}

// openData makes the data socket and returns the child's end.
func (e *env) openData() (int, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	file := os.NewFile(uintptr(fds[0]), "data")
	defer file.Close()
	// The kernel tells by this option who wrote: the child's process id as we see it.
	if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		unix.Close(fds[1])
		return -1, err
	}
	conn, err := net.FileConn(file)
	if err != nil {
		unix.Close(fds[1])
		return -1, err
	}
	e.conn = conn.(*net.UnixConn)
	e.reader = bufio.NewReaderSize(e.conn, 64<<10)
	return fds[1], nil
}

// parked waits for the child, checks that it gave its rights up and puts it into
// its cgroup. It fails closed.
func (e *env) parked() error {
	if err := e.greet(); err != nil {
		return err
	}
	if err := e.checkStatus(); err != nil {
		return err
	}
	return e.group.Attach(e.pid)
}

// greet waits for the child and learns who it is.
func (e *env) greet() error {
	if err := e.conn.SetReadDeadline(time.Now().Add(parkTimeout)); err != nil {
		return err
	}
	var header [frame.HeaderBytes]byte
	var control [128]byte
	n, oobn, _, _, err := e.conn.ReadMsgUnix(header[:], control[:])
	if err != nil || n != frame.HeaderBytes || header[0] != frame.Parked {
		return fmt.Errorf("the child did not park (its message is in the log above): %w", errors.Join(err, e.exitErr))
	}
	messages, err := unix.ParseSocketControlMessage(control[:oobn])
	if err != nil || len(messages) != 1 {
		return fmt.Errorf("the child's credentials did not come: %w", err)
	}
	credentials, err := unix.ParseUnixCredentials(&messages[0])
	if err != nil {
		return err
	}
	e.pid = int(credentials.Pid)
	if e.pidfd, err = unix.PidfdOpen(e.pid, 0); err != nil {
		return fmt.Errorf("open the child: %w", err)
	}
	return nil
}

// checkStatus reads what the kernel says of the child's rights: dropping them
// was the child's own doing, so the supervisor does not take its word for it.
func (e *env) checkStatus() error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.pid))
	if err != nil {
		return err
	}
	want := map[string]string{"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2",
		"Uid": strings.TrimSuffix(strings.Repeat(strconv.Itoa(e.user())+"\t", 4), "\t")}
	off := e.host.config.off
	if off.seccomp {
		delete(want, "Seccomp")
	}
	if off.setuid {
		delete(want, "NoNewPrivs")
	}
	if off.uid {
		want = nil
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if wanted, ok := want[name]; ok && strings.TrimSpace(value) != wanted {
			return fmt.Errorf("the child kept rights it must not have: %s is %s, want %s", name, strings.TrimSpace(value), wanted)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		return fmt.Errorf("the kernel does not tell %v of the child", want)
	}
	return nil
}

// equip gives a parked child what is the function's own: code, memory, log.
func (e *env) equip(spec *Spec) error {
	if e.custom == nil {
		e.log.Deliver(spec.Log)
	}
	trees, err := openTrees(e.host.config.off, spec.TaskDir, spec.OptDir)
	defer func() {
		for _, tree := range trees {
			unix.Close(tree)
		}
	}()
	if err != nil {
		return err
	}
	if err := e.host.attacher.attach(e.pidfd, trees, spec.EphemeralMB); err != nil {
		return fmt.Errorf("attach the code: %w", err)
	}
	if e.host.config.off.memory {
		return nil
	}
	if !e.host.cgroups.LimitsMemory() {
		// The best there is: each process for itself. Host.Isolation tells it.
		bytes := uint64(spec.MemoryMB) << 20
		if err := unix.Prlimit(e.pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes}, nil); err != nil {
			return fmt.Errorf("limit the memory: %w", err)
		}
	}
	return e.group.LimitMemory(spec.MemoryMB)
}

// bind turns the parked child into the function's environment.
func (e *env) bind(spec *Spec) (Init, error) {
	begin := time.Now()
	if err := errors.Join(e.equip(spec), e.network.Narrow(variable(spec.Environ, netns.Variable))); err != nil {
		return Init{}, err
	}
	return e.initialise(spec, begin)
}

// initialise hands the function over and waits until it is ready.
func (e *env) initialise(spec *Spec, begin time.Time) (Init, error) {
	if err := e.conn.SetDeadline(begin.Add(spec.InitTimeout)); err != nil {
		return Init{}, err
	}
	if spec.Debug != nil {
		e.openDebug(spec.Debug)
	}
	var reply frame.Frame
	var err error
	if e.custom == nil {
		reply, err = e.exchange(frame.Bind, bindMeta(spec), nil)
	} else {
		reply, err = e.custom.init(e, spec, begin.Add(spec.InitTimeout))
	}
	init := Init{Duration: time.Since(begin)}
	if e.custom != nil {
		init.Extensions, init.Subscriptions = e.custom.registry.Infos(), e.custom.relay.Infos()
	}
	if err != nil {
		return init, e.broken(err)
	}
	e.drainLogs()
	if err := e.limitCPU(spec.MemoryMB); err != nil {
		return init, fmt.Errorf("limit the CPU: %w", err)
	}
	switch reply.Kind {
	case frame.Ready:
		e.idle.end()
		return init, nil
	case frame.InitError:
		init.ErrorType, init.ErrorBody = string(reply.Meta), reply.Payload
		init.MaxMemoryBytes = e.peakBytes()
		return init, nil
	default:
		return init, fmt.Errorf("%w: frame type %d instead of the end of init", frame.ErrProtocol, reply.Kind)
	}
}

// bindMeta tells a zygote's child what it is to become.
func bindMeta(spec *Spec) []byte {
	environ := make(map[string]string, len(spec.Environ))
	for _, pair := range spec.Environ {
		name, value, _ := strings.Cut(pair, "=")
		environ[name] = value
	}
	meta, err := json.Marshal(map[string]any{"handler": spec.Handler, "environ": environ, "runtime": spec.Runtime, "debug": spec.Debug != nil})
	if err != nil {
		panic(err) // strings always marshal
	}
	return meta
}

// drainLogs delivers what was written so far.
func (e *env) drainLogs() {
	e.log.Drain()
	if e.custom != nil {
		e.custom.log.Drain()
	}
}

// limitCPU comes after init: AWS too gives it more than the function's share.
func (e *env) limitCPU(memoryMB int) error {
	if e.host.config.off.cpu {
		return nil
	}
	return e.group.LimitCPU(memoryMB)
}

// Invoke runs one event; see Environment. One that failed stays thawed: its
// extensions are to be told of the end.
func (e *env) Invoke(ctx context.Context, event *Event) (*Result, error) {
	if err := e.idle.begin(); err != nil {
		return nil, fmt.Errorf("thaw the environment: %w", err)
	}
	result, err := e.invoke(ctx, event)
	if err == nil && result.Failed == nil {
		e.idle.end()
	}
	return result, err
}

func (e *env) invoke(ctx context.Context, event *Event) (*Result, error) {
	if e.custom != nil {
		return e.custom.invoke(ctx, e, event)
	}
	deadline, _ := ctx.Deadline()
	if err := e.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if e.reader.Buffered() > 0 {
		return nil, e.broken(fmt.Errorf("%w: it spoke between events", frame.ErrProtocol))
	}
	reply, err := e.exchange(frame.Invoke, invokeMeta(event), event.Payload)
	if err == nil && reply.Kind == frame.Chunk {
		reply, err = e.stream(ctx, event, reply)
	}
	if err != nil {
		return nil, e.broken(err)
	}
	result, err := decodeResult(reply, event.RequestID)
	if err != nil {
		return nil, e.broken(err)
	}
	e.log.Drain()
	result.MaxMemoryBytes = e.peakBytes()
	return result, nil
}

func invokeMeta(event *Event) []byte {
	meta := make([]byte, 0, 256)
	meta = append(meta, event.RequestID...)
	meta = append(meta, 0)
	meta = strconv.AppendInt(meta, event.Deadline.UnixMilli(), 10)
	mode := ""
	if event.Stream != nil {
		mode = "streaming"
	}
	for _, field := range []string{event.InvokedARN, event.TraceID, string(event.ClientContext), string(event.Identity), event.ContentType, event.TenantID, mode} {
		meta = append(meta, 0)
		meta = append(meta, field...)
	}
	return meta
}

func decodeResult(reply frame.Frame, requestID string) (*Result, error) {
	id, rest, found := bytes.Cut(reply.Meta, []byte{0})
	if !found || string(id) != requestID {
		return nil, fmt.Errorf("%w: it answered another request", frame.ErrProtocol)
	}
	switch reply.Kind {
	case frame.Result:
		return &Result{Payload: reply.Payload, ContentType: string(rest)}, nil
	case frame.Error:
		return &Result{Payload: reply.Payload, ErrorType: string(rest), ContentType: "application/json"}, nil
	case frame.TooLarge:
		return &Result{ErrorType: ResponseTooLarge}, nil
	default:
		return nil, fmt.Errorf("%w: frame type %d instead of a result", frame.ErrProtocol, reply.Kind)
	}
}

// shortFrame is up to where a frame is copied together, to be sent by one call.
const shortFrame = 16 << 10

// exchange sends one frame and reads the answer.
//
// A short one is sent from inside the wait for the answer: a read right after it
// would find nothing, and a failing system call is a hundredth of a warm call.
// The wait begins before the frame is sent, so the answer cannot be missed.
func (e *env) exchange(kind byte, meta, payload []byte) (frame.Frame, error) {
	if frame.HeaderBytes+len(meta)+len(payload) > shortFrame {
		if err := e.send(kind, meta, payload); err != nil {
			return frame.Frame{}, err
		}
		return frame.Read(e.reader)
	}
	raw, err := e.conn.SyscallConn()
	if err != nil {
		return frame.Frame{}, err
	}
	message, sent, tried := frame.Append(make([]byte, 0, frame.HeaderBytes+len(meta)+len(payload)), kind, meta, payload), 0, false
	err = raw.Read(func(fd uintptr) bool {
		if tried {
			return true // there is an answer
		}
		tried = true
		if n, err := unix.Write(int(fd), message); err == nil {
			sent = n
		}
		return sent < len(message)
	})
	if err == nil && sent < len(message) { // the socket is full, or there is an error that this tells
		_, err = e.conn.Write(message[sent:])
	}
	if err != nil {
		return frame.Frame{}, err
	}
	return frame.Read(e.reader)
}

// send sends one frame in one system call.
func (e *env) send(kind byte, meta, payload []byte) error {
	head := make([]byte, frame.HeaderBytes, frame.HeaderBytes+len(meta))
	frame.PutHeader(head, kind, len(meta), len(payload))
	head = append(head, meta...)
	buffers := net.Buffers{head, payload}
	_, err := buffers.WriteTo(e.conn)
	return err
}

// broken kills the environment and says, in the words of the contract, why it
// gave no answer.
func (e *env) broken(cause error) error {
	if e.custom != nil && e.custom.lingers(cause) {
		e.drainLogs()
		return e.custom.ending(cause, e.peakBytes())
	}
	if errors.Is(cause, os.ErrDeadlineExceeded) || errors.Is(cause, frame.ErrProtocol) {
		e.kill()
	}
	e.waitExit()
	e.drainLogs()
	switch {
	case errors.Is(cause, os.ErrDeadlineExceeded):
		return &TimeoutError{MaxMemoryBytes: e.peakBytes()}
	case errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF), errors.Is(cause, syscall.EPIPE), errors.Is(cause, syscall.ECONNRESET):
		exit := &ExitError{Status: e.status.ExitStatus(), MaxMemoryBytes: e.peakBytes()}
		if e.status.Signaled() {
			exit.Status, exit.Signal = 0, int(e.status.Signal())
			exit.OutOfMemory = e.status.Signal() == syscall.SIGKILL && e.group.OutOfMemory()
		}
		return exit
	default:
		return cause
	}
}

// exit is called once, by the zygote's reader, when the processes are gone.
func (e *env) exit(status syscall.WaitStatus) {
	e.status = status
	if e.custom != nil {
		e.custom.ended(io.EOF)
	}
	close(e.done)
}

// Done is closed when the environment's processes have ended, or one of those
// without which it is of no use.
func (e *env) Done() <-chan struct{} {
	if e.custom != nil {
		return e.custom.alive.Done()
	}
	return e.done
}

func (e *env) ended() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

func (e *env) kill() {
	if e.pidfd >= 0 {
		unix.PidfdSendSignal(e.pidfd, unix.SIGKILL, nil, 0) // ESRCH: dead already
		e.idle.dying()
		e.group.FreeCPU()
	}
}

// waitExit waits for the end of a child whose socket is closed or that was
// killed. A child that only closed its socket goes on: it is killed.
func (e *env) waitExit() {
	grace := time.NewTimer(closedSocketGrace)
	defer grace.Stop()
	select {
	case <-e.done:
		return
	case <-grace.C:
		e.kill()
	}
	limit := time.NewTimer(exitTimeout)
	defer limit.Stop()
	select {
	case <-e.done:
	case <-limit.C:
		e.host.logger.Error("an environment does not die", "pid", e.pid)
	}
}

// closedSocketGrace is how long an exit may take to follow the end of its socket.
const closedSocketGrace = 100 * time.Millisecond

// Close ends the environment and frees everything it held; see Environment.
func (e *env) Close() error {
	e.closing.Do(func() { e.closeErr = e.release() })
	return e.closeErr
}

func (e *env) release() error {
	var all error
	if e.custom != nil {
		e.custom.shutDown(e)
	}
	if e.forget != nil {
		e.kill()
		if e.conn != nil {
			e.conn.Close() // a child that is still being made ends by this
		}
		e.waitExit()
		e.forget()
	}
	if e.debug != nil {
		e.debug.close() // it may kill by the pidfd until now
	}
	if e.conn != nil {
		e.conn.Close()
	}
	if e.log != nil {
		all = errors.Join(all, e.log.Close())
	}
	if e.custom != nil {
		all = errors.Join(all, e.custom.close())
	}
	if e.pidfd >= 0 {
		unix.Close(e.pidfd)
	}
	if e.group != nil {
		all = errors.Join(all, e.group.Remove())
	}
	if e.network != nil {
		e.network.Release()
	}
	e.host.uids <- e.uid
	return all
}
