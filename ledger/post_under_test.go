package ledger_test

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func TestTermsThatChangeBeforeThePostingAreBuiltAnew(t *testing.T) {
	t.Parallel()
	b := ledgertest.New(t, ledgertest.Document)
	b.Accrue(t, "a1", "ann", "points", 100)
	var built []int64
	answer, err := b.Ledger.PostUnder(t.Context(), b.Programme, ledger.Request{Client: "test", Key: "r1"}, func(terms ledger.Terms, r ledger.Request) (ledger.Request, error) {
		built = append(built, terms.Version)
		if len(built) < 3 { // an operator applies another document while this one is being read
			document := strings.Replace(ledgertest.Document, `debt_limit: "50"`, `debt_limit: "5`+strings.Repeat("0", len(built))+`0"`, 1)
			if _, err := b.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(document)); err != nil {
				t.Fatal(err)
			}
		}
		return ledger.Redeem("ann", "points", decimal.NewFromInt(terms.Version), r), nil
	})
	if err != nil || len(built) != 3 || built[2] != built[0]+2 {
		t.Fatalf("built under versions %v: %v", built, err)
	}
	if tx := answer.Transaction; tx.RuleVersion != built[2] || !tx.Amount.Equal(decimal.NewFromInt(built[2])) {
		t.Errorf("%s posted under version %d, want the terms of %d", tx.Amount, tx.RuleVersion, built[2])
	}
	again, err := b.Ledger.Post(t.Context(), b.Programme, ledger.Redeem("ann", "points", answer.Transaction.Amount, ledger.Request{Client: "test", Key: "r1"}))
	if err != nil || !again.Replayed {
		t.Errorf("the same request without a version: %+v, %v", again, err)
	}
}
