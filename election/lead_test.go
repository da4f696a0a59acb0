package election_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/schemagate/schemagate/election"
)

// A lease of ten seconds is trusted for nine, and renewed every second.
var timing = election.Timing{TTL: 10 * time.Second, Interval: time.Second}

const trust = 9 * time.Second

func succeed(context.Context) error { return nil }

// ended waits for the end of the lead and returns how long after since that was.
func ended(l *election.Lead, since time.Time) time.Duration {
	<-l.Context().Done()
	return time.Since(since)
}

func mustHaveLost(t *testing.T, l *election.Lead) {
	t.Helper()
	if cause := context.Cause(l.Context()); !errors.Is(cause, election.ErrLost) {
		t.Errorf("the lead ended with %v, want ErrLost", cause)
	}
	if l.Alive() {
		t.Error("a lead that is over is alive")
	}
}

// TestLead runs in bubbles whose time is exact: what is compared are instants, not durations of work.
func TestLead(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"RenewedLeadLasts":                   renewedLeadLasts,
		"TrustCountsFromBeforeTheRequest":    trustCountsFromBeforeTheRequest,
		"SlowRenewalDoesNotExtendTrust":      slowRenewal,
		"HangingRenewalEndsTheLead":          hangingRenewal,
		"ErrLostEndsItAtOnce":                errLost,
		"FailedRenewalsAreTriedAgain":        failedRenewals,
		"RecoversBeforeTrustRunsOut":         recovers,
		"ResignGivesBackOnce":                resignGivesBack,
		"ResignWaitsForTheRenewal":           resignWaits,
		"ResignReportsWhatWentWrong":         resignReports,
		"AliveIsFalseAfterTheDeadlineAnyway": lateGoroutine,
		"RenewalHasTheDeadlineOfTrust":       renewalDeadline,
		"LateRenewalDoesNotHoldUpTheEnd":     lateRenewal,
		"NothingIsRenewedAfterTheEnd":        nothingAfterTheEnd,
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}

func renewedLeadLasts(t *testing.T) {
	began := time.Now()
	l := election.Keep(began, timing, succeed, succeed)
	time.Sleep(100 * time.Second)
	synctest.Wait()
	if want := began.Add(100*time.Second + trust); !l.Alive() || !l.Deadline().Equal(want) {
		t.Errorf("alive %v, trusted for another %v, want %v", l.Alive(), time.Until(l.Deadline()), trust)
	}
	if err := l.Resign(t.Context()); err != nil {
		t.Error(err)
	}
}

func trustCountsFromBeforeTheRequest(t *testing.T) {
	began := time.Now()
	time.Sleep(4 * time.Second) // the request
	l := election.Keep(began, timing, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, succeed)
	if after := ended(l, began); after != trust {
		t.Errorf("the lead ended %v after the request was sent, want %v", after, trust)
	}
	mustHaveLost(t, l)

	// Answered when nothing is left of it.
	l = election.Keep(began, timing, succeed, succeed)
	if l.Alive() {
		t.Error("a lead is alive whose time was over when it was won")
	}
	if after := ended(l, time.Now()); after != 0 {
		t.Errorf("it ended %v after it was won", after)
	}
	mustHaveLost(t, l)
}

func slowRenewal(t *testing.T) {
	began := time.Now()
	l := election.Keep(began, timing, func(context.Context) error { time.Sleep(3 * time.Second); return nil }, succeed)
	time.Sleep(4 * time.Second) // sent after one second, answered after four
	synctest.Wait()
	if want := began.Add(time.Second + trust); !l.Deadline().Equal(want) {
		t.Errorf("the deadline is %v after the request, want %v", l.Deadline().Sub(began.Add(time.Second)), trust)
	}
	if err := l.Resign(t.Context()); err != nil {
		t.Error(err)
	}
}

