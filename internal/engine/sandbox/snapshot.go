package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/inside"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/logpipe"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/procs"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/scratch"
)

// ErrNoSnapshot tells that an initialised function cannot be cloned; the wrapped
// text says why. Ordinary environments serve it as before.
var ErrNoSnapshot = errors.New("the function cannot be cloned")

// Template is an initialised function that makes clones of itself. It is a
// process that has run the function's code, so it has no rights and its word is
// not taken: what a clone is and may do is set and checked from outside.
type Template struct {
	env  *env
	spec *Spec

	mu sync.Mutex // one clone at a time: the template is one thread
}

// Snapshot initialises the function once, runs its hooks and keeps it for
// clones. A function that fails gives an Init with ErrorType and no Template.
func (h *Host) Snapshot(ctx context.Context, spec *Spec) (*Template, Init, error) {
	if h.oneUser {
		return nil, Init{}, fmt.Errorf("%w: that needs root", ErrNoSnapshot)
	}
	z, err := h.zygoteFor(ctx, spec)
	if err != nil {
		return nil, Init{}, err
	}
	if executes(z.id) {
		return nil, Init{}, fmt.Errorf("%w: it has a runtime of its own, extensions or a wrapper", ErrNoSnapshot)
	}
	e, err := h.park(z, parkTemplate)
	if err != nil {
		return nil, Init{}, fmt.Errorf("fork a template of %s: %w", spec.Runtime, err)
	}
	stop := context.AfterFunc(ctx, func() { e.Close() }) // start returns, with an error
	defer stop()
	init, err := e.start(spec)
	if err == nil && init.ErrorType == "" {
		err = e.cloneable()
	}
	if err != nil || init.ErrorType != "" {
		return nil, init, errors.Join(err, e.Close())
	}
	return &Template{env: e, spec: spec}, init, nil
}

// Done is closed when the template has ended; no clone outlives it.
func (t *Template) Done() <-chan struct{} { return t.env.done }

// Close ends the template, and with it all its clones.
func (t *Template) Close() error { return t.env.Close() }

// cloneable tells why an initialised function cannot be cloned: what it holds
// would be in each clone, or in none.
func (e *env) cloneable() error {
	folder := fmt.Sprintf("/proc/%d", e.pid)
	threads, err := os.ReadDir(folder + "/task")
	if err != nil {
		return err
	}
	if len(threads) > 1 {
		return fmt.Errorf("%w: its initialisation left %d threads", ErrNoSnapshot, len(threads)-1)
	}
	children, err := os.ReadFile(fmt.Sprintf("%s/task/%d/children", folder, e.pid))
	if err != nil {
		return fmt.Errorf("%w: this kernel does not tell its child processes", ErrNoSnapshot)
	}
	if len(children) > 0 {
		return fmt.Errorf("%w: its initialisation left child processes", ErrNoSnapshot)
	}
	fds, err := os.ReadDir(folder + "/fd")
	if err != nil {
		return err
	}
	sockets := 0
	for _, fd := range fds {
		target, err := os.Readlink(filepath.Join(folder, "fd", fd.Name()))
		if err != nil {
			return err
		}
		if strings.HasPrefix(target, "socket:") {
			sockets++
		}
		if strings.HasPrefix(target, "anon_inode:") {
			return fmt.Errorf("%w: its initialisation left an open %s", ErrNoSnapshot, strings.TrimPrefix(target, "anon_inode:"))
		}
	}
	if sockets > 1 { // one is ours
		return fmt.Errorf("%w: its initialisation left %d open sockets", ErrNoSnapshot, sockets-1)
	}
	return nil
}

// MemoryBytes is the most memory that the template held; its clones share it.
func (t *Template) MemoryBytes() int64 { return t.env.peakBytes() }

// Clone is a process made from a template, in a sandbox of its own, that waits
// to go on as an environment.
type Clone struct {
	env      *env
	template *Template
}

// Fork makes a clone. After an error the template is not to be used again.
func (t *Template) Fork() (_ *Clone, err error) {
	h := t.env.host
	e, err := h.newEnv(t.env.zygote)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	if e.group, err = h.group(e.uid); err != nil {
		return nil, fmt.Errorf("make the cgroup: %w", err)
	}
	e.idle = h.newIdleness(e.group)
	if err := t.fork(e); err != nil {
		return nil, fmt.Errorf("clone: %w", err)
	}
	go e.log.Run() // ends when every process of the environment has closed the pipe
	if err := e.settle(t); err != nil {
		return nil, fmt.Errorf("isolate a clone: %w", err)
	}
	h.waiting.Store(e, nil)
	return &Clone{e, t}, nil
}

// Done is closed when the clone has ended.
func (c *Clone) Done() <-chan struct{} { return c.env.done }

// Close ends a clone that was not bound.
func (c *Clone) Close() error {
	c.env.host.waiting.Delete(c.env)
	return c.env.Close()
}

// Bind makes the clone an environment. Of spec it takes what an environment has
// of its own: Environ, Log and InitTimeout, the time for the function's hooks.
// Init is how its restoration went. After any other error than a timeout or an
// exit of the clone the template is not to be used again.
func (c *Clone) Bind(spec *Spec) (Environment, Init, error) {
	c.env.host.waiting.Delete(c.env)
	own := *c.template.spec
	own.Environ, own.Log, own.InitTimeout = spec.Environ, spec.Log, spec.InitTimeout
	c.env.log.Deliver(own.Log)
	init, err := c.env.initialise(&own, time.Now())
	if err != nil {
		return nil, init, errors.Join(err, c.env.Close())
	}
	return c.env, init, nil
}

