package trace

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers are those of opentelemetry/proto/trace/v1/trace.proto and its neighbours; the tests read what is written here
// with the types made of those files.

type message []byte

func (m *message) bytes(field protowire.Number, b []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), b)
}

func (m *message) text(field protowire.Number, s string) {
	if s != "" {
		m.bytes(field, []byte(strings.ToValidUTF8(s, "\uFFFD")))
	}
}

func (m *message) fixed64(field protowire.Number, v uint64) {
	*m = protowire.AppendFixed64(protowire.AppendTag(*m, field, protowire.Fixed64Type), v)
}

func (m *message) varint(field protowire.Number, v uint64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), v)
}

func (m *message) attributes(field protowire.Number, list []Attr) {
	for _, a := range list {
		var value, pair message
		switch v := a.Value.(type) {
		case string:
			value.bytes(1, []byte(strings.ToValidUTF8(v, "\uFFFD"))) // an empty one, too
		case bool:
			value.varint(2, protowire.EncodeBool(v))
		case int64:
			value.varint(3, uint64(v))
		}
		pair.text(1, a.Name)
		pair.bytes(2, value)
		m.bytes(field, pair)
	}
}

// encode writes an ExportTraceServiceRequest.
func encode(t *Trace, spans []*Span) []byte {
	var request, resourceSpans, resource, scopeSpans, scope message
	resource.attributes(1, t.settings.resource)
	resourceSpans.bytes(1, resource)
	scope.text(1, "github.com/schemagate/schemagate")
	scopeSpans.bytes(1, scope)
	base := uint64(t.began.UnixNano())
	for _, s := range spans {
		var m message
		m.bytes(1, t.id[:])
		m.bytes(2, s.id[:])
		m.text(3, t.settings.parent.state)
		if s.parent != [8]byte{} {
			m.bytes(4, s.parent[:])
		}
		m.text(5, s.name)
		m.varint(6, 1) // internal
		m.fixed64(7, base+uint64(s.start))
		m.fixed64(8, base+uint64(max(s.start, s.end)))
		m.attributes(9, s.attrs)
		if s.failed {
			var status message
			status.text(2, s.message)
			status.varint(3, 2) // error
			m.bytes(15, status)
		}
		scopeSpans.bytes(2, m)
	}
	resourceSpans.bytes(2, scopeSpans)
	request.bytes(1, resourceSpans)
	return request
}
