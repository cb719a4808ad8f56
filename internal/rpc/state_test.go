package rpc_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/testing/protocmp"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

func write(pairs ...string) fields {
	f := fields{"idempotencyKey": quote(uuid.NewString())}
	for i := 0; i+1 < len(pairs); i += 2 {
		f[pairs[i]] = quote(pairs[i+1])
	}
	return f
}

func spend(member, amount string) fields {
	return write("memberId", member, "unit", "points", "amount", amount)
}

// posted makes a call that must succeed and returns the transaction's id.
func (w *world) posted(procedure string, f fields) string {
	w.t.Helper()
	got := w.call(auth.System, procedure, f.but())
	if got.code != "ok" {
		w.t.Fatalf("%s: %d %s", procedure, got.status, got.body)
	}
	_, rest, _ := strings.Cut(string(got.body), `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func (w *world) available(member string) string {
	w.t.Helper()
	res, err := w.ledgerClient().GetBalance(w.t.Context(), &v1.GetBalanceRequest{MemberId: member, Unit: "points"})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Balance.Available
}

// expect fails unless the answer has this code and reason.
func (w *world) expect(name string, got answer, code, reason string) {
	w.t.Helper()
	if !got.is(code, reason) {
		w.t.Errorf("%s: answered %d %s %s, want %s %s\n%s", name, got.status, got.code, got.reason, code, reason, got.body)
	}
}

func (w *world) moveClock(to time.Time) {
	w.t.Helper()
	f := write("clock", to.Format(time.RFC3339))
	if got := w.call(auth.Operator, api.AdminServiceMoveClockProcedure, f.but()); got.code != "ok" {
		w.t.Fatalf("%s", got.body)
	}
}

func (w *world) balanced() {
	w.t.Helper()
	if b := w.books(); b.unbalanced != 0 {
		w.t.Errorf("%d units do not balance", b.unbalanced)
	}
	w.saysNoSecrets()
}

func TestSpendingMoreThanAvailableIsRefusedForEver(t *testing.T) { // E20
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	tooMuch := spend("m1", "101")
	first := w.call(auth.System, api.LedgerServiceRedeemProcedure, tooMuch.but())
	w.expect("balance + 1", first, forbidden, "INSUFFICIENT_POINTS")
	w.accrue("m1", "100")
	again := w.call(auth.System, api.LedgerServiceRedeemProcedure, tooMuch.but())
	if !bytes.Equal(first.body, again.body) {
		t.Errorf("after a top-up the same key answers\n%s\nnot\n%s", again.body, first.body)
	}
	w.posted(api.LedgerServiceHoldProcedure, merge(spend("m1", "200"), "timeout", "60s"))
	w.expect("all held", w.call(auth.System, api.LedgerServiceRedeemProcedure, spend("m1", "1").but()), forbidden, "INSUFFICIENT_POINTS")
	w.balanced()
}

func merge(f fields, pairs ...string) fields {
	for i := 0; i+1 < len(pairs); i += 2 {
		f[pairs[i]] = quote(pairs[i+1])
	}
	return f
}

func TestSixtyFourSpendersOfOneBalanceGetItOnce(t *testing.T) { // E21
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	answers := w.together(64, func(int) string { return spend("m1", "100").but() })
	if n := count(answers, "ok", ""); n != 1 {
		t.Errorf("%d of 64 succeeded", n)
	}
	if n := count(answers, forbidden, "INSUFFICIENT_POINTS"); n != 63 {
		t.Errorf("%d of 64 were refused", n)
	}
	if got := w.available("m1"); got != "0" {
		t.Errorf("available %s", got)
	}
	w.balanced()
}

// together redeems n times at once.
func (w *world) together(n int, body func(i int) string) []answer {
	answers := make([]answer, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { answers[i] = w.call(auth.System, api.LedgerServiceRedeemProcedure, body(i)) })
	}
	all.Wait()
	return answers
}

func count(answers []answer, code, reason string) int {
	n := 0
	for _, a := range answers {
		if a.is(code, reason) {
			n++
		}
	}
	return n
}

func TestOneKeySixtyFourTimesAtOnceExecutesOnce(t *testing.T) { // E23
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	body := spend("m1", "40").but()
	answers := w.together(64, func(int) string { return body })
	for _, a := range answers {
		if a.code != "ok" || !bytes.Equal(a.body, answers[0].body) {
			t.Fatalf("answers differ:\n%s\n%s", answers[0].body, a.body)
		}
	}
	if got := w.available("m1"); got != "60" {
		t.Errorf("available %s", got)
	}
	w.balanced()
}

func TestKeyWithOtherContentIsRefusedAndTheSameContentIsReplayed(t *testing.T) { // E24, E25, E49
	w := newWorld(t, nil)
	f := merge(accrual(), "effectiveAt", "2026-02-28T14:00:00.123456789+14:00", "reason", "order")
	first := w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but())
	w.expect("first", first, "ok", "")
	if !strings.Contains(string(first.body), `"2026-02-28T00:00:00.123456Z"`) {
		t.Errorf("effective time is not in UTC and microseconds: %s", first.body)
	}
	before := w.books()
	for name, body := range map[string]string{
		"as it was":              f.but(),
		"with blanks":            strings.ReplaceAll(f.but(), ",", " ,\n\t"),
		"with the proto's names": strings.NewReplacer("memberId", "member_id", "idempotencyKey", "idempotency_key").Replace(f.but()),
		"in UTC":                 f.but("effectiveAt", `"2026-02-28T00:00:00.123456Z"`),
	} {
		again := w.call(auth.System, api.LedgerServiceAccrueProcedure, body)
		if !bytes.Equal(first.body, again.body) || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: %s", name, again.body)
		}
	}
	for name, body := range map[string]string{
		"amount": f.but("amount", `"99"`), "member": f.but("memberId", `"m2"`), "reason": f.but("reason", `"other"`),
		"unit": f.but("unit", `"cents"`), "time": f.but("effectiveAt", `"2026-02-28T00:00:01Z"`),
	} {
		w.expect(name, w.call(auth.System, api.LedgerServiceAccrueProcedure, body), forbidden, "IDEMPOTENCY_KEY_REUSED")
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.balanced()
}

func TestReplayInBinaryEqualsTheAnswerInJSON(t *testing.T) { // E25
	w := newWorld(t, nil)
	m := &v1.AccrueRequest{IdempotencyKey: "k", MemberId: "m1", Unit: "points", Amount: "7"}
	var answers []*v1.AccrueResponse
	for _, options := range [][]connect.ClientOption{{connect.WithProtoJSON()}, nil, {connect.WithGRPCWeb()}} {
		res, err := w.ledgerClient(options...).Accrue(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, res)
	}
	for _, again := range answers[1:] {
		if diff := cmp.Diff(answers[0], again, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	}
	w.balanced()
}

func TestBusinessReferenceIsUsedOnce(t *testing.T) { // E26
	w := newWorld(t, nil)
	first := w.posted(api.LedgerServiceAccrueProcedure, merge(accrual(), "reference", "order-1"))
	got := w.call(auth.System, api.LedgerServiceAccrueProcedure, merge(accrual(), "reference", "order-1").but())
	w.expect("second", got, "already_exists", "REFERENCE_USED")
	if !strings.Contains(fmt.Sprint(got.meta), first) {
		t.Errorf("the first transaction is not named: %v", got.meta)
	}
	w.balanced()
}

func TestHoldsAreUsedOnceAndInTime(t *testing.T) { // E43
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	hold := func(amount string) string {
		return w.posted(api.LedgerServiceHoldProcedure, merge(spend("m1", amount), "timeout", "3600s"))
	}
	capture := func(id, amount string) answer {
		return w.call(auth.System, api.LedgerServiceCaptureProcedure, write("holdId", id, "amount", amount).but())
	}
	first := hold("40")
	w.expect("more than held", capture(first, "41"), forbidden, "CAPTURE_EXCEEDS_HOLD")
	w.expect("a part", capture(first, "15"), "ok", "")
	w.expect("more than is left", capture(first, "26"), forbidden, "CAPTURE_EXCEEDS_HOLD")
	whole := write("holdId", first)
	w.expect("the rest", w.call(auth.System, api.LedgerServiceCaptureProcedure, whole.but()), "ok", "")
	w.expect("the same key", w.call(auth.System, api.LedgerServiceCaptureProcedure, whole.but()), "ok", "")
	w.expect("twice", capture(first, ""), forbidden, "HOLD_CLOSED")
	w.expect("void captured", w.call(auth.System, api.LedgerServiceVoidProcedure, write("holdId", first).but()), forbidden, "HOLD_CLOSED")
	w.expect("not a hold", capture(w.accrue("m1", "1").Id, ""), "not_found", "NOT_FOUND")

	late := hold("10")
	w.moveClock(clockStart.Add(2 * time.Hour))
	w.expect("too late", capture(late, ""), forbidden, "HOLD_EXPIRED")
	w.expect("given back", w.call(auth.System, api.LedgerServiceVoidProcedure, write("holdId", late).but()), "ok", "")
	if got := w.available("m1"); got != "61" {
		t.Errorf("available %s, want 61", got)
	}
	w.balanced()
}

func TestTransactionsAreReversedOnce(t *testing.T) { // E45
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	id := w.posted(api.LedgerServiceRedeemProcedure, spend("m1", "60"))
	reverse := func(id, amount string) answer {
		return w.call(auth.System, api.LedgerServiceReverseProcedure, write("transactionId", id, "amount", amount).but())
	}
	w.expect("more than was spent", reverse(id, "61"), forbidden, "REVERSAL_EXCEEDS_REST")
	part := reverse(id, "20")
	w.expect("a part", part, "ok", "")
	w.expect("more than is left", reverse(id, "41"), forbidden, "REVERSAL_EXCEEDS_REST")
	w.expect("the rest", reverse(id, ""), "ok", "")
	w.expect("once more", reverse(id, ""), forbidden, "ALREADY_REVERSED")
	_, rest, _ := strings.Cut(string(part.body), `"id":"`)
	w.expect("a reversal", reverse(rest[:36], ""), forbidden, "NOT_REVERSIBLE")
	if got := w.available("m1"); got != "100" {
		t.Errorf("available %s, want 100", got)
	}
	w.balanced()
}

func TestWhatBelongsToAnotherProgrammeIsNotFound(t *testing.T) { // E18, E45
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	id := w.posted(api.LedgerServiceHoldProcedure, merge(spend("m1", "10"), "timeout", "3600s"))
	other := w.apply(strings.Replace(document, "rpc-test", "other", 1))
	grant := w.grant(auth.System)
	grant.Programme = other
	w.tokens[auth.System] = w.issue(grant)
	w.refuses([]hostile{
		{name: "read", procedure: api.LedgerServiceGetTransactionProcedure, body: write("transactionId", id).but("idempotencyKey", ""), code: "not_found", reason: "NOT_FOUND"},
		{name: "explain", procedure: api.LedgerServiceExplainTransactionProcedure, body: write("transactionId", id).but("idempotencyKey", ""), code: "not_found", reason: "NOT_FOUND"},
		{name: "capture", procedure: api.LedgerServiceCaptureProcedure, body: write("holdId", id).but(), code: "not_found", reason: "NOT_FOUND"},
		{name: "void", procedure: api.LedgerServiceVoidProcedure, body: write("holdId", id).but(), code: "not_found", reason: "NOT_FOUND"},
		{name: "reverse", procedure: api.LedgerServiceReverseProcedure, body: write("transactionId", id).but(), code: "not_found", reason: "NOT_FOUND"},
	})
	if got := w.available("m1"); got != "0" {
		t.Errorf("the other programme's m1 has %s", got)
	}
	attempt := w.call(auth.System, api.LedgerServiceCaptureProcedure, write("holdId", id).but(), "X-Request-Id", "attempt-1")
	w.expect("once more", attempt, "not_found", "NOT_FOUND")
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, `"request_id":"attempt-1"`) {
			for _, fact := range []string{`"procedure":"` + api.LedgerServiceCaptureProcedure, `"role":"system"`, `"client":"tests"`, `"reason":"NOT_FOUND"`} {
				if !strings.Contains(line, fact) {
					t.Errorf("the log does not tell %s of the attempt: %s", fact, line)
				}
			}
			return
		}
	}
	t.Error("the attempt is not in the log")
}

