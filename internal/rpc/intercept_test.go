package rpc

import (
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"

	v1 "tallystick/proto/tallystick/v1"
)

func BenchmarkDecodeAndValidateAccrue(b *testing.B) {
	validator, err := protovalidate.New(protovalidate.WithMessages(requests()...))
	if err != nil {
		b.Fatal(err)
	}
	data, err := proto.Marshal(&v1.AccrueRequest{
		IdempotencyKey: "order-1234567", MemberId: "m-123456", Unit: "points", Amount: "125",
		Reason: "order", Reference: "1234567", Channel: "billing",
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := (protoCodec{}).Unmarshal(data, new(v1.AccrueRequest)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("validate", func(b *testing.B) {
		m := new(v1.AccrueRequest)
		if err := (protoCodec{}).Unmarshal(data, m); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := check(&call{}, validator, m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
