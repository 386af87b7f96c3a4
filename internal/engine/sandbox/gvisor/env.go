package gvisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/cgroup"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/logpipe"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/netns"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/runtimeapi"
)

// Bounds.
const (
	exitTimeout       = 10 * time.Second // for the kernel to end a killed environment
	hangUpGrace       = 5 * time.Second  // that the end of all may take to follow the end of a connection: gVisor's kernel shuts down in between
	probeTimeout      = 30 * time.Second // for the container of Host.Probe
	maxAPIConnections = 64               // to the Runtime API
	maxFaultBytes     = 4 << 10          // of the text why a process could not be prepared
)

// probeStatus is what the program of Host.Probe exits with.
const probeStatus = 42

// env is one environment: a runsc with all that it started.
type env struct {
	host    *Host
	spec    *sandbox.Spec
	uid     int
	group   *cgroup.Group
	network *netns.Network
	log     *logpipe.Pipe
	api     *runtimeapi.API
	server  *http.Server
	cmd     *exec.Cmd // nil before it was started
	told    lastLine

	done   chan struct{} // closed when all processes are gone
	status syscall.WaitStatus

	closing  sync.Once
	closeErr error
}

var _ sandbox.Environment = (*env)(nil)
var _ sandbox.Weighable = (*env)(nil)

// start runs the initialisation.
func (e *env) start(ctx context.Context, p *plan) (sandbox.Init, error) {
	begin := time.Now()
	if p.problem.kind != "" {
		return p.problem.init(begin), nil
	}
	ctx, cancel := context.WithDeadline(ctx, begin.Add(e.spec.InitTimeout))
	defer cancel()
	if err := e.prepare(); err != nil {
		return sandbox.Init{}, err
	}
	if err := e.launch(p); err != nil {
		return sandbox.Init{}, err
	}
	select {
	case <-e.api.InitDone():
	case <-e.done:
	case <-ctx.Done():
	}
	init := sandbox.Init{Duration: time.Since(begin)}
	if fault := e.api.InitFault(); fault != nil { // also if it has exited since
		e.log.Drain()
		init.ErrorType, init.ErrorBody, init.MaxMemoryBytes = fault.ErrorType, fault.Payload, e.peakBytes()
		return init, nil
	}
	select {
	case <-e.api.InitDone():
	default:
		err := e.failed(ctx)
		return e.notStarted(begin, init, err)
	}
	if err := e.checkRights(); err != nil {
		e.kill()
		return init, fmt.Errorf("an environment under runsc is not confined: %w", err)
	}
	e.log.Drain()
	// After the initialisation, as AWS does.
	return init, e.group.LimitCPU(e.spec.MemoryMB)
}

// notStarted tells a program that runsc could not execute from one that ended, and
// from runsc's own trouble.
func (e *env) notStarted(begin time.Time, init sandbox.Init, err error) (sandbox.Init, error) {
	exit := (*sandbox.ExitError)(nil)
	if !errors.As(err, &exit) || exit.Status != runscFailed {
		return init, err
	}
	problem := e.told.failure()
	switch {
	case problem.program != "":
		return fault{invalidEntrypoint, "fork/exec " + problem.program + ": " + problem.reason}.init(begin), nil
	case problem.reason != "":
		return init, fmt.Errorf("runsc does not start a container: %s", problem.reason)
	default:
		return init, err
	}
}

// init is the initialisation that the fault ended.
func (f fault) init(begin time.Time) sandbox.Init {
	body, err := json.Marshal(map[string]string{"errorType": f.kind, "errorMessage": f.message})
	if err != nil {
		panic(err) // strings always marshal
	}
	return sandbox.Init{Duration: time.Since(begin), ErrorType: f.kind, ErrorBody: body}
}

// prepare makes what the environment has around its processes.
func (e *env) prepare() (err error) {
	if e.network, err = e.host.networks.Get(); err != nil {
		return err
	}
	if err := e.network.Narrow(variable(e.spec.Environ, netns.Variable)); err != nil {
		return err
	}
	if e.group, err = e.host.cgroups.Add("env-"+strconv.Itoa(e.uid), maxProcesses); err != nil {
		return fmt.Errorf("make the cgroup: %w", err)
	}
	if err := e.group.LimitMemory(e.spec.MemoryMB + RoomMB); err != nil {
		return fmt.Errorf("limit the memory: %w", err)
	}
	e.api = runtimeapi.New()
	listener, err := e.network.Listen(netns.RuntimeAPIPort)
	if err != nil {
		return fmt.Errorf("serve the Runtime API: %w", err)
	}
	e.server = e.host.heads.Serve(e.api, netns.LimitListener(listener, maxAPIConnections))
	return nil
}

