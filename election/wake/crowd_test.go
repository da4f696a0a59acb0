package wake_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/schemagate/schemagate/election/wake"
)

// crowded waits for a leader that has no room until it has been asked so often.
func crowded(until int64, asked *atomic.Int64) *wake.Waiter {
	return waiter(func() string {
		if asked.Add(1) > until {
			return "HTTP/1.1 200 OK\r\n\r\n{\"rank\":3}\n{\"woke\":true,\"turn\":true}\n"
		}
		return "HTTP/1.1 503 Full\r\nContent-Length: 14\r\n\r\n{\"rank\":1999}\n"
	})
}

// waiter waits for a leader within the process, in fake time, which answers with a text and then says no more. The transport calls
// from a goroutine of its own, which may outlive the sleep.
func waiter(answer func() string) *wake.Waiter {
	return &wake.Waiter{Dial: func(context.Context, string, string) (net.Conn, error) {
		text := answer()
		ours, theirs := net.Pipe()
		go func() {
			if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
				_, _ = io.WriteString(theirs, text)
				_, _ = io.Copy(io.Discard, theirs) // until the other end is closed
			}
			_ = theirs.Close()
		}()
		return ours, nil
	}}
}

// TestNoRoomAtTheLeader: it is asked again, and gives a turn as soon as it has room.
func TestNoRoomAtTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		began := time.Now()
		looked := crowded(2, &asked).Sleep(t.Context(), "leader:80", time.Minute, 0)
		if looked == nil {
			t.Fatal("no turn")
		}
		looked()
		if took := time.Since(began); asked.Load() != 3 || took < 10*time.Second || took > 20*time.Second {
			t.Errorf("asked %d times in %v, want three times, five to ten seconds apart", asked.Load(), took)
		}
	})
}

// TestNoRoomForEver: the sleep is as long as that of a crowd of thousands, and then we look.
func TestNoRoomForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		w := crowded(1<<30, &asked)
		if w.Sleep(t.Context(), "leader:80", time.Second, 0) != nil { // it learns of the crowd
			t.Error("a turn")
		}
		began := time.Now()
		if w.Sleep(t.Context(), "leader:80", time.Second, 0) != nil {
			t.Error("a turn")
		}
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("slept for %v, want 30s", took)
		}
		if n := asked.Load(); n < 4 || n > 12 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestTheFirstSleepIsTheCrowds: hundreds that start at once do not look again and again until they know how many they are.
func TestTheFirstSleepIsTheCrowds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for left, want := range map[time.Duration]time.Duration{0: 5 * time.Second, 2 * time.Second: 2 * time.Second} {
			w := waiter(func() string { return "HTTP/1.1 200 OK\r\n\r\n{\"rank\":99}\n" })
			began := time.Now()
			w.Sleep(t.Context(), "leader:80", 100*time.Millisecond, left)
			if took := time.Since(began); took < want || took > want+time.Second { // a hundred are spread over a second
				t.Errorf("with %v left of the lease it slept for %v, want %v", left, took, want)
			}
		}
	})
}
