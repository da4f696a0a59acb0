package servers

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// waitFor asks until the answer is yes; what it waits for has no signal of its own.
func waitFor(t *testing.T, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(stopTimeout)
	for !yes() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
		<-tick.C
	}
}

func assertGone(t *testing.T, dir string) {
	t.Helper()
	if pids, err := members(dir); len(pids) > 0 || err != nil {
		t.Errorf("processes %v are left in %s (%v)", pids, dir, err)
	}
}

// victimVariable makes this test binary start servers, print their directories and wait to be killed.
const victimVariable = "SCHEMAGATE_TEST_VICTIM"

func victim() {
	tb := NewScope("victim")
	how := os.Getenv(victimVariable)
	pg, paused := Postgres(tb), Postgres(tb, Disk(128<<20))
	paused.Pause()
	fmt.Println(pg.Dir())
	fmt.Println(paused.Dir())
	fmt.Println()
	if how == "panic" {
		go panic("the test's own panic")
	}
	select {}
}

func TestNothingSurvivesTheTestBinary(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"kill", "panic", "quit"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), victimVariable+"="+how)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var dirs []string
			for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != ""; {
				dirs = append(dirs, lines.Text())
			}
			switch how {
			case "kill":
				err = cmd.Process.Kill()
			case "quit": // what go test sends at its timeout
				err = cmd.Process.Signal(syscall.SIGQUIT)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Fatal("the victim ended by itself")
			}
			if len(dirs) != 2 {
				t.Fatalf("the victim started servers in %q, want two", dirs)
			}
			for _, dir := range dirs {
				waitFor(t, func() bool { return !exists(dir) })
				assertGone(t, dir)
			}
		})
	}
}

func TestPortsAreReservedOnceAndOutsideTheEphemeralRange(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 200 {
		p, err := reservePort("127.0.0.1", "127.0.0.2")
		if err != nil {
			t.Fatal(err)
		}
		defer p.release()
		if p.number < firstPort || p.number > lastPort || seen[p.number] {
			t.Fatalf("port %d is out of range or given twice", p.number)
		}
		seen[p.number] = true
	}
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Skip("this system does not tell its ephemeral range: ", err)
	}
	if low, err := strconv.Atoi(strings.Fields(string(b))[0]); err != nil || low <= lastPort {
		t.Logf("NOTE: the ephemeral range of this machine starts at %d, below %d", low, lastPort)
	}
}

func TestScopeClosesLastFirstAndPanicsOnFatal(t *testing.T) {
	t.Parallel()
	s := NewScope("scope")
	var got strings.Builder
	s.Cleanup(func() { got.WriteString("1") })
	s.Cleanup(func() { got.WriteString("2"); s.Cleanup(func() { got.WriteString("3") }) })
	func() {
		defer func() {
			if r := recover(); fmt.Sprint(r) != "scope: code 7" {
				t.Errorf("panic %v", r)
			}
		}()
		s.Fatalf("code %d", 7)
	}()
	s.Close()
	s.Close()
	if got.String() != "231" || !s.Failed() {
		t.Errorf("cleanups ran as %q, failed %t", got.String(), s.Failed())
	}
}
