// Package netns makes the network namespaces of environments: nothing but a
// loopback device and listeners of the supervisor's, so that what a function
// may reach is decided by the supervisor, connection by connection.
//
// The platform is there at PlatformAddress, and under host names of its own (Names),
// which are answered here and never asked outside.
//
// It promises: no packet of a namespace reaches the host's network or another
// namespace. TCP to the outside is redirected to a listener that the supervisor
// opened inside and serves outside, where the Policy decides; DNS is relayed;
// nothing else leaves. Unused namespaces are kept and reused, only after every
// process of the former tenant is dead.
//
// Goroutines: one a listener, ends when it is closed; two a connection to the
// outside and one a connection with DNS questions, end with it; one a question by
// UDP, ends with its answer. Locks: Network.mu over its open connections and the
// tenant's policy, Policy.mu over learnt addresses; both leaves. Start reading at Pool.Get.
package netns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// PlatformAddress is the link-local address, inside each environment's network
// namespace, behind which the platform answers.
const PlatformAddress = "169.254.100.1"

// Ports on PlatformAddress.
const (
	PlatformPort   = 4566 // the AWS APIs
	SecurePort     = 443  // the same with TLS, for those who call the platform by its Names
	RuntimeAPIPort = 9001 // the Runtime API, of environments that use it
)

// Bounds.
const (
	idleNetworks   = 64  // unused namespaces kept: making one is the only expensive step of an environment
	maxConnections = 256 // open connections of one environment through the supervisor
)

// Names tells which host names are the platform's own, in lower case and without a
// final dot. It is asked by what hostile functions send, and must answer from memory.
type Names func(name string) bool

// Pool makes and reuses namespaces.
type Pool struct {
	logger   *slog.Logger
	policy   *Policy
	own      Names // nil: there are none, and no SecurePort
	endpoint *connListener
	secure   *connListener
	idle     chan *Network

	nameServers func() []string // address and port
	dial        func(network, address string) (net.Conn, error)
	hostIPv6    func() error // nil if the host has IPv6

	ipv6Err   atomic.Pointer[error] // why functions reach nothing by IPv6
	egressErr atomic.Pointer[error] // why functions reach the platform only, nil if they reach more
}

// Network is one namespace; the descriptor keeps it alive. It has one owner.
type Network struct {
	pool      *Pool
	namespace int
	once      bool           // never reused: it belongs to a user namespace of a clone
	outside   bool           // more than the platform may be reached, as far as the policies allow
	closers   []func() error // of the listeners; empty when the escape suite shares the host's network
	slots     chan struct{}  // one a connection through the supervisor

	mu     sync.Mutex
	narrow *Policy               // of the tenant's function, nil if it has none
	tenant int                   // counts the environments that had it
	conns  map[net.Conn]struct{} // to and from the outside
}

// NewPool makes an empty pool; own may be nil.
func NewPool(policy *Policy, own Names, logger *slog.Logger) *Pool {
	return &Pool{logger: logger, policy: policy, own: own, endpoint: newConnListener(PlatformPort), secure: newConnListener(SecurePort), idle: make(chan *Network, idleNetworks),
		nameServers: hostNameServers, hostIPv6: hostHasIPv6, dial: (&net.Dialer{Timeout: dialTimeout}).Dial}
}

// Endpoint is where connections of functions to the platform arrive.
func (p *Pool) Endpoint() net.Listener { return p.endpoint }

// Secure is where those arrive that speak TLS; none do without Names.
func (p *Pool) Secure() net.Listener { return p.secure }

// Get takes an idle namespace or makes one.
func (p *Pool) Get() (*Network, error) {
	select {
	case n := <-p.idle:
		return n, nil
	default:
		return p.make(nil, func() error { return unix.Unshare(unix.CLONE_NEWNET) })
	}
}

// Adopt equips the namespace that a process was made with. The process may run a
// function's code already, so the value is that of Network.Narrow.
func (p *Pool) Adopt(pidfd int, value string) (*Network, error) {
	narrow, err := FunctionPolicy(value)
	if err != nil {
		return nil, err
	}
	n, err := p.make(narrow, func() error { return unix.Setns(pidfd, unix.CLONE_NEWNET) })
	if err == nil {
		n.once = true
	}
	return n, err
}

// EgressError tells why functions reach the platform only; nil if they reach
// what the policy allows. It tries, with a namespace of its own.
func (p *Pool) EgressError() error {
	n, err := p.Get()
	if err != nil {
		return err
	}
	n.Release()
	if failed := p.egressErr.Load(); failed != nil {
		return *failed
	}
	return nil
}

// IPv6Error tells why functions reach nothing by IPv6, after EgressError.
func (p *Pool) IPv6Error() error {
	if failed := p.ipv6Err.Load(); failed != nil {
		return *failed
	}
	return nil
}