func TestFrozenMembersUnitsStay(t *testing.T) { // E19
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	freeze := merge(write("memberId", "m1"), "reason", "lost-phone")
	w.expect("freeze", w.call(auth.Operator, api.AdminServiceFreezeMemberProcedure, freeze.but()), "ok", "")
	w.expect("spend", w.call(auth.System, api.LedgerServiceRedeemProcedure, spend("m1", "1").but()), forbidden, "MEMBER_FROZEN")
	w.expect("hold", w.call(auth.System, api.LedgerServiceHoldProcedure, merge(spend("m1", "1"), "timeout", "60s").but()), forbidden, "MEMBER_FROZEN")
	w.expect("accrue", w.call(auth.System, api.LedgerServiceAccrueProcedure, accrual().but()), "ok", "")
	w.expect("freeze again", w.call(auth.Operator, api.AdminServiceFreezeMemberProcedure, freeze.but("idempotencyKey", `"2"`)), forbidden, "ALREADY_FROZEN")
	unfreeze := merge(write("memberId", "m1"), "reason", "found")
	w.expect("unfreeze", w.call(auth.Operator, api.AdminServiceUnfreezeMemberProcedure, unfreeze.but()), "ok", "")
	w.expect("spend", w.call(auth.System, api.LedgerServiceRedeemProcedure, spend("m1", "1").but()), "ok", "")
	w.balanced()
}

