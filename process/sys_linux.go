package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const canGuard = true

func setSubreaper(on bool) error {
	value := uintptr(0)
	if on {
		value = 1
	}
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, value, 0, 0, 0))
}

func setParentDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) {
	attr.Pdeathsig = sig
}

// realtime are the real-time signals that can be caught: some programs are stopped by one (SIGRTMIN+3), and STOPSIGNAL allows
// them. 32 to 34 are left to the C libraries.
func realtime() []os.Signal {
	var signals []os.Signal
	for n := syscall.Signal(35); n <= 64; n++ {
		signals = append(signals, n)
	}
	return signals
}
