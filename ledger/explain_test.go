package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// shares adds up what an explanation says, an accrual.
func shares(lots []ledger.ExplainedLot) map[uuid.UUID]int64 {
	sums := make(map[uuid.UUID]int64)
	for _, lot := range lots {
		for _, s := range lot.Shares {
			sums[s.Transaction] += s.Amount.IntPart()
		}
	}
	return sums
}

func wantShares(t *testing.T, what string, lots []ledger.ExplainedLot, want map[uuid.UUID]int64) {
	t.Helper()
	got := shares(lots)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestWithinALotAccrualsAreUsedUpInOrder(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	first, second := b.Accrue(t, "1", "m", "points", 10), b.Accrue(t, "2", "m", "points", 20)
	spent := b.Post(t, ledger.Redeem("m", "points", amount(15), key("r")))
	held := b.Post(t, ledger.Reserve(b.Programme, "m", "points", amount(10), time.Hour, key("h")))
	captured := b.Post(t, ledger.Capture(held.ID, amount(4), false, key("c")))

	used, err := b.Ledger.ExplainTransaction(t.Context(), b.Programme, spent.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantShares(t, "the redemption", used, map[uuid.UUID]int64{first.ID: 10, second.ID: 5})
	used, err = b.Ledger.ExplainTransaction(t.Context(), b.Programme, captured.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantShares(t, "the capture", used, map[uuid.UUID]int64{second.ID: 4})
	left, err := b.Ledger.ExplainBalance(t.Context(), b.Programme, "m", "points")
	if err != nil {
		t.Fatal(err)
	}
	wantShares(t, "the balance", left.Lots, map[uuid.UUID]int64{second.ID: 5})

	b.Post(t, ledger.Void(held.ID, key("v")))
	b.Post(t, ledger.Reverse(spent.ID, amount(7), key("rr")))
	b.Post(t, ledger.Reverse(captured.ID, decimal.Zero, key("rc")))
	left, err = b.Ledger.ExplainBalance(t.Context(), b.Programme, "m", "points")
	if err != nil {
		t.Fatal(err)
	}
	// 5 were left, 6 came back from the hold, 5 and then 2 from the redemption, 4 from the capture.
	wantShares(t, "the balance after what came back", left.Lots, map[uuid.UUID]int64{second.ID: 20, first.ID: 2})
}

func TestAnExplanationNamesActivationsReDatingsAndGiftsByTheirSource(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	waiting := b.Post(t, ledger.Accrual{Member: "m", Unit: "points", Amount: amount(9), ActivateAt: day(1970, 2, 1), Fund: "partner/bank@1"}.
		Into(b.Programme, key("p")))
	b.Post(t, ledger.SetClock(day(1970, 2, 1), key("clock")))
	if err := b.Ledger.Sweep(t.Context(), b.Programme, nil); err != nil {
		t.Fatal(err)
	}
	b.Post(t, ledger.Redate("m", "points", time.Time{}, ledger.Never, day(1972, 1, 1), key("d")))
	gift := b.Post(t, ledger.Transfer("m", "n", "points", amount(4), key("g")))

	mine, err := b.Ledger.ExplainBalance(t.Context(), b.Programme, "m", "points")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := b.Ledger.ExplainBalance(t.Context(), b.Programme, "n", "points")
	if err != nil {
		t.Fatal(err)
	}

	wantShares(t, "the giver", mine.Lots, map[uuid.UUID]int64{waiting.ID: 5})
	wantShares(t, "the receiver", theirs.Lots, map[uuid.UUID]int64{gift.ID: 4})
	if s := mine.Lots[0].Shares[0]; s.Kind != ledger.KindAccrual || s.RuleVersion != 1 || mine.Lots[0].Fund != "partner/bank@1" {
		t.Errorf("the share says %+v of %+v", s, mine.Lots[0])
	}
}

func TestAClawbackTakesTheAccrualThatItTakesBack(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	first, second := b.Accrue(t, "1", "m", "points", 10), b.Accrue(t, "2", "m", "points", 20)
	b.Post(t, ledger.Reverse(second.ID, decimal.Zero, key("r")))

	left, err := b.Ledger.ExplainBalance(t.Context(), b.Programme, "m", "points")
	if err != nil {
		t.Fatal(err)
	}
	wantShares(t, "the balance", left.Lots, map[uuid.UUID]int64{first.ID: 10})
}

func TestExplanationsAddUpToWhatTheyExplain(t *testing.T) {
	b := newBusy(t)
	for i := range 6 {
		for _, unit := range []string{"points", "active", "strict", "visits"} {
			member := fmt.Sprint("m", i)
			e, err := b.Ledger.ExplainBalance(t.Context(), b.Programme, member, unit)
			if err != nil {
				t.Fatal(err)
			}
			balance, err := b.Ledger.Balance(t.Context(), b.Programme, member, unit)
			if err != nil {
				t.Fatal(err)
			}
			wantSum(t, member+" "+unit, e.Lots, balance.Posted)
		}
	}
	rows, err := b.Pool.Query(t.Context(), "SELECT t.id FROM transactions AS t WHERE t.rejection = ''")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		lots, err := b.Ledger.ExplainTransaction(t.Context(), b.Programme, id)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := b.Ledger.Transaction(t.Context(), b.Programme, id)
		if err != nil {
			t.Fatal(err)
		}
		left := decimal.Zero
		for _, leg := range tx.Legs {
			switch leg.From.Account.Place {
			case ledger.Wallet, ledger.Hold, ledger.Pending:
				released := tx.Kind == ledger.KindCapture && leg.To.Account.Place == ledger.Wallet
				if leg.From.Account != leg.To.Account && !released {
					left = left.Add(leg.Amount)
				}
			default:
			}
		}
		wantSum(t, string(tx.Kind), lots, left)
	}
}

func wantSum(t *testing.T, what string, lots []ledger.ExplainedLot, want decimal.Decimal) {
	t.Helper()
	sum := decimal.Zero
	for _, lot := range lots {
		parts := decimal.Zero
		for _, s := range lot.Shares {
			parts = parts.Add(s.Amount)
			if s.Kind == "" || s.RuleVersion == 0 {
				t.Errorf("%s: a share without its transaction: %+v", what, s)
			}
		}
		if !parts.Equal(lot.Amount) {
			t.Errorf("%s: shares of %s in a lot of %s", what, parts, lot.Amount)
		}
		sum = sum.Add(lot.Amount)
	}
	if !sum.Equal(want) {
		t.Errorf("%s: explained %s of %s", what, sum, want)
	}
}

func TestWhatComesBackFromAHoldIsNamedByItsOwnLot(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	accrue := func(name string, n int64, year int) *ledger.Transaction {
		return b.Post(t, ledger.Accrual{Member: "m", Unit: "points", Amount: amount(n), ExpiresAt: day(year, 1, 1)}.Into(b.Programme, key(name)))
	}
	soon, late := accrue("soon", 10, 1972), accrue("late", 10, 1973)
	held := b.Post(t, ledger.Reserve(b.Programme, "m", "points", amount(20), time.Hour, key("h")))
	captured := b.Post(t, ledger.Capture(held.ID, amount(5), true, key("c")))
	used, err := b.Ledger.ExplainTransaction(t.Context(), b.Programme, captured.ID)
	if err != nil {
		t.Fatal(err)
	}
	left, err := b.Ledger.ExplainBalance(t.Context(), b.Programme, "m", "points")
	if err != nil {
		t.Fatal(err)
	}

	wantShares(t, "the capture", used, map[uuid.UUID]int64{soon.ID: 5})
	if len(left.Lots) != 2 {
		t.Fatalf("%d lots are left, want 2", len(left.Lots))
	}
	wantShares(t, "the sooner lot", left.Lots[:1], map[uuid.UUID]int64{soon.ID: 5})
	wantShares(t, "the later lot", left.Lots[1:], map[uuid.UUID]int64{late.ID: 10})
}
