package ledger

import (
	"testing"
	"time"
)

func TestEveryReversibleFlowHasItsWayBack(t *testing.T) {
	for f := range flows {
		switch {
		case !f.kind.reversible() || derived(f.kind, f.from, f.to):
			continue
		case f.kind == KindAdjustment && f.to == Wallet:
			continue // clawed back
		}
		home := homeOf(Account{Place: f.from}, f.unit).Place
		if !flows[flow{KindReversal, f.to, home, f.unit}] {
			t.Errorf("a %s of %s from %s to %s cannot be reversed", f.kind, f.unit, f.from, f.to)
		}
	}
}

func TestEveryGiftCanBeClawedBackToItsSource(t *testing.T) {
	for f := range flows {
		gives := f.kind == KindAccrual || f.kind == KindAllotment || f.kind == KindAdjustment && f.to == Wallet
		if !gives || f.from == Wallet {
			continue
		}
		back := []Place{f.to}
		if f.to == Wallet || f.to == Pending {
			back = append(back, Wallet, Debt)
		}
		for _, from := range back {
			if !flows[flow{KindClawback, from, f.from, f.unit}] {
				t.Errorf("a %s of %s from %s cannot be clawed back from %s", f.kind, f.unit, f.from, from)
			}
		}
	}
}

func TestOnlyAGiftChangesHands(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	for _, kind := range []Kind{KindRedemption, KindAccrual} {
		r := d.next()
		r.Kind, r.Member = kind, "ann"
		r.Legs = []Leg{{From: walletOf("ann", "points"), To: walletOf("bob", "points"), Unit: "points", Amount: amount("4")}}
		d.refuse(FlowNotAllowed, r)
	}
	gift := d.must(Transfer("ann", "bob", "points", amount("4"), d.next()))
	d.reverse(gift, "0")
	d.wantLots("ann", "points", "2026-06-01 10")
}

func TestNoOtherFlowLeadsFromWalletToWallet(t *testing.T) {
	ann, bob := walletOf("ann", "points"), walletOf("bob", "points")
	for f := range flows {
		if f.from != Wallet || f.to != Wallet {
			continue
		}
		gift := f.kind == KindTransfer || f.kind == KindMerge || f.kind == KindReversal
		if f.kind.mayChangeHands(ann, bob) != gift || !f.kind.mayChangeHands(ann, ann) {
			t.Errorf("a %s from one wallet to another is allowed: %t, want %t, and within one always", f.kind, !gift, gift)
		}
	}
}

func TestTimesBefore1970AreRefused(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-06-01")
	early := time.Unix(0, -1000)
	r := d.next()
	r.EffectiveAt = early
	d.refuse(InvalidField, Redeem("ann", "points", amount("1"), r))
	d.refuse(InvalidField, Redate("ann", "points", day("2026-01-01"), day("2027-01-01"), early, d.next()))
	d.refuse(InvalidField, SetOpenPeriod(early, d.next()))
}

func TestWhateverEntersAWalletMayExpireAndPaysDebt(t *testing.T) {
	for f := range flows {
		if f.to != Wallet {
			continue
		}
		if f.kind == KindRedemption || f.unit == TierUnit {
			continue // only the re-dating by activity, of live lots into later ones; and what knows no debt
		}
		for _, to := range []Place{Breakage, Debt} {
			if !flows[flow{f.kind, Wallet, to, f.unit}] {
				t.Errorf("what a %s of %s brings to a wallet cannot go to %s", f.kind, f.unit, to)
			}
		}
	}
}

func TestWhateverBearsLotsMeetsOnlyWhatKnowsWhatToDoWithThem(t *testing.T) {
	for f := range flows {
		if f.from == Breakage || f.from == Debt && f.kind != KindClawback && f.kind != KindMerge && f.kind != KindReversal {
			t.Errorf("a %s may leave %s", f.kind, f.from)
		}
		if f.to == Hold && f.from != Wallet && f.unit != RightUnit || f.to == Pending && f.from != Issuance {
			t.Errorf("a %s may enter %s from %s", f.kind, f.to, f.from)
		}
		if f.kind.control() || f.kind == touch {
			t.Errorf("a %s moves nothing", f.kind)
		}
	}
}
