package sandbox

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// PlatformAddress is the link-local address, inside each environment's network
// namespace, behind which the platform answers.
const PlatformAddress = "169.254.100.1"

// PlatformPort is the port of the AWS APIs on PlatformAddress.
const PlatformPort = 4566

// idleNetworks is how many unused namespaces are kept for reuse: making one is
// the only expensive step of an environment.
const idleNetworks = 64

// networks makes network namespaces that hold nothing but a loopback device and
// a listener of the supervisor's. A connection to it never leaves the machine's
// memory; there is no route to anywhere else.
type networks struct {
	endpoint *connListener
	idle     chan *network
}

// network is one namespace; the descriptor keeps it alive.
type network struct {
	namespace int
	listener  net.Listener // nil when the escape suite shares the host's network
}

func newNetworks() *networks {
	return &networks{endpoint: newConnListener(), idle: make(chan *network, idleNetworks)}
}

// get takes an idle namespace or makes one.
func (n *networks) get() (*network, error) {
	select {
	case w := <-n.idle:
		return w, nil
	default:
		return n.make()
	}
}

// put gives a namespace back; every process in it must be dead, so no socket of
// the former tenant is left.
func (n *networks) put(w *network) {
	select {
	case n.idle <- w:
	default:
		w.close()
	}
}

// make builds a namespace on a thread that enters it and comes back.
func (n *networks) make() (*network, error) {
	runtime.LockOSThread()
	home, err := openNamespace()
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer unix.Close(home)
	w, err := enterNewNamespace()
	if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
		// The thread stays locked, so Go ends it with the goroutine instead of
		// running other work inside the namespace.
		return nil, fmt.Errorf("leave the network namespace: %w", back)
	}
	runtime.UnlockOSThread()
	if err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	go n.accept(w.listener) // ends when the listener is closed
	return w, nil
}

// openNamespace opens the network namespace of the calling thread.
func openNamespace() (int, error) {
	return unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

func enterNewNamespace() (*network, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	if err := raiseLoopback(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", PlatformAddress, PlatformPort))
	if err != nil {
		return nil, err
	}
	namespace, err := openNamespace()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &network{namespace: namespace, listener: listener}, nil
}

// raiseLoopback brings lo up and gives it the platform's address as an alias.
func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	up, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	up.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, up); err != nil {
		return fmt.Errorf("raise lo: %w", err)
	}
	alias, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	if err := alias.SetInet4Addr(net.ParseIP(PlatformAddress).To4()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFADDR, alias); err != nil {
		return fmt.Errorf("add %s to lo: %w", PlatformAddress, err)
	}
	return nil
}

func (n *networks) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if !n.endpoint.offer(conn) {
			conn.Close()
		}
	}
}

func (n *networks) close() error {
	n.endpoint.Close()
	for {
		select {
		case w := <-n.idle:
			w.close()
		default:
			return nil
		}
	}
}

func (w *network) close() {
	if w.listener != nil {
		w.listener.Close()
	}
	unix.Close(w.namespace)
}

// connListener is a net.Listener fed from many namespaces.
type connListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newConnListener() *connListener {
	return &connListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *connListener) offer(conn net.Conn) bool {
	select {
	case l.conns <- conn:
		return true
	case <-l.closed:
		return false
	}
}

// Accept waits for the next connection of any environment.
func (l *connListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept; connections already accepted go on.
func (l *connListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the address that environments dial.
func (l *connListener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(PlatformAddress), Port: PlatformPort}
}

// hostNetwork is the host's own namespace, for the escape suite only.
func hostNetwork() (*network, error) {
	namespace, err := openNamespace()
	return &network{namespace: namespace}, err
}
