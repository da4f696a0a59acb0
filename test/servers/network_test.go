package servers

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// A client at the near end talks to an echo server through the proxy. While its cable is cut, what it says is not lost for good:
// TCP sends it again.
func TestNetworkLosesPackets(t *testing.T) {
	for name, d := range map[string]Direction{"to the server": ToServer, "to the client": ToClient, "both": Both} {
		t.Run(name, func(t *testing.T) {
			n, err := NewNetwork(t)
			if errors.Is(err, ErrNoNamespaces) {
				t.Skipf("NOT RUN: %v", err)
			} else if err != nil {
				t.Fatal(err)
			}
			p := n.Proxy(echoServer(t))
			cmd := n.Command("bash", "-c", `exec 3<>"/dev/tcp/${0%:*}/${0#*:}"; while read -r line; do echo "$line" >&3; read -r back <&3; echo "$back"; done`, p.Addr())
			in, out := pipes(t, cmd)
			say := func(text string) {
				if _, err := io.WriteString(in, text+"\n"); err != nil {
					t.Fatal(err)
				}
			}
			hear := func(want string) {
				t.Helper()
				got, err := out.ReadString('\n')
				if err != nil || strings.TrimSpace(got) != want {
					t.Fatalf("heard %q, %v; want %q", got, err, want)
				}
			}
			say("one")
			hear("one")
			n.Cut(d)
			say("two")
			waitFor(t, func() bool { return n.Lost() > 0 })
			if p.Open() != 1 {
				t.Errorf("%d connections are open, want the one that knows nothing", p.Open())
			}
			if lost := n.Heal(); lost == 0 {
				t.Error("no packet was lost")
			}
			hear("two")
			if lost := n.Lost(); lost != 0 {
				t.Errorf("%d packets were lost after the end", lost)
			}
		})
	}
}

func pipes(t *testing.T, cmd *exec.Cmd) (io.Writer, *bufio.Reader) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return in, bufio.NewReader(out)
}

// echoServer returns the address of a server that says what it hears.
func echoServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, conn)
		_ = conn.Close()
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}
