package benefits

import (
	"time"

	"github.com/shopspring/decimal"
)

// Cause is why a tier changes. It is the reason of the transaction that changes it.
type Cause string

// The causes of changes, and of what stays.
const (
	Rise         Cause = "rise"         // more was measured than the tier held asks for
	Requalified  Cause = "requalified"  // as much was measured again: the tier holds longer
	Fall         Cause = "fall"         // the validity is over, and what was measured since is a lower tier's
	SoftLanding  Cause = "soft_landing" // the validity is over: one tier down
	Corrected    Cause = "corrected"    // what the tier was reached with was taken back
	PlanChanged  Cause = "plan_changed"
	GradeChanged Cause = "organisation_changed"
	Withdrawn    Cause = "withdrawn"    // what would have begun later does not
	Scheduled    Cause = "starts_later" // reached; it begins with the next period
	Overridden   Cause = "override"
	OverrideEnd  Cause = "override_ended"
	Imported     Cause = "imported"

	Kept    Cause = "kept"
	InGrace Cause = "grace"  // the validity is over, the tier still holds for the days of grace
	Lapsed  Cause = "lapsed" // the validity is over, and nothing follows
	None    Cause = "none"
)

// Grant is a tier from one source as it was decided. Rank 0 is no tier.
type Grant struct {
	Rank  int
	Start time.Time
	// Until is the end of the validity, LotUntil that of the days of grace after it: then the lot expires.
	Until, LotUntil time.Time
	// Basis is the period in which it was reached; empty when it was not reached by a measure.
	Basis Span
}

// holds reports whether the grant's lot is live at a time.
func (g Grant) holds(t time.Time) bool {
	return g.Rank > 0 && !t.Before(g.Start) && t.Before(g.LotUntil)
}

func (g Grant) equal(other Grant) bool {
	return g.Rank == other.Rank && g.Start.Equal(other.Start) && g.Until.Equal(other.Until) && g.LotUntil.Equal(other.LotUntil) &&
		g.Basis.From.Equal(other.Basis.From) && g.Basis.To.Equal(other.Basis.To)
}

// Measured is what was measured in one period.
type Measured struct {
	Span
	Values map[string]decimal.Decimal `json:"values"`
}

// TierCase is everything that decides what one measured source gives a member.
type TierCase struct {
	Group  *TierGroup
	Source Source
	Now    time.Time
	// Held is what was last decided, lapsed or not, and Next what was decided to begin later; rank 0 for nothing.
	Held, Next Grant
	// Periods are the current period and those before it, newest first, as far as their tiers may still be valid.
	Periods []Measured
	// Basis is what is measured by now in the period in which Held was reached.
	Basis map[string]decimal.Decimal

	calendar
}

// TierDecision is what follows from a case: what the source gives from now on, and why. When Change is false it is what
// was held before.
type TierDecision struct {
	Grant
	Cause  Cause
	Change bool
}

// Decide is what a measured source gives now. Deciding again, with what was decided as held, changes nothing.
func (c TierCase) Decide() TierDecision {
	best := c.best()
	switch {
	case !c.Held.holds(c.Now) && c.Held.Rank > 0:
		return c.after(best)
	case c.Held.Rank == 0 && best.Rank == 0:
		return TierDecision{Cause: None}
	case c.Held.Rank == 0:
		return TierDecision{best, Rise, true}
	case c.taken():
		return TierDecision{best, Corrected, true}
	case best.Rank > c.Held.Rank:
		return TierDecision{best, Rise, true}
	case best.Rank == c.Held.Rank && best.Until.After(c.Held.Until) && c.mayExtend():
		return TierDecision{best, Requalified, true}
	case !c.Now.Before(c.Held.Until):
		return TierDecision{c.Held, InGrace, false}
	default:
		return TierDecision{c.Held, Kept, false}
	}
}

