package rpc

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/sync/semaphore"
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

// What is asked for in the end are the bytes of all bodies together, not how many calls there are.
func TestBodiesShareOneLimit(t *testing.T) {
	f := &front{memory: semaphore.NewWeighted(100)}
	read := func(length int64, body string) (*call, error) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.ContentLength = length
		c := &call{}
		return c, f.readBody(c, r, 90)
	}
	announced, err := read(60, strings.Repeat("x", 60))
	if err != nil || announced.body.Len() != 60 {
		t.Fatal(err)
	}
	if _, err = read(60, ""); toRefusal(err).reason != reasonTooManyInFlight {
		t.Errorf("a second body of 60 bytes: %v", err)
	}
	f.leave(announced)
	unannounced, err := read(-1, "x") // may be as long as it is allowed to
	if err != nil {
		t.Fatal(err)
	}
	if _, err = read(11, ""); toRefusal(err).reason != reasonTooManyInFlight {
		t.Errorf("11 bytes beside one that may have 90: %v", err)
	}
	f.leave(unannounced)
	if !f.memory.TryAcquire(100) {
		t.Error("not all was given back")
	}
}

func TestLargeBuffersAreNotKept(t *testing.T) {
	f := &front{memory: semaphore.NewWeighted(maxBodies)}
	for range 8 {
		c := &call{}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(make([]byte, batchBytes)))
		if err := f.readBody(c, r, batchBytes); err != nil {
			t.Fatal(err)
		}
		f.leave(c)
		kept := bodies.Get().(*bytes.Buffer)
		if kept.Cap() > maxPooled {
			t.Fatalf("a buffer of %d bytes was kept", kept.Cap())
		}
	}
}