// Reach tells in words what functions reach where the host can redirect.
func (p *Pool) Reach() string {
	reach := "functions reach the platform and public addresses; the host, private and link-local addresses only if listed"
	switch p.policy.Mode {
	case Deny:
		return "functions reach the platform only, as configured"
	case Listed:
		reach = "functions reach the platform and what is listed"
	}
	if p.EgressError() == nil && p.IPv6Error() != nil {
		reach += fmt.Sprintf("; by IPv4 only: %v", p.IPv6Error())
	}
	return reach
}

// Release gives a namespace back; every process in it must be dead, so no
// socket of the former tenant is left.
func (n *Network) Release() {
	n.mu.Lock()
	n.tenant++
	narrowed := n.narrow != nil
	for conn := range n.conns {
		conn.Close()
	}
	n.mu.Unlock()
	// A connection of a narrowed tenant may still wait to be accepted: it must not
	// be judged by what the next tenant may do.
	if n.closers == nil || n.once || narrowed {
		n.close()
		return
	}
	select {
	case n.pool.idle <- n:
	default:
		n.close()
	}
}

// Namespace is the descriptor to enter it by.
func (n *Network) Namespace() int { return n.namespace }

// Listen opens a listener inside the namespace, on the platform's address.
func (n *Network) Listen(port int) (net.Listener, error) {
	var listener net.Listener
	err := inside(func() error { return unix.Setns(n.namespace, unix.CLONE_NEWNET) }, func() (err error) {
		listener, err = net.Listen("tcp4", net.JoinHostPort(PlatformAddress, strconv.Itoa(port)))
		return err
	})
	return listener, err
}

// Dial connects to a port of the namespace's own loopback address.
func (n *Network) Dial(ctx context.Context, port int) (net.Conn, error) {
	var conn net.Conn
	dialer := net.Dialer{Timeout: dialTimeout}
	err := inside(func() error { return unix.Setns(n.namespace, unix.CLONE_NEWNET) }, func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		return err
	})
	return conn, err
}

// inside runs work on a thread that enters a namespace and comes back.
func inside(enter, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- onThread(enter, work) }() // ends when the work is done
	return <-done
}

// onThread is inside on this goroutine. Where the thread cannot come back it
// stays locked: Go ends it with the goroutine instead of running other work
// inside the namespace. In a user namespace that is so by nature, as the host's
// network is not its own.
func onThread(enter, work func() error) error {
	runtime.LockOSThread()
	home, err := openNamespace()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer unix.Close(home)
	if err := enter(); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	err = work()
	switch back := unix.Setns(home, unix.CLONE_NEWNET); back {
	case nil:
		runtime.UnlockOSThread()
		return err
	case unix.EPERM:
		return err
	default:
		return errors.Join(err, fmt.Errorf("leave the network namespace: %w", back))
	}
}

