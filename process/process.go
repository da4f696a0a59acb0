package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

var (
	// ErrNotFound means that there is no such command; shells report it as 127.
	ErrNotFound = errors.New("command not found")
	// ErrNotExecutable means that the file is there but can't be executed; shells report it as 126.
	ErrNotExecutable = errors.New("command is not executable")
	// ErrClosed is what a child that still runs reports once its Reaper is closed, and what Start returns from then on.
	ErrClosed = errors.New("reaper is closed")
)

// Spec says what to start and how.
type Spec struct {
	// Args is the command and its arguments. A name without a slash is looked up in our own PATH, one with a slash is
	// relative to Dir.
	Args []string
	// Env is the child's whole environment. Nil means ours, secrets included: see Environ.
	Env []string
	Dir string
	// Stdout and Stderr: nil inherits our descriptor, an *os.File is handed over as it is, anything else is fed from a pipe.
	// The same writer in both gets both through one pipe, and needs no lock.
	Stdout, Stderr io.Writer
	// NoStdin gives the child /dev/null instead of our standard input, so that a command which asks something gets an end of
	// file instead of waiting for ever.
	NoStdin bool
	// ParentDeathSignal is what the kernel sends to the child when we die without ending it; 0 is none. Linux only.
	ParentDeathSignal syscall.Signal
	// Guard has nothing of this command outlive us, descendants included: they get ParentDeathSignal (SIGKILL if that is 0),
	// and SIGKILL two seconds later. It costs a second small process and needs GuardMain in main. Linux only, ignored
	// elsewhere. KillGroup ends the guard.
	Guard bool
	// Terminal puts the child in the foreground of our controlling terminal if we are there ourselves, so that Ctrl-C, Ctrl-Z
	// and input reach it alone. Without a terminal it changes nothing.
	Terminal bool
}

// Exit is how a child ended.
type Exit struct {
	Code   int            // its exit code, or 128 + Signal
	Signal syscall.Signal // the signal that killed it; 0 if it exited
}

func (e Exit) String() string {
	if e.Signal != 0 {
		return "killed by " + signalName(e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// CodeOf is the exit code that a shell gives for an error of Start: 127 if the command wasn't found, else 126.
func CodeOf(err error) int {
	if errors.Is(err, ErrNotFound) {
		return 127
	}
	return 126
}

// lookup finds the file to execute.
func lookup(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if errors.Is(err, exec.ErrDot) {
		return "", fmt.Errorf("%w: PATH finds it in the current directory only, write ./%s if that is meant", ErrNotFound, name)
	}
	// LookPath passes over a file that lacks the permission. Shells tell the two apart, so does the exit code.
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return "", fmt.Errorf("%w: no permission to execute %s", ErrNotExecutable, file)
		}
	}
	return "", fmt.Errorf("%w: it is in no directory of PATH (%s)", ErrNotFound, os.Getenv("PATH"))
}

// explain turns what fork and exec returned into an error that says what to do.
func explain(path, dir string, err error) error {
	file := path
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	switch {
	case errors.Is(err, syscall.ENOENT):
		if _, statErr := os.Stat(file); statErr != nil {
			return fmt.Errorf("%w: there is no file %s", ErrNotFound, file)
		}
		// The kernel means what the file asks for: a shebang's interpreter, or the loader of a C library.
		if interpreter := shebang(file); interpreter != "" {
			return fmt.Errorf("%w: its first line asks for %s, which is not there", ErrNotExecutable, interpreter)
		}
		return fmt.Errorf("%w: the loader that %s was linked for is not there (built for another C library?)", ErrNotExecutable, file)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w: %s is neither a program for this architecture nor a script with a #! line", ErrNotExecutable, file)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: no permission to execute %s (or a directory, or a noexec mount)", ErrNotExecutable, file)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("%w: %s: %w", ErrNotExecutable, file, err)
	default:
		return err
	}
}

// shebang returns the interpreter that a script names, or nothing.
func shebang(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	rest, ok := strings.CutPrefix(line, "#!")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return ""
	}
	return fields[0]
}
