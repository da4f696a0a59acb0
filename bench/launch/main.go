// Command launch runs a command and writes its wall clock time, CPU time, peak memory and exit code to descriptor 3. It is small, so
// that its own memory hides nobody's.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		println("launch:", err.Error())
		os.Exit(1)
	}
}

func run(args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	began := time.Now()
	p, err := os.StartProcess(path, args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return err
	}
	state, err := p.Wait()
	if err != nil {
		return err
	}
	wall := time.Since(began)
	usage := state.SysUsage().(*syscall.Rusage)
	_, err = fmt.Fprintf(os.NewFile(3, "figures"), `{"Wall":%d,"CPU":%d,"Peak":%d,"Code":%d}`, wall, state.UserTime()+state.SystemTime(), usage.Maxrss, state.ExitCode())
	return err
}
