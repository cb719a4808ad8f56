package rpc

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/google/uuid"

	v1 "tallystick/proto/tallystick/v1"
)

func TestPageTokenWorksForItsOwnListOnly(t *testing.T) {
	p, programme := newPages(nil), uuid.New()
	asked := &v1.ListEntriesRequest{MemberId: "m1", Unit: "points", PageSize: 10}
	token, err := p.token(programme, asked, []byte("cursor"))
	if err != nil {
		t.Fatal(err)
	}
	next := &v1.ListEntriesRequest{MemberId: "m1", Unit: "points", PageSize: 200, PageToken: token}
	if got, err := p.cursor(programme, next); err != nil || !bytes.Equal(got, []byte("cursor")) {
		t.Fatalf("cursor = %q, %v", got, err)
	}
	for name, q := range map[string]query{
		"another member":     &v1.ListEntriesRequest{MemberId: "m2", Unit: "points", PageToken: token},
		"another unit":       &v1.ListEntriesRequest{MemberId: "m1", Unit: "cents", PageToken: token},
		"another place":      &v1.ListEntriesRequest{MemberId: "m1", Unit: "points", Place: v1.Place_PLACE_DEBT, PageToken: token},
		"another list":       &v1.ListHoldsRequest{MemberId: "m1", Unit: "points", PageToken: token},
		"a member's own one": &v1.ListStatementRequest{MemberId: "m1", Unit: "points", PageToken: token},
	} {
		if _, err := p.cursor(programme, q); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := p.cursor(uuid.New(), next); err == nil {
		t.Error("another programme: accepted")
	}
	if _, err := newPages(nil).cursor(programme, next); err == nil {
		t.Error("another key: accepted")
	}
}

func TestPageTokenWithAnyBitFlippedIsRefused(t *testing.T) {
	p, programme := newPages(nil), uuid.New()
	q := &v1.ListEntriesRequest{MemberId: "m1", Unit: "points"}
	token, err := p.token(programme, q, []byte{1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	for i := range token {
		for bit := range 8 {
			altered := []byte(token)
			altered[i] ^= 1 << bit
			q.PageToken = string(altered)
			if _, err := p.cursor(programme, q); err == nil {
				t.Errorf("symbol %d, bit %d: accepted", i, bit)
			}
		}
	}
}

func FuzzPageToken(f *testing.F) {
	p, programme := newPages(make([]byte, 32)), uuid.UUID{1}
	q := &v1.ListEntriesRequest{MemberId: "m1", Unit: "points"}
	token, err := p.token(programme, q, []byte("cursor"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, macLength+1)))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := p.cursor(programme, &v1.ListEntriesRequest{MemberId: "m1", Unit: "points", PageToken: text})
		if err == nil && text != "" && text != token {
			t.Fatalf("cursor(%q) = %q", text, got)
		}
	})
}
