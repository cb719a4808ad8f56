package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// jsonCodec is strict where connect's own is lenient: an unknown field or enum name is refused instead of dropped, since
// a misspelt field that vanishes is a different request from the one that was meant.
type jsonCodec struct{ name string }

func (c jsonCodec) Name() string { return c.name }

func (jsonCodec) IsBinary() bool { return false }

func (c jsonCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (jsonCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	return protojson.MarshalOptions{}.MarshalAppend(dst, message.(proto.Message))
}

func (c jsonCodec) MarshalStable(message any) ([]byte, error) {
	text, err := c.Marshal(message)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer // protojson varies its blanks on purpose
	err = json.Compact(&compact, text)
	return compact.Bytes(), err
}

func (jsonCodec) Unmarshal(text []byte, message any) error {
	return decode(message.(proto.Message), func(m proto.Message) error {
		if len(text) == 0 {
			return errors.New("an empty body is not a JSON object")
		}
		return protojson.UnmarshalOptions{RecursionLimit: 32}.Unmarshal(text, m)
	})
}

// protoCodec is the binary form. Unknown fields are dropped, as in every protobuf server.
type protoCodec struct{}

func (protoCodec) Name() string { return "proto" }

func (protoCodec) IsBinary() bool { return true }

func (protoCodec) Marshal(message any) ([]byte, error) { return proto.Marshal(message.(proto.Message)) }

func (protoCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	return proto.MarshalOptions{}.MarshalAppend(dst, message.(proto.Message))
}

func (protoCodec) MarshalStable(message any) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(message.(proto.Message))
}

func (protoCodec) Unmarshal(data []byte, message any) error {
	return decode(message.(proto.Message), func(m proto.Message) error {
		return proto.UnmarshalOptions{RecursionLimit: 32}.Unmarshal(data, m)
	})
}

// malformed is the number of an unknown field that carries the text of a decoding error to the interceptor. Connect
// would answer such an error by itself: past our log and metrics, and without a reason. This way there is one place
// where errors are answered. A client that sends the field itself is told that its request is malformed, which it is.
const malformed = protowire.MaxValidNumber

func decode(m proto.Message, read func(proto.Message) error) error {
	err := read(m)
	if err == nil {
		return nil
	}
	proto.Reset(m)
	field := protowire.AppendTag(nil, malformed, protowire.BytesType)
	m.ProtoReflect().SetUnknown(protowire.AppendString(field, decodeError(err)))
	return nil
}

// decodeError returns what of a decoding error may be told. The prefix is left out because the library varies it on
// purpose.
func decodeError(err error) string {
	text := err.Error()
	if _, rest, ok := strings.Cut(text, "proto:"); ok {
		text = strings.TrimLeft(rest, " \u00a0")
	}
	return presentable(text)
}

// presentable makes a text that quotes the input valid UTF-8, as every protobuf string has to be, and cuts it short.
func presentable(text string) string {
	const most = 200
	return strings.ToValidUTF8(text[:min(len(text), most)], "?")
}

// malformedText returns the decoding error that m carries. It may be a caller's own text in the place of ours.
func malformedText(m proto.Message) (string, bool) {
	unknown := m.ProtoReflect().GetUnknown()
	for len(unknown) > 0 {
		number, kind, n := protowire.ConsumeTag(unknown)
		if n < 0 {
			return "fields cannot be read", true
		}
		if number == malformed && kind == protowire.BytesType {
			text, _ := protowire.ConsumeString(unknown[n:])
			return presentable(text), true
		}
		size := protowire.ConsumeFieldValue(number, kind, unknown[n:])
		if size < 0 {
			return "fields cannot be read", true
		}
		unknown = unknown[n+size:]
	}
	return "", false
}
