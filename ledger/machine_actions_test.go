package ledger

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// weights says how often, in all, each thing is tried. What makes the other things possible comes more often.
var weights = map[string]int{
	"accrue": 14, "bill": 4, "allot": 4, "redeem": 6, "voucher": 10, "use": 7, "hold": 10, "adjust": 6, "transfer": 6,
	"publish": 4, "redate": 4, "period": 1, "clock": 2, "freeze": 1, "unfreeze": 2, "forfeit": 1, "merge": 4, "capture": 9, "void": 3, "timeout": 4,
	"activate": 7, "lapse": 4, "reverse": 20, "wait": 12, "replay": 3, "atomic": 5, "batch": 4,
}

// urn has every name as often as its weight says.
var urn = func() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		names = append(names, slices.Repeat([]string{name}, weights[name])...)
	}
	return names
}()

// one is a single step of a run: an ask, several at once, a retry, or the passing of time.
func (m *machine) one(t *rapid.T) {
	if oneIn(t, 3, "commit") {
		m.closeBatch()
	}
	switch name := pick(t, urn, "step"); name {
	case "wait":
		m.waitSome(t)
	case "replay":
		m.retry(t)
	case "atomic", "batch":
		m.step(t, name == "atomic", m.several(t)...)
	default:
		m.step(t, false, m.verbs()[name](t))
	}
}

func (m *machine) verbs() map[string]func(*rapid.T) ask {
	verbs := map[string]func(*rapid.T) ask{
		"accrue": m.accrue, "bill": m.plain("bill", "points"), "allot": m.allot, "redeem": m.spend("redeem"),
		"voucher": m.sell, "use": m.use, "hold": m.hold, "adjust": m.adjust, "transfer": m.spend("transfer"),
		"publish": m.publish, "redate": m.redate, "period": m.period, "clock": m.clock,
		"freeze": m.freeze("freeze"), "unfreeze": m.freeze("unfreeze"), "forfeit": m.forfeit, "merge": m.merge,
	}
	for _, verb := range []string{"capture", "void", "timeout", "activate", "lapse", "reverse"} {
		verbs[verb] = func(t *rapid.T) ask { return m.followUp(t, verb) }
	}
	return verbs
}

// dice draws from 0 to n-1 evenly; rapid's own integers prefer the ends of their range.
func dice(n int) *rapid.Generator[int] {
	return rapid.Custom(func(t *rapid.T) int {
		drawn := 0
		for bit := 1; bit < 2*n; bit *= 2 {
			if rapid.Bool().Draw(t, "") {
				drawn += bit
			}
		}
		return drawn % n
	})
}

func roll(t *rapid.T, n int, label string) int { return dice(n).Draw(t, label) }

func oneIn(t *rapid.T, n int, label string) bool { return roll(t, n, label) == n-1 }

func pick[T any](t *rapid.T, from []T, label string) T { return from[roll(t, len(from), label)] }

// between draws evenly from low to high.
func between(t *rapid.T, low, high int, label string) int64 {
	return int64(low + roll(t, high-low+1, label))
}

// fresh is an ask with a new key and, now and then, a business reference or a time at which it counts.
func (m *machine) fresh(t *rapid.T, verb string) ask {
	m.keys++
	a := ask{client: pick(t, []string{"till", "web"}, "client"), key: strconv.Itoa(m.keys), verb: verb}
	if oneIn(t, 8, "referenced") {
		a.ref = pick(t, []string{"r1", "r2", "r3", "r4", "r5", "r6"}, "ref")
	}
	if oneIn(t, 6, "dated") {
		a.effective = m.model.now - between(t, -1, 24, "days ago")*aday
	}
	return a
}

func (m *machine) member(t *rapid.T) string {
	return pick(t, []string{"ann", "bob", "cat", "dan"}, "member")
}

// size is an amount that fits the unit, except for one in twenty.
func (m *machine) size(t *rapid.T, unit string) int64 {
	switch {
	case oneIn(t, 40, "strange"):
		return pick(t, []int64{0, -100, 50}, "strange n")
	case unit == "points":
		return between(t, 1, 4000, "n")
	default:
		return 100 * between(t, 1, 30, "n")
	}
}

func (m *machine) unit(t *rapid.T) string {
	if oneIn(t, 30, "strange unit") {
		return pick(t, []string{"lounge", "cny", "stars"}, "unit")
	}
	return pick(t, []string{"points", "points", "points", "miles", "visit", "status"}, "unit")
}

func (m *machine) plain(verb, unit string) func(*rapid.T) ask {
	return func(t *rapid.T) ask {
		a := m.fresh(t, verb)
		a.member, a.unit = m.member(t), unit
		a.n = m.size(t, unit)
		return a
	}
}

