package rpc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// richer is the document with more stock and another price.
var richer = strings.NewReplacer("stock: {all: 1}", "stock: {all: 1, more: 4}", "{points: 10}", "{points: 12}").Replace(document)

func TestAnOperatorAppliesADocumentAndReadsItsVersions(t *testing.T) {
	w := newWorld(t, nil)
	client := api.NewAdminServiceClient(w.client(auth.Operator), w.url)
	ask := &v1.ApplyProgrammeRequest{Document: richer, ExpectedVersion: 1, Preview: true}
	before := w.books()
	tried, err := client.ApplyProgramme(t.Context(), ask)
	if err != nil || tried.Version.Version != 2 || tried.Version.Hash != "" || tried.Version.AppliedAt != nil || w.books() != before {
		t.Fatalf("a preview: %v, %v", tried, err)
	}
	ask.Preview = false
	applied, err := client.ApplyProgramme(t.Context(), ask)
	if err != nil || applied.Version.Version != 2 || applied.Version.AppliedBy != "tests" || len(applied.Version.Hash) != 64 {
		t.Fatalf("%v, %v", applied, err)
	}
	want := []*v1.DocumentChange{
		{Kind: v1.ChangeKind_CHANGE_KIND_CHANGED, Path: "benefits[dinner].prices.points", From: "10", To: "12"},
		{Kind: v1.ChangeKind_CHANGE_KIND_ADDED, Path: "benefits[seat].stock.more", To: "4"},
	}
	for _, res := range []*v1.ApplyProgrammeResponse{tried, applied} {
		if len(res.Changes) != 2 || !proto.Equal(res.Changes[0], want[0]) || !proto.Equal(res.Changes[1], want[1]) || len(res.Publishes) != 1 ||
			!proto.Equal(res.Publishes[0], &v1.Publication{BenefitId: "seat", Name: "more", Amount: "4"}) {
			t.Errorf("%v", res)
		}
	}
	again, err := client.ApplyProgramme(t.Context(), ask) // a retry: version 1 is not current any more
	if err != nil || !proto.Equal(again.Version, applied.Version) || len(again.Changes)+len(again.Publishes) > 0 {
		t.Errorf("again: %v, %v", again, err)
	}

	first, err := client.GetProgramme(t.Context(), &v1.GetProgrammeRequest{Version: 1})
	if err != nil || first.Document != document || first.Version.AppliedBy != "test" {
		t.Errorf("version 1: %v, %v", first, err)
	}
	current, err := client.GetProgramme(t.Context(), &v1.GetProgrammeRequest{})
	if err != nil || current.Document != richer || !proto.Equal(current.Version, applied.Version) {
		t.Errorf("the current version: %v, %v", current, err)
	}
	page, err := client.ListProgrammeVersions(t.Context(), &v1.ListProgrammeVersionsRequest{PageSize: 1})
	if err != nil || len(page.Versions) != 1 || !proto.Equal(page.Versions[0], applied.Version) {
		t.Fatalf("%v, %v", page, err)
	}
	page, err = client.ListProgrammeVersions(t.Context(), &v1.ListProgrammeVersionsRequest{PageSize: 5, PageToken: page.NextPageToken})
	if err != nil || len(page.Versions) != 1 || !proto.Equal(page.Versions[0], first.Version) || page.NextPageToken != "" {
		t.Errorf("%v, %v", page, err)
	}
	w.balanced()
}

func TestTwoEditorsDoNotOverwriteOneAnother(t *testing.T) {
	w := newWorld(t, nil)
	client := api.NewAdminServiceClient(w.client(auth.Operator), w.url)
	if _, err := client.ApplyProgramme(t.Context(), &v1.ApplyProgrammeRequest{Document: richer, ExpectedVersion: 1}); err != nil {
		t.Fatal(err)
	}
	late := fields{"document": quote(document + "# late\n"), "expectedVersion": `"1"`}
	got := w.call(auth.Operator, api.AdminServiceApplyProgrammeProcedure, late.but())
	w.expect("the second editor", got, forbidden, "PROGRAMME_CHANGED")
	if got.meta["version"] != "2" || got.meta["expected"] != "1" {
		t.Errorf("metadata %v", got.meta)
	}
	w.expect("a page token of another list", w.call(auth.Operator, api.AdminServiceListProgrammeVersionsProcedure, `{"pageToken":"AAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`), invalid, "PAGE_TOKEN_INVALID")
	w.expect("no such version", w.call(auth.Operator, api.AdminServiceGetProgrammeProcedure, `{"version":"3"}`), "not_found", "NOT_FOUND")
	w.balanced()
}

