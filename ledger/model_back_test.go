package ledger

import (
	"slices"
	"strings"
)

func (m *model) transfer(a ask, p *past) (int64, Reason) {
	from, to := wallet(a.unit, a.member), wallet(a.unit, a.other)
	switch {
	case from == to:
		return 0, SameAccount
	case !m.enough(from, a.n):
		return 0, InsufficientPoints
	case m.ended[a.other]:
		return 0, MemberTerminated
	}
	pieces := m.soonest(from, a.n)
	m.give(to, pieces)
	p.moves = []principal{{from, to, a.n, pieces}}
	return a.n, ""
}

func (m *model) publish(a ask, p *past) (int64, Reason) {
	from, to, n := house(a.unit, "issuance"), house(a.unit, "stock"), a.n
	if n < 0 {
		from, to, n = to, from, -n
	}
	switch {
	case !unitFacts[a.unit].right:
		return 0, FlowNotAllowed
	case a.n < 0 && m.sums[from] < n:
		return 0, OutOfStock
	}
	m.sums[from] -= n
	m.sums[to] += n
	p.moves = []principal{{from, to, n, nil}}
	return n, ""
}

func (m *model) redate(a ask) (int64, Reason) {
	if a.expires == 0 {
		return 0, InvalidField
	}
	where, moved := wallet(a.unit, a.member), int64(0)
	var redated []piece
	for lot, n := range m.piles[where] {
		if lot.at >= a.from && lot.at < a.to && lot.at != a.expires {
			m.put(where, lot, -n)
			redated = append(redated, piece{lotName{a.expires, lot.fund}, n})
			moved += n
		}
	}
	m.give(where, redated)
	if moved == 0 {
		return 0, NothingToRedate
	}
	return moved, ""
}

func (m *model) control(a ask) Reason {
	switch a.verb {
	case "freeze", "unfreeze":
		on := a.verb == "freeze"
		switch {
		case a.reason == "":
			return ReasonRequired
		case on && m.frozen[a.member]:
			return AlreadyFrozen
		case !on && !m.frozen[a.member]:
			return NotFrozen
		}
		m.frozen[a.member] = on
	case "period":
		switch {
		case a.expires > m.now:
			return EffectiveInFuture
		case a.expires <= m.open:
			return PeriodBackwards
		}
		m.open = a.expires
	case "clock":
		switch {
		case !m.sandbox:
			return NotSandbox
		case a.expires < m.now, a.expires < m.clock:
			return ClockBackwards
		}
		m.clock = a.expires
	}
	return ""
}

func (m *model) reverse(a ask) (int64, Reason) {
	p := m.about(a)
	if len(p.merged) > 0 {
		return m.unmerge(a, p)
	}
	if p.answer.reason != "" || len(p.moves) == 0 {
		return 0, NotReversible
	}
	whole := p.moves[0].n
	rest, part := whole-p.back, a.n
	if part == 0 {
		part = rest
	}
	unit, _, _ := strings.Cut(p.moves[0].from, "|")
	switch {
	case a.n != 0 && !amountFits(unit, a.n):
		return 0, AmountOutOfRange
	case rest == 0:
		return 0, AlreadyReversed
	case part > rest:
		return 0, ReversalExceedsRest
	}
	shares := make([]int64, len(p.moves))
	for i, move := range slices.Backward(p.moves) {
		unit, _, _ := strings.Cut(move.from, "|")
		step := int64(1)
		if unitFacts[unit].whole {
			step = 100
		}
		all := p.back + part
		if unitFacts[unit].right && move.n*all%(whole*step) != 0 {
			return 0, NotReversibleInParts
		}
		shares[i] = (move.n*all/whole/step - move.n*p.back/whole/step) * step
		if shares[i] == 0 {
			continue
		}
		if reason := m.mayTake(move, shares[i], p.claw); reason != "" {
			return 0, reason
		}
		if isPile(move.from) && m.ended[memberIn(move.from)] {
			return 0, MemberTerminated
		}
	}
	for i, n := range shares {
		switch {
		case p.claw && isPile(p.moves[i].to):
			m.clawBack(p.moves[i], n)
		default:
			m.bringBack(&p.moves[i], n)
		}
	}
	p.back += part
	return part, ""
}

