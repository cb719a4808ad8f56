package rpc

import (
	"bytes"
	"net/http"
	"regexp"
	"testing"

	"tallystick/ledger"
)

// FuzzCursors: a cursor is read whole or not at all, and is written as it was read.
func FuzzCursors(f *testing.F) {
	for _, n := range []int{0, 1, 15, 16, 17, 18, 19, 23, 24, 25, 64} {
		f.Add(bytes.Repeat([]byte{0}, n))
		f.Add(bytes.Repeat([]byte{0xff}, n))
		f.Add(bytes.Repeat([]byte{0x80, 1}, n)[:n])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := readCursor(data); err == nil && c != (ledger.Cursor{}) && !bytes.Equal(writeCursor(c), data) {
			t.Errorf("%x is read as %+v", data, c)
		}
		if c, err := readTimeAndID(data); err == nil && data != nil && !bytes.Equal(c.write(), data) {
			t.Errorf("%x is read as %+v", data, c)
		}
		if c, err := readLegCursor(data); err == nil && data != nil && !bytes.Equal(c.write(), data) {
			t.Errorf("%x is read as %+v", data, c)
		}
	})
}

// FuzzTimeout: of what callers write, exactly what the two protocols allow is let through.
func FuzzTimeout(f *testing.F) {
	for _, text := range []string{"", "0", "1000", "9999999999", "99999999999", "-1", "1e3", "10S", "99999999H", "999999999n", "S", "1s", "１", "1 S", "1\x00"} {
		f.Add(true, text)
		f.Add(false, text)
	}
	connectForm, grpcForm := regexp.MustCompile(`^[0-9]{1,10}$`), regexp.MustCompile(`^[0-9]{1,8}[HMSmun]$`)
	f.Fuzz(func(t *testing.T, grpc bool, text string) {
		header, form := "Connect-Timeout-Ms", connectForm
		if grpc {
			header, form = "Grpc-Timeout", grpcForm
		}
		err := checkTimeout(http.Header{header: {text}})
		if allowed := text == "" || form.MatchString(text); allowed != (err == nil) {
			t.Errorf("%s %q: %v", header, text, err)
		}
	})
}
