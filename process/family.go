package process

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// killWait is how long a process may take to die of SIGKILL. It dies at once unless it is in an uninterruptible wait, and
	// those that end at all (a slow disk) end within seconds.
	killWait = 5 * time.Second
	// Descendants that aren't our children don't tell us when they end, so they are looked for again, soon and then less often.
	firstLook, lastLook = 5 * time.Millisecond, 100 * time.Millisecond
)

// family is what has to end together with a child.
type family struct {
	pgid   int
	leader identity // the child itself: whose parents lead to it belongs to it
	guard  int      // pid of the guard, who is in the group but doesn't count
	mark   string   // value of markName in the environment; empty for none
	// known are those who were seen to belong: a process that left the group still does when the parents between have ended.
	known map[identity]bool
}

// identity tells a process from all others, before and after, that have its number.
type identity struct {
	pid   int
	start string // in the kernel's ticks since boot
}

// member is one living process.
type member struct {
	identity
	pgid int
	name string
}

// end sends first, then SIGKILL when grace or ctx is over, and returns when no member lives.
func (f *family) end(ctx context.Context, first syscall.Signal, grace time.Duration) error {
	left := f.members()
	if len(left) == 0 {
		return nil
	}
	f.signal(first, left)
	f.signal(syscall.SIGCONT, left) // a stopped process takes no other signal
	patience := time.NewTimer(grace)
	defer patience.Stop()
	look := firstLook
	for {
		again := time.NewTimer(look)
		select {
		case <-again.C:
			if left = f.members(); len(left) == 0 {
				return nil
			}
			look = min(2*look, lastLook)
			continue
		case <-patience.C:
		case <-ctx.Done():
		}
		again.Stop()
		return f.kill()
	}
}

// kill repeats SIGKILL, as a member may have forked between the look and the signal.
func (f *family) kill() error {
	look := firstLook
	for deadline := time.Now().Add(killWait); ; look = min(2*look, lastLook) {
		left := f.members()
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still alive after SIGKILL: %s", describe(left))
		}
		f.signal(syscall.SIGKILL, left)
		<-time.After(look) // nothing tells of the end of a process that is not our child
	}
}

// signal reaches the group as a whole, since no member can fork past that, and those who left the group one by one. The guard
// signals everyone one by one: it is in the group itself. Failures show in the next look.
func (f *family) signal(sig syscall.Signal, to []member) {
	asGroup := f.guard != os.Getpid()
	groupDone := false
	for _, m := range to {
		switch {
		case m.pgid != f.pgid || !asGroup:
			m.signal(sig)
		case !groupDone:
			_ = syscall.Kill(-f.pgid, sig)
			groupDone = true
		}
	}
}

func describe(members []member) string {
	var parts []string
	for _, m := range members {
		parts = append(parts, fmt.Sprintf("%d (%s)", m.pid, m.name))
	}
	return strings.Join(parts, ", ")
}

// groupAlone asks the kernel whether the group has a member, where there is no /proc to tell more (zombies count, too).
func groupAlone(pgid int) []member {
	if syscall.Kill(-pgid, 0) == syscall.ESRCH {
		return nil
	}
	return []member{{identity: identity{pid: pgid}, pgid: pgid, name: "process group"}}
}
