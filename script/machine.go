package script

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/mongo"
)

//go:embed js/*.js
var preludeFiles embed.FS

// prelude is the Node driver's objects, in JavaScript; compiled once, when the first script runs.
var prelude = sync.OnceValues(func() ([]*goja.Program, error) {
	entries, err := preludeFiles.ReadDir("js")
	if err != nil {
		return nil, err
	}
	var programs []*goja.Program
	for _, e := range entries {
		source, err := preludeFiles.ReadFile(path.Join("js", e.Name()))
		if err != nil {
			return nil, err
		}
		p, err := goja.Compile("schemagate:"+e.Name(), string(source), true)
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
})

// machine is one run of one script. Its methods run on the goroutine of the run, except interrupt.
type machine struct {
	ctx     context.Context
	program *Program
	options Options
	started time.Time
	vm      *goja.Runtime
	lib     *goja.Object
	client  *caller
	sym     symbols
	make    makers

	loop
	guard *guard
	// fatal is set before the engine is interrupted: it is why.
	fatal error

	cursors  map[int64]*cursor
	sessions map[int64]mongo.Session
	nextID   int64

	frames    []goja.StackFrame
	lastPlace place // where the driver was last called from
	lastErr   error // what the last call to the server ended in
	calls     int
}

// newMachine makes an engine with the driver's objects in it. The caller closes it.
func newMachine(ctx context.Context, p *Program, o Options) (*machine, error) {
	programs, err := prelude()
	if err != nil {
		return nil, fmt.Errorf("script: %w", err)
	}
	m := &machine{ctx: ctx, program: p, options: o, started: time.Now(), vm: goja.New(), cursors: map[int64]*cursor{}, sessions: map[int64]mongo.Session{}}
	m.vm.SetParserOptions(withoutSourceMaps)
	depth := o.MaxStack
	if depth == 0 {
		depth = DefaultMaxStack
	}
	m.vm.SetMaxCallStackSize(depth)
	m.vm.SetPromiseRejectionTracker(m.trackRejection)
	m.lib = m.vm.NewObject()
	host, err := m.host()
	if err != nil {
		return nil, err
	}
	for _, program := range programs {
		v, err := m.vm.RunProgram(program)
		if err != nil {
			return nil, fmt.Errorf("script: %w", err)
		}
		f, ok := goja.AssertFunction(v)
		if !ok {
			return nil, errors.New("script: a file of the prelude is no function")
		}
		if _, err := f(goja.Undefined(), host, m.lib); err != nil {
			return nil, fmt.Errorf("script: %w", err)
		}
	}
	m.learn()
	m.guard = watch(ctx, m.vm, o.MaxMemory)
	return m, nil
}

// close ends what the run left open on the server, and waits for the run's goroutine.
func (m *machine) close() {
	m.guard.end()
	m.closeCursors()
	m.endSessions()
}

// load runs the script's top level and returns what it exports: its default export if it has one, as migrate-mongo takes it.
func (m *machine) load() (*goja.Object, error) {
	wrapper, err := m.vm.RunProgram(m.program.code)
	if err != nil {
		return nil, m.failed(err)
	}
	f, _ := goja.AssertFunction(wrapper)
	exports := m.vm.NewObject()
	module := m.vm.NewObject()
	for name, v := range map[string]any{"exports": exports, "id": ".", "filename": m.program.file, "loaded": false, "children": m.vm.NewArray()} {
		if err := module.Set(name, v); err != nil {
			return nil, err
		}
	}
	base := path.Base(m.program.file)
	if _, err := f(exports, exports, m.lib.Get("require"), module, m.vm.ToValue(base), m.vm.ToValue(".")); err != nil {
		return nil, m.failed(err)
	}
	out := m.vm.NewObject()
	err = m.inside(func() {
		if o, ok := module.Get("exports").(*goja.Object); ok {
			out = o
		}
		if o, ok := out.Get("default").(*goja.Object); ok {
			out = o
		}
	})
	return out, err
}

// enter runs f as if the script had called it: f may meet getters, which may throw or never return. The engine forgets an interrupt once it has
// come back from one, so nothing is entered after it.
func (m *machine) enter(f func()) error {
	if m.interrupted() {
		return errInterrupted
	}
	call, _ := goja.AssertFunction(m.vm.ToValue(func(goja.FunctionCall) goja.Value { f(); return goja.Undefined() }))
	_, err := call(goja.Undefined())
	return err
}

// errInterrupted only says that the reason is kept in the machine.
var errInterrupted = errors.New("interrupted")

// inside is enter with the run's error.
func (m *machine) inside(f func()) error {
	if err := m.enter(f); err != nil {
		return m.failed(err)
	}
	return nil
}

func (m *machine) functions(exports *goja.Object) (names []string, err error) {
	err = m.inside(func() {
		for _, name := range exports.Keys() {
			if _, ok := goja.AssertFunction(exports.Get(name)); ok {
				names = append(names, name)
			}
		}
	})
	return names, err
}

// run loads the script and calls one of its exports until its promise has settled.
func (m *machine) run(export string, args []any) (any, error) {
	exports, err := m.load()
	if err != nil {
		return nil, err
	}
	var function goja.Value
	if err := m.inside(func() { function = exports.Get(export) }); err != nil {
		return nil, err
	}
	f, ok := goja.AssertFunction(function)
	if !ok {
		return nil, missingExport(m.program.file, export)
	}
	values := make([]goja.Value, 0, len(args)+2)
	for _, a := range args {
		v, err := m.fromGo(a)
		if err != nil {
			return nil, fmt.Errorf("call %s of %s: %w", export, m.program.file, err)
		}
		values = append(values, v)
	}
	pair, err := m.libCall("connect", m.vm.ToValue(m.client.db.Name()))
	if err != nil {
		return nil, m.failed(err)
	}
	values = append(values, pair.ToObject(m.vm).Get("db"), pair.ToObject(m.vm).Get("client"))
	v, err := f(exports, values...)
	if err != nil {
		return nil, m.failed(err)
	}
	v, err = m.settle(export, v)
	if err != nil {
		return nil, err
	}
	var result any
	err = m.inside(func() { result = m.toGo(v) })
	return result, err
}

// libCall calls a function of the prelude.
func (m *machine) libCall(name string, args ...goja.Value) (goja.Value, error) {
	f, ok := goja.AssertFunction(m.lib.Get(name))
	if !ok {
		return nil, fmt.Errorf("script: the prelude has no %s", name)
	}
	return f(goja.Undefined(), args...)
}

// failed turns an error that came out of the engine into the run's error.
func (m *machine) failed(err error) error {
	reason := m.reason()
	var interrupted *goja.InterruptedError
	var overflow *goja.StackOverflowError
	var exception *goja.Exception
	switch {
	case reason != nil:
		at := m.lastPlace
		if errors.As(err, &interrupted) {
			if p, ok := m.top(interrupted.Stack()); ok {
				at = p
			}
		}
		return m.stopped(reason, at)
	case errors.As(err, &overflow):
		e := &Error{File: m.program.file, Name: "RangeError", Message: "maximum call stack size exceeded", Err: err}
		if p, ok := m.top(overflow.Stack()); ok {
			e.Line, e.Column = p.line, p.column
		}
		return e
	case errors.As(err, &exception):
		e := m.thrown(exception.Value())
		if p, ok := m.top(exception.Stack()); ok && e.Stack == "" {
			e.Line, e.Column = p.line, p.column
		}
		return e
	default:
		return fmt.Errorf("%s: %w", m.program.file, err)
	}
}

// top is the innermost frame of the script in a stack.
func (m *machine) top(stack []goja.StackFrame) (place, bool) {
	for i := range stack {
		if stack[i].SrcName() == m.program.file {
			return position(&stack[i]), true
		}
	}
	return place{}, false
}