func TestTheMistakesOfADocumentComeWithTheirLines(t *testing.T) {
	w := newWorld(t, nil)
	client := api.NewAdminServiceClient(w.client(auth.Operator), w.url)
	wrong := strings.NewReplacer("Asia/Shanghai", "Mars", "kind: lounge", "kind: louge").Replace(document)
	_, err := client.ApplyProgramme(t.Context(), &v1.ApplyProgrammeRequest{Document: wrong})
	refused, is := errors.AsType[*connect.Error](err)
	if !is || refused.Code() != connect.CodeInvalidArgument {
		t.Fatal(err)
	}
	told := new(v1.InvalidDocument)
	for _, detail := range refused.Details() {
		if value, err := detail.Value(); err != nil {
			t.Fatal(err)
		} else if m, is := value.(*v1.InvalidDocument); is {
			told = m
		}
	}
	want := []*v1.DocumentMistake{
		{Line: 3, Path: "zone", Problem: `"Mars" is no time zone`, Fix: "use an IANA name such as Asia/Shanghai"},
		{Line: 27, Path: "benefits[pass].kind", Problem: `there is no "louge"`},
	}
	if len(told.Mistakes) != len(want) {
		t.Fatalf("%v", told)
	}
	want[1].Fix = told.Mistakes[1].Fix
	for i := range want {
		if !proto.Equal(told.Mistakes[i], want[i]) || told.Mistakes[i].Fix == "" {
			t.Errorf("%v, want %v", told.Mistakes[i], want[i])
		}
	}
}

// However many mistakes there are, and however long what they quote, the answer stays one that gRPC can send.
func TestAThousandMistakesAreToldInPart(t *testing.T) {
	w := newWorld(t, nil)
	wrong := document
	for i := range 1000 {
		wrong += fmt.Sprintf("    - {code: %d%s}\n", i, strings.Repeat("x", 500))
	}
	client := api.NewAdminServiceClient(w.client(auth.Operator), w.url, connect.WithGRPCWeb())
	_, err := client.ApplyProgramme(t.Context(), &v1.ApplyProgrammeRequest{Document: wrong})
	refused, is := errors.AsType[*connect.Error](err)
	if !is || refused.Code() != connect.CodeInvalidArgument || len(refused.Details()) != 4 {
		t.Fatal(err)
	}
	if value, err := refused.Details()[1].Value(); err != nil || proto.Size(value) > 17<<10 || proto.Size(value) < 10<<10 {
		t.Errorf("%d bytes of mistakes, %v", proto.Size(value), err)
	}
}

func TestDocumentsThatNoFileWouldBeAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for name, before := 'b', 'a'; name < 'k'; name, before = name+1, name {
		bomb += string(name) + ": &" + string(name) + " [" + strings.Repeat("*"+string(before)+",", 10) + "]\n"
	}
	before := w.books()
	for name, c := range map[string]struct{ body, code, reason string }{
		"none":                {`{}`, invalid, "INVALID_FIELD"},
		"empty":               {`{"document":""}`, invalid, "INVALID_FIELD"},
		"a NUL":               {fields{"document": quote(document + "\x00")}.but(), invalid, "INVALID_FIELD"},
		"a control character": {fields{"document": quote(document + "\x07")}.but(), invalid, "INVALID_DOCUMENT"},
		"an object":           {`{"document":{"programme":"rpc-test"}}`, invalid, "REQUEST_MALFORMED"},
		"a version below 0":   {fields{"document": quote(document), "expectedVersion": `"-1"`}.but(), invalid, "INVALID_FIELD"},
		"a comment only":      {`{"document":"# nothing"}`, invalid, "INVALID_DOCUMENT"},
		"another programme's": {fields{"document": quote(strings.Replace(document, "rpc-test", "rpc-toast", 1))}.but(), invalid, "INVALID_DOCUMENT"},
		"no sandbox any more": {fields{"document": quote(strings.Replace(document, "sandbox: true", "sandbox: false", 1))}.but(), forbidden, "NOT_A_SANDBOX"},
		"changed stock":       {fields{"document": quote(strings.Replace(document, "all: 1", "all: 2", 1))}.but(), invalid, "INVALID_DOCUMENT"},
		"a bomb of aliases":   {fields{"document": quote(document + bomb)}.but(), invalid, "INVALID_DOCUMENT"},
		"deep":                {fields{"document": quote(document + "deep: " + strings.Repeat("[", 200_000))}.but(), invalid, "INVALID_DOCUMENT"},
		"too long":            {fields{"document": quote(document + "#" + strings.Repeat("x", 786_432))}.but(), invalid, "INVALID_FIELD"},
		"too large":           {fields{"document": quote(document + "#" + strings.Repeat("x", 1<<20))}.but(), exhausted, "REQUEST_TOO_LARGE"},
	} {
		w.expect(name, w.call(auth.Operator, api.AdminServiceApplyProgrammeProcedure, c.body), c.code, c.reason)
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	if p, err := w.ledger.Programme(t.Context(), w.programme); err != nil || p.Version != 1 {
		t.Errorf("version %d, %v", p.Version, err)
	}
	w.saysNoSecrets()
	w.balanced()
}
