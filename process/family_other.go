//go:build !linux

package process

import "syscall"

func (f *family) members() []member { return groupAlone(f.pgid) }

// signal is never called: without /proc there are no members but the group.
func (m member) signal(syscall.Signal) {}

func startTime(int) string { return "" }