// fork has the template make a process, and waits until it speaks.
func (t *Template) fork(e *env) error {
	data, err := e.openData()
	if err != nil {
		return err
	}
	defer unix.Close(data)
	logs, pipe, err := logpipe.New()
	if err != nil {
		return err
	}
	defer unix.Close(pipe)
	e.log = logs
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.env.idle.begin(); err != nil { // between clones it is frozen
		return err
	}
	defer t.env.idle.end()
	if err := t.env.conn.SetDeadline(time.Now().Add(parkTimeout)); err != nil {
		return err
	}
	var header [frame.HeaderBytes]byte
	frame.PutHeader(header[:], frame.Clone, 0, 0)
	if _, _, err := t.env.conn.WriteMsgUnix(header[:], unix.UnixRights(data, pipe), nil); err != nil {
		return t.env.broken(err)
	}
	reply, err := frame.Read(t.env.reader)
	if err != nil {
		return t.env.broken(err)
	}
	if number, err := strconv.Atoi(string(reply.Meta)); err != nil || reply.Kind != frame.Cloned || number != 0 {
		return fmt.Errorf("the template could not: %q (%w)", reply.Meta, syscall.Errno(-number))
	}
	if err := e.greet(); err != nil {
		return err
	}
	go e.watch() // ends with the clone
	e.forget = func() {}
	if err := e.isChildOf(t.env); err != nil {
		return err
	}
	return e.group.Attach(e.pid) // before its template's own group is frozen again
}

// isChildOf checks that the process is what a template makes: its child, in
// namespaces that are all its own.
func (e *env) isChildOf(template *env) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.pid))
	if err != nil {
		return err
	}
	if !strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", template.pid)) {
		return fmt.Errorf("%w: another process spoke for the clone", frame.ErrProtocol)
	}
	for _, kind := range []string{"user", "mnt", "pid", "net", "ipc", "uts"} {
		own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", e.pid, kind))
		if err != nil {
			return err
		}
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", template.pid, kind))
		if err != nil {
			return err
		}
		if own == theirs {
			return fmt.Errorf("%w: the clone shares the %s namespace", frame.ErrProtocol, kind)
		}
	}
	return nil
}

// settle puts everything of the clone's own in place and checks it.
func (e *env) settle(t *Template) error {
	if !e.host.config.off.memory {
		if err := e.group.LimitMemory(t.spec.MemoryMB); err != nil {
			return err
		}
	}
	for _, name := range []string{"gid_map", "uid_map"} {
		// It is root of its user namespace, with the template's id outside, until it takes its own.
		ids := fmt.Sprintf("0 %d 1\n%d %d 1\n", t.env.uid, e.uid, e.uid)
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", e.pid, name), []byte(ids), 0); err != nil {
			return err
		}
	}
	var err error
	if e.network, err = e.host.networks.Adopt(e.pidfd, variable(t.spec.Environ, netns.Variable)); err != nil {
		return err
	}
	if err := e.mountClone(t.spec.EphemeralMB); err != nil {
		return err
	}
	if err := e.conn.SetDeadline(time.Now().Add(parkTimeout)); err != nil {
		return err
	}
	reply, err := e.exchange(frame.Identity, []byte(strconv.Itoa(e.uid)), nil)
	if err != nil {
		return e.broken(err)
	}
	if reply.Kind != frame.Parked {
		return fmt.Errorf("%w: frame type %d instead of a clone that waits", frame.ErrProtocol, reply.Kind)
	}
	return e.checkStatus()
}

// mountClone gives the clone a /proc of its own processes, and a /tmp of its own
// with what the initialisation left there.
func (e *env) mountClone(ephemeralMB int) error {
	namespace, err := unix.Open(fmt.Sprintf("/proc/%d/ns/pid", e.pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(namespace)
	proc, err := procs.Mount(namespace)
	if err != nil {
		return fmt.Errorf("%w: this kernel (before Linux 6.17) mounts no /proc for it: %w", ErrNoSnapshot, err)
	}
	defer unix.Close(proc)
	return e.host.attacher.inside(e.pidfd, func() error {
		if err := unix.MoveMount(proc, "", unix.AT_FDCWD, "/proc", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("mount /proc: %w", err)
		}
		old, err := os.OpenRoot("/tmp")
		if err != nil {
			return err
		}
		defer old.Close()
		if err := unix.Mount("tmp", "/tmp", "tmpfs", inside.SafeMount, tmpOptions(ephemeralMB)); err != nil {
			return fmt.Errorf("mount /tmp: %w", err)
		}
		into, err := os.OpenRoot("/tmp")
		if err != nil {
			return err
		}
		defer into.Close()
		return scratch.Copy(into, old, e.uid)
	})
}

// watch waits for the end of a clone, which is nobody's child here.
func (e *env) watch() {
	poll := []unix.PollFd{{Fd: int32(e.pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, -1); err == nil || !errors.Is(err, unix.EINTR) {
			break
		}
	}
	e.exit(procs.ExitStatus(e.pidfd))
}
