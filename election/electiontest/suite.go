package electiontest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/schemagate/schemagate/database"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/test/servers"
)

const (
	// patience is far more than anything here takes, twice Consul's shortest TTL included.
	patience = 90 * time.Second
	// long is a TTL that no test outlives.
	long = time.Hour
)

// Suite says how to run the tests against one elector.
type Suite struct {
	// TTL is the shortest that the elector takes.
	TTL time.Duration
	// Begin makes an election in which nobody takes part yet.
	Begin func(t *testing.T, ttl time.Duration) *Election
	// Watches: Await notices the end of a lead without the leader's long-poll.
	Watches bool
}

// Election is one service's, with its servers.
type Election struct {
	// Join makes the elector of one more replica.
	Join func(t *testing.T) *Member
	// Rival is what a replica knows of the leader that has just looked into the database.
	Rival func(t *testing.T) election.Rival
	// Shown: the database shows that somebody leads, so that nobody campaigns.
	Shown func(t *testing.T) bool
	// Thefts are the ways in which a lead can be taken away behind its holder's back. What they leave ends with the test.
	Thefts map[string]func(t *testing.T)
}

// Member is one replica's elector.
type Member struct {
	election.Elector
	// Lines are the connections to its servers, each through a proxy, so that the replica can be cut off.
	Lines []*servers.TCPProxy
	// Leave closes what the elector keeps open between its calls.
	Leave func()
}

// silence makes everything that the member sends and is sent disappear; the servers see an idle connection.
func (m *Member) silence() {
	for _, l := range m.Lines {
		l.Blackhole(servers.Both)
	}
}

// kill does to the servers what the end of the member's process would do.
func (m *Member) kill() {
	for _, l := range m.Lines {
		l.Refuse()
		l.Reset()
	}
}

func (m *Member) heal() {
	for _, l := range m.Lines {
		l.Heal()
	}
}

// Run runs the test that counts goroutines, while nothing else does, and then all others in parallel.
func (s Suite) Run(t *testing.T) {
	t.Run("NoGoroutineLeft", s.noGoroutineLeft)
	t.Parallel()
	tests := map[string]func(*testing.T){
		"OnlyOneOfManyWins":                s.onlyOneOfManyWins,
		"HeldIsErrHeld":                    s.heldIsErrHeld,
		"LeaderIsVisible":                  s.leaderIsVisible,
		"ResignFreesAtOnce":                s.resignFreesAtOnce,
		"RenewedHolderKeepsIt":             s.renewedHolderKeepsIt,
		"SilentHolderIsReplacedAfterTTL":   s.silentHolderIsReplaced,
		"DeadRivalIsReplacedEarly":         s.deadRivalIsReplacedEarly,
		"SuspicionReplacesNobody":          s.suspicionReplacesNobody,
		"LeadEndsWhenTheServerHangs":       s.leadEndsWhenTheServerHangs,
		"LostLeadSaysErrLost":              s.lostLeadSaysErrLost,
		"CancelledCampaignWinsNothing":     s.cancelledCampaignWinsNothing,
		"AwaitReturnsOnResign":             s.awaitReturnsOnResign,
		"AwaitReturnsWhenTheLeaderSaysSo":  s.awaitReturnsOnWake,
		"AwaitReturnsWhenContextEnds":      s.awaitReturnsWhenContextEnds,
		"AwaitReturnsWhereNobodyCanTell":   s.awaitReturnsWhereNobodyCanTell,
		"ServerAwayIsAnErrorThatMayBeOver": s.serverAway,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// candidate is a replica's next attempt.
func candidate(name string) election.Candidate {
	return election.Candidate{Holder: database.NewHolder(), Replica: name, Release: "r1"}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the test's patience is over"))
	t.Cleanup(cancel)
	return ctx
}

// campaign makes one attempt. What is won is given back at the end of the test, whatever became of it.
func campaign(t *testing.T, m *Member, c election.Candidate, r election.Rival) (*election.Lead, error) {
	t.Helper()
	lead, err := m.Campaign(within(t), c, r)
	if lead != nil {
		var once sync.Once
		t.Cleanup(func() { once.Do(func() { resign(lead) }) })
	}
	return lead, err
}

// resign must end the lead's goroutines even when its servers are out of reach.
func resign(l *election.Lead) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = l.Resign(ctx) // of a lead that is gone, or whose server is
}

func mustWin(t *testing.T, m *Member, c election.Candidate) *election.Lead {
	t.Helper()
	lead, err := campaign(t, m, c, election.Rival{})
	if err != nil {
		t.Fatalf("%s campaigned for a free lead: %v", c.Replica, err)
	}
	if !lead.Alive() {
		t.Fatalf("%s won a lead that is over", c.Replica)
	}
	return lead
}

func mustBeHeld(t *testing.T, m *Member, r election.Rival) {
	t.Helper()
	lead, err := campaign(t, m, candidate("intruder"), r)
	if lead != nil || !errors.Is(err, election.ErrHeld) {
		t.Fatalf("a campaign against a leader gave %v, %v, want ErrHeld", lead, err)
	}
}

// outlast campaigns as a follower does, looking before each attempt, until it wins.
func outlast(t *testing.T, e *Election, m *Member, name string) *election.Lead {
	t.Helper()
	ctx := within(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		lead, err := campaign(t, m, candidate(name), e.Rival(t))
		switch {
		case err == nil:
			return lead
		case !errors.Is(err, election.ErrHeld):
			t.Fatalf("%s campaigns: %v", name, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not win: %v", name, context.Cause(ctx))
		}
	}
}

// mustEnd waits for the end of a lead that was lost.
func mustEnd(t *testing.T, l *election.Lead) {
	t.Helper()
	select {
	case <-l.Context().Done():
	case <-within(t).Done():
		t.Fatal("the lead did not end")
	}
	if cause := context.Cause(l.Context()); !errors.Is(cause, election.ErrLost) {
		t.Errorf("the lead ended with %q, want ErrLost", cause)
	}
	if l.Alive() {
		t.Error("a lead that is lost is alive")
	}
}
