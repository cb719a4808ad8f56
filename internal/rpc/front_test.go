package rpc

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"testing"
)

func TestTimeoutsAreReadStrictly(t *testing.T) {
	for _, c := range []struct {
		header, value string
		ok            bool
	}{
		{"Connect-Timeout-Ms", "1", true},
		{"Connect-Timeout-Ms", "9999999999", true},
		{"Connect-Timeout-Ms", "99999999999", false},
		{"Connect-Timeout-Ms", "abc", false},
		{"Connect-Timeout-Ms", "-5", false},
		{"Connect-Timeout-Ms", "+5", false},
		{"Connect-Timeout-Ms", "5 ", false},
		{"Grpc-Timeout", "10S", true},
		{"Grpc-Timeout", "99999999n", true},
		{"Grpc-Timeout", "999999999n", false},
		{"Grpc-Timeout", "S", false},
		{"Grpc-Timeout", "10", false},
		{"Grpc-Timeout", "10x", false},
	} {
		if err := checkTimeout(http.Header{c.header: {c.value}}); (err == nil) != c.ok {
			t.Errorf("%s: %q: %v", c.header, c.value, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 1, 9})
	f.Add([]byte{0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := checkFrame(body); err != nil {
			return
		}
		frame := append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(body)-framePrefix))...)
		if !bytes.Equal(body[:framePrefix], frame) {
			t.Fatalf("accepted %x", body)
		}
	})
}
