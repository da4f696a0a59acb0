// Package trace writes spans down and sends them to an OpenTelemetry collector, over OTLP/HTTP with protobuf, as the usual
// OTEL_* variables say. It is the few hundred lines of the SDK that one trace per start needs: the SDK itself would be
// initialised on the path of every start, whether it is wanted or not.
//
// Guaranteed: nothing is made, and no goroutine started, unless a variable asks for it. A span costs its writer a lock and an
// append; whatever the collector does, it is waited for in Close alone, and there for no longer than the caller's context.
//
// Not guaranteed: that a span arrives, or once: what was being sent when Close came is sent again under its id. More than a few thousand that wait to be sent are dropped and counted; a killed process
// loses those of its last seconds.
//
// Clock: the wall clock at the start of the trace, and the monotonic one from there on.
package trace
