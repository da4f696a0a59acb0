package servers

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// TB is the part of testing.TB that this package uses, so that a Scope can stand in for it.
type TB interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
}

// Scope is a TB for code that has no *testing.T, such as TestMain or a benchmark's main function. Its cleanups run
// at Close, last one first. Fatalf panics, so a deferred Close still stops the servers.
type Scope struct {
	name string

	mu       sync.Mutex
	failed   bool
	cleanups []func()
}

// NewScope returns an empty scope; its owner calls Close.
func NewScope(name string) *Scope { return &Scope{name: name} }

// Helper does nothing: a scope reports no line numbers.
func (s *Scope) Helper() {}

// Name returns the name given to NewScope.
func (s *Scope) Name() string { return s.name }

// Logf writes a line to standard error.
func (s *Scope) Logf(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, s.name+": "+format+"\n", args...)
}

// Fatalf marks the scope as failed and panics.
func (s *Scope) Fatalf(format string, args ...any) {
	s.mu.Lock()
	s.failed = true
	s.mu.Unlock()
	panic(fmt.Errorf(s.name+": "+format, args...))
}

// Failed tells whether Fatalf was called.
func (s *Scope) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Cleanup registers a function for Close.
func (s *Scope) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// Close runs the cleanups, also those registered meanwhile. It may be called again after new use.
func (s *Scope) Close() {
	for {
		s.mu.Lock()
		n := len(s.cleanups)
		if n == 0 {
			s.mu.Unlock()
			return
		}
		f := s.cleanups[n-1]
		s.cleanups = s.cleanups[:n-1]
		s.mu.Unlock()
		f()
	}
}

// shared owns what lives as long as the test binary.
var shared = NewScope("shared servers")

// StopShared stops the shared servers of this test binary. A later call of SharedPostgres starts a new one.
func StopShared() {
	forgetSharedPostgres()
	shared.Close()
}

// Runner is the part of *testing.M that StopAfter wraps; goleak.VerifyTestMain takes the same.
type Runner interface{ Run() int }

// StopAfter returns a Runner that stops the shared servers when the tests have run.
func StopAfter(m Runner) Runner { return stopAfter{m} }

type stopAfter struct{ m Runner }

// Run runs the tests, and stops the shared servers whatever comes of them.
func (s stopAfter) Run() int {
	defer StopShared()
	return s.m.Run()
}

// errDown is what a call gets that needs the server up.
var errDown = errors.New("the server is not running")
