package ledger

import (
	"maps"
	"slices"
	"strings"
)

// model is what the ledger should hold after every ask, in a few maps: written from the design, not from apply. It keeps
// wallets always swept and debts always paid from what is live, so it needs no expiry on touch and no order of arrival.
type model struct {
	now, open, clock int64
	grace            int64
	sandbox          bool
	batch            int
	piles            map[string]pile  // wallets, pending, hold and voucher places
	sums             map[string]int64 // all other accounts
	due              map[string]int64 // of holds and pending places
	frozen           map[string]bool
	ended            map[string]bool // memberships
	refs             map[string]string
	past             map[string]*past // by the ask's name
	order            []string
}

// pile is what a place holds of each lot.
type pile map[lotName]int64

type lotName struct {
	at   int64
	fund string
}

type piece struct {
	lot lotName
	n   int64
}

// past is a recorded ask with its answer, and the principal moves that a reversal would take back.
type past struct {
	ask    ask
	answer answer
	batch  int
	member string
	moves  []principal
	merged []principal // of a merge, in order
	back   int64
	claw   bool // what it gave is clawed back
}

// principal is a move with the pieces that are still out.
type principal struct {
	from, to string
	n        int64
	out      []piece
}

// answer is what the caller hears. An ask that is not recorded may be asked again.
type answer struct {
	reason   Reason
	recorded bool
	n        int64
}

const (
	micro  = int64(1)
	second = 1_000_000 * micro
	aday   = 86400 * second
	always = int64(253402214400) * second // 9999-12-31
)

func newModel(now int64, sandbox bool, grace int64) *model {
	return &model{
		now: now, sandbox: sandbox, grace: grace, piles: map[string]pile{}, sums: map[string]int64{},
		due: map[string]int64{}, frozen: map[string]bool{}, ended: map[string]bool{}, refs: map[string]string{}, past: map[string]*past{},
	}
}

func place(unit, member, where string) string { return unit + "|member/" + member + "|" + where }
func wallet(unit, member string) string       { return place(unit, member, "wallet") }
func house(unit, where string) string         { return unit + "|programme|" + where }

// sorted lists the lots of a pile in spending order.
func (p pile) sorted() []lotName {
	return slices.SortedFunc(maps.Keys(p), func(a, b lotName) int {
		if a.at != b.at {
			if a.at < b.at {
				return -1
			}
			return 1
		}
		return strings.Compare(a.fund, b.fund)
	})
}

func (p pile) total() int64 {
	sum := int64(0)
	for _, n := range p {
		sum += n
	}
	return sum
}

// liveAt is what has not expired.
func (p pile) liveAt(now int64) int64 {
	sum := int64(0)
	for lot, n := range p {
		if lot.at > now {
			sum += n
		}
	}
	return sum
}

// put adds to a pile or, below zero, takes away.
func (m *model) put(where string, lot lotName, n int64) {
	p := m.piles[where]
	if p == nil {
		p = pile{}
		m.piles[where] = p
	}
	p[lot] += n
	switch {
	case p[lot] < 0:
		panic("the model took more than there is from " + where)
	case p[lot] == 0:
		delete(p, lot)
	}
	if len(p) == 0 {
		delete(m.piles, where)
	}
}

// take removes n of the wanted lots, each in turn. The caller knows that they hold enough.
func (m *model) take(where string, n int64, wanted []lotName) []piece {
	var out []piece
	for _, lot := range wanted {
		if part := min(n, m.piles[where][lot]); part > 0 {
			m.put(where, lot, -part)
			out = append(out, piece{lot, part})
			n -= part
		}
	}
	if n > 0 {
		panic("the model looked for more than there is in " + where)
	}
	return out
}

// soonest takes n in spending order.
func (m *model) soonest(where string, n int64) []piece {
	return m.take(where, n, m.piles[where].sorted())
}

func (m *model) give(where string, pieces []piece) {
	for _, p := range pieces {
		m.put(where, p.lot, p.n)
	}
}

// tidy is the rule that nothing expired stays in a wallet, and nobody keeps points who owes some.
func (m *model) tidy() {
	for where := range m.piles {
		if strings.HasSuffix(where, "|wallet") {
			m.sweep(where)
		}
	}
	for where, owed := range m.sums {
		debtor, isDebt := strings.CutSuffix(where, "|debt")
		if !isDebt || owed == 0 {
			continue
		}
		if pay := min(-owed, m.piles[debtor+"|wallet"].total()); pay > 0 {
			m.soonest(debtor+"|wallet", pay)
			m.sums[where] += pay
		}
	}
}

