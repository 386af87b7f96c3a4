package inside

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/confine"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
)

// keeperName is argv[0] of the first process of an environment with extensions.
const keeperName = "lambkin-keeper"

// keeperFDs are what a keeper has open besides its standard streams.
var keeperFDs = []int{confine.DataFD, confine.LogFD, confine.ExtensionLogFD}

// RuntimeProcess names the runtime among the processes of a keeper. No extension
// can have the name: theirs are file names.
const RuntimeProcess = "/runtime"

// extensionFolder is where external extensions are in an environment.
const extensionFolder = "/opt/extensions"

// Binding is what an executed environment is to become.
type Binding struct {
	Environ    []string `json:"environ"`
	Program    []string `json:"program,omitempty"`    // of a Python runtime; else a bootstrap is looked for
	Wrapper    string   `json:"wrapper,omitempty"`    // AWS_LAMBDA_EXEC_WRAPPER of a Python runtime
	Extensions []string `json:"extensions,omitempty"` // names of external extensions
	Outside    []string `json:"outside,omitempty"`    // their environment
}

// keeper is the first process of an environment with extensions: it starts the
// processes that the supervisor names, and tells when they end. It has no more
// rights than they, so the supervisor trusts it no more.
type keeper struct {
	binding Binding

	mu      sync.Mutex
	names   map[int]string // by process id
	pids    map[string]int
	started *sync.Cond
}

// executeKeeper makes this process, which is confined, a keeper. It executes
// itself for that: other threads of this process still have the rights that the
// confined one gave up. It returns only to say why it could not.
func executeKeeper() error {
	for _, fd := range keeperFDs {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return err
		}
	}
	return fmt.Errorf("execute the keeper: %w", unix.Exec("/proc/self/exe", []string{keeperName, "-"}, append(slices.Clone(Environ), "GOMAXPROCS=1")))
}

// becomeKeeper serves the supervisor until it closes the data socket.
func becomeKeeper() error {
	// Its memory is not the function's to read or write, though the user is the same.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	// A process of the function may ask it to end, but the supervisor decides.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	for _, fd := range keeperFDs {
		unix.CloseOnExec(fd)
	}
	k := &keeper{names: map[int]string{}, pids: map[string]int{}}
	k.started = sync.NewCond(&k.mu)
	go k.reap() // ends with the process
	for {
		order, err := frame.Read(dataReader{})
		if err != nil {
			return nil // the supervisor closed the environment
		}
		switch order.Kind {
		case frame.Keep:
			if err := json.Unmarshal(order.Meta, &k.binding); err != nil {
				return err
			}
			err = k.startExtensions()
		case frame.Run:
			err = k.startRuntime()
		case frame.Signal:
			k.kill(string(order.Meta), syscall.Signal(binary.BigEndian.Uint32(order.Payload)))
		default:
			err = fmt.Errorf("%w: frame type %d", frame.ErrProtocol, order.Kind)
		}
		if err != nil {
			return err
		}
	}
}

// startExtensions stops at the first that does not start, as AWS does.
func (k *keeper) startExtensions() error {
	for _, name := range k.binding.Extensions {
		path := filepath.Join(extensionFolder, name)
		if err := k.start(name, path, []string{path}, k.binding.Outside, "/", confine.ExtensionLogFD); err != nil {
			return writeFrame(frame.NotStarted, name, []byte(err.Error()))
		}
	}
	return nil
}

func (k *keeper) startRuntime() error {
	program := k.binding.program()
	switch {
	case program.problem != "":
		return writeFrame(frame.NotStarted, RuntimeProcess, []byte(program.problem))
	case program.status != 0:
		return k.exited(RuntimeProcess, uint32(program.status)<<8)
	}
	if err := k.start(RuntimeProcess, program.path, program.arguments, k.binding.Environ, "/var/task", confine.LogFD); err != nil {
		return writeFrame(frame.NotStarted, RuntimeProcess, []byte(err.Error()))
	}
	return nil
}

// start runs a program in a session of its own, with its output going to a log.
func (k *keeper) start(name, path string, arguments, environ []string, folder string, log int) error {
	k.mu.Lock()
	defer k.mu.Unlock() // so that the end of the process finds its name
	pid, err := syscall.ForkExec(path, arguments, &syscall.ProcAttr{
		Dir: folder, Env: environ, Files: []uintptr{0, uintptr(log), uintptr(log)}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("fork/exec %s: %w", path, err)
	}
	k.names[pid], k.pids[name] = name, pid
	k.started.Signal()
	return nil
}

// reap takes the exit status of every process of the environment: orphans too
// are the first process's children.
func (k *keeper) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		k.mu.Lock()
		if err == syscall.ECHILD {
			for len(k.names) == 0 {
				k.started.Wait()
			}
		}
		name, known := k.names[pid]
		delete(k.names, pid)
		delete(k.pids, name)
		k.mu.Unlock()
		if known && err == nil {
			if k.exited(name, uint32(status)) != nil {
				return // the supervisor closed the environment
			}
		}
	}
}

func (k *keeper) exited(name string, status uint32) error {
	return writeFrame(frame.Exited, name, binary.BigEndian.AppendUint32(nil, status))
}

// kill signals a process and those that stayed in its group.
func (k *keeper) kill(name string, number syscall.Signal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pid, ok := k.pids[name]; ok {
		syscall.Kill(-pid, number) // ESRCH: it is ending
	}
}

// writing keeps the frames of a keeper's two threads apart.
var writing sync.Mutex

func writeFrame(kind byte, meta string, payload []byte) error {
	writing.Lock()
	defer writing.Unlock()
	return writeAll(frame.Append(nil, kind, meta, payload))
}

// program is what the runtime process executes.
type program struct {
	path      string
	arguments []string
	problem   string // why there is none
	status    int    // not 0: what the runtime's own start script would exit with
}

// program finds it, in the order and with the texts of AWS.
func (b *Binding) program() program {
	if b.Program == nil {
		for _, path := range bootstraps {
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				return program{path: path, arguments: []string{path}}
			}
		}
		return program{problem: fmt.Sprintf("Couldn't find valid bootstrap(s): %v", bootstraps)}
	}
	if b.Wrapper == "" {
		return program{path: b.Program[0], arguments: b.Program}
	}
	// AWS: /var/runtime/bootstrap of the Python images, which executes
	// "$AWS_LAMBDA_EXEC_WRAPPER" with the interpreter and its argument.
	info, err := os.Stat(b.Wrapper)
	if err != nil || !info.Mode().IsRegular() {
		return refuseWrapper(b.Wrapper+": does not exist", 127)
	}
	if unix.Access(b.Wrapper, unix.X_OK) != nil {
		return refuseWrapper(b.Wrapper+": is not an executable", 126)
	}
	return program{path: b.Wrapper, arguments: append([]string{b.Wrapper}, b.Program...)}
}

func refuseWrapper(text string, status int) program {
	unix.Write(confine.LogFD, []byte(text+"\n"))
	return program{status: status}
}