func TestNothingCountsBeforeTheOpenPeriod(t *testing.T) { // E48
	w := newWorld(t, nil)
	period := func(at string) answer {
		return w.call(auth.Finance, api.FinanceServiceSetOpenPeriodProcedure, write("openFrom", at).but())
	}
	w.expect("february", period("2026-02-01T00:00:00Z"), "ok", "")
	w.expect("back to january", period("2026-01-01T00:00:00Z"), forbidden, "PERIOD_BACKWARDS")
	w.expect("the future", period("2026-04-01T00:00:00Z"), invalid, "EFFECTIVE_IN_FUTURE")
	w.expect("january", w.call(auth.System, api.LedgerServiceAccrueProcedure, merge(accrual(), "effectiveAt", "2026-01-31T23:59:59Z").but()), forbidden, "PERIOD_CLOSED")
	w.expect("february", w.call(auth.System, api.LedgerServiceAccrueProcedure, merge(accrual(), "effectiveAt", "2026-02-01T00:00:00Z").but()), "ok", "")
	w.balanced()
}

func TestClockGoesForwardOnly(t *testing.T) {
	w := newWorld(t, nil)
	w.moveClock(clockStart.AddDate(0, 1, 0))
	got := w.call(auth.Operator, api.AdminServiceMoveClockProcedure, write("clock", "2026-03-02T00:00:00Z").but())
	w.expect("back", got, forbidden, "CLOCK_BACKWARDS")
	w.balanced()
}

func TestPreviewTellsAndRecordsNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	before := w.books()
	m := &v1.RedeemRequest{IdempotencyKey: "k", Preview: true, MemberId: "m1", Unit: "points", Amount: "30"}
	client := w.ledgerClient()
	tried, err := client.Redeem(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	tx := tried.Transaction
	if tx.Outcome != v1.Outcome_OUTCOME_PREVIEWED || tx.BalancesAfter[0].Balance != "70" || tx.Legs[0].Draws[0].Amount != "30" {
		t.Errorf("preview: %v", tx)
	}
	m.Amount = "101"
	if _, err := client.Redeem(t.Context(), m); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("preview of too much: %v", err)
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	m.Amount, m.Preview = "30", false
	if _, err := client.Redeem(t.Context(), m); err != nil {
		t.Errorf("the key is not free: %v", err)
	}
}
