package rpc_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"tallystick/internal/auth"
	"tallystick/internal/rpc"
	v1 "tallystick/proto/tallystick/v1"
)

// method is one method of the contract, with a role that may call it.
type method struct {
	procedure string
	input     protoreflect.MessageDescriptor
	role      auth.Role
}

func allMethods() []method {
	var list []method
	for _, file := range []protoreflect.FileDescriptor{
		v1.File_tallystick_v1_ledger_proto, v1.File_tallystick_v1_member_proto, v1.File_tallystick_v1_merchant_proto,
		v1.File_tallystick_v1_finance_proto, v1.File_tallystick_v1_admin_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				list = append(list, method{
					"/" + string(service.FullName()) + "/" + string(m.Name()), m.Input(), audiences[string(service.Name())][0],
				})
			}
		}
	}
	return list
}

// samples are values that pass the contract's rules, by a field's name.
var samples = map[string]string{
	"most": "5", "record_id": "r-1", "period": "2026", "metric": "spend", "value": "1",
	"idempotency_key": "fuzz-1", "nonce": "scan-1", "event_id": "seat", "member_id": "m1", "from_member_id": "m1", "to_member_id": "m2", "unit": "points",
	"amount": "5", "reason": "why", "benefit_id": "pass", "code": "0000000000000000",
	"url": "https://93.184.216.34/", "reference": "order-1", "channel": "app", "fund": "programme", "outlet": "gate-4",
	"document": document, "kind": "bill", "name": "plan", "text": "p588", "gifted": "1", "paid_in_points": "1",
	"into_member_id": "m2", "staff_id": "li", "of": "office", "number": "13800000001", "region": "china", "segments": "vip", "clear_attributes": "arpu",
}

// sample is a message that its handler takes seriously: every field has a value that is allowed.
func sample(d protoreflect.MessageDescriptor, depth int) *dynamicpb.Message {
	m := dynamicpb.NewMessage(d)
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		name := string(field.Name())
		if field.ContainingOneof() != nil && field.ContainingOneof().Fields().Get(0) != field || depth > 3 {
			continue
		}
		switch {
		case name == "number" && d.Name() == "GetMemberRequest": // one names a member in one way
		case name == "code" && (d.Name() == "CheckInVisitRequest" || d.Name() == "ReportVisitRequest"): // and a visit
		case field.Message() != nil && field.Message().FullName() == "google.protobuf.Timestamp":
			m.Set(field, protoreflect.ValueOfMessage(seconds(field.Message(), clockStart.Unix()+int64(1000*field.Number()))))
		case field.Message() != nil && field.Message().FullName() == "google.protobuf.Duration":
			m.Set(field, protoreflect.ValueOfMessage(seconds(field.Message(), 60)))
		case field.IsList() && field.Kind() == protoreflect.EnumKind:
			m.Mutable(field).List().Append(protoreflect.ValueOfEnum(1))
		case field.IsList() && field.Kind() == protoreflect.StringKind:
			m.Mutable(field).List().Append(protoreflect.ValueOfString(cmp.Or(samples[name], "m1")))
		case field.IsList():
			m.Mutable(field).List().Append(protoreflect.ValueOfMessage(sample(field.Message(), depth+1)))
		case field.Message() != nil:
			m.Set(field, protoreflect.ValueOfMessage(sample(field.Message(), depth+1)))
		case field.Kind() == protoreflect.EnumKind:
			m.Set(field, protoreflect.ValueOfEnum(1))
		case field.Kind() == protoreflect.StringKind && samples[name] != "":
			m.Set(field, protoreflect.ValueOfString(samples[name]))
		case field.Kind() == protoreflect.StringKind && strings.HasSuffix(name, "_id"):
			m.Set(field, protoreflect.ValueOfString("0190163d-8694-739b-aea5-966c26f8ad91"))
		}
	}
	return m
}

func seconds(d protoreflect.MessageDescriptor, n int64) protoreflect.Message {
	m := dynamicpb.NewMessage(d)
	m.Set(d.Fields().ByName("seconds"), protoreflect.ValueOfInt64(n))
	return m
}

// The forms in which FuzzEveryMethod sends a message.
const (
	asJSON uint8 = iota
	asBinary
	asGet      // JSON in the query of a GET
	asQuery    // the whole query of a GET
	countForms // how many there are
)

// FuzzEveryMethod sends anything to every method, in every form, from somebody who may call it. No answer may ever be
// internal, unknown or data_loss, each has a reason, and the books must balance.
func FuzzEveryMethod(f *testing.F) {
	w := newWorld(f, nil)
	handler, err := rpc.New(w.config(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(w.balanced)
	list := allMethods()
	for i, m := range list {
		message := sample(m.input, 0)
		text, err := protojson.Marshal(message)
		if err != nil {
			f.Fatal(err)
		}
		data, err := proto.Marshal(message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), asJSON, text)
		f.Add(uint8(i), asBinary, data)
		f.Add(uint8(i), asJSON, []byte(`{}`))
		f.Add(uint8(i), asBinary, data[:len(data)/2])
		f.Add(uint8(i), asGet, text)
		f.Add(uint8(i), asQuery, []byte("encoding=proto&base64=1&message="+base64.URLEncoding.EncodeToString(data)))
		f.Add(uint8(i), asQuery, []byte("encoding=json&base64=1&message=%21"))
		f.Add(uint8(i), asQuery, []byte("encoding=json&connect=v2&compression=gzip"))
	}
	f.Fuzz(func(t *testing.T, n, form uint8, body []byte) {
		m := list[int(n)%len(list)]
		req := formed(t.Context(), m.procedure, form%countForms, body)
		req.Header.Set("Authorization", "Bearer "+w.tokens[m.role])
		res := httptest.NewRecorder()
		handler.ServeHTTP(res, req)
		switch {
		case res.Code == http.StatusOK:
			return
		case req.Method == http.MethodGet && (res.Code == http.StatusMethodNotAllowed || res.Code == http.StatusUnsupportedMediaType):
			return // a GET of a write, or in an encoding that there is not
		}
		got := readAnswer(t, res.Result(), res.Body.Bytes())
		switch got.code {
		case "internal", "unknown", "data_loss", "":
			t.Fatalf("%s answers %q with %s\n%s", m.procedure, body, got.body, w.log.String())
		}
		if got.reason == "" {
			t.Fatalf("%s answers %q without a reason: %s", m.procedure, body, got.body)
		}
	})
}

// formed is a call of a method in one of the forms.
func formed(ctx context.Context, procedure string, form uint8, body []byte) *http.Request {
	method, contentType := http.MethodPost, "application/json"
	var query string
	switch form {
	case asBinary:
		contentType = "application/proto"
	case asGet:
		method, query, body = http.MethodGet, "connect=v1&encoding=json&message="+url.QueryEscape(string(body)), nil
	case asQuery:
		method, query, body = http.MethodGet, string(body), nil
	}
	req := httptest.NewRequestWithContext(ctx, method, procedure, bytes.NewReader(body))
	req.URL.RawQuery = query
	req.Header.Set("Content-Type", contentType)
	return req
}

// FuzzCodecs feeds the strict decoders, of which the front door knows nothing.
func FuzzCodecs(f *testing.F) {
	f.Add([]byte(`{"amount":"1"}`))
	f.Add([]byte("{\"reason\":\"\xff\"}"))
	f.Add([]byte{0x0a, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range allMethods() {
			rpc.DecodeForTest(t, data, dynamicpb.NewMessage(m.input))
		}
	})
}