// after is what follows a validity that is over, its days of grace included.
func (c TierCase) after(best Grant) TierDecision {
	landing := c.landing()
	switch {
	case best.Rank > c.Held.Rank:
		return TierDecision{best, Rise, true}
	case best.Rank == c.Held.Rank:
		return TierDecision{best, Requalified, true}
	case best.Rank > 0 && (best.Rank > landing.Rank || best.Rank == landing.Rank && !best.Until.Before(landing.Until)):
		return TierDecision{best, Fall, true}
	case landing.Rank > 0:
		return TierDecision{landing, SoftLanding, true}
	default:
		return TierDecision{Cause: Lapsed}
	}
}

// landing goes one tier down for each validity that is over by now.
func (c TierCase) landing() Grant {
	g := c.Held
	for c.Group.SoftLanding && g.Rank > 1 {
		g = c.grant(g.Rank-1, g.Until, c.Group.Validity.again(c.Group.Period, g.Until, c.calendar))
		if c.Now.Before(g.LotUntil) {
			return g
		}
	}
	return Grant{}
}

// taken reports whether what is measured by now in the period of the tier that is held does not reach it any more.
func (c TierCase) taken() bool {
	return c.Held.Basis != Span{} && c.Group.Earned(c.Source, c.Basis) < c.Held.Rank
}

// mayExtend: a validity of months that begins at once could be extended every day. It is when it is over.
func (c TierCase) mayExtend() bool {
	return c.Group.Validity.Until != AfterMonths || c.Group.NextPeriod || !c.Now.Before(c.Held.Until)
}

// best is the highest tier that the periods give now, and of equal ones that which holds longest.
func (c TierCase) best() Grant {
	var best Grant
	for i, m := range c.Periods {
		if i > 0 && !c.Group.outlives() {
			break
		}
		g := c.earned(m)
		if g.Rank > 0 && !c.Now.Before(g.Start) && c.Now.Before(g.Until) &&
			(g.Rank > best.Rank || g.Rank == best.Rank && g.Until.After(best.Until)) {
			best = g
		}
	}
	return best
}

// outlives reports whether a tier's validity follows from the period in which it was reached alone and goes on after it.
func (g *TierGroup) outlives() bool { return g.NextPeriod || g.Validity.Until != AfterMonths }

// endOf is where the validity ends of what a period gives that is over.
func (g *TierGroup) endOf(s Span, c calendar) time.Time {
	start := s.From
	if g.NextPeriod {
		start = s.To
	}
	return g.Validity.end(g.Period, start, c)
}

// earned is what one period gives.
func (c TierCase) earned(m Measured) Grant {
	rank := c.Group.Earned(c.Source, m.Values)
	start := m.From
	switch {
	case rank == 0:
		return Grant{}
	case c.Group.NextPeriod:
		start = m.To
	case c.Group.Validity.Until == AfterMonths:
		start = c.Now
	}
	g := c.grant(rank, start, c.Group.Validity.end(c.Group.Period, start, c.calendar))
	g.Basis = m.Span
	return g
}

func (c TierCase) grant(rank int, start, until time.Time) Grant {
	return Grant{Rank: rank, Start: start, Until: until, LotUntil: addDays(until, c.Group.GraceDays, c.zone)}
}

// DecideNext is what begins with the next period: a rise above what will be held then.
func (c TierCase) DecideNext(held Grant) TierDecision {
	var next Grant
	if c.Group.NextPeriod && len(c.Periods) > 0 {
		next = c.earned(c.Periods[0])
	}
	if held.holds(next.Start) && held.Rank >= next.Rank {
		next = Grant{}
	}
	waiting := c.Next
	if !c.Now.Before(waiting.Start) { // it has begun, and is held
		waiting = Grant{}
	}
	switch {
	case waiting.equal(next):
		return TierDecision{next, Scheduled, false}
	case next.Rank == 0:
		return TierDecision{next, Withdrawn, true}
	default:
		return TierDecision{next, Scheduled, true}
	}
}

// decideGiven is what a source gives that names a tier and its end: a plan, an organisation.
func decideGiven(held, target Grant, now time.Time, cause Cause) TierDecision {
	if !held.holds(now) {
		held = Grant{}
	}
	if held.Rank == target.Rank && held.LotUntil.Equal(target.LotUntil) {
		return TierDecision{held, Kept, false}
	}
	return TierDecision{target, cause, true}
}
