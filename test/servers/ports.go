package servers

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the ephemeral range: there, the kernel may give a port to any client before the server
// binds it, and a client that dials a closed loopback port of that range in a loop can connect to itself.
const (
	firstPort = 20000
	lastPort  = 31999
)

// port is a reserved port. The reservation is a listener on an abstract socket named after the port: like the port, it
// belongs to the network namespace, and the kernel frees it with the process.
type port struct {
	number int
	lock   net.Listener
}

// reservePort finds a port that is free on all the given hosts.
func reservePort(hosts ...string) (*port, error) {
	var last error
	for range 200 {
		n := firstPort + rand.IntN(lastPort-firstPort+1)
		lock, err := net.Listen("unix", fmt.Sprintf("@schemagate-test-port-%d", n))
		if err != nil {
			last = err
			continue
		}
		if last = portFree(n, hosts); last == nil {
			return &port{number: n, lock: lock}, nil
		}
		_ = lock.Close()
	}
	return nil, fmt.Errorf("reserve a port in %d-%d: %w", firstPort, lastPort, last)
}

func portFree(n int, hosts []string) error {
	for _, h := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(h, strconv.Itoa(n)))
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (p *port) String() string { return strconv.Itoa(p.number) }

// release ends the reservation.
func (p *port) release() { _ = p.lock.Close() }
