package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/confine"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/inside"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/seccomp"
)

// zygoteStartTimeout bounds the start of an interpreter with its preloaded modules.
const zygoteStartTimeout = 60 * time.Second

// zygote is one warm interpreter that forks environments. It is started by the
// first caller that needs it; the others wait for started.
type zygote struct {
	id       string // of the runtime
	preload  string // what it holds beside the standard library; see Spec
	logger   *slog.Logger
	started  chan struct{} // closed when startErr is set
	startErr error
	ended    chan struct{} // closed when the process is gone
	cmd      *exec.Cmd
	control  int // SOCK_SEQPACKET, ours
	sending  sync.Mutex

	program string // interpreter below /var/lang that executed environments run, if it is Python

	parking *parking
	before  [parkKinds]atomic.Int64 // bytes that a child holds when it is parked; see weighBefore

	mu       sync.Mutex
	next     uint32
	children map[uint32]*env // by fork id
}

func newZygote(id, preload string, logger *slog.Logger) *zygote {
	return &zygote{id: id, preload: preload, logger: logger, started: make(chan struct{}), ended: make(chan struct{}), children: map[uint32]*env{}}
}

// ready tells whether the zygote takes requests.
func (z *zygote) ready() bool {
	select {
	case <-z.started:
		return z.startErr == nil && !z.dead()
	default:
		return false
	}
}

func (z *zygote) dead() bool {
	select {
	case <-z.ended:
		return true
	default:
		return false
	}
}

// start runs the interpreter and waits until it has preloaded its modules.
func (z *zygote) start(ctx context.Context, h *Host) {
	defer close(z.started)
	runtime, err := Runtime{ID: z.id}, error(nil)
	if !IsCustom(z.id) {
		runtime, err = h.runtimes.Resolve(ctx, strings.TrimSuffix(z.id, executed))
	}
	if executes(z.id) {
		z.program = runtime.Python
		runtime.Python = ""
	}
	if err == nil {
		err = z.spawn(h, runtime)
	}
	if err != nil {
		z.startErr = fmt.Errorf("start the runtime %s: %w", z.id, err)
		close(z.ended)
		return
	}
	h.logger.Debug("runtime started", "runtime", z.id, "preload", z.preload, "pid", z.cmd.Process.Pid)
}

func (z *zygote) spawn(h *Host, runtime Runtime) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(fds[1]), "control")
	defer theirs.Close()
	z.control = fds[0]
	configuration, err := json.Marshal(inside.Zygote{Prefix: runtime.Prefix, Python: runtime.Python, BootstrapDir: runtime.BootstrapDir, SiteDir: runtime.SiteDir, TrustDir: h.config.TrustDir, ID: runtime.ID, Preload: z.preload, OneUser: h.oneUser,
		Filter: seccomp.Program(), Landlock: confine.Files(), TemplateFilter: seccomp.TemplateProgram(), TemplateLandlock: confine.TemplateFiles(), Off: h.config.off.names()})
	if err != nil {
		return err
	}
	z.cmd = exec.Command("/proc/self/exe")
	z.cmd.Args = []string{inside.ZygoteName, string(configuration)}
	z.cmd.Env = inside.Environ
	z.cmd.ExtraFiles = []*os.File{theirs}
	z.cmd.Stderr = os.Stderr
	z.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS, Setsid: true}
	if err := z.cmd.Start(); err != nil {
		unix.Close(z.control)
		return err
	}
	theirs.Close()
	timer := time.AfterFunc(zygoteStartTimeout, func() { z.cmd.Process.Kill() })
	defer timer.Stop()
	if message, err := inside.ReadMessage(z.control); err != nil || message.Kind != inside.Ready {
		z.cmd.Process.Kill()
		z.cmd.Wait()
		unix.Close(z.control)
		return errors.New("the interpreter ended before it was ready; its message is in the log above")
	}
	go z.read() // ends when the zygote closes its control socket
	return nil
}

// read takes the zygote's messages until it ends; then every child is dead too,
// because the zygote is the init process of their PID namespace.
func (z *zygote) read() {
	for {
		message, err := inside.ReadMessage(z.control)
		if err != nil {
			break
		}
		z.mu.Lock()
		child := z.children[message.ID]
		delete(z.children, message.ID)
		z.mu.Unlock()
		switch {
		case child == nil:
		case message.Kind == inside.Exited:
			child.exit(syscall.WaitStatus(message.Value))
		case message.Kind == inside.Failed:
			child.exitErr = fmt.Errorf("fork: %w", syscall.Errno(message.Value))
			child.conn.SetReadDeadline(time.Now()) // nobody will speak
			child.exit(0)
		}
	}
	z.cmd.Process.Kill()
	z.mu.Lock()
	children := z.children
	z.children = map[uint32]*env{}
	z.mu.Unlock()
	for _, child := range children {
		child.idle.dying() // the zygote ends after them
	}
	z.cmd.Wait()
	for _, child := range children {
		child.exit(syscall.WaitStatus(syscall.SIGKILL))
	}
	z.sending.Lock()
	unix.Close(z.control)
	z.control = -1
	z.sending.Unlock()
	close(z.ended)
	z.parking.close()
}

// fork asks for a child; the descriptors are passed and stay open here.
func (z *zygote) fork(child *env, request inside.ForkRequest, fds ...int) error {
	z.mu.Lock()
	z.next++
	request.ID = z.next
	z.children[request.ID] = child
	z.mu.Unlock()
	child.forget = func() {
		z.mu.Lock()
		delete(z.children, request.ID)
		z.mu.Unlock()
	}
	message, err := json.Marshal(request)
	if err != nil {
		return err
	}
	z.sending.Lock()
	defer z.sending.Unlock()
	if z.control < 0 {
		return errors.New("the zygote has ended")
	}
	return unix.Sendmsg(z.control, message, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
}

func (z *zygote) close() {
	<-z.started
	if z.startErr != nil {
		return
	}
	z.parking.close()
	z.sending.Lock()
	if z.control >= 0 {
		unix.Shutdown(z.control, unix.SHUT_RDWR)
	}
	z.sending.Unlock()
	<-z.ended
}
