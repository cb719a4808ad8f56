package ledger

import (
	"slices"
	"strings"
)

// memberIn is whose a member's place is.
func memberIn(where string) string {
	_, owner, _ := strings.Cut(where, "|")
	member, _, _ := strings.Cut(strings.TrimPrefix(owner, "member/"), "|")
	return member
}

func (m *model) forfeit(a ask) (int64, Reason) {
	if a.reason == "" {
		return 0, ReasonRequired
	}
	for where := range m.piles {
		if unit, _, _ := strings.Cut(where, "|"); memberIn(where) == a.member {
			n := m.piles[where].total()
			m.soonest(where, n)
			m.sums[house(unit, "breakage")] += n
		}
	}
	m.ended[a.member] = true
	return whichever, ""
}

// whichever stands for the amount of a transaction whose first leg is whichever comes first.
const whichever = int64(-1)

// merge hands over lots, then debt, and lets the other pay what is owed, one unit after the other.
func (m *model) merge(a ask, p *past) (int64, Reason) {
	switch {
	case a.member == a.other:
		return 0, SameAccount
	case m.ended[a.other]:
		return 0, MemberTerminated
	}
	try := m.copy()
	for _, unit := range []string{"miles", "points", "status", "visit"} {
		from, to := wallet(unit, a.member), wallet(unit, a.other)
		owes, owed := place(unit, a.other, "debt"), place(unit, a.member, "debt")
		if n := try.piles[from].total(); n > 0 {
			pieces := try.soonest(from, n)
			try.give(to, pieces)
			p.merged = append(p.merged, principal{from, to, n, pieces})
		}
		if n := -try.sums[owed]; n > 0 {
			if unit == "points" && n-try.sums[owes] > debtLimit {
				p.merged = nil
				return 0, DebtLimitReached
			}
			try.sums[owes] -= n
			try.sums[owed] = 0
			p.merged = append(p.merged, principal{owes, owed, n, nil})
		}
		if n := min(-try.sums[owes], try.piles[to].total()); n > 0 {
			pieces := try.soonest(to, n)
			try.sums[owes] += n
			p.merged = append(p.merged, principal{to, owes, n, pieces})
		}
	}
	if len(p.merged) == 0 {
		return 0, NothingToMerge
	}
	*m = *try
	return p.merged[0].n, ""
}

// unmerge does each step of a merge backwards, the last first.
func (m *model) unmerge(a ask, p *past) (int64, Reason) {
	switch {
	case a.n != 0:
		return 0, NotReversibleInParts
	case p.back > 0:
		return 0, AlreadyReversed
	}
	try := m.copy()
	for _, move := range slices.Backward(p.merged) {
		if reason := try.moveBack(move); reason != "" {
			return 0, reason
		}
	}
	*m = *try
	m.past[a.original].back = p.merged[0].n
	return p.merged[0].n, ""
}

func (m *model) moveBack(move principal) Reason {
	owes := func(debt string) Reason {
		if m.sums[debt] -= move.n; strings.HasPrefix(debt, "points|") && m.sums[debt] < -debtLimit {
			return DebtLimitReached
		}
		return ""
	}
	switch {
	case isPile(move.from) && isPile(move.to): // lots that were handed over
		switch {
		case !m.enough(move.to, move.n):
			return InsufficientPoints
		case m.ended[memberIn(move.from)]:
			return MemberTerminated
		}
		m.give(move.from, m.takeOwn(move.to, move.out, move.n))
	case isPile(move.from): // a debt that was paid
		if reason := owes(move.to); reason != "" {
			return reason
		}
		if m.ended[memberIn(move.from)] {
			return MemberTerminated
		}
		paid := principal{out: move.out}
		for _, piece := range paid.pop(move.n) {
			m.put(move.from, lotName{m.revived(move.from, piece.lot.at), piece.lot.fund}, piece.n)
		}
		m.sweep(move.from)
	default: // a debt that was handed over
		if m.sums[move.from]+move.n > 0 {
			return NotReversible
		}
		if reason := owes(move.to); reason != "" {
			return reason
		}
		m.sums[move.from] += move.n
	}
	return ""
}