func variable(environ []string, name string) string {
	for _, pair := range environ {
		if value, found := strings.CutPrefix(pair, name+"="); found {
			return value
		}
	}
	return ""
}

// launch starts runsc: a process that has no right on the host from its first
// instruction on, that waits until it is in its cgroup, and builds its own root.
func (e *env) launch(p *plan) (err error) {
	logs, output, err := logpipe.New()
	if err != nil {
		return err
	}
	e.log = logs
	e.log.Deliver(func(record sandbox.LogRecord) {
		e.told.note(record.Data)
		if e.spec.Log != nil {
			e.spec.Log(record)
		}
	})
	var theirs []*os.File // closed here once the process has them
	defer func() {
		for _, file := range theirs {
			file.Close()
		}
	}()
	stdout := os.NewFile(uintptr(output), "output")
	theirs = append(theirs, stdout)
	orders, sendOrder, err := os.Pipe()
	if err != nil {
		return err
	}
	defer sendOrder.Close()
	theirs = append(theirs, orders)
	faults, fault, err := os.Pipe()
	if err != nil {
		return err
	}
	defer faults.Close()
	theirs = append(theirs, fault)
	o := order{Arguments: e.host.config.Runsc.arguments("env-" + strconv.Itoa(e.uid))}
	passed := []*os.File{orders, fault}
	for _, shown := range p.shows {
		file, err := openTree(shown.path)
		if err != nil {
			return err
		}
		theirs, passed = append(theirs, file), append(passed, file)
		o.Trees = append(o.Trees, shown.target)
	}
	if o.Bundle, err = bundleOf(e.spec, p); err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env = []string{containerName}, []string{"GOMAXPROCS=1"}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = stdout, stdout, passed
	cmd.SysProcAttr = e.rights()
	if err := e.host.launcher.start(cmd, e.network.Namespace()); err != nil {
		return fmt.Errorf("start runsc: %w", err)
	}
	e.cmd = cmd
	go e.wait()    // ends with the process
	go e.log.Run() // ends when every process of the environment has closed the pipe
	return e.instruct(&o, sendOrder, fault, faults)
}

// instruct lets the process go on, in its cgroup, and waits until it is runsc.
func (e *env) instruct(o *order, sendOrder, fault, faults *os.File) error {
	if err := errors.Join(e.checkUser(e.cmd.Process.Pid), e.group.Attach(e.cmd.Process.Pid)); err != nil {
		return err
	}
	if err := json.NewEncoder(sendOrder).Encode(o); err != nil {
		return err
	}
	if err := errors.Join(sendOrder.Close(), fault.Close(), faults.SetReadDeadline(time.Now().Add(exitTimeout))); err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(faults, maxFaultBytes))
	if err == nil && len(text) > 0 {
		err = errors.New(string(text))
	}
	if err != nil {
		return fmt.Errorf("prepare an environment for runsc: %w", err)
	}
	return nil
}

// rights are those of all processes of the environment: none on the host. Root of
// a user namespace, runsc may mount and make namespaces within it.
func (e *env) rights() *syscall.SysProcAttr {
	own := []syscall.SysProcIDMap{{ContainerID: 0, HostID: e.uid, Size: 1}}
	return &syscall.SysProcAttr{
		Cloneflags:                 unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		UidMappings:                own,
		GidMappings:                own,
		GidMappingsEnableSetgroups: true, // to give up the groups of the supervisor
		Credential:                 &syscall.Credential{Uid: 0, Gid: 0},
		Setsid:                     true,
		Pdeathsig:                  unix.SIGKILL, // with the supervisor; the others of its PID namespace go with it
	}
}

// wait takes the end of runsc, and with it of the PID namespace.
func (e *env) wait() {
	e.cmd.Wait()
	e.status = e.cmd.ProcessState.Sys().(syscall.WaitStatus)
	close(e.done)
}

