package benefits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// Rate decides a member's tiers anew, on what is measured, said and held now, posts what changes, and returns where the
// member stands then. Each change is one transaction of kind tier; its key names the member, the source and the number of
// the decision, so that two who decide the same at once post it once, and one who decided on a state that moved meanwhile
// decides again. When nothing changes it only reads.
// Errors: NOT_FOUND for the programme; db.ErrContention when others kept changing the tiers, which is safe to retry.
func (c *Catalog) Rate(ctx context.Context, programme uuid.UUID, member string) (Standing, error) {
	const attempts = 10
	for range attempts {
		r, err := c.rateNow(ctx, programme, member)
		if err != nil {
			return Standing{}, err
		}
		standing, requests := r.decide(r.ratings[0])
		if len(requests) == 0 {
			return standing, nil
		}
		for i := range requests {
			requests[i] = requests[i].Under(r.programme)
		}
		answers, err := c.ledger.PostBatch(ctx, programme, requests, false)
		if err != nil {
			return Standing{}, err
		}
		for _, a := range answers {
			if a.Err != nil && !moved(a.Err) {
				return Standing{}, fmt.Errorf("benefits: change of tier: %w", a.Err)
			}
		}
	}
	return Standing{}, db.ErrContention
}

// PreviewRate is where Rate would leave a member, and the transactions that it would post, decided by the same code on the
// same state; nothing is recorded.
func (c *Catalog) PreviewRate(ctx context.Context, programme uuid.UUID, member string) (Standing, []*ledger.Transaction, error) {
	r, err := c.rateNow(ctx, programme, member)
	if err != nil {
		return Standing{}, nil, err
	}
	standing, requests := r.decide(r.ratings[0])
	if len(requests) == 0 {
		return standing, nil, nil
	}
	answers, err := c.ledger.PreviewBatch(ctx, programme, requests, false)
	if err != nil {
		return Standing{}, nil, err
	}
	var list []*ledger.Transaction
	for _, a := range answers {
		if a.Err == nil {
			list = append(list, a.Transaction)
		}
	}
	return standing, list, nil
}

// brought is what Rate, and Qualify when allotments are asked for, would post before a member's own request: for previews.
func (c *Catalog) brought(ctx context.Context, programme uuid.UUID, member string, allotments bool) (*rater, []ledger.Request, error) {
	r, err := c.rateNow(ctx, programme, member)
	if err != nil {
		return nil, nil, err
	}
	standing, requests := r.decide(r.ratings[0])
	if allotments {
		due, err := c.due(ctx, r.programme, r.section, standing)
		if err != nil {
			return nil, nil, err
		}
		requests = append(requests, due...)
	}
	return r, requests, nil
}

// rateNow prepares the rating of one member by the programme's current version and clock.
func (c *Catalog) rateNow(ctx context.Context, programme uuid.UUID, member string) (*rater, error) {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	return c.rate(ctx, t, s, []string{member})
}

// moved reports whether a refusal says that the state is not any more what was decided on.
func moved(err error) bool {
	if errors.Is(err, ledger.ErrTermsChanged) {
		return true
	}
	for _, reason := range []ledger.Reason{ledger.TierMoved, ledger.IdempotencyKeyReused, ledger.NotPending, ledger.HoldNotDue, ledger.TimeNotInFuture} {
		if errors.Is(err, &ledger.Refusal{Reason: reason}) {
			return true
		}
	}
	return false
}

// decide decides every group and source of one member: where the member stands then, and the requests that bring it about.
func (r *rater) decide(m *rating) (Standing, []ledger.Request) {
	standing := Standing{Member: m.member, At: r.now, Kind: m.facts.Kind, Enrolled: m.facts.EnrolledAt}
	var requests []ledger.Request
	for _, g := range m.groups {
		gs := GroupStanding{Group: g.group, Measures: make(map[Source][]Measured), zone: r.programme.Zone}
		for _, source := range sources {
			d := &sourceDecider{rater: r, rating: m, group: g.group, source: source, sourceRating: g.sources[source]}
			requests = append(requests, d.decide()...)
			for _, lot := range d.lots {
				gs.show(TierClaim{
					Source: source, Grant: lot.decision.grant(g.group), Tier: g.group.tier(g.group.rank(lot.Tier)), Cause: lot.decision.cause,
					Decision: lot.decision.id, DecidedAt: lot.decision.at, Later: lot.Waits != uuid.Nil,
					decision: lot.decision, group: g.group,
				}, r.now)
			}
			if len(d.periods) > 0 {
				gs.Measures[source] = d.periods
			}
		}
		standing.Groups = append(standing.Groups, gs)
	}
	return standing, requests
}

// sourceDecider decides one source of one member.
type sourceDecider struct {
	*rater
	*sourceRating
	rating *rating
	group  *TierGroup
	source Source
}

