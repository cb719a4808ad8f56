package rpc

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// pages makes and reads page tokens: a cursor under a MAC over the cursor, the programme and the query. A caller can
// therefore neither make one up nor carry it to another list, and the cursor needs no check of its own.
type pages struct{ key []byte }

const macLength = 16

// newPages uses key, which all servers behind one address share; without one, tokens end with the process.
func newPages(key []byte) pages {
	if len(key) == 0 {
		key = make([]byte, sha256.Size)
		_, _ = rand.Read(key) // never fails; the runtime ends the process instead
	}
	return pages{key: key}
}

// query is a list request: every one of them has these two fields.
type query interface {
	proto.Message
	GetPageSize() int32
	GetPageToken() string
}

const (
	defaultPage = 50
	maxPage     = 200
)

// size is the number of rows that the query asks for.
func pageSize(q query) int {
	if q.GetPageSize() == 0 {
		return defaultPage
	}
	return min(int(q.GetPageSize()), maxPage)
}

// token is the next_page_token for a cursor; none for no cursor.
func (p pages) token(programme uuid.UUID, q query, cursor []byte) (string, error) {
	if len(cursor) == 0 {
		return "", nil
	}
	mac, err := p.mac(programme, q, cursor)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(mac, cursor...)), nil
}

// cursor is the inverse of token: nil for the first page.
func (p pages) cursor(programme uuid.UUID, q query) ([]byte, error) {
	if q.GetPageToken() == "" {
		return nil, nil
	}
	invalid := refuse(connect.CodeInvalidArgument, reasonPageTokenInvalid)
	// Strict: otherwise the last symbol could be varied without changing a byte.
	data, err := base64.RawURLEncoding.Strict().DecodeString(q.GetPageToken())
	if err != nil || len(data) <= macLength {
		return nil, invalid
	}
	mac, err := p.mac(programme, q, data[macLength:])
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(mac, data[:macLength]) {
		return nil, invalid
	}
	return data[macLength:], nil
}

// mac covers every field of the query but the two that change from page to page.
func (p pages) mac(programme uuid.UUID, q query, cursor []byte) ([]byte, error) {
	filter := q.ProtoReflect().Type().New()
	q.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if name := field.Name(); name != "page_size" && name != "page_token" {
			filter.Set(field, value)
		}
		return true
	})
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(filter.Interface())
	if err != nil {
		return nil, fmt.Errorf("page token of %s: %w", filter.Descriptor().FullName(), err)
	}
	h := hmac.New(sha256.New, p.key)
	for _, part := range [][]byte{programme[:], []byte(filter.Descriptor().FullName()), data} {
		h.Write([]byte{byte(len(part) >> 16), byte(len(part) >> 8), byte(len(part))})
		h.Write(part)
	}
	h.Write(cursor)
	return h.Sum(nil)[:macLength], nil
}
