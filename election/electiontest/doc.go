// Package electiontest is the suite that every elector passes against its real servers.
//
// Guaranteed of an elector that passes: one of many wins; a lead that is renewed lasts; one that is not is replaced after its TTL,
// and at once where the database proves its holder dead; a lead ends when its server hangs, or when it was taken away, and says
// so; giving it back frees it at once; waiting ends early when the lead does, and nothing is left running.
//
// Not guaranteed: anything about two leads that overlap beyond a TTL, which no elector can exclude; the fence is tested elsewhere.
//
// Clock: the tests wait for events. Their one deadline, patience, only ends what would hang for ever.
package electiontest
