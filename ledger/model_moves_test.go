package ledger

import (
	"strings"
	"time"
)

// unitFacts is what the model knows of machineProgramme's units.
var unitFacts = map[string]struct {
	expires      bool   // accrued, held, redeemed
	policy       string // "" keeps units for ever
	whole        bool   // no decimal places
	right, allot bool
}{
	"points": {expires: true, policy: "short"},
	"miles":  {expires: true, policy: "active", whole: true},
	"status": {expires: true, policy: "year", whole: true},
	"visit":  {expires: true, whole: true, allot: true},
	"lounge": {right: true, whole: true},
	"cny":    {},
}

const debtLimit = 3000 // of points; nothing else comes near its limit

// policyEnd is the civil calendar of Shanghai, eight hours ahead all year.
func policyEnd(policy string, from int64) (int64, bool) {
	const ahead = 8 * time.Hour
	t := moment(from).Add(ahead)
	midnight := func(year int, month time.Month, day int) int64 {
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Add(-ahead).UnixMicro()
	}
	switch policy {
	case "", "ever":
		return always, true
	case "short":
		return midnight(t.Year(), t.Month()+2, 1), true
	case "active":
		return midnight(t.Year(), t.Month()+1, 1), true
	case "year":
		return midnight(t.Year()+1, 1, 1), true
	case "mayday":
		end := midnight(t.Year(), 5, 2)
		if end <= from {
			end = midnight(t.Year()+1, 5, 2)
		}
		return end, true
	default:
		return 0, false
	}
}

// amountFits says whether an amount of a unit may be asked for.
func amountFits(unit string, n int64) bool { return n > 0 && (!unitFacts[unit].whole || n%100 == 0) }

// about is the earlier ask that an ask follows up, if that is known to the ledger.
func (m *model) about(a ask) *past {
	if p := m.past[a.original]; p != nil && p.batch < m.batch {
		return p
	}
	return nil
}

func follows(verb string) bool {
	return strings.Contains(" capture void timeout activate lapse reverse ", " "+verb+" ")
}

// admit is what holds for every kind, in this order: amounts, the original, the business reference, time, freeze.
func (m *model) admit(a ask) Reason {
	if reason := admitAmounts(a); reason != "" {
		return reason
	}
	member, original := m.memberOf(a), m.about(a)
	if follows(a.verb) && (original == nil || original.member != member) {
		return NotFoundReason
	}
	if m.refs[a.client+"|"+kindWord(a.verb)+"|"+a.ref] != "" {
		return ReferenceUsed
	}
	effective := a.effective
	if effective == 0 {
		effective = m.now
	}
	if !strings.Contains(" freeze unfreeze period clock ", " "+a.verb+" ") {
		switch {
		case effective > m.now:
			return EffectiveInFuture
		case effective < m.open:
			return PeriodClosed
		case !m.sandbox && effective < m.now-20*aday:
			return BackDatingLimit
		}
	}
	leaves := strings.Contains(" redeem voucher use hold capture transfer merge ", " "+a.verb+" ")
	switch {
	case m.ended[member] && (leaves || strings.Contains(" freeze unfreeze forfeit ", " "+a.verb+" ")):
		return MemberTerminated
	case m.frozen[member] && leaves:
		return MemberFrozen
	}
	return ""
}

// memberOf is whose matter an ask is: a follow-up is about the member of what it follows up.
func (m *model) memberOf(a ask) string {
	if original := m.about(a); follows(a.verb) && a.member == "" && original != nil {
		return original.member
	}
	return a.member
}

func admitAmounts(a ask) Reason {
	_, declared := unitFacts[a.unit]
	n, rights := a.n, a.rights*100
	switch a.verb {
	case "adjust", "publish":
		n = max(n, -n) // the sign is the direction
	case "use":
		return amountReason("lounge", rights)
	case "accrue", "allot", "redeem", "hold", "transfer", "bill":
		rights = 100
	case "voucher":
	case "redate":
		n, rights = 100, 100
	default:
		return ""
	}
	switch {
	case !declared:
		return UnknownUnit
	case strings.ContainsAny(a.fund, "|;"):
		return InvalidField
	case a.verb == "redate":
		return ""
	case !amountFits(a.unit, n):
		return AmountOutOfRange
	}
	if a.verb == "voucher" {
		return amountReason("lounge", rights)
	}
	return ""
}

func amountReason(unit string, n int64) Reason {
	if amountFits(unit, n) {
		return ""
	}
	return AmountOutOfRange
}

