package rpc_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// Every write can be tried first: it answers what would happen, writes nothing and leaves the key free.
func TestEveryWriteCanBeTriedFirst(t *testing.T) {
	w := newWorld(t, nil)
	accrued := w.accrue("m1", "1000")
	for _, c := range []struct {
		name, procedure string
		role            auth.Role
		body            fields
	}{
		{"freeze", api.AdminServiceFreezeMemberProcedure, auth.Operator, write("memberId", "m1", "reason", "lost")},
		{"unfreeze", api.AdminServiceUnfreezeMemberProcedure, auth.Operator, write("memberId", "m1", "reason", "found")},
		{"re-date", api.AdminServiceRedateLotsProcedure, auth.Operator, write("memberId", "m1", "unit", "points", "expiresAt", "2028-01-01T00:00:00Z")},
		{"period", api.FinanceServiceSetOpenPeriodProcedure, auth.Finance, write("openFrom", "2026-02-01T00:00:00Z")},
		{"clock", api.AdminServiceMoveClockProcedure, auth.Operator, write("clock", "2026-03-02T00:00:00Z")},
		{"reverse", api.LedgerServiceReverseProcedure, auth.Operator, write("transactionId", accrued.Id)},
	} {
		before := w.books()
		tried := w.call(c.role, c.procedure, c.body.but("preview", "true"))
		if !strings.Contains(string(tried.body), `"OUTCOME_PREVIEWED"`) {
			t.Errorf("%s: tried: %s", c.name, tried.body)
		}
		if after := w.books(); after != before {
			t.Errorf("%s: the books changed from %v to %v", c.name, before, after)
		}
		done := w.call(c.role, c.procedure, c.body.but())
		if done.code != "ok" || done.header.Get("Idempotency-Replayed") != "" || !strings.Contains(string(done.body), `"OUTCOME_POSTED"`) {
			t.Errorf("%s: %s", c.name, done.body)
		}
	}
	w.balanced()
}

func TestAVoucherIsTriedBeforeItIsUsedTakenBackOrGivenBack(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "1000")
	voucher := w.redeemed("m1", "pass", v1.PayWith_PAY_WITH_POINTS).Voucher
	tries := func(role auth.Role, procedure string, body fields) answer {
		t.Helper()
		before := w.books()
		tried := w.call(role, procedure, body.but("preview", "true"))
		w.expect("try "+procedure, tried, "ok", "")
		if after := w.books(); after != before || strings.Contains(string(tried.body), `"redemptionId":"`) || strings.Contains(string(tried.body), `"reversalId":"`) {
			t.Errorf("%s: the books changed from %v to %v: %s", procedure, before, after, tried.body)
		}
		done := w.call(role, procedure, body.but())
		w.expect(procedure, done, "ok", "")
		return done
	}
	use := write("code", voucher.Code, "outlet", "gate-4")
	used := tries(auth.Merchant, api.MerchantServiceRedeemVoucherProcedure, use)
	second := w.call(auth.Merchant, api.MerchantServiceRedeemVoucherProcedure, use.but("idempotencyKey", `"second"`, "preview", "true"))
	w.expect("try a second use", second, forbidden, "VOUCHER_USED")
	if second.meta["recorded_id"] != "" {
		t.Errorf("a preview names a record: %v", second.meta)
	}
	_, rest, _ := strings.Cut(string(used.body), `"redemptionId":"`)
	tries(auth.Merchant, api.MerchantServiceReverseVoucherProcedure, write("redemptionId", rest[:36]))
	tries(auth.Member, api.MemberServiceCancelRedemptionProcedure, write("voucherId", voucher.Id))
	if got := w.available("m1"); got != "1000" {
		t.Errorf("available %s, want 1000", got)
	}
	w.balanced()
}

