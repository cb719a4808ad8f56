package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func amount(n int64) decimal.Decimal { return decimal.NewFromInt(n) }

func key(k string) ledger.Request { return ledger.Request{Client: "test", Key: k} }

var sameDecimal = cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) })

func TestReplayAnswersTheFirstTransactionForEver(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	accrual := ledger.Accrual{Member: "m", Unit: "points", Amount: amount(100)}.Into(b.Programme, key("a"))

	first := b.Post(t, accrual)
	b.Post(t, ledger.Redeem("m", "points", amount(30), key("r")))
	again, err := b.Another(t).Post(t.Context(), b.Programme, accrual)

	if err != nil || !again.Replayed {
		t.Fatalf("replay: %+v, %v", again, err)
	}
	if diff := cmp.Diff(first, again.Transaction, sameDecimal); diff != "" {
		t.Errorf("the replay differs from the first answer:\n%s", diff)
	}
}

func TestARefusalStaysARefusalAfterTheBalanceGrew(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	redemption := ledger.Redeem("m", "points", amount(30), key("r"))

	_, first := b.Ledger.Post(t.Context(), b.Programme, redemption)
	b.Accrue(t, "a", "m", "points", 100)
	again, second := b.Ledger.Post(t.Context(), b.Programme, redemption)

	if !errors.Is(first, &ledger.Refusal{Reason: ledger.InsufficientPoints}) {
		t.Fatalf("first answer: %v", first)
	}
	if !again.Replayed || first.Error() != second.Error() {
		t.Errorf("answers differ: %v, then %v", first, second)
	}
}

func TestAKeyReusedForOtherContentIsRefused(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	b.Accrue(t, "a", "m", "points", 100)

	_, err := b.Ledger.Post(t.Context(), b.Programme,
		ledger.Accrual{Member: "m", Unit: "points", Amount: amount(101)}.Into(b.Programme, key("a")))

	if !errors.Is(err, &ledger.Refusal{Reason: ledger.IdempotencyKeyReused}) {
		t.Errorf("got %v", err)
	}
}

func TestManyCallersOfOneKeyExecuteItOnce(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	servers := []*ledger.Ledger{b.Ledger, b.Another(t)}
	const keys, callers = 50, 64

	var mu sync.Mutex
	answers := make(map[string][]ledger.Answer)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for k := range keys {
				name := fmt.Sprint("k", k)
				a, err := servers[c%2].Post(context.Background(), b.Programme,
					ledger.Accrual{Member: fmt.Sprint("m", k%7), Unit: "points", Amount: amount(1)}.Into(b.Programme, key(name)))
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				mu.Lock()
				answers[name] = append(answers[name], a)
				mu.Unlock()
			}
		})
	}
	wg.Wait()

	for name, list := range answers {
		first := 0
		for _, a := range list {
			if !a.Replayed {
				first++
			}
			if diff := cmp.Diff(list[0].Transaction, a.Transaction, sameDecimal); diff != "" {
				t.Fatalf("%s: answers differ:\n%s", name, diff)
			}
		}
		if first != 1 || len(list) != callers {
			t.Errorf("%s: executed %d times for %d answers", name, first, len(list))
		}
	}
}

func TestParallelSpendersNeverOverdraw(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	servers := []*ledger.Ledger{b.Ledger, b.Another(t)}
	b.Accrue(t, "a", "m", "points", 100)

	var mu sync.Mutex
	wins := 0
	var wg sync.WaitGroup
	for c := range 64 {
		wg.Go(func() {
			_, err := servers[c%2].Post(context.Background(), b.Programme, ledger.Redeem("m", "points", amount(7), key(fmt.Sprint("r", c))))
			if err == nil {
				mu.Lock()
				wins++
				mu.Unlock()
			} else if !errors.Is(err, &ledger.Refusal{Reason: ledger.InsufficientPoints}) {
				t.Errorf("redeem: %v", err)
			}
		})
	}
	wg.Wait()

	if wins != 14 {
		t.Errorf("%d redemptions of 7 out of 100 points won, want 14", wins)
	}
}

