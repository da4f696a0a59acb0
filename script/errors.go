package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/mongo"
)

var (
	// ErrOutOfTime: Options.MaxTime left nothing for the next call.
	ErrOutOfTime = errors.New("no time is left in the lease for another call")
	// ErrMemory: the script outgrew Options.MaxMemory.
	ErrMemory = errors.New("the script outgrew its memory limit")
	// ErrTimeout: the script ran longer than Options.Timeout.
	ErrTimeout = errors.New("the script ran longer than its time limit")
	// ErrNeverSettles: the script waits for a promise that nothing is left to settle.
	ErrNeverSettles = errors.New("the promise never settles")
	// ErrVerify: verify returned false.
	ErrVerify = errors.New("verify returned false")
)

// Error is a failure of a script or a command file, at its place in the file.
type Error struct {
	File         string
	Line, Column int // 0 where unknown
	// Name is the JavaScript error's name, such as MongoServerError; empty where nothing was thrown.
	Name    string
	Message string
	// Code is the server's error code; 0 where there is none.
	Code int
	// Stack is the frames inside the file, one a line; empty where unknown.
	Stack string
	// Err is what the error came from, such as the driver's error, ErrOutOfTime or what Options.Before returned.
	Err error
}

func (e *Error) Error() string { return e.text(e.Message) }

func (e *Error) Unwrap() error { return e.Err }

// Redacted is Error without the values of a duplicate key, for places that may not show data.
func (e *Error) Redacted() string { return e.text(redact(e.Message)) }

func (e *Error) text(message string) string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
		if e.Column > 0 {
			fmt.Fprintf(&b, ":%d", e.Column)
		}
	}
	b.WriteString(": ")
	if e.Name != "" && e.Name != "Error" {
		b.WriteString(e.Name + ": ")
	}
	b.WriteString(message)
	if e.Code != 0 {
		fmt.Fprintf(&b, " (code %d)", e.Code)
	}
	return b.String()
}

// redact cuts the key's values off a duplicate key message: it ends in "dup key: { email: "..." }".
func redact(s string) string {
	if i := strings.Index(s, " dup key: {"); i >= 0 {
		return s[:i]
	}
	return s
}

// stop is an error that no try/catch of a script may hold up.
type stop struct{ err error }

func (s *stop) Error() string { return s.err.Error() }
func (s *stop) Unwrap() error { return s.err }

// cause carries a Go error inside a JavaScript error object.
type cause struct{ err error }

// place is a position in the script.
type place struct{ line, column int }

// position is a frame's place in the script's own text.
func position(f *goja.StackFrame) place {
	at := f.Position()
	return place{at.Line, at.Column}
}

// here is the innermost frame of the script on the current stack.
func (m *machine) here() (place, bool) {
	m.frames = m.vm.CaptureCallStack(32, m.frames[:0])
	for i := range m.frames {
		if m.frames[i].SrcName() == m.program.file {
			return position(&m.frames[i]), true
		}
	}
	return place{}, false
}

// thrown turns what a script threw or rejected with into an Error.
func (m *machine) thrown(v goja.Value) *Error {
	e := &Error{File: m.program.file}
	o, ok := v.(*goja.Object)
	if !ok {
		e.Message = "threw " + text(v)
		m.locate(e)
		return e
	}
	name, message, stack := m.property(o, "name"), m.property(o, "message"), m.property(o, "stack")
	if message == "" && stack == "" {
		e.Message = "threw " + m.inspect(o)
	} else {
		e.Name, e.Message = name, message
	}
	if code, err := strconv.Atoi(m.property(o, "code")); err == nil {
		e.Code = code
	}
	e.Stack = m.ownFrames(stack)
	e.Err = m.goCause(o)
	if e.Err == nil && m.lastErr != nil && (mongo.IsNetworkError(m.lastErr) || mongo.IsTimeout(m.lastErr)) {
		// A script that wraps a broken connection in an error of its own still failed by the connection.
		e.Err = m.lastErr
	}
	m.locate(e)
	if m.interrupted() {
		// While its error was looked at, or before.
		return m.stopped(m.reason(), m.lastPlace)
	}
	return e
}

// locate fills in the position: the first frame of the stack, else the last place from which the driver was called.
func (m *machine) locate(e *Error) {
	if _, at, ok := framePlace(e.Stack, e.File); ok {
		e.Line, e.Column = at.line, at.column
	} else if m.lastPlace.line > 0 {
		e.Line, e.Column = m.lastPlace.line, m.lastPlace.column
	}
}

// goCause finds the Go error that an error, or what it names as its cause, was made of.
func (m *machine) goCause(o *goja.Object) (err error) {
	_ = m.enter(func() {
		for depth := 0; o != nil && depth < 8; depth++ {
			if v := o.GetSymbol(m.sym.cause); v != nil {
				if c, ok := v.Export().(*cause); ok {
					err = c.err
					return
				}
			}
			o, _ = o.Get("cause").(*goja.Object)
		}
	})
	return err
}

// ownFrames keeps a stack's frames inside the script. A line is "at up (dir/a.js:3:5(12))" or "at dir/a.js:3:5(12)"; what follows the column is the engine's.
func (m *machine) ownFrames(stack string) string {
	var own []string
	for line := range strings.SplitSeq(stack, "\n") {
		before, at, ok := framePlace(line, m.program.file)
		if ok {
			end := ""
			if strings.HasSuffix(before, "(") {
				end = ")"
			}
			own = append(own, fmt.Sprintf("%s%s:%d:%d%s", strings.TrimLeft(before, " \t"), m.program.file, at.line, at.column, end))
		}
	}
	return strings.Join(own, "\n")
}

// framePlace finds the position in a frame of that file, and what stands before the file's name.
func framePlace(frame, file string) (before string, at place, ok bool) {
	before, rest, ok := strings.Cut(frame, file+":")
	if !ok {
		return "", place{}, false
	}
	line, rest, ok := number(rest)
	if !ok || !strings.HasPrefix(rest, ":") {
		return "", place{}, false
	}
	column, _, ok := number(rest[1:])
	return before, place{line, column}, ok
}

func number(s string) (n int, rest string, ok bool) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	return n, s[end:], err == nil
}

// property reads a property for a message. A getter that throws reads as nothing; one that never ends has been interrupted, which reads the same.
func (m *machine) property(o *goja.Object, name string) (s string) {
	_ = m.enter(func() {
		if v := o.Get(name); v != nil && !goja.IsUndefined(v) && !goja.IsNull(v) {
			s = v.String()
		}
	})
	return s
}

// inspect shows an object in a message.
func (m *machine) inspect(v goja.Value) string {
	if m.interrupted() {
		return "an object"
	}
	s, err := m.libCall("inspect", v)
	if err != nil {
		return "an object"
	}
	return s.String()
}
