package rpc

import (
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
)

// DecodeForTest checks that both decoders never fail, and that what they could not read is told and nothing else is kept.
func DecodeForTest(t *testing.T, data []byte, m proto.Message) {
	t.Helper()
	if err := (jsonCodec{name: "json"}).Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	checkDecoded(t, m)
	proto.Reset(m)
	if err := (protoCodec{}).Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	checkDecoded(t, m)
}

// WithoutRow takes a method's row out of the table of permissions until the test ends.
func WithoutRow(t *testing.T, procedure string) {
	t.Helper()
	row := procedures[procedure]
	delete(procedures, procedure)
	t.Cleanup(func() { procedures[procedure] = row })
}

func checkDecoded(t *testing.T, m proto.Message) {
	t.Helper()
	text, bad := malformedText(m)
	if !bad {
		return
	}
	if !utf8.ValidString(text) || len(text) > 200 {
		t.Fatalf("the decoder's text is %q", text)
	}
}