func hangingRenewal(t *testing.T) {
	began := time.Now()
	answers := 3
	l := election.Keep(began, timing, func(ctx context.Context) error {
		if answers--; answers >= 0 {
			return nil
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}, succeed)
	if after := ended(l, began); after != 3*time.Second+trust {
		t.Errorf("the lead ended after %v, want %v after the last renewal that was answered", after, trust)
	}
	mustHaveLost(t, l)
}

func errLost(t *testing.T) {
	began := time.Now()
	gone := errors.Join(errors.New("the row is another's"), election.ErrLost)
	l := election.Keep(began, timing, func(context.Context) error { return gone }, succeed)
	if after := ended(l, began); after != timing.Interval {
		t.Errorf("the lead ended after %v, want at the first renewal", after)
	}
	mustHaveLost(t, l)
	if cause := context.Cause(l.Context()); !errors.Is(cause, gone) {
		t.Errorf("the cause is %v, want %v", cause, gone)
	}
}

func failedRenewals(t *testing.T) {
	began := time.Now()
	attempts := 0
	l := election.Keep(began, timing, func(context.Context) error { attempts++; return errors.New("no answer") }, succeed)
	if after := ended(l, began); after != trust {
		t.Errorf("the lead ended after %v, want %v", after, trust)
	}
	mustHaveLost(t, l)
	if err := l.Resign(t.Context()); err != nil { // also: no attempt is under way now
		t.Error(err)
	}
	if attempts < 8 {
		t.Errorf("%d attempts in %v, want one each second", attempts, trust)
	}
}

func recovers(t *testing.T) {
	began := time.Now()
	attempts := 0
	l := election.Keep(began, timing, func(context.Context) error {
		if attempts++; attempts%8 != 0 {
			return errors.New("no answer")
		}
		return nil
	}, succeed)
	time.Sleep(time.Minute)
	synctest.Wait()
	if !l.Alive() {
		t.Errorf("the lead ended: %v", context.Cause(l.Context()))
	}
	if want := began.Add(56*time.Second + trust); !l.Deadline().Equal(want) {
		t.Errorf("the deadline is at %v, want %v", l.Deadline().Sub(began), want.Sub(began))
	}
	if err := l.Resign(t.Context()); err != nil {
		t.Error(err)
	}
}

func resignGivesBack(t *testing.T) {
	renewals, resigned := 0, 0
	l := election.Keep(time.Now(), timing, func(context.Context) error { renewals++; return nil },
		func(context.Context) error { resigned++; return nil })
	if err := l.Resign(t.Context()); err != nil {
		t.Error(err)
	}
	if l.Alive() || !errors.Is(context.Cause(l.Context()), context.Canceled) || errors.Is(context.Cause(l.Context()), election.ErrLost) {
		t.Errorf("alive %v, cause %v, want a lead that was given back", l.Alive(), context.Cause(l.Context()))
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	if renewals != 0 || resigned != 1 {
		t.Errorf("%d renewals after it was given back %d times", renewals, resigned)
	}
}

func resignWaits(t *testing.T) {
	var order []string
	l := election.Keep(time.Now(), timing, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(2 * time.Second) // its connection takes its time
		order = append(order, "renewed")
		return nil // and was answered all the same
	}, func(context.Context) error { order = append(order, "resigned"); return nil })
	time.Sleep(1500 * time.Millisecond)
	if err := l.Resign(t.Context()); err != nil {
		t.Error(err)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	if len(order) < 2 || order[len(order)-1] != "resigned" {
		t.Errorf("%v: a renewal that lands after the resignation would take the lease back", order)
	}
	if l.Alive() {
		t.Error("a lead that was given back is alive")
	}
}

func resignReports(t *testing.T) {
	away := errors.New("away")
	type key struct{}
	l := election.Keep(time.Now(), timing, succeed, func(ctx context.Context) error {
		if ctx.Value(key{}) == nil || ctx.Err() != nil {
			t.Error("resign did not get the context of its caller")
		}
		return away
	})
	if err := l.Resign(context.WithValue(t.Context(), key{}, true)); !errors.Is(err, away) {
		t.Errorf("resigning gave %v, want %v", err, away)
	}
}

// lateGoroutine: the goroutine that would end the lead is busy; whoever asks is told the truth.
func lateGoroutine(t *testing.T) {
	began := time.Now()
	l := election.Keep(began, timing, func(context.Context) error { time.Sleep(time.Hour); return nil }, succeed)
	time.Sleep(trust - time.Nanosecond)
	if !l.Alive() {
		t.Error("the lead is over too early")
	}
	time.Sleep(time.Nanosecond)
	if l.Alive() {
		t.Error("the lead is alive at its deadline")
	}
	time.Sleep(time.Hour)
	if l.Alive() {
		t.Error("the late answer revived it")
	}
	_ = ended(l, began)
	mustHaveLost(t, l)
	if err := l.Resign(t.Context()); err != nil { // waits for the goroutine
		t.Error(err)
	}
}

// lateRenewal: a driver takes seconds to give up a request whose context has ended. The lead ends when its trust does, because
// work that the lease alone protects ends with it.
func lateRenewal(t *testing.T) {
	began := time.Now()
	l := election.Keep(began, timing, func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(2 * time.Second)
		return ctx.Err()
	}, succeed)
	if after := ended(l, began); after != trust {
		t.Errorf("the lead ended after %v, want %v", after, trust)
	}
	mustHaveLost(t, l)
	if err := l.Resign(t.Context()); err != nil {
		t.Error(err)
	}
}

// nothingAfterTheEnd: an answer that comes after the end revives nothing, and no further renewal is sent.
func nothingAfterTheEnd(t *testing.T) {
	began := time.Now()
	renewals := 0
	l := election.Keep(began, timing, func(context.Context) error {
		if renewals++; renewals == 1 {
			time.Sleep(20 * time.Second)
		}
		return nil
	}, succeed)
	if after := ended(l, began); after != trust {
		t.Errorf("the lead ended after %v, want %v", after, trust)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	mustHaveLost(t, l)
	if !l.Deadline().Equal(began.Add(trust)) || renewals != 1 {
		t.Errorf("after the end: %d renewals, trusted until %v", renewals, l.Deadline().Sub(began))
	}
	if err := l.Resign(t.Context()); err != nil {
		t.Error(err)
	}
}

func renewalDeadline(t *testing.T) {
	began := time.Now()
	var got time.Time
	l := election.Keep(began, timing, func(ctx context.Context) error { got, _ = ctx.Deadline(); return nil }, succeed)
	time.Sleep(time.Second)
	synctest.Wait()
	if want := began.Add(trust); !got.Equal(want) {
		t.Errorf("a renewal may take until %v, want %v", got.Sub(began), want.Sub(began))
	}
	if err := l.Resign(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNewTiming(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		time.Second:            100 * time.Millisecond,
		3 * time.Second:        300 * time.Millisecond,
		5 * time.Second:        500 * time.Millisecond,
		15 * time.Second:       500 * time.Millisecond,
		time.Hour:              500 * time.Millisecond,
		999 * time.Millisecond: 0,
		0:                      0,
		-time.Minute:           0,
	} {
		got, err := election.NewTiming(ttl)
		switch {
		case want == 0 && err == nil:
			t.Errorf("a TTL of %v is accepted", ttl)
		case want != 0 && (err != nil || got != election.Timing{TTL: ttl, Interval: want}):
			t.Errorf("a TTL of %v gives %+v, %v, want an interval of %v", ttl, got, err, want)
		}
	}
}
