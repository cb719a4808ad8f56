package benefits

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Allotment is how many uses of a unit the members of a tier have in each period.
type Allotment struct {
	Unit string
	Per  AllotmentPeriod
	// Totals are by tier, and for a period as a whole: who has several tiers has the total of the highest of them.
	Totals    map[string]decimal.Decimal
	Upgrade   UpgradeRule
	Downgrade DowngradeRule
	// Carry is how much of what is left over at the most is carried into the next period, once; zero is nothing.
	Carry decimal.Decimal
}

// AllotmentPeriod is how often an allotment is granted, in the programme's zone.
type AllotmentPeriod string

// The periods. An anniversary year begins on the day of the member's enrolment; who was never enrolled has none.
const (
	PerMonth       AllotmentPeriod = "month"
	PerQuarter     AllotmentPeriod = "quarter"
	PerYear        AllotmentPeriod = "year"
	PerAnniversary AllotmentPeriod = "anniversary"
)

// Values are the periods that a document may name.
func (AllotmentPeriod) Values() []string {
	return []string{string(PerMonth), string(PerQuarter), string(PerYear), string(PerAnniversary)}
}

// UpgradeRule is what a higher total in the middle of a period gives. What was used of the period stays used.
type UpgradeRule string

// The rules for an upgrade.
const (
	TopUp      UpgradeRule = "top_up"      // what was granted in the period grows to the new total
	Prorate    UpgradeRule = "prorate"     // the difference of the totals, for the days that are left, rounded down
	NextPeriod UpgradeRule = "next_period" // nothing before the next period
)

// Values are the rules that a document may name.
func (UpgradeRule) Values() []string {
	return []string{string(TopUp), string(Prorate), string(NextPeriod)}
}

// DowngradeRule is what a lower total in the middle of a period takes.
type DowngradeRule string

// The rules for a downgrade.
const (
	Keep DowngradeRule = "keep" // nothing before the period ends
	Cut  DowngradeRule = "cut"  // what is above the new total, as far as it is not used
)

// Values are the rules that a document may name.
func (DowngradeRule) Values() []string { return []string{string(Keep), string(Cut)} }

// The funds of an allotment's lots: where uses come from. Of those that expire at the same time, the funds are drawn in
// this order: what is a member's own before what belongs to an organisation.
const (
	fundCarried = "carried" // left over from the period before
	fundGranted = "granted" // by the member's tier
	fundPooled  = "pooled"  // by the tier of an organisation, which may assign it to its people
)

// span is one period of an allotment: start <= t < end.
type span struct{ start, end time.Time }

// term is the period in which a time lies.
func (a *Allotment) term(at, enrolled time.Time, zone *time.Location) span {
	at = at.In(zone)
	year, month, months := at.Year(), time.January, 12
	switch a.Per {
	case PerMonth:
		month, months = at.Month(), 1
	case PerQuarter:
		month, months = at.Month()-(at.Month()-1)%3, 3
	case PerAnniversary:
		return anniversaries(at, enrolled.In(zone))
	case PerYear:
	}
	start := time.Date(year, month, 1, 0, 0, 0, 0, zone)
	return span{start, start.AddDate(0, months, 0)}
}

// anniversaries is the year between two anniversaries of a day in which a time lies. That of 29 February is 1 March in
// years without it.
func anniversaries(at, day time.Time) span {
	in := func(year int) time.Time { return time.Date(year, day.Month(), day.Day(), 0, 0, 0, 0, day.Location()) }
	year := at.Year()
	if in(year).After(at) {
		year--
	}
	return span{in(year), in(year + 1)}
}

// before is the period before, in which what is carried was left.
func (a *Allotment) before(t span, enrolled time.Time, zone *time.Location) span {
	return a.term(t.start.Add(-time.Nanosecond), enrolled, zone)
}

// days counts the days of a period from a time on, that day included.
func (t span) days(from time.Time) int64 {
	day := func(at time.Time) time.Time { return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC) }
	return int64(day(t.end).Sub(day(from.In(t.end.Location()))) / (24 * time.Hour))
}

// allotted is one posting of a period's chain: what it granted, or took back if it is negative, for a tier.
type allotted struct {
	tier   string
	amount decimal.Decimal
}

