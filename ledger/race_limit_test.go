package ledger_test

import (
	"context"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

const limitedDocument = ledgertest.Document + `
limits:
  - {code: monthly, of: points, per: member, interval: month, most: 1000}
  - {code: budget, of: points, per: programme, interval: ever, most: 5000}
`

// bounded accrues 7 points under both limits.
func bounded(p *ledger.Programme, member, k string, at ledger.State) ledger.Request {
	r := ledger.Accrual{Member: member, Unit: "points", Amount: amount(7)}.Into(p.ID, key(k))
	for _, code := range []string{"monthly", "budget"} {
		r.Legs[0].Uses = append(r.Legs[0].Uses, p.Cap(p.Limits[code], member, at.Now))
	}
	return r
}

// TestExactlyALimitIsGrantedByTwoServers: 64 callers on two servers ask for far more than members and budget may have.
func TestExactlyALimitIsGrantedByTwoServers(t *testing.T) {
	s := twoServers(t, limitedDocument)
	p, err := s.Ledger.Programme(t.Context(), s.Programme)
	if err != nil {
		t.Fatal(err)
	}
	state, err := s.Ledger.State(t.Context(), s.Programme)
	if err != nil {
		t.Fatal(err)
	}
	together(callers, func(c int) {
		for k := range 40 { // 64 × 40 × 7 points for six members, who may have 1000 each and 5000 together
			_, err := s.of(c).Post(context.Background(), s.Programme, bounded(p, named("m%d", c%6), named("c%d", c)+named("-%d", k), state))
			if err != nil && !refused(err, ledger.NothingEarned) {
				t.Error(err)
				return
			}
		}
	})
	s.WantBalance(t, "issuance", "points", decimal.NewFromInt(-5000))
	s.WantBalance(t, "cap", "budget", decimal.NewFromInt(-5000))
	s.WantBalance(t, "redeemed", "monthly", decimal.NewFromInt(5000))
	for m := range 6 {
		balances, err := s.Ledger.Balances(t.Context(), s.Programme, named("m%d", m), "points")
		if err != nil || balances[0].Posted.GreaterThan(amount(1000)) {
			t.Errorf("member %d has %+v, %v", m, balances, err)
		}
	}
}

// TestALoweredLimitTakesNothingBack: what was accrued before stays, and nothing more is until the next interval.
func TestALoweredLimitTakesNothingBack(t *testing.T) {
	b := ledgertest.New(t, limitedDocument)
	post := func(k string) error {
		p, err := b.Ledger.Programme(t.Context(), b.Programme)
		if err != nil {
			return err
		}
		state, err := b.Ledger.State(t.Context(), b.Programme)
		if err != nil {
			return err
		}
		_, err = b.Ledger.Post(t.Context(), b.Programme, bounded(p, "m", k, state).Under(p))
		return err
	}
	if err := post("first"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(strings.Replace(limitedDocument, "most: 1000", "most: 5", 1))); err != nil {
		t.Fatal(err)
	}
	if err := post("second"); !refused(err, ledger.NothingEarned) {
		t.Errorf("beyond the lowered limit: %v", err)
	}
	back := ledger.Reverse(ledger.TransactionID(b.Programme, "test", "first"), amount(1), key("back"))
	b.Post(t, back)
	b.WantBalance(t, "cap", "monthly", decimal.NewFromInt(-6))
	if _, err := b.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(limitedDocument)); err != nil {
		t.Fatal(err)
	}
	if err := post("third"); err != nil {
		t.Errorf("under the raised limit: %v", err)
	}
}