func TestAtomicBatchIsPostedWholeOrRejectedWhole(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	batch := []ledger.Request{
		ledger.Accrual{Member: "m", Unit: "points", Amount: amount(10)}.Into(b.Programme, key("1")),
		ledger.Redeem("m", "points", amount(11), key("2")),
	}

	answers, err := b.Ledger.PostBatch(t.Context(), b.Programme, batch, true)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(answers[0].Err, &ledger.Refusal{Reason: ledger.AtomicBatchRejected}) ||
		!errors.Is(answers[1].Err, &ledger.Refusal{Reason: ledger.InsufficientPoints}) {
		t.Errorf("answers: %v, %v", answers[0].Err, answers[1].Err)
	}
	again, err := b.Ledger.PostBatch(t.Context(), b.Programme, batch, true)
	if err != nil || !again[0].Replayed || !again[1].Replayed {
		t.Errorf("the retry was decided anew: %+v, %v", again, err)
	}
}

func TestAPreviewRecordsNothing(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	accrual := ledger.Accrual{Member: "m", Unit: "points", Amount: amount(10)}.Into(b.Programme, key("1"))

	preview, err := b.Ledger.Preview(t.Context(), b.Programme, accrual)
	if err != nil || len(preview.Legs) != 1 {
		t.Fatalf("preview: %+v, %v", preview, err)
	}
	_, err = b.Ledger.Transaction(t.Context(), b.Programme, preview.ID)
	if !errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}) {
		t.Errorf("the previewed transaction is in the journal: %v", err)
	}
}

func TestExpiredLotsLeaveBeforeASpendIsDecided(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	b.Accrue(t, "a", "m", "points", 10) // at the sandbox's epoch: expires in 1971
	b.Post(t, ledger.SetClock(time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC), key("clock")))
	b.Accrue(t, "b", "m", "points", 5)

	_, err := b.Ledger.Post(t.Context(), b.Programme, ledger.Redeem("m", "points", amount(6), key("r")))

	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) || refusal.Detail["available"] != "5" {
		t.Errorf("spending 6 with 5 live and 10 lapsed points: %v", err)
	}
}

func TestANoBecauseOfTheFutureStaysANo(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	r := key("early")
	r.EffectiveAt = time.Date(1970, 2, 1, 0, 0, 0, 0, time.UTC)
	accrual := ledger.Accrual{Member: "m", Unit: "points", Amount: amount(10)}.Into(b.Programme, r)

	_, first := b.Ledger.Post(t.Context(), b.Programme, accrual)
	b.Post(t, ledger.SetClock(r.EffectiveAt.AddDate(0, 1, 0), key("clock")))
	_, second := b.Ledger.Post(t.Context(), b.Programme, accrual)

	for _, err := range []error{first, second} {
		if !errors.Is(err, &ledger.Refusal{Reason: ledger.EffectiveInFuture}) {
			t.Errorf("got %v", err)
		}
	}
}

func TestADuplicateBillIsNamedEvenAfterItsPeriodIsClosed(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	bill := func(k string) ledger.Request {
		r := key(k)
		r.Reference = "bill-7"
		r.EffectiveAt = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
		return ledger.Accrual{Member: "m", Unit: "points", Amount: amount(10)}.Into(b.Programme, r)
	}
	first := b.Post(t, bill("a"))
	b.Post(t, ledger.SetClock(time.Date(1970, 3, 1, 0, 0, 0, 0, time.UTC), key("clock")))
	b.Post(t, ledger.SetOpenPeriod(time.Date(1970, 2, 1, 0, 0, 0, 0, time.UTC), key("period")))

	_, err := b.Ledger.Post(t.Context(), b.Programme, bill("b"))

	var refusal *ledger.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != ledger.ReferenceUsed || refusal.Detail["transaction_id"] != first.ID.String() {
		t.Errorf("got %v", err)
	}
}

func TestANeedIsDecidedUnderTheLocksOfThePosting(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	other := b.Another(t)
	for round := range 40 {
		member := fmt.Sprint("m", round)
		accrual := b.Accrue(t, "a"+member, member, "points", 500)
		claim := ledger.Redeem(member, "points", amount(1), key("r"+member))
		claim.Needs = []ledger.Need{{Unit: "points", Least: amount(500)}}

		var claimed error
		var back ledger.Answer
		var wg sync.WaitGroup
		wg.Go(func() { _, claimed = b.Ledger.Post(context.Background(), b.Programme, claim) })
		wg.Go(func() {
			back, _ = other.Post(context.Background(), b.Programme, ledger.Reverse(accrual.ID, amount(100), key("c"+member)))
		})
		wg.Wait()

		claimFirst := claimed == nil
		if !claimFirst && !errors.Is(claimed, &ledger.Refusal{Reason: ledger.NotEligible}) {
			t.Fatalf("claim: %v", claimed)
		}
		if left := back.Transaction.Legs[0].From.Balance; claimFirst != left.Equal(amount(399)) {
			t.Errorf("claimed %t, but the clawback left %s", claimFirst, left)
		}
		if accrued, err := b.Ledger.Accrued(t.Context(), b.Programme, member, "points"); err != nil || !accrued.Equal(amount(400)) {
			t.Errorf("accrued %s, %v", accrued, err)
		}
	}
}