// Invoke runs one event; see sandbox.Environment.
func (e *env) Invoke(ctx context.Context, event *sandbox.Event) (*sandbox.Result, error) {
	if e.cmd == nil || e.ended() {
		return nil, e.failed(ctx)
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(waiting, e.kill) // also while its response waits for a slow reader
	watched := make(chan struct{})
	defer close(watched)
	go func() { // ends with this call
		select {
		case <-e.done:
			cancel()
		case <-watched:
		}
	}()
	answer, err := e.api.Invoke(waiting, &runtimeapi.Event{RequestID: event.RequestID, Deadline: event.Deadline, InvokedARN: event.InvokedARN, TraceID: event.TraceID,
		ClientContext: event.ClientContext, Identity: event.Identity, ContentType: event.ContentType, TenantID: event.TenantID, Payload: event.Payload, Stream: event.Stream})
	if !stop() || err != nil {
		return nil, e.failed(ctx)
	}
	if answer.Truncated && e.endsSoon() {
		return nil, e.failed(ctx)
	}
	e.log.Drain()
	result := &sandbox.Result{Payload: answer.Payload, ContentType: answer.ContentType, ErrorType: answer.ErrorType, MaxMemoryBytes: e.peakBytes()}
	if answer.TooLarge {
		result.ErrorType = sandbox.ResponseTooLarge
	}
	if result.ContentType == "" {
		result.ContentType = "application/json"
	}
	return result, nil
}

// endsSoon tells whether a runtime that hung up in the middle of its response did
// so because it ended.
func (e *env) endsSoon() bool {
	grace := time.NewTimer(hangUpGrace)
	defer grace.Stop()
	select {
	case <-e.done:
		return true
	case <-grace.C:
		return false
	}
}

// failed ends an environment that gave no answer, and says why in the words of the
// contract.
func (e *env) failed(ctx context.Context) error {
	exited := e.ended()
	e.end()
	if e.log != nil {
		e.log.Drain()
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded): // first: it may have been killed for that
		return &sandbox.TimeoutError{MaxMemoryBytes: e.peakBytes()}
	case exited:
		return e.exitError()
	default:
		return ctx.Err()
	}
}

// exitError words the end of the runtime, which is runsc's own exit status.
//
// A function that exits with the status by which a shell tells of a signal is
// taken to have died of the signal: runsc tells no difference.
func (e *env) exitError() error {
	exit := &sandbox.ExitError{Status: e.status.ExitStatus(), MaxMemoryBytes: e.peakBytes()}
	const bySignal, lastSignal = 128, 64
	switch {
	case e.status.Signaled():
		exit.Status, exit.Signal = 0, int(e.status.Signal())
	case exit.Status > bySignal && exit.Status <= bySignal+lastSignal:
		exit.Status, exit.Signal = 0, exit.Status-bySignal
	}
	if e.group != nil && e.group.OutOfMemory() {
		exit.Status, exit.Signal, exit.OutOfMemory = 0, int(unix.SIGKILL), true // whichever of the processes the kernel chose
	}
	return exit
}

// peakBytes is the most memory that the function held, within its MemorySize:
// what the group held beyond gVisor's part.
func (e *env) peakBytes() int64 {
	if e.group == nil {
		return 0
	}
	return max(0, min(e.group.PeakBytes()-StartMB<<20, int64(e.spec.MemoryMB)<<20))
}

// MemoryBytes is what the environment holds, gVisor's part included; see
// sandbox.Weighable.
func (e *env) MemoryBytes() (int64, bool) {
	if e.group == nil {
		return 0, false // it was never started
	}
	return e.group.UsageBytes()
}

// Done is closed when the environment's processes have ended.
func (e *env) Done() <-chan struct{} { return e.done }

func (e *env) ended() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// kill ends all processes: the first of a PID namespace takes the others along.
func (e *env) kill() {
	if e.cmd != nil {
		e.cmd.Process.Kill() // an error means that it has ended
		e.group.FreeCPU()
	}
}

// end kills and waits.
func (e *env) end() {
	if e.cmd == nil {
		return
	}
	e.kill()
	limit := time.NewTimer(exitTimeout)
	defer limit.Stop()
	select {
	case <-e.done:
	case <-limit.C:
		e.host.logger.Error("an environment does not die", "pid", e.cmd.Process.Pid)
	}
}

// Close ends the environment and frees everything it held; see sandbox.Environment.
func (e *env) Close() error {
	e.closing.Do(func() { e.closeErr = e.release() })
	return e.closeErr
}

func (e *env) release() error {
	e.end()
	var all error
	if e.server != nil {
		all = e.server.Close()
	}
	if e.log != nil {
		all = errors.Join(all, e.log.Close())
	}
	if e.group != nil {
		all = errors.Join(all, e.group.Remove())
	}
	if e.network != nil {
		e.network.Release()
	}
	e.host.forget(e)
	return all
}