// openNamespace opens the network namespace of the calling thread.
func openNamespace() (int, error) {
	return unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

func (p *Pool) make(narrow *Policy, enter func() error) (*Network, error) {
	n := &Network{pool: p, slots: make(chan struct{}, maxConnections), narrow: narrow, conns: map[net.Conn]struct{}{}, closers: []func() error{}}
	var platform *wayIn
	var out *wayOut
	ipv6 := p.hostIPv6() // asked here, not inside
	err := inside(enter, func() (err error) {
		if n.namespace, err = openNamespace(); err != nil {
			return err
		}
		if err := raiseLoopback(); err != nil {
			return err
		}
		if platform, err = p.openPlatform(); err == nil && p.policy.Mode != Deny {
			out = p.openOutside(ipv6)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	n.serve(platform.endpoint, func(conn net.Conn) { p.endpoint.take(conn) })
	if platform.secure != nil {
		n.serve(platform.secure, func(conn net.Conn) { p.secure.take(conn) })
	}
	if out != nil {
		n.outside = true
		n.serve(out.calls, n.toOutside)
		if out.calls6 != nil {
			n.serve(out.calls6, n.toOutside)
		}
	}
	if platform.names != nil {
		n.serve(platform.questions, n.toNames)
		n.closers = append(n.closers, platform.names.Close)
		go n.relayNames(platform.names) // ends when names is closed
	}
	return n, nil
}

// wayIn is where a namespace has the platform.
type wayIn struct {
	endpoint  net.Listener
	secure    net.Listener // with TLS; nil without Names
	questions net.Listener // for names, by TCP; nil where nothing has a name
	names     *net.UDPConn // for names, by UDP; as questions
}

// openPlatform opens the listeners of the platform.
func (p *Pool) openPlatform() (_ *wayIn, err error) {
	in := &wayIn{}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	listen := func(port int) (listener net.Listener) {
		if err == nil {
			listener, err = net.Listen("tcp4", net.JoinHostPort(PlatformAddress, strconv.Itoa(port)))
		}
		return listener
	}
	in.endpoint = listen(PlatformPort)
	if p.own != nil {
		in.secure = listen(SecurePort)
	}
	if p.own != nil || p.policy.Mode != Deny {
		in.questions = listen(namesPort)
		if err == nil {
			in.names, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(PlatformAddress), Port: namesPort})
		}
	}
	return in, err
}

// close closes what was opened.
func (w *wayIn) close() {
	for _, listener := range []net.Listener{w.endpoint, w.secure, w.questions} {
		if listener != nil {
			listener.Close()
		}
	}
}

// wayOut is what a namespace has that may reach the outside.
type wayOut struct {
	calls  net.Listener // to which TCP connections are redirected
	calls6 net.Listener // the same by IPv6, nil where there is none
}

// openOutside prepares the way out, or notes why there is none. A host without
// nftables still runs functions that reach the platform.
func (p *Pool) openOutside(ipv6 error) *wayOut {
	out := &wayOut{}
	err := func() (err error) {
		if out.calls, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			return err
		}
		if err = family4.routeEverythingHere(); err != nil {
			return fmt.Errorf("route to lo: %w", err)
		}
		listeners := map[*family]net.Listener{family4: out.calls}
		if failed := out.open6(ipv6); failed != nil {
			p.ipv6Err.CompareAndSwap(nil, &failed)
		} else {
			listeners[family6] = out.calls6
		}
		return redirect(listeners)
	}()
	if err == nil {
		return out
	}
	out.close()
	if p.egressErr.CompareAndSwap(nil, &err) {
		p.logger.Warn("functions reach the platform only: this host cannot redirect their connections", "err", err)
	}
	return nil
}

// open6 prepares the way out by IPv6. Where it fails, a function that tries has its
// answer at once: the network is unreachable. host is why the host itself has none.
func (w *wayOut) open6(host error) error {
	if host != nil {
		return host
	}
	if err := addSource6(); err != nil {
		return fmt.Errorf("add an IPv6 address to lo: %w", err)
	}
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return err
	}
	if err := family6.routeEverythingHere(); err != nil {
		return errors.Join(fmt.Errorf("route IPv6 to lo: %w", err), listener.Close())
	}
	w.calls6 = listener
	return nil
}

// close closes what was opened.
func (w *wayOut) close() {
	for _, listener := range []net.Listener{w.calls, w.calls6} {
		if listener != nil {
			listener.Close()
		}
	}
}

// serve accepts connections; each holds a slot until it is closed.
func (n *Network) serve(listener net.Listener, handle func(net.Conn)) {
	n.closers = append(n.closers, listener.Close)
	go func() { // ends when the listener is closed
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if limited := Limit(conn, n.slots); limited != nil {
				handle(limited)
			} else {
				conn.Close() // over the bound: refused, as by a full server
			}
		}
	}()
}

// Close closes the listeners of the platform and all unused namespaces.
func (p *Pool) Close() error {
	p.endpoint.Close()
	p.secure.Close()
	for {
		select {
		case n := <-p.idle:
			n.close()
		default:
			return nil
		}
	}
}

func (n *Network) close() {
	for _, closer := range n.closers {
		closer()
	}
	unix.Close(n.namespace)
}

// Host is the host's own namespace, for the escape suite only.
func Host() (*Network, error) {
	namespace, err := openNamespace()
	return &Network{namespace: namespace}, err
}

// Divert has dial make the connections to the outside and other servers answer
// for names, for the escape suite only: what is private elsewhere is absent here.
func (p *Pool) Divert(dial func(network, address string) (net.Conn, error), nameServer string) {
	p.dial, p.nameServers = dial, func() []string { return []string{nameServer} }
	p.hostIPv6 = func() error { return nil }
}

// Limit takes a slot for the connection, which its Close gives back; nil if there
// is none.
func Limit(conn net.Conn, slots chan struct{}) net.Conn {
	select {
	case slots <- struct{}{}:
		return &slotConn{Conn: conn, slots: slots}
	default:
		return nil
	}
}

// slotConn gives its slot back when it is closed.
type slotConn struct {
	net.Conn
	slots chan struct{}
	once  sync.Once
}

// Close closes the connection.
func (c *slotConn) Close() error {
	c.once.Do(func() { <-c.slots })
	return c.Conn.Close()
}

// connListener is a net.Listener fed from many namespaces.
type connListener struct {
	port   int
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newConnListener(port int) *connListener {
	return &connListener{port: port, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// take hands a connection to who accepts.
func (l *connListener) take(conn net.Conn) {
	select {
	case l.conns <- conn:
	case <-l.closed:
		conn.Close()
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
	return &net.TCPAddr{IP: net.ParseIP(PlatformAddress), Port: l.port}
}