// TestATierTakenWhileItIsNeededIsNotEnough fires the end of a tier against a claim that needs it, on two ledgers: whichever
// is first, no claim is sealed after the tier was gone.
func TestATierTakenWhileItIsNeededIsNotEnough(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document+"tiers: [{code: club, ladder: [{code: silver}, {code: gold}]}]\n")
	other := b.Another(t)
	ladder, held := []string{"silver", "gold"}, ledger.TierLot{Tier: "gold", Source: "plan", Until: ledger.Never}
	sealed := func(tx *ledger.Transaction) (at time.Time) {
		err := b.Pool.QueryRow(t.Context(), `SELECT s.sealed_at FROM seals AS s WHERE $1 = ANY(s.transaction_ids)`, tx.ID).Scan(&at)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for round := range 40 {
		member := fmt.Sprint("m", round)
		b.Accrue(t, "a"+member, member, "points", 500)
		b.Post(t, ledger.TierChange{Member: member, Grant: &held}.Into(b.Programme, key("g"+member).Own()))
		claim := ledger.Redeem(member, "points", amount(1), key("r"+member))
		claim.Needs = []ledger.Need{{Tier: "silver", AnyOf: ladder}}

		var claimed, ended ledger.Answer
		var claimErr, endErr error
		var wg sync.WaitGroup
		wg.Go(func() { claimed, claimErr = b.Ledger.Post(context.Background(), b.Programme, claim) })
		wg.Go(func() {
			ended, endErr = other.Post(context.Background(), b.Programme,
				ledger.TierChange{Member: member, Withdraw: []ledger.TierLot{held}}.Into(b.Programme, key("w"+member).Own()))
		})
		wg.Wait()

		switch {
		case endErr != nil:
			t.Fatal(endErr)
		case claimErr != nil && !errors.Is(claimErr, &ledger.Refusal{Reason: ledger.NotEligible}):
			t.Fatalf("claim: %v", claimErr)
		case claimErr == nil && sealed(claimed.Transaction).After(sealed(ended.Transaction)):
			t.Errorf("round %d: the tier was gone, then it was claimed with", round)
		}
	}
}

// TestTwoChangesOfOneTierAtOnceAreOne: both were decided on the same lot, and one of them finds that it moved.
func TestTwoChangesOfOneTierAtOnceAreOne(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document+"tiers: [{code: club, ladder: [{code: silver}, {code: gold}]}]\n")
	other := b.Another(t)
	for round := range 20 {
		member := fmt.Sprint("m", round)
		held := ledger.TierLot{Tier: "silver", Source: "override", Until: ledger.Never}
		b.Post(t, ledger.TierChange{Member: member, Grant: &held}.Into(b.Programme, key("g"+member).Own()))
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, l := range []*ledger.Ledger{b.Ledger, other} {
			wg.Go(func() {
				lot := ledger.TierLot{Tier: []string{"silver", "gold"}[i], Source: "plan", Until: ledger.Never}
				change := ledger.TierChange{Member: member, Withdraw: []ledger.TierLot{held}, Grant: &lot}
				_, errs[i] = l.Post(context.Background(), b.Programme, change.Into(b.Programme, key(fmt.Sprint(member, i)).Own()))
			})
		}
		wg.Wait()
		moved := &ledger.Refusal{Reason: ledger.TierMoved}
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), moved) {
			t.Errorf("round %d: %v", round, errs)
		}
	}
}

func TestAPreviewOfABatchSeesWhatComesBefore(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	answers, err := b.Ledger.PreviewBatch(t.Context(), b.Programme, []ledger.Request{
		ledger.Accrual{Member: "m", Unit: "points", Amount: amount(10)}.Into(b.Programme, key("1")),
		ledger.Redeem("m", "points", amount(7), key("2")),
		ledger.Redeem("m", "points", amount(7), key("3")),
	}, false)

	if err != nil || answers[1].Err != nil || !errors.Is(answers[2].Err, &ledger.Refusal{Reason: ledger.InsufficientPoints}) {
		t.Errorf("answers %+v, %v", answers, err)
	}
}