// perform does what an admitted ask wants, or nothing at all; n is the transaction's amount.
func (m *model) perform(a ask, p *past) (n int64, reason Reason) {
	switch a.verb {
	case "accrue", "allot":
		return m.accrue(a, p)
	case "adjust":
		return m.adjust(a, p)
	case "bill":
		return m.bill(a, p)
	case "redeem", "voucher":
		return m.redeem(a, p)
	case "use":
		return m.use(a, p)
	case "hold":
		return m.hold(a)
	case "capture", "void", "timeout":
		return m.endHold(a, p)
	case "activate":
		return m.activate(a)
	case "lapse":
		return m.lapse(a)
	case "transfer":
		return m.transfer(a, p)
	case "publish":
		return m.publish(a, p)
	case "redate":
		return m.redate(a)
	case "reverse":
		return m.reverse(a)
	case "forfeit":
		return m.forfeit(a)
	case "merge":
		return m.merge(a, p)
	default:
		return 0, m.control(a)
	}
}

func (m *model) enough(where string, n int64) bool { return m.piles[where].liveAt(m.now) >= n }

func (m *model) accrue(a ask, p *past) (int64, Reason) {
	if a.activate != 0 && a.activate <= m.now {
		return 0, TimeNotInFuture
	}
	at, reason := m.expiry(a)
	facts := unitFacts[a.unit]
	switch {
	case reason != "":
		return 0, reason
	case !facts.expires, a.verb == "allot" && !facts.allot:
		return 0, FlowNotAllowed
	}
	if m.ended[a.member] {
		return 0, MemberTerminated
	}
	lot := lotName{at, a.fund}
	if lot.fund == "" {
		lot.fund = "programme"
	}
	to := wallet(a.unit, a.member)
	if a.activate != 0 {
		to = place(a.unit, a.member, "pending/"+a.name())
		m.due[to] = a.activate
	}
	if a.verb == "accrue" && a.activate == 0 {
		m.keepAlive(a, to)
	}
	m.sums[house(a.unit, "issuance")] -= a.n
	m.put(to, lot, a.n)
	m.tidy()
	p.claw, p.moves = true, []principal{{house(a.unit, "issuance"), to, a.n, []piece{{lot, a.n}}}}
	return a.n, ""
}

// expiry is when what a gives expires: its own word, its policy, its unit's policy.
func (m *model) expiry(a ask) (int64, Reason) {
	if a.expires != 0 {
		if a.expires <= m.now {
			return 0, TimeNotInFuture
		}
		return a.expires, ""
	}
	policy, from := a.policy, a.effective
	if policy == "" {
		policy = unitFacts[a.unit].policy
	}
	if from == 0 {
		from = m.now
	}
	if a.activate != 0 {
		from = a.activate
	}
	at, known := policyEnd(policy, from)
	if !known {
		return 0, UnknownPolicy
	}
	return at, ""
}

// keepAlive is the activity policy: all live miles last at least as long as from this activity.
func (m *model) keepAlive(a ask, where string) {
	if !strings.HasPrefix(where, "miles|") {
		return
	}
	from := a.effective
	if from == 0 {
		from = m.now
	}
	until, _ := policyEnd("active", from)
	for lot, n := range m.piles[where] {
		if lot.at < until {
			m.put(where, lot, -n)
			m.put(where, lotName{until, lot.fund}, n)
		}
	}
}

func (m *model) bill(a ask, p *past) (int64, Reason) {
	if m.ended[a.member] {
		return 0, MemberTerminated
	}
	m.sums["cny|partner/bank|receivable"] -= a.n
	m.sums[house("cny", "deferred")] += a.n
	p.claw, p.moves = true, nil
	for _, part := range []struct {
		unit string
		n    int64
	}{{"points", a.n}, {"status", 100}} {
		from := a.effective
		if from == 0 {
			from = m.now
		}
		at, _ := policyEnd(unitFacts[part.unit].policy, from)
		lot, to := lotName{at, "programme"}, wallet(part.unit, a.member)
		m.sums[house(part.unit, "issuance")] -= part.n
		m.put(to, lot, part.n)
		p.moves = append(p.moves, principal{house(part.unit, "issuance"), to, part.n, []piece{{lot, part.n}}})
	}
	p.moves = append(p.moves, principal{"cny|partner/bank|receivable", house("cny", "deferred"), a.n, nil})
	return a.n, ""
}

func (m *model) adjust(a ask, p *past) (int64, Reason) {
	if a.reason == "" {
		return 0, ReasonRequired
	}
	if a.n > 0 {
		return m.accrue(a, p)
	}
	from := wallet(a.unit, a.member)
	if !m.enough(from, -a.n) {
		return 0, InsufficientPoints
	}
	m.sums[house(a.unit, "issuance")] += -a.n
	p.moves = []principal{{from, house(a.unit, "issuance"), -a.n, m.soonest(from, -a.n)}}
	return -a.n, ""
}

func (m *model) redeem(a ask, p *past) (int64, Reason) {
	from := wallet(a.unit, a.member)
	if !m.enough(from, a.n) {
		return 0, InsufficientPoints
	}
	if a.verb == "voucher" {
		if reason := m.buy(a, p); reason != "" {
			return 0, reason
		}
	}
	m.sums[house(a.unit, "redeemed")] += a.n
	paid := principal{from, house(a.unit, "redeemed"), a.n, m.soonest(from, a.n)}
	p.moves = append([]principal{paid}, p.moves...)
	m.keepAlive(a, from)
	return a.n, ""
}