// decide decides what the source gives, brings its lots up to date, and returns the requests.
func (d *sourceDecider) decide() []ledger.Request {
	var requests []ledger.Request
	for _, of := range d.begun {
		requests = append(requests, ledger.Activate(of))
	}
	held := d.held.grant(d.group)
	switch d.source {
	case ByPoints, ByScore, ByPercentile:
		if len(d.periods) == 0 && held.Rank == 0 {
			return requests
		}
		tc := TierCase{
			Group: d.group, Source: d.source, Now: d.now, Held: held, Next: d.next.grant(d.group), Periods: d.periods,
			Basis: d.basis, calendar: d.rating.calendar,
		}
		now := tc.Decide()
		requests = append(requests, d.change(now, false)...)
		if next := tc.DecideNext(now.Grant); next.Change {
			requests = append(requests, d.change(next, true)...)
		}
	case ByPlan:
		target := d.given(d.group.rank(d.group.Plans[d.rating.facts.Plan]), ledger.Never)
		requests = append(requests, d.change(decideGiven(held, target, d.now, PlanChanged), false)...)
	case ByOrganisation:
		requests = append(requests, d.change(decideGiven(held, d.graded(), d.now, GradeChanged), false)...)
	case ByOverride: // an operator's, see OverrideTier
	}
	return requests
}

// graded is the tier that goes with the highest grade of the organisations to which the member belongs now, for as long as
// both last.
func (d *sourceDecider) graded() Grant {
	var best Grant
	if d.group.Grades == nil {
		return best
	}
	for _, of := range d.rating.facts.Organisations {
		if !of.At(d.now) {
			continue
		}
		for _, lot := range d.grades[of.Of].heldIn(d.group.Grades.Group, d.now) {
			until := lot.Until
			if of.Until.Before(until) {
				until = of.Until
			}
			g := d.given(d.group.rank(d.group.Grades.Tiers[lot.Tier]), until)
			if g.Rank > best.Rank || g.Rank == best.Rank && g.LotUntil.After(best.LotUntil) {
				best = g
			}
		}
	}
	return best
}

// given is a tier that is named and not measured.
func (d *sourceDecider) given(rank int, until time.Time) Grant {
	if rank == 0 {
		return Grant{}
	}
	return Grant{Rank: rank, Start: d.now, Until: until, LotUntil: until}
}

// change makes the request of a decision, and the lots as it leaves them. What was held goes, or what waited.
func (d *sourceDecider) change(decision TierDecision, later bool) []ledger.Request {
	if !decision.Change {
		return nil
	}
	d.last++
	row := d.row(decision, later)
	r := d.caused(decision, ledger.Request{
		Client: systemClient, Actor: systemClient, Key: fmt.Sprintf("tier/%s/%s/%s/%d", d.group.Code, d.source, d.rating.member, d.last),
	})
	return []ledger.Request{d.replace(row, r).Own()}
}

// row is what is kept of a decision, the next of its source.
func (d *sourceDecider) row(decision TierDecision, later bool) tierDecision {
	row := tierDecision{
		member: d.rating.member, group: d.group.Code, source: d.source, n: d.last, later: later, cause: decision.Cause,
		before: d.held.tier, tier: d.group.code(decision.Rank), start: decision.Start, until: decision.Until,
		lotUntil: decision.LotUntil, basis: decision.Basis, inputs: encode(d.inputs()), at: d.now,
	}
	if later {
		row.before = d.next.tier
	}
	return row
}

// replace makes the request that puts a decision's lot in the place of those that it follows.
func (d *sourceDecider) replace(row tierDecision, r ledger.Request) ledger.Request {
	change := ledger.TierChange{Member: row.member}
	var left []heldLot
	for _, lot := range d.lots {
		if row.later == (lot.Waits != uuid.Nil) {
			change.Withdraw = append(change.Withdraw, lot.TierLot)
		} else {
			left = append(left, lot)
		}
	}
	d.lots = left
	row.id = ledger.TransactionID(d.programme.ID, r.Client, r.Key)
	if row.tier != "" {
		lot := ledger.TierLot{Tier: row.tier, Source: string(row.source), Until: row.lotUntil}
		change.Grant = &lot
		held := heldLot{lot, row}
		if row.later {
			change.StartsAt = row.start
			held.Waits = row.id
		}
		d.lots = append(d.lots, held)
	}
	r.Companions = append(r.Companions, row.companion(d.programme.ID))
	return change.Into(d.programme.ID, r)
}

// inputs is what was measured or said when it was decided, as the decision keeps it.
func (d *sourceDecider) inputs() tierInputs {
	in := tierInputs{Plan: d.rating.facts.Plan, Region: d.rating.facts.Region, Periods: d.periods}
	if d.source == ByOrganisation {
		in.Grades = make(map[string][]string)
		for _, of := range d.rating.facts.Organisations {
			if d.group.Grades != nil && of.At(d.now) {
				for _, lot := range d.grades[of.Of].heldIn(d.group.Grades.Group, d.now) {
					in.Grades[of.Of] = append(in.Grades[of.Of], lot.Tier)
				}
			}
		}
	}
	return in
}

// tierInputs are the inputs of a decision.
type tierInputs struct {
	Plan    string     `json:"plan,omitempty"`
	Region  string     `json:"region,omitempty"`
	Periods []Measured `json:"periods,omitempty"`
	// Grades are those of the member's organisations, by organisation.
	Grades map[string][]string `json:"grades,omitempty"`
	// Reason is an operator's, of an override.
	Reason string `json:"reason,omitempty"`
}
