package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNoNamespaces is what NewNetwork says where the machine allows no network namespaces, or has no packet filter.
var ErrNoNamespaces = errors.New("no network namespaces can be had here")

// The two ends of a network's cable. The addresses exist in its namespaces alone, and nothing leads out of those.
const (
	farHost  = "192.0.2.1" // where proxies listen
	nearHost = "192.0.2.2" // where the client is
)

// Network is a cable between two network namespaces of its own: in the one runs a client (Command), in the other listen the
// proxies that lead it to servers (Proxy). Packets can get lost in it.
//
// The namespaces have no names: they are gone with the test, or with the test binary, whatever ends it.
type Network struct {
	tb        TB
	near, far *os.File
}

// NewNetwork makes one. The client must have ended when the test does.
func NewNetwork(tb TB) (*Network, error) {
	tb.Helper()
	n := &Network{tb: tb}
	tb.Cleanup(n.close)
	var err error
	if n.near, err = newNamespace(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoNamespaces, err)
	}
	if n.far, err = newNamespace(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoNamespaces, err)
	}
	for _, step := range []struct {
		in          *os.File
		name, input string
		args        []string
	}{
		{n.near, "ip", "link set lo up\nlink add cable type veth peer name cable netns " + pathOf(n.far) +
			"\naddress add " + nearHost + "/24 dev cable\nlink set cable up\n", []string{"-batch", "-"}},
		{n.far, "ip", "link set lo up\naddress add " + farHost + "/24 dev cable\nlink set cable up\n", []string{"-batch", "-"}},
		{n.near, "nft", filter(""), []string{"-f", "-"}},
		{n.far, "nft", filter(""), []string{"-f", "-"}},
	} {
		if _, err := enter(step.in, step.input, step.name, step.args...); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoNamespaces, err)
		}
	}
	return n, nil
}

// filter is the packet filter of one end: what arrives there is counted and dropped, or nothing is.
func filter(verdict string) string {
	return "table inet cable {}\ndelete table inet cable\ntable inet cable {\n chain in {\n  type filter hook input priority 0;\n  " + verdict + "\n }\n}\n"
}

// Command runs a program at the client's end. Its process id is the program's own.
func (n *Network) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + pathOf(n.near), name}, args...)...)
}

// Proxy starts a proxy that the client reaches, to a target in the test's own namespace.
func (n *Network) Proxy(target string) *TCPProxy {
	n.tb.Helper()
	return newProxy(n.tb, target, farHost, func(f func() error) error { return inside(n.far, f) })
}

// Cut loses every packet that goes in the direction. Neither side is told.
func (n *Network) Cut(d Direction) {
	n.tb.Helper()
	for way, end := range map[Direction]*os.File{ToServer: n.far, ToClient: n.near} {
		if d&way != 0 {
			n.filter(end, `iifname "cable" counter drop`)
		}
	}
}

// Heal ends Cut, and tells how many packets were lost.
func (n *Network) Heal() (lost int) {
	n.tb.Helper()
	lost = n.Lost()
	for _, end := range []*os.File{n.near, n.far} {
		n.filter(end, "")
	}
	return lost
}

var counted = regexp.MustCompile(`packets (\d+)`)

// Lost tells how many packets were lost since Cut.
func (n *Network) Lost() (lost int) {
	n.tb.Helper()
	for _, end := range []*os.File{n.near, n.far} {
		out, err := enter(end, "", "nft", "list", "table", "inet", "cable")
		if err != nil {
			n.tb.Fatalf("network: %v", err)
		}
		for _, m := range counted.FindAllStringSubmatch(out, -1) {
			k, _ := strconv.Atoi(m[1]) // digits
			lost += k
		}
	}
	return lost
}

func (n *Network) filter(end *os.File, verdict string) {
	n.tb.Helper()
	if _, err := enter(end, filter(verdict), "nft", "-f", "-"); err != nil {
		n.tb.Fatalf("network: %v", err)
	}
}

func (n *Network) close() {
	for _, f := range []*os.File{n.near, n.far} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// newNamespace makes a network namespace, which lives as long as the file is open or something is in it.
func newNamespace() (f *os.File, err error) {
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		f, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return f, err
}

// inside calls f in the namespace: a socket belongs to the one where it was made.
func inside(namespace *os.File, f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}

// onThread calls f on a thread that ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// enter runs a program in the namespace, and returns what it prints.
func enter(namespace *os.File, input, name string, args ...string) (string, error) {
	cmd := exec.Command("nsenter", append([]string{"--net=" + pathOf(namespace), name}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// pathOf names a file that this process has open to others.
func pathOf(f *os.File) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()) }