func isPile(where string) bool {
	return strings.HasSuffix(where, "|wallet") || strings.Contains(where, "|pending/") || strings.Contains(where, "|voucher/")
}

// ownWallet is the wallet beside a pending place.
func ownWallet(where string) string { return where[:strings.LastIndex(where, "|")] + "|wallet" }

// mayTake says why n of a move cannot be taken back from where it went.
func (m *model) mayTake(move principal, n int64, claw bool) Reason {
	switch {
	case claw && isPile(move.to):
		from := ownWallet(move.to)
		debt := strings.TrimSuffix(from, "wallet") + "debt"
		owed := n - min(n, m.piles[from].liveAt(m.now))
		waiting := from != move.to && m.piles[move.to] != nil
		if !waiting && strings.HasPrefix(from, "points|") && owed > 0 && owed-m.sums[debt] > debtLimit {
			return DebtLimitReached
		}
	case strings.Contains(move.to, "|voucher/") && m.piles[move.to].total() < n:
		return VoucherUsed
	case strings.Contains(move.to, "|voucher/") && !m.enough(move.to, n):
		return VoucherExpired
	case isPile(move.to) && !m.enough(move.to, n):
		return InsufficientPoints
	case strings.HasSuffix(move.to, "|stock") && m.sums[move.to] < n:
		return OutOfStock
	}
	return ""
}

// clawBack takes what a member was given: while it is pending from there, else its own lot, the others, debt.
func (m *model) clawBack(move principal, n int64) {
	m.sums[move.from] += n
	if strings.Contains(move.to, "|pending/") && m.piles[move.to] != nil {
		m.soonest(move.to, n)
		return
	}
	if n == 0 {
		return
	}
	from := ownWallet(move.to)
	here := min(n, m.piles[from].liveAt(m.now))
	m.takeOwn(from, move.out, here)
	m.sums[strings.TrimSuffix(from, "wallet")+"debt"] -= n - here
}

// bringBack moves n the way it came. Of what was drawn, the last piece comes back first.
func (m *model) bringBack(move *principal, n int64) {
	back := move.pop(n)
	if isPile(move.to) {
		back = m.takeOwn(move.to, back, n)
	} else {
		m.sums[move.to] -= n
		for i := range back {
			back[i].lot.at = m.revived(move.from, back[i].lot.at)
		}
	}
	if !isPile(move.from) {
		m.sums[move.from] += n
		return
	}
	m.give(move.from, back)
	m.sweep(move.from)
}

// pop shortens the pieces that are out by n from the end.
func (p *principal) pop(n int64) []piece {
	var back []piece
	out := slices.Clone(p.out)
	for n > 0 && len(out) > 0 {
		last := &out[len(out)-1]
		part := min(last.n, n)
		back = append(back, piece{last.lot, part})
		n -= part
		if last.n -= part; last.n == 0 {
			out = out[:len(out)-1]
		}
	}
	p.out = out
	return back
}

// takeOwn takes n live units out: first the lots that are named, then as much of their funds, then whatever is there.
func (m *model) takeOwn(where string, own []piece, n int64) []piece {
	var out []piece
	take := func(lot lotName, most int64) int64 {
		part := min(m.piles[where][lot], most, n)
		if part <= 0 || lot.at <= m.now {
			return 0
		}
		m.put(where, lot, -part)
		out = append(out, piece{lot, part})
		n -= part
		return part
	}
	byFund := map[string]int64{}
	for _, p := range own {
		byFund[p.lot.fund] += p.n - take(p.lot, p.n)
	}
	for _, lot := range m.piles[where].sorted() {
		byFund[lot.fund] -= take(lot, byFund[lot.fund])
	}
	return append(out, m.soonest(where, n)...)
}

// revived is when something brought back expires. Points get to the end of the local day that lies the refund grace ahead,
// if they expired meanwhile; miles get at least what an activity of now would give; a voucher's right gets nothing.
func (m *model) revived(home string, at int64) int64 {
	const ahead = 8 * 3600 * second
	if strings.Contains(home, "|voucher/") {
		return at
	}
	if at <= m.now && m.grace > 0 {
		local := m.now + m.grace + ahead
		at = max(at, local-local%aday+aday-ahead)
	}
	if strings.HasPrefix(home, "miles|") {
		end, _ := policyEnd("active", m.now)
		at = max(at, end)
	}
	return at
}
