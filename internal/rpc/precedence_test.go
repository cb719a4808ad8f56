package rpc_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// Each case breaks one rule more than the next, in the order that ledger.proto promises: the first rule answers.
func TestReasonsComeInTheOrderThatTheContractSays(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	w.posted(api.LedgerServiceRedeemProcedure, merge(spend("m1", "1"), "reference", "order-1"))
	w.expect("period", w.call(auth.Finance, api.FinanceServiceSetOpenPeriodProcedure, write("openFrom", "2026-02-01T00:00:00Z").but()), "ok", "")
	w.expect("freeze", w.call(auth.Operator, api.AdminServiceFreezeMemberProcedure, write("memberId", "m1", "reason", "lost").but()), "ok", "")
	used := write()["idempotencyKey"]
	w.expect("the key", w.call(auth.System, api.LedgerServiceAccrueProcedure, accrual().but("idempotencyKey", used)), "ok", "")

	const january = `"2026-01-31T00:00:00Z"`
	wrong := []struct{ rule, field, good, bad, code, reason string }{
		{"the message by itself", "channel", `"app"`, `"APP"`, invalid, "INVALID_FIELD"},
		{"the key", "idempotencyKey", "", used, forbidden, "IDEMPOTENCY_KEY_REUSED"},
		{"the unit", "unit", `"points"`, `"gems"`, invalid, "UNKNOWN_UNIT"},
		{"the reference", "reference", `"order-2"`, `"order-1"`, "already_exists", "REFERENCE_USED"},
		{"the time", "effectiveAt", `"2026-03-01T00:00:00Z"`, january, forbidden, "PERIOD_CLOSED"},
		{"the freeze", "memberId", `"m2"`, `"m1"`, forbidden, "MEMBER_FROZEN"},
		{"the kind's own", "amount", `"1"`, `"1000"`, forbidden, "INSUFFICIENT_POINTS"},
	}
	for first := range wrong {
		f := fields{}
		for i, rule := range wrong {
			f[rule.field] = rule.good
			if i >= first {
				f[rule.field] = rule.bad
			}
		}
		if f["idempotencyKey"] == "" {
			f["idempotencyKey"] = quote(uuid.NewString())
		}
		w.expect(wrong[first].rule, w.call(auth.System, api.LedgerServiceRedeemProcedure, f.but()), wrong[first].code, wrong[first].reason)
	}
	w.balanced()
}

func TestWhatIsNotFoundComesBeforeReferenceAndTime(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	hold := w.posted(api.LedgerServiceHoldProcedure, merge(spend("m1", "10"), "timeout", "3600s"))
	w.posted(api.LedgerServiceCaptureProcedure, write("holdId", hold, "amount", "1", "reference", "order-1"))
	capture := func(id, reference, at string) answer {
		f := write("holdId", id, "amount", "99", "reference", reference, "effectiveAt", at)
		return w.call(auth.System, api.LedgerServiceCaptureProcedure, f.but())
	}
	const tomorrow = "2026-03-02T00:00:00Z"
	w.expect("unknown", capture(uuid.NewString(), "order-1", tomorrow), "not_found", "NOT_FOUND")
	w.expect("reference", capture(hold, "order-1", tomorrow), "already_exists", "REFERENCE_USED")
	w.expect("time", capture(hold, "order-2", tomorrow), invalid, "EFFECTIVE_IN_FUTURE")
	w.expect("its own", capture(hold, "order-2", "2026-03-01T00:00:00Z"), forbidden, "CAPTURE_EXCEEDS_HOLD")
	w.balanced()
}

func TestATimeInTheFutureIsRefusedForEver(t *testing.T) { // E48
	w := newWorld(t, nil)
	f := merge(accrual(), "effectiveAt", "2026-03-02T00:00:01Z")
	first := w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but())
	w.expect("tomorrow", first, invalid, "EFFECTIVE_IN_FUTURE")
	if first.meta["recorded_id"] == "" {
		t.Errorf("it is not recorded: %v", first.meta)
	}
	w.moveClock(clockStart.Add(72 * time.Hour))
	again := w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but())
	if !bytes.Equal(first.body, again.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("when the time has come, the same key answers\n%s\nnot\n%s", again.body, first.body)
	}
	w.balanced()
}

func TestOneMalformedItemOfAnAtomicBatchStopsTheOthers(t *testing.T) {
	w := newWorld(t, nil)
	item := func(key, unit string) *v1.BatchItem {
		return &v1.BatchItem{Write: &v1.BatchItem_Accrue{Accrue: &v1.AccrueRequest{IdempotencyKey: key, MemberId: "m1", Unit: unit, Amount: "1"}}}
	}
	before := w.books()
	res, err := w.ledgerClient().PostBatch(t.Context(), &v1.PostBatchRequest{
		Items: []*v1.BatchItem{item("a", "points"), item("b", "gems"), item("c", "points")}, Atomic: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"ATOMIC_BATCH_REJECTED", "UNKNOWN_UNIT", "ATOMIC_BATCH_REJECTED"} {
		if got := res.Results[i].GetFailure(); got.GetReason() != want {
			t.Errorf("item %d: %v, want %s", i, got, want)
		}
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
}
