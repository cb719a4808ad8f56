package benefits

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// TierReason is what a decision about a tier was made on, as it was kept with the decision.
type TierReason struct {
	// Measures are what the tier asks for and what was measured of it then, in the period in which it was reached.
	Measures []TierMeasure
	Plan     string // of a tier that goes with a plan
	// Organisation and Grade are whose grade gave the tier.
	Organisation, Grade string
	Said                string // by an operator, of an override
}

// TierMeasure is how much there is of what a tier asks for.
type TierMeasure struct {
	Measure string // "points", a score's code, "percentile"
	Unit    string // of points
	Value   decimal.Decimal
	Asked   decimal.Decimal
	Period  Span
}

// Missing is what is left to what the tier asks for; zero when it is reached.
func (m TierMeasure) Missing() decimal.Decimal {
	return decimal.Max(decimal.Zero, m.Asked.Sub(m.Value))
}

// reason reads what a decision was made on. What it asks for is what the tier asks for in the version of the document that g
// is of.
func (d tierDecision) reason(g *TierGroup) TierReason {
	var in tierInputs
	if json.Unmarshal([]byte(d.inputs), &in) != nil { // we wrote it
		return TierReason{}
	}
	var r TierReason
	switch d.source {
	case ByPoints, ByScore, ByPercentile:
		for _, p := range in.Periods {
			if p.From.Equal(d.basis.From) && p.To.Equal(d.basis.To) {
				r.Measures = g.asked(g.rank(d.tier), d.source, p)
			}
		}
	case ByPlan:
		r.Plan = in.Plan
	case ByOrganisation:
		r.Organisation, r.Grade = in.graded(g, d.tier)
	case ByOverride:
		r.Said = in.Reason
	}
	return r
}

// graded finds the organisation whose grade goes with a tier.
func (in tierInputs) graded(g *TierGroup, tier string) (organisation, grade string) {
	if g.Grades == nil {
		return "", ""
	}
	for _, of := range sortedKeys(in.Grades) {
		for _, has := range in.Grades[of] {
			if g.Grades.Tiers[has] == tier {
				return of, has
			}
		}
	}
	return "", ""
}

// asked is how much there is of what the tier of a rank asks a source for in a period.
func (g *TierGroup) asked(rank int, source Source, p Measured) (list []TierMeasure) {
	tier := g.tier(rank)
	if tier == nil {
		return nil
	}
	for _, measure := range g.measures(source) {
		least, asks := tier.From[measure]
		if !asks {
			continue
		}
		m := TierMeasure{Measure: measure, Value: p.Values[measure], Asked: least, Period: p.Span}
		if source == ByPoints {
			m.Unit = g.Unit
		}
		list = append(list, m)
	}
	return list
}

// TierGoal is a tier and what leads to it in the period that is measured now.
type TierGoal struct {
	Tier *Tier
	// Keeps says that it is the tier that is held: what is measured now holds it when its validity is over.
	Keeps bool
	// Ways are the sources that lead to it, each with all that it asks for.
	Ways map[Source][]TierMeasure
	// By is when the period ends in which it is measured.
	By time.Time
}

// Goals are the tier that is held and the one above it, as far as something measured leads to them.
func (s GroupStanding) Goals() (goals []TierGoal) {
	for _, rank := range []int{s.Rank, s.Rank + 1} {
		goal := TierGoal{Tier: s.Group.tier(rank), Keeps: rank == s.Rank, Ways: make(map[Source][]TierMeasure)}
		if goal.Tier == nil {
			continue
		}
		for _, source := range sources {
			if periods := s.Measures[source]; len(periods) > 0 {
				if ways := s.Group.asked(rank, source, periods[0]); len(ways) > 0 {
					goal.Ways[source], goal.By = ways, periods[0].To
				}
			}
		}
		if len(goal.Ways) > 0 {
			goals = append(goals, goal)
		}
	}
	return goals
}

// TierHeld is a tier that a member held, or will, at a time.
type TierHeld struct {
	Group  string
	Tier   string
	Source Source
	Until  time.Time
}

const sqlTierEntries = `
SELECT e.account_id, e.lots
FROM entries AS e
WHERE e.account_id = ANY($1::uuid[]) AND e.recorded_at <= $2
ORDER BY e.account_id, e.recorded_at, e.seq`

// TiersOn reads from the journal which tiers a member held at a time, the highest of each group; at a time to come, what
// will be held then if nothing changes. Refusals: NOT_FOUND for the programme.
func (c *Catalog) TiersOn(ctx context.Context, programme uuid.UUID, member string, at time.Time) ([]TierHeld, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	decisions, err := readTierDecisions(ctx, c.pool, programme, []string{member})
	if err != nil {
		return nil, err
	}
	places := make(map[uuid.UUID]string) // the tier, by account
	for _, tier := range s.tiers.codes() {
		places[ledger.Account{Unit: tier, Owner: ledger.Member(member), Place: ledger.Wallet}.ID(programme)] = tier
	}
	for _, d := range decisions[member] {
		if d.later && !d.start.After(at) { // it waits in a place of its own until somebody activates it
			places[ledger.Account{Unit: d.tier, Owner: ledger.Member(member), Place: ledger.Pending, Of: d.id}.ID(programme)] = d.tier
		}
	}
	lots, err := c.lotsOn(ctx, places, at)
	if err != nil {
		return nil, err
	}
	var held []TierHeld
	for _, g := range s.tiers {
		if best, found := highest(g, lots); found {
			held = append(held, best)
		}
	}
	return held, nil
}

// lotsOn adds up what the entries of some places say of their lots until a time.
func (c *Catalog) lotsOn(ctx context.Context, places map[uuid.UUID]string, at time.Time) ([]ledger.TierLot, error) {
	ids := make([]uuid.UUID, 0, len(places))
	for id := range places {
		ids = append(ids, id)
	}
	rows, err := c.pool.Query(ctx, sqlTierEntries, ids, at)
	if err != nil {
		return nil, fmt.Errorf("benefits: read tiers held: %w", err)
	}
	type key struct {
		account uuid.UUID
		until   int64
		source  string
	}
	left := make(map[key]decimal.Decimal)
	var account uuid.UUID
	var text string
	_, err = pgx.ForEachRow(rows, []any{&account, &text}, func() error {
		draws, err := ledger.ParseDraws(text)
		for _, d := range draws {
			k := key{account, d.ExpiresAt.UnixMicro(), d.Fund}
			left[k] = left[k].Add(d.Amount)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("benefits: read tiers held: %w", err)
	}
	var lots []ledger.TierLot
	for k, amount := range left {
		if until := time.UnixMicro(k.until).UTC(); amount.IsPositive() && until.After(at) {
			lots = append(lots, ledger.TierLot{Tier: places[k.account], Source: k.source, Until: until})
		}
	}
	return lots, nil
}

// highest is the highest tier of a group among lots, by the source that gives it longest.
func highest(g *TierGroup, lots []ledger.TierLot) (TierHeld, bool) {
	lots = slices.DeleteFunc(slices.Clone(lots), func(l ledger.TierLot) bool { return g.rank(l.Tier) == 0 })
	if len(lots) == 0 {
		return TierHeld{}, false
	}
	best := slices.MaxFunc(lots, func(a, b ledger.TierLot) int {
		if byRank := g.rank(a.Tier) - g.rank(b.Tier); byRank != 0 {
			return byRank
		}
		return a.Until.Compare(b.Until)
	})
	return TierHeld{Group: g.Code, Tier: best.Tier, Source: Source(best.Source), Until: best.Until}, true
}