func (m *machine) accrue(t *rapid.T) ask {
	unit := m.unit(t)
	a := m.plain("accrue", unit)(t)
	if oneIn(t, 3, "pending") {
		a.activate = m.model.now + between(t, -1, 20, "activation")*aday
	}
	if oneIn(t, 3, "expiring") {
		a.expires = m.later(t)
	}
	if oneIn(t, 4, "policy") {
		a.policy = pick(t, []string{"short", "active", "year", "mayday", "ever", "none"}, "policy")
	}
	if oneIn(t, 3, "funded") {
		a.fund = pick(t, []string{"bank@1", "hotel@2", "a|b"}, "fund")
	}
	return a
}

// later is mostly a time that lies ahead, on few different days so that lots meet.
func (m *machine) later(t *rapid.T) int64 {
	return m.model.now - m.model.now%(5*aday) + between(t, 0, 8, "days ahead")*5*aday
}

func (m *machine) allot(t *rapid.T) ask {
	a := m.plain("allot", pick(t, []string{"visit", "visit", "visit", "points"}, "unit"))(t)
	a.expires = m.later(t)
	return a
}

func (m *machine) spend(verb string) func(*rapid.T) ask {
	return func(t *rapid.T) ask {
		a := m.within(t, m.plain(verb, m.unit(t))(t))
		if verb == "transfer" {
			a.other = m.member(t)
		}
		return a
	}
}

// within makes an ask one that a member can mostly pay: some or all of a wallet, or just too much.
func (m *machine) within(t *rapid.T, a ask) ask {
	var full []string
	for where := range m.model.piles {
		if strings.HasSuffix(where, "|wallet") {
			full = append(full, where)
		}
	}
	if len(full) == 0 || oneIn(t, 6, "anyhow") {
		return a
	}
	slices.Sort(full)
	where := pick(t, full, "wallet")
	unit, owner, _ := strings.Cut(where, "|")
	a.unit, a.member = unit, strings.TrimSuffix(strings.TrimPrefix(owner, "member/"), "|wallet")
	has := m.model.piles[where].total()
	a.n = has * between(t, 1, 4, "quarters") / 4
	if unitFacts[unit].whole {
		a.n -= a.n % 100
	}
	if oneIn(t, 10, "too much") {
		a.n = has + 100
	}
	return a
}

func (m *machine) sell(t *rapid.T) ask {
	a := m.within(t, m.plain("voucher", pick(t, []string{"points", "visit"}, "unit"))(t))
	a.rights = between(t, 1, 3, "rights")
	a.stocked, a.money = rapid.Bool().Draw(t, "stocked"), oneIn(t, 3, "money")
	if oneIn(t, 2, "expiring") {
		a.expires = m.later(t)
	}
	return a
}

func (m *machine) use(t *rapid.T) ask {
	a := m.fresh(t, "use")
	a.original = m.earlier(t, "voucher")
	a.member, a.rights = "ann", between(t, 1, 2, "rights")
	if p := m.model.past[a.original]; p != nil {
		a.member = p.ask.member
	}
	a.money = oneIn(t, 3, "money")
	return a
}

func (m *machine) hold(t *rapid.T) ask {
	a := m.within(t, m.plain("hold", m.unit(t))(t))
	a.timeout = between(t, 0, 20, "days")*aday + between(t, 0, 1, "more")
	return a
}

func (m *machine) adjust(t *rapid.T) ask {
	a := m.plain("adjust", m.unit(t))(t)
	if rapid.Bool().Draw(t, "debit") {
		a = m.within(t, a)
		a.n = -a.n
	}
	if !oneIn(t, 10, "unreasoned") {
		a.reason = "goodwill"
	}
	if a.n > 0 && oneIn(t, 3, "expiring") {
		a.expires = m.later(t)
	}
	return a
}

func (m *machine) publish(t *rapid.T) ask {
	a := m.fresh(t, "publish")
	a.unit = pick(t, []string{"lounge", "lounge", "lounge", "lounge", "points"}, "unit")
	a.n = 100 * between(t, -4, 8, "n")
	return a
}

func (m *machine) redate(t *rapid.T) ask {
	a := m.fresh(t, "redate")
	a.member, a.unit = m.member(t), m.unit(t)
	a.from = m.model.now + between(t, -10, 40, "from")*aday
	a.to = a.from + between(t, 1, 60, "days")*aday
	if !oneIn(t, 15, "no new expiry") {
		a.expires = m.later(t)
	}
	return a
}

func (m *machine) freeze(verb string) func(*rapid.T) ask {
	return func(t *rapid.T) ask {
		a := m.fresh(t, verb)
		a.member = "cat"
		if !oneIn(t, 10, "unreasoned") {
			a.reason = "fraud"
		}
		return a
	}
}

// forfeit is about dan alone, because it is for good.
func (m *machine) forfeit(t *rapid.T) ask {
	a := m.fresh(t, "forfeit")
	a.member = "dan"
	if !oneIn(t, 10, "unreasoned") {
		a.reason = "left"
	}
	return a
}

