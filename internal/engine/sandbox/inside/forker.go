package inside

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/confine"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
)

// environmentName is argv[0] of a process that is to become an environment of a
// custom runtime.
const environmentName = "lambkin-environment"

// maxDescriptors is the most that come with a fork request.
const maxDescriptors = 8

// bootstraps are where a custom runtime may be, in order.
var bootstraps = []string{"/var/task/bootstrap", "/opt/bootstrap"}

// forker is the zygote of runtimes that are executed: it serves the requests that
// zygote.py serves for Python, by starting this binary again in new namespaces.
type forker struct {
	control int
	config  Zygote
	sending sync.Mutex
}

// run serves requests until the supervisor closes the control socket. Then this
// process, the init of its PID namespace, ends, and all environments with it.
func (f *forker) run() error {
	if err := f.send(Ready, 0, 0); err != nil {
		return err
	}
	message := make([]byte, requestBytes)
	control := make([]byte, unix.CmsgSpace(maxDescriptors*4))
	for {
		n, controlled, _, _, err := unix.Recvmsg(f.control, message, control, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		fds, err := received(control[:controlled])
		if err != nil {
			return err
		}
		var request ForkRequest
		if err := json.Unmarshal(message[:n], &request); err != nil {
			return err
		}
		if err := f.fork(request, fds); err != nil {
			fmt.Fprintln(os.Stderr, "lambkin: start an environment:", err)
			var number syscall.Errno
			if !errors.As(err, &number) {
				number = unix.EINVAL
			}
			if err := f.send(Failed, request.ID, uint32(number)); err != nil {
				return err
			}
		}
	}
}

func received(control []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, message := range messages {
		fds, err := unix.ParseUnixRights(&message)
		if err != nil {
			return nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

func (f *forker) send(kind byte, id, value uint32) error {
	f.sending.Lock()
	defer f.sending.Unlock()
	return Message{kind, id, value}.send(f.control)
}

func (f *forker) fork(request ForkRequest, files []*os.File) error {
	defer func() {
		for _, file := range files {
			file.Close()
		}
	}()
	argument, err := json.Marshal(environmentConfig{ForkRequest: request, Filter: f.config.Filter, Off: f.config.Off})
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{environmentName, string(argument)}
	cmd.Env = append(slices.Clone(Environ), "GOMAXPROCS=1") // of this step only: the function gets its own
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS, Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { // ends with the environment
		cmd.Wait()
		f.send(Exited, request.ID, uint32(cmd.ProcessState.Sys().(syscall.WaitStatus)))
	}()
	return nil
}

// environmentConfig is argv[1] of an environment's process.
type environmentConfig struct {
	ForkRequest
	Filter []byte
	Off    []string
}

// becomeEnvironment sandboxes this process, parks, and executes the function's
// bootstrap when it is bound.
func becomeEnvironment(configuration string) error {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		return errors.New("not on the first thread, which the supervisor examines")
	}
	var config environmentConfig
	if err := json.Unmarshal([]byte(configuration), &config); err != nil {
		return err
	}
	err := confine.Enter(confine.Config{UID: config.UID, TmpBytes: config.TmpBytes, TmpInodes: config.TmpInodes, Network: confine.NetworkFD,
		Filter: config.Filter, Off: config.Off})
	if err != nil {
		return err
	}
	var header [frame.HeaderBytes]byte
	frame.PutHeader(header[:], frame.Parked, 0, 0)
	if err := writeAll(header[:]); err != nil {
		return err
	}
	bind, err := frame.Read(dataReader{})
	if err != nil {
		return nil // the supervisor closed the environment
	}
	var b Binding
	if err := json.Unmarshal(bind.Meta, &b); err != nil {
		return err
	}
	if len(b.Extensions) > 0 {
		return executeKeeper()
	}
	message := b.execute()
	if err := writeFrame(frame.InitError, InvalidEntrypoint, EntrypointError(message)); err != nil {
		return err
	}
	_, err = frame.Read(dataReader{}) // ends when the supervisor closes
	return err
}

// InvalidEntrypoint is AWS's error type of a bootstrap that cannot be executed.
const InvalidEntrypoint = "Runtime.InvalidEntrypoint"

// EntrypointError is the error body of a runtime that cannot be executed.
func EntrypointError(message string) []byte {
	body, err := json.Marshal(map[string]string{"errorType": InvalidEntrypoint, "errorMessage": message})
	if err != nil {
		panic(err) // strings always marshal
	}
	return body
}

// execute becomes the runtime. It returns only to say, in AWS's words, why it
// could not.
func (b *Binding) execute() string {
	if err := unix.Chdir("/var/task"); err != nil {
		return err.Error()
	}
	program := b.program()
	switch {
	case program.problem != "":
		return program.problem
	case program.status != 0:
		os.Exit(program.status)
	}
	return fmt.Sprintf("fork/exec %s: %v", program.path, unix.Exec(program.path, program.arguments, b.Environ))
}

func writeAll(data []byte) error {
	for len(data) > 0 {
		n, err := retry(func() (int, error) { return unix.Write(confine.DataFD, data) })
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// dataReader reads the data socket without Go's poller, on this thread.
type dataReader struct{}

// Read reads what has come, at least one byte.
func (dataReader) Read(into []byte) (int, error) {
	n, err := retry(func() (int, error) { return unix.Read(confine.DataFD, into) })
	if err == nil && n == 0 && len(into) > 0 {
		return 0, errors.New("the data socket is closed")
	}
	return n, err
}
