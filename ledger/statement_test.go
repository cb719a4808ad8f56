package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// statement reads all pages of a statement.
func statement(t *testing.T, b *busy, q ledger.StatementQuery) []ledger.Movement {
	t.Helper()
	q.Programme = b.Programme
	var list []ledger.Movement
	for {
		page, err := b.Ledger.Statement(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, page.Movements...)
		if page.Next == nil {
			return list
		}
		q.After = *page.Next
	}
}

func TestStatementPagesMakeTheWholeStatement(t *testing.T) {
	b := newBusy(t)
	for _, unit := range []string{"points", "active", "strict", "visits"} {
		whole := statement(t, b, ledger.StatementQuery{Member: "m1", Unit: unit, Limit: 200})
		for _, limit := range []int{1, 2, 7} {
			pages := statement(t, b, ledger.StatementQuery{Member: "m1", Unit: unit, Limit: limit})
			if diff := cmp.Diff(whole, pages, sameDecimal, cmpopts.IgnoreUnexported(ledger.Movement{})); diff != "" {
				t.Fatalf("%s in pages of %d differ from the whole:\n%s", unit, limit, diff)
			}
		}
		running := decimal.Zero
		seen := make(map[uuid.UUID]bool)
		for _, m := range whole {
			lots := decimal.Zero
			for _, d := range m.Lots {
				lots = lots.Add(d.Amount)
			}
			if running = running.Add(m.Amount); !running.Equal(m.Balance) || !lots.Equal(m.Amount) || seen[m.Transaction] {
				t.Errorf("%s %s: amount %s, lots %s, running %s, balance %s, seen before %t", unit, m.Kind, m.Amount, lots, running, m.Balance, seen[m.Transaction])
			}
			seen[m.Transaction] = true
		}
		balance, err := b.Ledger.Balance(t.Context(), b.Programme, "m1", unit)
		if err != nil || !balance.Posted.Equal(running) {
			t.Errorf("%s: the statement ends with %s, the balance is %s, %v", unit, running, balance.Posted, err)
		}
	}
}

func TestStatementShowsOneRowATransaction(t *testing.T) {
	b := newBusy(t)
	kinds := make(map[ledger.Kind]ledger.Movement)
	for _, unit := range []string{"points", "strict"} {
		for _, m := range statement(t, b, ledger.StatementQuery{Member: "m0", Unit: unit}) {
			kinds[m.Kind] = m
		}
	}
	if m := kinds[ledger.KindRedating]; !m.Amount.IsZero() || len(m.Lots) < 2 {
		t.Errorf("a re-dating: amount %s, lots %v", m.Amount, m.Lots)
	}
	paid := statement(t, b, ledger.StatementQuery{Member: "m0", Unit: "strict"})
	if last := paid[len(paid)-1]; last.Kind != ledger.KindAccrual || !last.Amount.IsZero() || len(last.Lots) != 0 {
		t.Errorf("an accrual that went to the debt: %+v", last)
	}
	debt := statement(t, b, ledger.StatementQuery{Member: "m0", Unit: "strict", Place: ledger.Debt})
	if len(debt) != 2 || !debt[1].Balance.Equal(amount(-26)) {
		t.Errorf("the debt's statement: %+v", debt)
	}
	if m := kinds[ledger.KindRedemption]; m.Reason != "because" || m.Channel != "app" || m.RuleVersion != 1 {
		t.Errorf("a redemption says %+v", m)
	}
	_, err := b.Ledger.Statement(t.Context(), ledger.StatementQuery{Programme: b.Programme, Member: "m0", Unit: "points", Place: ledger.Hold})
	wantRefusal(t, err, ledger.InvalidField)
}

func TestStatementRangesAreHalfOpen(t *testing.T) {
	b := newBusy(t)
	whole := statement(t, b, ledger.StatementQuery{Member: "m1", Unit: "points"})
	cut := day(1997, 7, 15)
	before := statement(t, b, ledger.StatementQuery{Member: "m1", Unit: "points", To: cut})
	from := statement(t, b, ledger.StatementQuery{Member: "m1", Unit: "points", From: cut, Limit: 1})

	if len(before) == 0 || len(from) == 0 || len(before)+len(from) != len(whole) {
		t.Errorf("%d rows before and %d from a time, %d in all", len(before), len(from), len(whole))
	}
	if !before[len(before)-1].RecordedAt.Before(cut) || from[0].RecordedAt.Before(cut) {
		t.Errorf("the cut at %s lies between %s and %s", cut, before[len(before)-1].RecordedAt, from[0].RecordedAt)
	}
}
