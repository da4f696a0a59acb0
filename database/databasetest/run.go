package databasetest

import "testing"

type rule struct {
	name string
	test func(*world)
}

// Run runs every case against a database of its own, made by open.
func Run(t *testing.T, open func(t *testing.T) Target) {
	for _, rules := range [][]rule{
		fenceRules,
		applyRules,
		historyRules,
		lookRules,
		leaseRules,
		interruptionRules,
		verifyRules,
		registryRules,
		foreignRules,
		glanceRules,
		batchRules,
	} {
		for _, r := range rules {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.test(&world{Target: open(t), t: t})
			})
		}
	}
}
