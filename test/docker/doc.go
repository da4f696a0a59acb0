// Package docker tests our image and our files for Compose, Swarm and CapRover in a real Docker engine. It holds nothing but
// tests and the scripts that make an engine and its base images without a registry: engine.sh and images.sh, which other
// tests may use, too. `make e2e` runs it; without an engine, as in `make test`, nothing here runs.
//
// Guaranteed: the commands of docs/platforms are run as they stand there, on a copy of the tree, by someone who has nothing
// but that page. A test waits for what it can see (an exit code, an answer, a row) and never for time to pass.
//
// Not guaranteed: anything about the official images (postgres is Debian's, mongo is FerretDB), Compose v2, more than one
// node, Swarm's virtual addresses, or CapRover itself.
//
// Clock: the test process's monotonic one bounds the waits.
package docker
