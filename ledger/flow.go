package ledger

// flow is one way in which units may move. Whatever is not in the table is refused, even if it balances.
type flow struct {
	kind     Kind
	from, to Place
	unit     UnitKind
}

var anyExpiring = []UnitKind{PointsUnit, QualifyingUnit, AllotmentUnit}

// flows is the chart of what may happen. Reversals are added by reversed: the same legs backwards.
var flows = reversed(table(
	rows(KindAccrual, anyExpiring, Issuance, Wallet, Issuance, Pending),
	rows(KindAccrual, []UnitKind{MoneyUnit}, Receivable, Deferred),
	rows(KindAllotment, []UnitKind{AllotmentUnit}, Issuance, Wallet),
	rows(KindActivation, anyExpiring, Pending, Wallet),
	rows(KindRedemption, anyExpiring, Wallet, Redeemed),
	rows(KindRedemption, []UnitKind{RightUnit}, Stock, Voucher, Issuance, Voucher),
	// A seat that was asked for, or is offered: a use makes the hold a voucher, a reversal brings it back.
	rows(KindRedemption, []UnitKind{RightUnit}, Stock, Hold, Issuance, Hold),
	rows(KindUse, []UnitKind{RightUnit}, Hold, Voucher),
	rows(KindRedemption, []UnitKind{MoneyUnit}, Deferred, Payable, BenefitCost, Payable),
	// What a channel collected from the member for a right that is still to be honoured.
	rows(KindRedemption, []UnitKind{MoneyUnit}, Receivable, Deferred),
	rows(KindHold, anyExpiring, Wallet, Hold),
	rows(KindCapture, anyExpiring, Hold, Redeemed, Hold, Wallet),
	rows(KindVoid, anyExpiring, Hold, Wallet),
	rows(KindTimeout, anyExpiring, Hold, Wallet),
	rows(KindExpiry, append(anyExpiring, RightUnit), Wallet, Breakage, Voucher, Breakage),
	rows(KindRedating, anyExpiring, Wallet, Wallet),
	rows(KindAdjustment, anyExpiring, Issuance, Wallet, Wallet, Issuance, Budget, Wallet),
	rows(KindAdjustment, []UnitKind{PointsUnit}, Issuance, Budget, Budget, Issuance),
	rows(KindTransfer, anyExpiring, Wallet, Wallet),
	rows(KindClawback, anyExpiring, Wallet, Issuance, Pending, Issuance, Debt, Issuance),
	rows(KindClawback, anyExpiring, Wallet, Budget, Debt, Budget),
	rows(KindClawback, []UnitKind{MoneyUnit}, Deferred, Receivable),
	rows(KindPublication, []UnitKind{RightUnit}, Issuance, Stock, Stock, Issuance),
	rows(KindUse, []UnitKind{RightUnit}, Voucher, Redeemed),
	rows(KindUse, []UnitKind{MoneyUnit}, BenefitCost, Payable),
	rows(KindTier, []UnitKind{TierUnit}, Issuance, Wallet, Issuance, Pending, Wallet, Issuance, Pending, Issuance),
	rows(KindActivation, []UnitKind{TierUnit}, Pending, Wallet, Wallet, Breakage),
	rows(KindExpiry, []UnitKind{TierUnit}, Wallet, Breakage),
	rows(KindAccrual, []UnitKind{LimitUnit}, Cap, Redeemed),
	rows(KindRedemption, []UnitKind{LimitUnit}, Cap, Redeemed),
	rows(KindAdjustment, []UnitKind{LimitUnit}, Cap, Redeemed),
	rows(KindUse, []UnitKind{LimitUnit}, Cap, Redeemed),
	rows(KindClawback, []UnitKind{LimitUnit}, Redeemed, Cap),
	rows(KindForfeiture, append(anyExpiring, TierUnit), Wallet, Breakage, Pending, Breakage, Hold, Breakage),
	rows(KindForfeiture, []UnitKind{RightUnit}, Voucher, Breakage, Hold, Breakage),
	rows(KindMerge, anyExpiring, Wallet, Wallet, Debt, Debt),
	rows(KindReversal, anyExpiring, Debt, Wallet, Debt, Debt), // a merge taken back
	arrivals(KindAccrual, KindAllotment, KindActivation, KindCapture, KindVoid, KindTimeout, KindAdjustment,
		KindTransfer, KindMerge, KindReversal, KindRedating),
	rows(KindReversal, []UnitKind{RightUnit}, Voucher, Breakage), // a use taken back after the voucher's time
	extensions(KindAccrual, KindActivation, KindRedemption, KindCapture),
))

// rows pairs up places: from, to, from, to, …
func rows(kind Kind, units []UnitKind, places ...Place) []flow {
	var list []flow
	for _, unit := range units {
		for i := 0; i+1 < len(places); i += 2 {
			list = append(list, flow{kind, places[i], places[i+1], unit})
		}
	}
	return list
}

// arrivals are the legs that any credit to a wallet may bring with it: lapsed lots expire at once, debt is paid first.
func arrivals(kinds ...Kind) []flow {
	var list []flow
	for _, kind := range kinds {
		list = append(list, rows(kind, anyExpiring, Wallet, Breakage, Wallet, Debt)...)
	}
	return list
}

// extensions are the legs by which an activity policy re-dates the member's lots.
func extensions(kinds ...Kind) []flow {
	var list []flow
	for _, kind := range kinds {
		list = append(list, rows(kind, anyExpiring, Wallet, Wallet)...)
	}
	return list
}

func table(groups ...[]flow) map[flow]bool {
	set := make(map[flow]bool)
	for _, group := range groups {
		for _, f := range group {
			set[f] = true
		}
	}
	return set
}

// reversed adds, for every kind that Reverse takes back leg by leg, the same flow backwards. What a capture took from a
// hold goes back to the wallet that the hold was drawn from; a right goes back to the hold itself.
func reversed(set map[flow]bool) map[flow]bool {
	var back []flow
	for f := range set {
		if !f.kind.reversible() || derived(f.kind, f.from, f.to) {
			continue
		}
		home := f.from
		if home == Hold && f.unit != RightUnit {
			home = Wallet
		}
		back = append(back, flow{KindReversal, f.to, home, f.unit})
	}
	for _, f := range back {
		set[f] = true
	}
	return set
}

// mayChangeHands reports whether the kind may move units between two owners' wallets: only a gift does, a merge, and what
// takes them back. Re-datings, and the extensions of an activity policy, stay in one wallet.
func (k Kind) mayChangeHands(from, to Account) bool {
	return from.Place != Wallet || to.Place != Wallet || from.Owner == to.Owner ||
		k == KindTransfer || k == KindMerge || k == KindReversal
}

// reversible reports whether Reverse takes the kind back leg by leg. Accruals, allotments and credits by adjustment are
// clawed back instead; the rest cannot be reversed.
func (k Kind) reversible() bool {
	switch k {
	case KindRedemption, KindCapture, KindTransfer, KindAdjustment, KindPublication, KindUse:
		return true
	default:
		return false
	}
}

// derived reports whether a leg followed from the others when it was posted, so that a reversal does not undo it.
func derived(kind Kind, from, to Place) bool {
	switch {
	case to == Breakage || to == Debt:
		return true
	case from == Wallet && to == Wallet:
		return kind != KindTransfer
	default:
		return from == Hold && to == Wallet
	}
}