func (m *model) sweep(where string) {
	unit, _, _ := strings.Cut(where, "|")
	for lot, n := range m.piles[where] {
		if lot.at <= m.now {
			m.put(where, lot, -n)
			m.sums[house(unit, "breakage")] += n
		}
	}
}

// flush ends a batch: a moved clock counts from now on, and what was recorded can be followed up.
func (m *model) flush() {
	m.batch++
	m.now = max(m.now, m.clock)
	m.tidy()
}

func (m *model) wait(until int64) {
	m.now = max(m.now, until)
	m.tidy()
}

// decide answers asks that came as one item.
func (m *model) decide(asks []ask, atomic bool) []answer {
	answers := make([]answer, len(asks))
	if !atomic {
		for i, a := range asks {
			answers[i] = m.answer(a)
		}
		return answers
	}
	names, known := map[string]bool{}, 0
	for i, a := range asks {
		if names[a.name()] {
			return all(answers, InvalidField)
		}
		names[a.name()] = true
		if seen, was := m.replay(a); was {
			answers[i] = seen
			known++
		}
	}
	switch known {
	case len(asks):
		return answers
	case 0:
		return m.together(asks, answers)
	default:
		return all(answers, IdempotencyKeyReused)
	}
}

func all(answers []answer, reason Reason) []answer {
	for i := range answers {
		answers[i] = answer{reason: reason}
	}
	return answers
}

// together tries the asks on a copy, and keeps the copy only when none is refused.
func (m *model) together(asks []ask, answers []answer) []answer {
	try := m.copy()
	for i, a := range asks {
		answers[i] = try.answer(a)
		if answers[i].reason == "" {
			continue
		}
		if !answers[i].recorded {
			reason := answers[i].reason
			all(answers, AtomicBatchRejected)[i].reason = reason
			return answers
		}
		for j := range asks {
			reason := AtomicBatchRejected
			if j == i {
				reason = answers[i].reason
			}
			answers[j] = m.remember(asks[j], &past{}, answer{reason: reason, recorded: true})
		}
		return answers
	}
	*m = *try
	return answers
}

func (m *model) copy() *model {
	c := *m
	c.piles = make(map[string]pile, len(m.piles))
	for where, p := range m.piles {
		c.piles[where] = maps.Clone(p)
	}
	c.past = make(map[string]*past, len(m.past))
	for name, p := range m.past {
		q := *p
		q.moves = slices.Clone(p.moves)
		c.past[name] = &q
	}
	c.sums, c.due, c.frozen, c.refs = maps.Clone(m.sums), maps.Clone(m.due), maps.Clone(m.frozen), maps.Clone(m.refs)
	c.order, c.ended = slices.Clone(m.order), maps.Clone(m.ended)
	return &c
}

func (m *model) replay(a ask) (answer, bool) {
	p := m.past[a.name()]
	switch {
	case p == nil:
		return answer{}, false
	case p.ask != a:
		return answer{reason: IdempotencyKeyReused}, true
	default:
		return p.answer, true
	}
}

// answer decides one ask: the first answer for ever, or a new one.
func (m *model) answer(a ask) answer {
	if seen, was := m.replay(a); was {
		return seen
	}
	p := &past{}
	n, reason := int64(0), m.admit(a)
	if reason == "" {
		n, reason = m.perform(a, p)
	}
	switch class := Reasons[reason]; {
	case reason == "":
		if a.ref != "" {
			m.refs[a.client+"|"+kindWord(a.verb)+"|"+a.ref] = a.name()
		}
		m.tidy()
		return m.remember(a, p, answer{recorded: true, n: n})
	case (class == Malformed || class == NotFound) && reason != EffectiveInFuture: // which time alone would turn into a yes
		return answer{reason: reason}
	default:
		return m.remember(a, &past{}, answer{reason: reason, recorded: true})
	}
}

func (m *model) remember(a ask, p *past, ans answer) answer {
	p.ask, p.answer, p.batch, p.member = a, ans, m.batch, m.memberOf(a)
	m.past[a.name()] = p
	m.order = append(m.order, a.name())
	return ans
}

// kindWord groups the verbs that are one kind of transaction: a business reference is unique within it.
func kindWord(verb string) string {
	switch verb {
	case "bill":
		return "accrue"
	case "voucher":
		return "redeem"
	default:
		return verb
	}
}
