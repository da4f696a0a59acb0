//go:build unix

package health

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// Ten thousand silent connections, of which no deadline ends one: the bound alone does. Probes are answered all the while, and at the end only
// as many are open as may be, the newest.
func TestTenThousandSilentConnections(t *testing.T) {
	const crowd = 10_000
	const files = crowd + 2*1000 + 500 // this process holds both ends, and a server's may be a little late to close
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if uint64(limit.Max) < files {
		t.Skipf("the hard limit of open files is %d, and this needs %d", limit.Max, files)
	}
	if uint64(limit.Cur) < files {
		before := limit
		limit.Cur = files
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
	}
	s := serve(t, openGate(t), Options{}, func(l *limits) { l.readHeader, l.read, l.idle = time.Hour, time.Hour, time.Hour })
	conns := make([]*net.TCPConn, crowd)
	for i := range conns {
		nc, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns[i] = nc.(*net.TCPConn)
		t.Cleanup(func() { _ = conns[i].SetLinger(0); _ = conns[i].Close() }) // reset: no port stays taken
		if i%500 == 499 {
			for _, path := range []string{"/readyz", "/livez"} {
				if code, _ := s.get(t, path); code != 200 {
					t.Errorf("%s with %d connections: %d", path, i+1, code)
				}
			}
		}
	}
	open := 0
	for i, c := range conns {
		wait := patience // for what must end
		if i >= crowd-s.limits.silent {
			wait = time.Millisecond
		}
		_ = c.SetReadDeadline(time.Now().Add(wait))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			if i < crowd-s.limits.silent {
				t.Fatalf("connection %d of %d is still open", i, crowd)
			}
			open++
		}
	}
	if open < s.limits.silent-10 { // the probes' own connections are among the silent
		t.Errorf("%d connections are open, want %d or few less: it ends more than it must", open, s.limits.silent)
	}
	_ = conns[crowd-1].SetDeadline(time.Now().Add(patience))
	askOn(t, conns[crowd-1])
}
