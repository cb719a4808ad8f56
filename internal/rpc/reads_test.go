package rpc_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

func TestFollowUpsArePagedWithoutGapOrOverlap(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	client := w.ledgerClient()
	held, err := client.Hold(t.Context(), &v1.HoldRequest{
		IdempotencyKey: "h", MemberId: "m1", Unit: "points", Amount: "100", Timeout: durationpb.New(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	id := held.Transaction.Id
	want := make(map[string]bool)
	for i := range 7 {
		res, err := client.Capture(t.Context(), &v1.CaptureRequest{IdempotencyKey: fmt.Sprint("c", i), HoldId: id, Amount: "1"})
		if err != nil {
			t.Fatal(err)
		}
		want[res.Transaction.Id] = true
	}
	m := &v1.GetTransactionRequest{TransactionId: id, PageSize: 3}
	var sizes []int
	for more := true; more; more = m.PageToken != "" {
		res, err := client.GetTransaction(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range res.FollowUps {
			if !want[f.TransactionId] {
				t.Errorf("%s came twice or does not belong here", f.TransactionId)
			}
			delete(want, f.TransactionId)
		}
		sizes, m.PageToken = append(sizes, len(res.FollowUps)), res.NextPageToken
	}
	if len(want) > 0 || !slices.Equal(sizes, []int{3, 3, 1}) {
		t.Errorf("pages of %v, %d are missing", sizes, len(want))
	}
	first, err := client.GetTransaction(t.Context(), &v1.GetTransactionRequest{TransactionId: id, PageSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	other := &v1.GetTransactionRequest{TransactionId: w.accrue("m1", "1").Id, PageToken: first.NextPageToken}
	if _, err := client.GetTransaction(t.Context(), other); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a token of another transaction: %v", err)
	}
	w.balanced()
}

func TestReadsTellWhatThePostingsDid(t *testing.T) {
	w := newWorld(t, nil)
	ctx, client := t.Context(), w.ledgerClient()
	accrued := w.accrue("m1", "100")
	hold := w.posted(api.LedgerServiceHoldProcedure, merge(spend("m1", "30"), "timeout", "3600s"))
	spent := w.posted(api.LedgerServiceRedeemProcedure, spend("m1", "20"))
	w.posted(api.LedgerServiceAccrueProcedure, merge(spend("m1", "5"), "activateAt", "2026-04-01T00:00:00Z"))

	balance, err := client.GetBalance(ctx, &v1.GetBalanceRequest{MemberId: "m1", Unit: "points"})
	if err != nil {
		t.Fatal(err)
	}
	b := balance.Balance
	if b.Posted != "50" || b.Available != "50" || b.Held != "30" || b.Pending != "5" || b.Debt != "0" || b.NextExpiryAmount != "50" ||
		b.NextExpiryAt.AsTime().Format(time.RFC3339) != "2027-03-31T16:00:00Z" {
		t.Errorf("balance %v", b)
	}
	tx, err := client.GetTransaction(ctx, &v1.GetTransactionRequest{TransactionId: accrued.Id})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(accrued, tx.Transaction, protocmp.Transform()); diff != "" {
		t.Errorf("what was answered is not what is read: %s", diff)
	}
	explained, err := client.ExplainTransaction(ctx, &v1.ExplainTransactionRequest{TransactionId: spent})
	if err != nil {
		t.Fatal(err)
	}
	if len(explained.Lots) != 1 || explained.Lots[0].Amount != "20" || explained.Lots[0].Shares[0].TransactionId != accrued.Id {
		t.Errorf("explained %v", explained)
	}
	holds, err := client.ListHolds(ctx, &v1.ListHoldsRequest{MemberId: "m1", Unit: "points"})
	if err != nil {
		t.Fatal(err)
	}
	if len(holds.Holds) != 1 || holds.Holds[0].HoldId != hold || holds.Holds[0].Remaining != "30" {
		t.Errorf("holds %v", holds)
	}
	w.moveClock(clockStart.Add(time.Minute))
	rolled, err := api.NewFinanceServiceClient(w.client(auth.Finance), w.url).GetRollForward(ctx, &v1.GetRollForwardRequest{
		Unit: "points", From: accrued.RecordedAt, To: accrued.RecordedAt,
	})
	if err != nil || rolled.Opening != rolled.Closing {
		t.Errorf("roll-forward %v, %v", rolled, err)
	}
	trial, err := api.NewFinanceServiceClient(w.client(auth.Finance), w.url).GetTrialBalance(ctx, &v1.GetTrialBalanceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, total := range trial.Totals {
		if total.Total != "0" {
			t.Errorf("total of %s is %s", total.Unit, total.Total)
		}
	}
	if len(trial.Lines) == 0 {
		t.Error("the trial balance is empty")
	}
}

func TestStatementPagesJoinWithoutGapOrOverlap(t *testing.T) { // E50
	w := newWorld(t, nil)
	for i := range 7 {
		w.accrue("m1", fmt.Sprint(i+1))
	}
	client := w.ledgerClient()
	whole, err := client.ListEntries(t.Context(), &v1.ListEntriesRequest{MemberId: "m1", Unit: "points", PageSize: 1_000_000})
	if err != nil || len(whole.Entries) != 7 || whole.NextPageToken != "" {
		t.Fatalf("%v, %v", whole, err)
	}
	var paged []*v1.Entry
	q := &v1.ListEntriesRequest{MemberId: "m1", Unit: "points", PageSize: 3}
	for range 4 {
		page, err := client.ListEntries(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		paged = append(paged, page.Entries...)
		if q.PageToken = page.NextPageToken; q.PageToken == "" {
			break
		}
	}
	if diff := cmp.Diff(whole.Entries, paged, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	first, err := client.ListEntries(t.Context(), &v1.ListEntriesRequest{MemberId: "m1", Unit: "points", PageSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	list := fields{"memberId": `"m1"`, "unit": `"points"`}
	entries := api.LedgerServiceListEntriesProcedure
	flipped := []byte(first.NextPageToken)
	if flipped[5]++; !strings.Contains("BCDEFGHIJKLMNOPQRSTUVWXYZbcdefghijklmnopqrstuvwxyz123456789", string(flipped[5])) {
		flipped[5] = 'A' // still a symbol of base64, and still another one
	}
	w.refuses([]hostile{
		{name: "size -1", procedure: entries, body: list.but("pageSize", "-1"), code: invalid, reason: "INVALID_FIELD"},
		{name: "size 1e10", procedure: entries, body: list.but("pageSize", "10000000000"), code: invalid, reason: "REQUEST_MALFORMED"},
		{name: "garbage", procedure: entries, body: list.but("pageToken", `"garbage"`), code: invalid, reason: "PAGE_TOKEN_INVALID"},
		{name: "not base64", procedure: entries, body: list.but("pageToken", `"=="`), code: invalid, reason: "INVALID_FIELD"},
		{name: "one bit", procedure: entries, body: list.but("pageToken", quote(string(flipped))), code: invalid, reason: "PAGE_TOKEN_INVALID"},
		{name: "another query", procedure: entries, body: list.but("pageToken", quote(first.NextPageToken), "memberId", `"m2"`), code: invalid, reason: "PAGE_TOKEN_INVALID"},
		{name: "another list", procedure: api.LedgerServiceListHoldsProcedure, body: list.but("pageToken", quote(first.NextPageToken)), code: invalid, reason: "PAGE_TOKEN_INVALID"},
		{name: "turned range", procedure: entries, body: list.but("from", `"2026-02-01T00:00:00Z"`, "to", `"2026-01-01T00:00:00Z"`), code: invalid, reason: "INVALID_FIELD"},
		{name: "unknown unit", procedure: entries, body: list.but("unit", `"gems"`), code: invalid, reason: "UNKNOWN_UNIT"},
		{name: "balance of tomorrow", procedure: api.LedgerServiceGetBalanceProcedure, body: list.but("asOfRecorded", `"2026-03-02T00:00:00Z"`), code: invalid, reason: "INVALID_FIELD"},
		{name: "balance of now", procedure: api.LedgerServiceGetBalanceProcedure, body: list.but("asOfRecorded", quote(clockStart.Format(time.RFC3339))), code: forbidden, reason: "AS_OF_TOO_RECENT"},
	})
	grant := w.grant(auth.System)
	grant.Programme = w.apply(strings.Replace(document, "rpc-test", "other", 1))
	w.tokens[auth.System] = w.issue(grant)
	got := w.call(auth.System, entries, list.but("pageToken", quote(first.NextPageToken)))
	w.expect("another programme", got, invalid, "PAGE_TOKEN_INVALID")
}

func TestAPageHasFiftyRowsOrAtMostTwoHundred(t *testing.T) { // E50
	w := newWorld(t, nil)
	batch := &v1.PostBatchRequest{}
	for i := range 201 {
		batch.Items = append(batch.Items, &v1.BatchItem{Write: &v1.BatchItem_Accrue{Accrue: &v1.AccrueRequest{
			IdempotencyKey: fmt.Sprint(i), MemberId: "m1", Unit: "points", Amount: "1",
		}}})
	}
	client := w.ledgerClient()
	if _, err := client.PostBatch(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int32][]int{0: {50, 50, 50, 50, 1}, 199: {199, 2}, 200: {200, 1}, 1_000_000: {200, 1}} {
		m := &v1.ListEntriesRequest{MemberId: "m1", Unit: "points", PageSize: size}
		var sizes []int
		for more := true; more; more = m.PageToken != "" {
			page, err := client.ListEntries(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			sizes, m.PageToken = append(sizes, len(page.Entries)), page.NextPageToken
		}
		if !slices.Equal(sizes, want) {
			t.Errorf("size %d: pages of %v, want %v", size, sizes, want)
		}
	}
	w.balanced()
}

func TestReadsCanBeGets(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	client := api.NewLedgerServiceClient(w.client(auth.System), w.url, connect.WithHTTPGet(), connect.WithProtoJSON())
	res, err := client.GetBalance(t.Context(), &v1.GetBalanceRequest{MemberId: "m1", Unit: "points"})
	if err != nil || res.Balance.Posted != "100" {
		t.Errorf("%v, %v", res, err)
	}
}
