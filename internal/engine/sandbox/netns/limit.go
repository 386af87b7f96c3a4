package netns

import "net"

// limitedListener refuses connections over a bound.
type limitedListener struct {
	net.Listener
	slots chan struct{}
}

// LimitListener bounds how many connections of a listener are open at once.
func LimitListener(listener net.Listener, most int) net.Listener {
	return &limitedListener{Listener: listener, slots: make(chan struct{}, most)}
}

// Accept waits for a connection within the bound; those over it are closed.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if limited := Limit(conn, l.slots); limited != nil {
			return limited, nil
		}
		conn.Close()
	}
}
