// Package kubernetes tests our manifests and our Helm chart on a real single-node Kubernetes, built from Go modules, in a network
// namespace without a way out: cluster.sh. Nothing but tests, and the scripts that make the node. `make e2e-kube` runs it;
// without a node, as in `make test`, nothing here runs.
//
// Guaranteed: the commands of docs/platforms/kubernetes.md are run as they stand there, on a copy of the tree. A test waits for
// what it can see and never for time to pass.
//
// Not guaranteed: cluster DNS (the pods know the database by hostAliases), more than one node, network policies, an ingress,
// storage, other versions than the one that node/go.mod names; postgres is Debian's.
//
// Clock: the test process's monotonic one bounds the waits.
package kubernetes