func TestABatchIsTriedItemAfterItem(t *testing.T) {
	w := newWorld(t, nil)
	item := func(key, amount string) *v1.BatchItem {
		return &v1.BatchItem{Write: &v1.BatchItem_Redeem{Redeem: &v1.RedeemRequest{IdempotencyKey: key, MemberId: "m1", Unit: "points", Amount: amount}}}
	}
	w.accrue("m1", "100")
	before := w.books()
	items := []*v1.BatchItem{item("a", "60"), item("b", "60"), item("c", "40"), item("a", "60")}
	for atomic, want := range map[bool][]string{
		false: {"", "INSUFFICIENT_POINTS", "", ""},
		true:  {"INVALID_FIELD", "INVALID_FIELD", "INVALID_FIELD", "INVALID_FIELD"}, // a key twice
	} {
		res, err := w.ledgerClient().PostBatch(t.Context(), &v1.PostBatchRequest{Items: items, Atomic: atomic, Preview: true})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range res.Results {
			if r.GetFailure().GetReason() != want[i] || want[i] == "" && r.GetTransaction().GetOutcome() != v1.Outcome_OUTCOME_PREVIEWED {
				t.Errorf("atomic %t, item %d: %v", atomic, i, r)
			}
			if r.GetFailure().GetMetadata()["recorded_id"] != "" {
				t.Errorf("atomic %t, item %d: a preview names a record: %v", atomic, i, r)
			}
		}
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	res, err := w.ledgerClient().PostBatch(t.Context(), &v1.PostBatchRequest{Items: items[:1]})
	if err != nil || res.Results[0].GetTransaction().GetOutcome() != v1.Outcome_OUTCOME_POSTED {
		t.Errorf("the key is not free: %v, %v", res, err)
	}
}

func TestHoldsAreListedWithWhatBecameOfThem(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	hold := func(timeout string) string {
		return w.posted(api.LedgerServiceHoldProcedure, merge(spend("m1", "10"), "timeout", timeout))
	}
	captured, voided, late, open := hold("7200s"), hold("7200s"), hold("60s"), hold("7200s")
	w.posted(api.LedgerServiceCaptureProcedure, write("holdId", captured))
	w.posted(api.LedgerServiceVoidProcedure, write("holdId", voided))
	w.moveClock(clockStart.Add(time.Hour))
	want := map[string]v1.HoldState{
		captured: v1.HoldState_HOLD_STATE_CAPTURED, voided: v1.HoldState_HOLD_STATE_VOIDED,
		late: v1.HoldState_HOLD_STATE_PAST_DUE, open: v1.HoldState_HOLD_STATE_OPEN,
	}
	w.holdsAre(want)
	if err := w.ledger.Sweep(t.Context(), w.programme, nil); err != nil {
		t.Fatal(err)
	}
	want[late] = v1.HoldState_HOLD_STATE_TIMED_OUT
	w.holdsAre(want)
	res, err := w.ledgerClient().ListHolds(t.Context(), &v1.ListHoldsRequest{MemberId: "m1", Unit: "points"})
	if err != nil || len(res.Holds) != 1 || res.Holds[0].HoldId != open {
		t.Errorf("open holds: %v, %v", res, err)
	}
}

// holdsAre reads all holds of m1, three a page, and compares their states.
func (w *world) holdsAre(want map[string]v1.HoldState) {
	w.t.Helper()
	got := make(map[string]v1.HoldState)
	q := &v1.ListHoldsRequest{MemberId: "m1", Unit: "points", All: true, PageSize: 3}
	for range len(want) {
		page, err := w.ledgerClient().ListHolds(w.t.Context(), q)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, h := range page.Holds {
			got[h.HoldId] = h.State
		}
		if q.PageToken = page.NextPageToken; q.PageToken == "" {
			break
		}
	}
	if len(got) != len(want) {
		w.t.Errorf("%d holds, want %d", len(got), len(want))
	}
	for id, state := range want {
		if got[id] != state {
			w.t.Errorf("hold %s is %s, want %s", id, got[id], state)
		}
	}
}

func TestALineOfARollForwardIsTracedToItsLegs(t *testing.T) {
	w := newWorld(t, nil)
	want := make(map[string]string)
	for _, amount := range []string{"1", "20", "300", "4000", "50000"} {
		want[w.accrue("m1", amount).Id] = amount
	}
	w.posted(api.LedgerServiceRedeemProcedure, spend("m1", "7"))
	w.moveClock(clockStart.Add(time.Hour))
	finance := api.NewFinanceServiceClient(w.client(auth.Finance), w.url)
	from, to := timestamppb.New(clockStart), timestamppb.New(clockStart.Add(time.Hour))
	rolled, err := finance.GetRollForward(t.Context(), &v1.GetRollForwardRequest{Unit: "points", From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	var moved string
	for _, line := range rolled.Lines {
		if line.Kind == v1.Kind_KIND_ACCRUAL {
			moved = line.Moved
		}
	}
	if moved != "54321" {
		t.Errorf("the line moved %s", moved)
	}
	q := &v1.ListRollForwardLegsRequest{
		Unit: "points", From: from, To: to, Kind: v1.Kind_KIND_ACCRUAL, FromPlace: v1.Place_PLACE_ISSUANCE,
		ToPlace: v1.Place_PLACE_WALLET, PageSize: 2,
	}
	for range 4 {
		page, err := finance.ListRollForwardLegs(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, leg := range page.Legs {
			if want[leg.TransactionId] != leg.Amount || leg.MemberId != "m1" {
				t.Errorf("leg %v", leg)
			}
			delete(want, leg.TransactionId)
		}
		if q.PageToken = page.NextPageToken; q.PageToken == "" {
			break
		}
	}
	if len(want) != 0 || q.PageToken != "" {
		t.Errorf("%d legs are missing, the next token is %q", len(want), q.PageToken)
	}
	q.Unit = "gems"
	if _, err := finance.ListRollForwardLegs(t.Context(), q); err == nil {
		t.Error("an unknown unit has legs")
	}
}