func (m *machine) merge(t *rapid.T) ask {
	a := m.fresh(t, "merge")
	a.member, a.other = m.member(t), m.member(t)
	return a
}

func (m *machine) period(t *rapid.T) ask {
	a := m.fresh(t, "period")
	a.expires = m.model.now - between(t, -1, 60, "days ago")*aday
	if m.model.open > 0 && oneIn(t, 5, "again") {
		a.expires = m.model.open
	}
	return a
}

func (m *machine) clock(t *rapid.T) ask {
	a := m.fresh(t, "clock")
	a.expires = m.model.now + between(t, -1, 3, "days")*aday
	return a
}

// originals says which asks a follow-up is mostly about.
var originals = map[string][]string{
	"capture": {"hold"}, "void": {"hold"}, "timeout": {"hold"}, "activate": {"accrue"}, "lapse": {"voucher"},
	"reverse": {
		"accrue", "bill", "allot", "redeem", "voucher", "use", "capture", "transfer", "adjust", "publish", "reverse", "merge",
	},
}

// followUp is about an earlier ask, mostly one that it can be about, now and then any or none.
func (m *machine) followUp(t *rapid.T, verb string) ask {
	if !oneIn(t, 10, "same batch") {
		m.closeBatch() // an original of the same batch is not known yet
	}
	a := m.fresh(t, verb)
	a.original = m.earlier(t, originals[verb]...)
	switch {
	case oneIn(t, 25, "unknown"):
		a.original = pick(t, []string{"", "till/none"}, "original")
	case oneIn(t, 25, "any"):
		a.original = m.earlier(t)
	}
	if oneIn(t, 25, "named") {
		a.member = m.member(t)
	}
	if verb == "capture" || verb == "reverse" {
		a.release = verb == "capture" && rapid.Bool().Draw(t, "release")
		if rapid.Bool().Draw(t, "part") {
			a.n = m.size(t, pick(t, []string{"points", "miles"}, "unit"))
		}
	}
	return a
}

// earlier picks one of the latest asks with one of the verbs; none is an ask that never was.
func (m *machine) earlier(t *rapid.T, verbs ...string) string {
	var names []string
	for _, name := range slices.Backward(m.model.order) {
		p := m.model.past[name]
		if len(verbs) == 0 || slices.Contains(verbs, p.ask.verb) && (p.answer.reason == "" || oneIn(t, 20, "rejected")) {
			names = append(names, name)
		}
		if len(names) == 12 {
			break
		}
	}
	if len(names) == 0 {
		return "till/none"
	}
	return pick(t, names, "original")
}

// several are asks that come at once, and now and then one of them twice.
func (m *machine) several(t *rapid.T) []ask {
	verbs := m.verbs()
	names := slices.Sorted(maps.Keys(verbs))
	var asks []ask
	for range between(t, 2, 4, "asks") {
		asks = append(asks, verbs[pick(t, names, "verb")](t))
	}
	if oneIn(t, 6, "twice") {
		asks = append(asks, asks[0])
	}
	if oneIn(t, 6, "known") && len(m.tried) > 0 {
		asks = append(asks, pick(t, m.tried, "again"))
	}
	return asks
}

// retry asks again what was asked before, recorded or not, the same or with other content.
func (m *machine) retry(t *rapid.T) {
	if len(m.tried) == 0 {
		return
	}
	a := pick(t, m.tried, "again")
	if oneIn(t, 3, "changed") {
		a.reason += "!"
	} else {
		m.seen["replay"]++
	}
	m.step(t, false, a)
}

// waitSome lets time pass: a while, or until just before, at or after something is due.
func (m *machine) waitSome(t *rapid.T) {
	m.closeBatch()
	until := m.model.now + rapid.Int64Range(1, 10*aday).Draw(t, "while")
	if due := m.dueSoon(); len(due) > 0 && oneIn(t, 2, "to a boundary") {
		until = pick(t, due, "due") + between(t, -1, 1, "off")
	}
	m.sleep(t, until)
}

// sleep lets time pass: in books of its own, by the clock of a sandbox where a mirror has to follow.
func (m *machine) sleep(t *rapid.T, until int64) {
	if m.mirror != nil {
		m.keys++
		m.step(t, false, ask{client: "sleep", key: strconv.Itoa(m.keys), verb: "clock", expires: max(until, m.model.now)})
		m.closeBatch()
		return
	}
	m.model.wait(until)
	m.book.now = time.UnixMicro(m.model.now).UTC()
}

// dueSoon lists, in order, when the next lots expire and places are due.
func (m *machine) dueSoon() []int64 {
	var due []int64
	for where, pile := range m.model.piles {
		if at := m.model.due[where]; at > m.model.now {
			due = append(due, at)
		}
		for lot := range pile {
			if lot.at > m.model.now && lot.at < m.model.now+60*aday && !strings.Contains(where, "|pending/") {
				due = append(due, lot.at)
			}
		}
	}
	slices.Sort(due)
	return due[:min(len(due), 3)]
}