// next is what is to be posted after a period's chain for who is entitled to a total, of which so much is left in the
// wallet; zero when nothing is. Whatever was decided before, the chain ends at the total, unless a rule waits for the
// next period.
func (a *Allotment) next(chain []allotted, total, left decimal.Decimal, t span, now time.Time) decimal.Decimal {
	granted := decimal.Zero
	for _, step := range chain {
		granted = granted.Add(step.amount)
	}
	missing := total.Sub(granted)
	switch {
	case missing.IsNegative() && a.Downgrade == Cut:
		return decimal.Max(missing, left.Neg())
	case !missing.IsPositive():
		return decimal.Zero
	case len(chain) == 0 || a.Upgrade == TopUp:
		return missing
	case a.Upgrade == NextPeriod:
		return decimal.Zero
	}
	more := total.Sub(a.Totals[chain[len(chain)-1].tier])
	days := decimal.NewFromInt(t.days(now)).Mul(decimal.Max(more, decimal.Zero))
	return days.Div(decimal.NewFromInt(t.days(t.start))).Floor()
}

// entitled is one member's claim to an allotment in the period of now.
type entitled struct {
	*Allotment
	member, fund string
	tier         string // whose total it is
	total        decimal.Decimal
	need         ledger.Need
	term, before span
}

// entitlements lists the allotments of which a standing gives the member something.
func (s *section) entitlements(standing Standing, zone *time.Location) []entitled {
	var list []entitled
	for _, a := range s.allotments {
		if a.Per == PerAnniversary && standing.Enrolled.IsZero() {
			continue
		}
		e := entitled{Allotment: a, member: standing.Member, fund: fundGranted}
		if standing.Kind == Organisation {
			e.fund = fundPooled
		}
		for _, tier := range standing.reached() {
			if total, gives := a.Totals[tier.Code]; gives && !total.LessThan(e.total) {
				e.tier, e.total, e.need = tier.Code, total, s.tiers.need(tier.Code)
			}
		}
		e.term = a.term(standing.At, standing.Enrolled, zone)
		e.before = a.before(e.term, standing.Enrolled, zone)
		list = append(list, e)
	}
	return list
}

// key is the idempotency key of a posting of the period: the n-th of its chain has a number, what is carried a name. Two
// who decide the same step at once use the same key, so that it happens once.
func (e *entitled) key(step string) string {
	return fmt.Sprintf("allotment/%s/%s/%s/%s", e.Unit, e.member, e.term.start.Format(time.DateOnly), step)
}

func (e *entitled) id(programme uuid.UUID, step string) uuid.UUID {
	return ledger.TransactionID(programme, systemClient, e.key(step))
}

const carriedStep = "carried"

// request posts a step of the period: a grant, or with a negative amount what is taken back.
func (e *entitled) request(step string, amount decimal.Decimal) ledger.Request {
	key := e.key(step)
	r := ledger.Request{Client: systemClient, Key: key, Actor: systemClient, Rule: e.rule(), Asked: key}
	if amount.IsNegative() {
		r.Reason = "tier lowered"
		return ledger.Adjust(e.member, e.Unit, amount, time.Time{}, r).Own()
	}
	r.Needs = []ledger.Need{e.need}
	r = ledger.GrantAllotment(e.member, e.Unit, amount, e.term.end, r)
	r.Legs[0].Fund = e.fund
	if step == carriedStep {
		r.Legs[0].Fund = fundCarried
	}
	return r.Own()
}

const allotmentRule = "allotment/"

func (e *entitled) rule() string { return allotmentRule + e.Unit + "/" + e.tier }

// due lists what is to be posted for the member, who has a total, by what is in the books of the period.
func (e *entitled) due(books *allotmentBooks, now time.Time) []ledger.Request {
	var list []ledger.Request
	carry := decimal.Min(e.Carry, books.leftOver)
	if carry.IsPositive() && !books.carried && e.total.IsPositive() {
		list = append(list, e.request(carriedStep, carry))
	}
	if step := e.next(books.chain, e.total, books.left, e.term, now); !step.IsZero() {
		list = append(list, e.request(strconv.Itoa(len(books.chain)), step))
	}
	return list
}

// uses counts what requests would add to the wallet, by unit.
func uses(requests []ledger.Request) map[string]decimal.Decimal {
	sum := make(map[string]decimal.Decimal)
	for _, r := range requests {
		amount := r.Legs[0].Amount
		if r.Legs[0].From.Place == ledger.Wallet {
			amount = amount.Neg()
		}
		sum[r.Legs[0].Unit] = sum[r.Legs[0].Unit].Add(amount)
	}
	return sum
}

// allotment finds an allotment by its unit; nil when there is none.
func (s *section) allotment(unit string) *Allotment {
	i := slices.IndexFunc(s.allotments, func(a *Allotment) bool { return a.Unit == unit })
	if i < 0 {
		return nil
	}
	return s.allotments[i]
}
