// Package rollout deploys the releases of examples/rolling behind a real load balancer, HAProxy, that polls /readyz, under
// constant traffic. Guaranteed by its tests: no request of a rolling deploy fails, and none is answered by a release that does
// not fit the schema of that moment. Times are the machine's one clock, for the server, the app and the log of requests.
package rollout
