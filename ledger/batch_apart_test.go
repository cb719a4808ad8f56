package ledger_test

import (
	"errors"
	"fmt"
	"testing"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func TestABatchOfManyMembersAnswersEachRequestInItsPlace(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	b.Ledger.StartLanes(3)
	requests := make([]ledger.Request, 200)
	for i := range requests {
		member := fmt.Sprintf("m%d", i%50) // four requests each; the third of them asks for too much
		requests[i] = ledger.Accrual{Member: member, Unit: "points", Amount: amount(int64(i + 1))}.
			Into(b.Programme, key(fmt.Sprintf("k%d", i)))
		if i/50 == 2 {
			requests[i] = ledger.Redeem(member, "points", amount(1000), key(fmt.Sprintf("k%d", i)))
		}
	}

	first, err := b.Ledger.PostBatch(t.Context(), b.Programme, requests, false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Ledger.PostBatch(t.Context(), b.Programme, requests, false)
	if err != nil {
		t.Fatal(err)
	}

	for i, r := range requests {
		want := ledger.TransactionID(b.Programme, r.Client, r.Key)
		if got := first[i].Transaction.ID; got != want || first[i].Replayed {
			t.Errorf("answer %d is of %s, replayed %t, want %s", i, got, first[i].Replayed, want)
		}
		if got := again[i].Transaction.ID; got != want || !again[i].Replayed {
			t.Errorf("second answer %d is of %s, replayed %t, want a replay of %s", i, got, again[i].Replayed, want)
		}
		refused := errors.Is(first[i].Err, &ledger.Refusal{Reason: ledger.InsufficientPoints})
		if refused != (r.Kind == ledger.KindRedemption) {
			t.Errorf("answer %d to a %s: %v", i, r.Kind, first[i].Err)
		}
	}
}