// buy is the other side of a voucher's price.
func (m *model) buy(a ask, p *past) Reason {
	at, source, rights := always, house("lounge", "issuance"), a.rights*100
	if a.expires != 0 {
		at = a.expires
	}
	if a.stocked {
		source = house("lounge", "stock")
	}
	switch {
	case at <= m.now:
		return TimeNotInFuture
	case a.stocked && m.sums[source] < rights:
		return OutOfStock
	}
	to, lot := place("lounge", a.member, "voucher/"+a.name()), lotName{at, "programme"}
	m.sums[source] -= rights
	m.put(to, lot, rights)
	p.moves = []principal{{source, to, rights, []piece{{lot, rights}}}}
	if a.money {
		m.sums[house("cny", "deferred")] -= a.n
		m.sums["cny|partner/airport|payable"] += a.n
		p.moves = append(p.moves, principal{house("cny", "deferred"), "cny|partner/airport|payable", a.n, nil})
	}
	return ""
}

func (m *model) use(a ask, p *past) (int64, Reason) {
	from, rights := place("lounge", a.member, "voucher/"+a.original), a.rights*100
	switch {
	case m.piles[from].total() < rights:
		return 0, VoucherUsed
	case !m.enough(from, rights):
		return 0, VoucherExpired
	}
	to := "lounge|partner/airport|redeemed"
	m.sums[to] += rights
	p.moves = []principal{{from, to, rights, m.soonest(from, rights)}}
	if a.money {
		m.sums[house("cny", "benefit_cost")] -= 700
		m.sums["cny|partner/airport|payable"] += 700
		p.moves = append(p.moves, principal{house("cny", "benefit_cost"), "cny|partner/airport|payable", 700, nil})
	}
	return rights, ""
}

func (m *model) hold(a ask) (int64, Reason) {
	from, to := wallet(a.unit, a.member), place(a.unit, a.member, "hold/"+a.name())
	switch {
	case a.timeout <= 0:
		return 0, InvalidField
	case !m.enough(from, a.n):
		return 0, InsufficientPoints
	}
	m.give(to, m.soonest(from, a.n))
	m.due[to] = m.now + a.timeout
	return a.n, ""
}

// endHold is a capture, a void or a timeout.
func (m *model) endHold(a ask, p *past) (int64, Reason) {
	hold := m.about(a)
	if hold.ask.verb != "hold" || hold.answer.reason != "" {
		return 0, NotFoundReason
	}
	unit, member := hold.ask.unit, hold.ask.member
	from, to := place(unit, member, "hold/"+a.original), wallet(unit, member)
	held, n := m.piles[from].total(), a.n
	if held == 0 {
		return 0, HoldClosed
	}
	if a.verb == "capture" {
		if n == 0 {
			n = held
		}
		switch {
		case m.due[from] <= m.now:
			return 0, HoldExpired
		case !amountFits(unit, n):
			return 0, AmountOutOfRange
		case n > held:
			return 0, CaptureExceedsHold
		}
		m.sums[house(unit, "redeemed")] += n
		p.moves = []principal{{to, house(unit, "redeemed"), n, m.soonest(from, n)}}
		if a.release {
			m.give(to, m.soonest(from, held-n))
			m.tidy() // what lapsed in the hold is gone before the capture keeps anything alive
		}
		m.keepAlive(a, to)
		return n, ""
	}
	if a.verb == "timeout" && m.due[from] > m.now {
		return 0, HoldNotDue
	}
	m.give(to, m.soonest(from, held))
	return held, ""
}

func (m *model) activate(a ask) (int64, Reason) {
	accrual := m.about(a)
	if accrual.ask.verb != "accrue" || accrual.ask.activate == 0 || accrual.answer.reason != "" {
		return 0, NotFoundReason
	}
	from := place(accrual.ask.unit, accrual.ask.member, "pending/"+a.original)
	n := m.piles[from].total()
	switch {
	case n == 0:
		return 0, NotPending
	case m.due[from] > m.now:
		return 0, HoldNotDue
	}
	to := wallet(accrual.ask.unit, accrual.ask.member)
	m.keepAlive(a, to)
	m.give(to, m.soonest(from, n))
	return n, ""
}

func (m *model) lapse(a ask) (int64, Reason) {
	bought := m.about(a)
	if bought.ask.verb != "voucher" || bought.answer.reason != "" {
		return 0, NotFoundReason
	}
	where := place("lounge", bought.ask.member, "voucher/"+a.original)
	n := m.piles[where].total()
	switch {
	case n == 0:
		return 0, VoucherUsed
	case m.piles[where].liveAt(m.now) > 0:
		return 0, HoldNotDue
	}
	m.sweep(where)
	return n, ""
}
