package benefits

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// rating is everything that decides the tiers of one member, and what was decided of it.
type rating struct {
	member string
	facts  Facts
	calendar
	groups []*groupRating
}

// groupRating is one group's part of a rating.
type groupRating struct {
	group   *TierGroup
	sources map[Source]*sourceRating
}

// sourceRating is what a source gave so far and what was measured for it.
type sourceRating struct {
	last       int64          // the number of the last decision
	held, next tierDecision   // the last that began and the last that begins later; no tier is none
	live       []tierDecision // whose lot has not expired
	lots       []heldLot      // of those, what is there
	begun      []uuid.UUID    // what waits although its time has come, because no sweep passed
	periods    []Measured     // newest first
	basis      map[string]decimal.Decimal
}

// heldLot is a lot that is there, or waits, and the decision that gave it.
type heldLot struct {
	ledger.TierLot
	decision tierDecision
}

// rater reads what decides many members' tiers at one time under one version of a programme, a statement for each matter.
type rater struct {
	catalog   *Catalog
	programme *ledger.Programme
	section   *section
	now       time.Time
	ratings   []*rating
	wanted    []wantedLot
	measured  []wantedMeasure
	grades    map[string]*rating // of the members' organisations, as far as a group asks for them
}

// wantedLot is a lot that was decided to be in a wallet, or to wait in a pending place.
type wantedLot struct {
	source  *sourceRating
	account uuid.UUID
	heldLot
}

// wantedMeasure is a value to be measured.
type wantedMeasure struct {
	rating  *rating
	group   *TierGroup
	measure string
	span    Span
	into    map[string]decimal.Decimal
}

// rate reads and prepares the ratings of members, in the order given.
func (c *Catalog) rate(ctx context.Context, t ledger.Terms, s *section, members []string) (*rater, error) {
	r := &rater{catalog: c, programme: t.Programme, section: s, now: t.Now}
	facts, err := c.Facts(ctx, t.ID, members)
	if err != nil {
		return nil, err
	}
	decisions, err := readTierDecisions(ctx, c.pool, t.ID, members)
	if err != nil {
		return nil, err
	}
	if err := r.readGrades(ctx, facts); err != nil {
		return nil, err
	}
	for _, member := range members {
		m := &rating{member: member, facts: facts[member], calendar: calendar{t.Zone, facts[member].EnrolledAt}}
		for _, g := range s.tiers.For(m.facts.Kind) {
			m.groups = append(m.groups, r.prepare(m, g, decisions[member]))
		}
		r.ratings = append(r.ratings, m)
	}
	if err := r.readLots(ctx); err != nil {
		return nil, err
	}
	if err := r.readMeasures(ctx); err != nil {
		return nil, err
	}
	return r, r.readScores(ctx)
}

// readGrades reads what the members' organisations hold. An organisation belongs to none.
func (r *rater) readGrades(ctx context.Context, facts map[string]Facts) error {
	asks := slices.ContainsFunc(r.section.tiers, func(g *TierGroup) bool { return g.Grades != nil })
	if !asks {
		return nil
	}
	of := make(map[string]bool)
	for _, f := range facts {
		for _, membership := range f.Organisations {
			if membership.At(r.now) {
				of[membership.Of] = true
			}
		}
	}
	if len(of) == 0 {
		return nil
	}
	organisations, err := r.catalog.rate(ctx, ledger.Terms{Programme: r.programme, Now: r.now}, r.section, sortedKeys(of))
	if err != nil {
		return err
	}
	r.grades = make(map[string]*rating, len(of))
	for _, m := range organisations.ratings {
		r.grades[m.member] = m
	}
	return nil
}

// heldIn are the lots of a group that the member holds now.
func (m *rating) heldIn(group string, now time.Time) (list []heldLot) {
	if m == nil {
		return nil
	}
	for _, g := range m.groups {
		for _, source := range sources {
			for _, lot := range g.sources[source].lots {
				if g.group.Code == group && lot.Waits == uuid.Nil && lot.decision.grant(g.group).holds(now) {
					list = append(list, lot)
				}
			}
		}
	}
	return list
}

// prepare notes what was decided before in one group, and what has to be read to decide again.
func (r *rater) prepare(m *rating, g *TierGroup, decisions []tierDecision) *groupRating {
	gr := &groupRating{group: g, sources: make(map[Source]*sourceRating)}
	for _, source := range sources {
		gr.sources[source] = new(sourceRating)
	}
	for _, d := range decisions {
		if sr := gr.sources[d.source]; d.group == g.Code && sr != nil {
			sr.follow(d, r.now)
		}
	}
	for _, source := range sources {
		sr := gr.sources[source]
		sr.settle(r.now)
		for _, d := range sr.live {
			r.wantLot(m, sr, d)
		}
		if source.measured() && len(g.measures(source)) > 0 {
			r.wantMeasures(m, g, source, sr)
		}
	}
	return gr
}

// follow takes note of the next decision about a source.
func (s *sourceRating) follow(d tierDecision, now time.Time) {
	s.last = max(s.last, d.n)
	if d.later {
		s.next = d
	} else {
		s.held = d
	}
	if d.tier != "" && now.Before(d.lotUntil) {
		s.live = append(s.live, d)
	}
}

// settle makes what was to begin later and has begun what is held, unless another decision was made since.
func (s *sourceRating) settle(now time.Time) {
	if s.next.tier == "" || s.next.start.After(now) {
		return
	}
	if s.held.at.Before(s.next.start) {
		s.held = s.next
	}
	s.next = tierDecision{}
}

// wantLot asks for the lot of a decision, where it may be.
func (r *rater) wantLot(m *rating, s *sourceRating, d tierDecision) {
	lot := ledger.TierLot{Tier: d.tier, Source: string(d.source), Until: d.lotUntil}
	place := ledger.Account{Unit: d.tier, Owner: ledger.Member(m.member), Place: ledger.Wallet}
	r.wanted = append(r.wanted, wantedLot{s, place.ID(r.programme.ID), heldLot{lot, d}})
	if d.later {
		place.Place, place.Of, lot.Waits = ledger.Pending, d.id, d.id
		r.wanted = append(r.wanted, wantedLot{s, place.ID(r.programme.ID), heldLot{lot, d}})
	}
}

const sqlReadTierLots = `
SELECT l.account_id, l.expires_at, l.fund
FROM lots AS l
WHERE l.account_id = ANY($1::uuid[])`

// readLots finds which of the lots that were decided are there. What is not was moved by something else than a decision.
func (r *rater) readLots(ctx context.Context) error {
	if len(r.wanted) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(r.wanted))
	for i, w := range r.wanted {
		ids[i] = w.account
	}
	rows, err := r.catalog.pool.Query(ctx, sqlReadTierLots, ids)
	if err != nil {
		return fmt.Errorf("benefits: read tiers held: %w", err)
	}
	type key struct {
		account uuid.UUID
		until   int64
		source  string
	}
	there := make(map[key]bool)
	var account uuid.UUID
	var until time.Time
	var fund string
	_, err = pgx.ForEachRow(rows, []any{&account, &until, &fund}, func() error {
		there[key{account, until.UnixMicro(), fund}] = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("benefits: read tiers held: %w", err)
	}
	for _, w := range r.wanted {
		if there[key{w.account, w.Until.UnixMicro(), w.Source}] {
			w.source.found(w.heldLot, r.now)
		}
	}
	for _, m := range r.ratings {
		for _, g := range m.groups {
			for _, s := range g.sources {
				s.forget()
			}
		}
	}
	return nil
}

// found adds a lot that is there. What waits although its time has come counts as held: it is activated first.
func (s *sourceRating) found(lot heldLot, now time.Time) {
	if lot.Waits != uuid.Nil && !lot.decision.start.After(now) {
		s.begun = append(s.begun, lot.Waits)
		lot.Waits = uuid.Nil
	}
	// Two decisions may have given a lot of the same name, one after the other: the last stands.
	s.lots = slices.DeleteFunc(s.lots, func(other heldLot) bool { return other.TierLot == lot.TierLot })
	s.lots = append(s.lots, lot)
}

// forget drops a decision whose lot should be there and is not: something else than a decision took it.
func (s *sourceRating) forget() {
	if slices.ContainsFunc(s.live, s.held.is) && !slices.ContainsFunc(s.lots, func(l heldLot) bool { return l.decision.is(s.held) }) {
		s.held = tierDecision{}
	}
	if slices.ContainsFunc(s.live, s.next.is) && !slices.ContainsFunc(s.lots, func(l heldLot) bool { return l.decision.is(s.next) }) {
		s.next = tierDecision{}
	}
}

func (d tierDecision) is(other tierDecision) bool { return d.id == other.id }

// wantMeasures asks for the values of the current period, of those before it whose tiers may still be valid, and of the one
// in which the tier that is held was reached.
func (r *rater) wantMeasures(m *rating, g *TierGroup, source Source, s *sourceRating) {
	want := func(span Span) map[string]decimal.Decimal {
		values := make(map[string]decimal.Decimal)
		for _, measure := range g.measures(source) {
			r.measured = append(r.measured, wantedMeasure{m, g, measure, span, values})
		}
		return values
	}
	const most = 40 // ten years of quarters
	span, more := g.Period.at(r.now, m.calendar), true
	for len(s.periods) < most && more {
		s.periods = append(s.periods, Measured{span, want(span)})
		span, more = g.Period.before(span, m.calendar)
		more = more && g.outlives() && g.endOf(span, m.calendar).After(r.now)
	}
	if s.held.basis == (Span{}) {
		return
	}
	for _, p := range s.periods {
		if p.From.Equal(s.held.basis.From) && p.To.Equal(s.held.basis.To) {
			s.basis = p.Values
			return
		}
	}
	s.basis = want(s.held.basis)
}

// The sum of what was accrued of a unit by effective time, of accruals that were clawed back less. What comes into a wallet by
// an accrual is accrued, whatever of it goes on to pay a debt. An accrual that waited counts from when it was effective, once
// it is activated; what a clawback took, of wallet or debt, counts against the accrual's own period. Nothing that counts is
// recorded before it is effective. Only what refers to an accrual needs to be looked up in the journal.
const sqlReadAccrued = `
SELECT u.i, sum(e.amount)
FROM unnest($1::int4[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::bool[]) AS u (i, account_id, from_at, to_at, wallet)
JOIN entries AS e ON e.account_id = u.account_id AND e.recorded_at >= u.from_at
LEFT JOIN transactions AS t ON t.id = CASE WHEN e.kind IN ('activation', 'clawback') THEN e.transaction_id END
LEFT JOIN transactions AS o ON o.id = t.original_id
WHERE CASE e.kind
    WHEN 'accrual' THEN u.wallet AND e.amount > 0 AND e.effective_at >= u.from_at AND e.effective_at < u.to_at
    WHEN 'activation' THEN u.wallet AND e.amount > 0 AND o.effective_at >= u.from_at AND o.effective_at < u.to_at
    WHEN 'clawback' THEN o.kind = 'accrual' AND o.effective_at >= u.from_at AND o.effective_at < u.to_at
  END
GROUP BY u.i`

// readMeasures measures what was asked for.
func (r *rater) readMeasures(ctx context.Context) error {
	var indexes []int32
	var accounts []uuid.UUID
	var from, to []time.Time
	var wallets []bool
	for i, w := range r.measured {
		if w.measure != string(ByPoints) {
			continue // it is read from reports
		}
		for _, place := range []ledger.Place{ledger.Wallet, ledger.Debt} {
			account := ledger.Account{Unit: w.group.Unit, Owner: ledger.Member(w.rating.member), Place: place}
			indexes, accounts = append(indexes, int32(i)), append(accounts, account.ID(r.programme.ID))
			from, to, wallets = append(from, w.span.From), append(to, w.span.To), append(wallets, place == ledger.Wallet)
		}
		w.into[w.measure] = decimal.Zero
	}
	if len(indexes) == 0 {
		return nil
	}
	rows, err := r.catalog.pool.Query(ctx, sqlReadAccrued, indexes, accounts, from, to, wallets)
	if err != nil {
		return fmt.Errorf("benefits: measure points: %w", err)
	}
	var i int32
	var sum decimal.Decimal
	_, err = pgx.ForEachRow(rows, []any{&i, &sum}, func() error {
		r.measured[i].into[string(ByPoints)] = sum
		return nil
	})
	if err != nil {
		return fmt.Errorf("benefits: measure points: %w", err)
	}
	return nil
}

const sqlReadReports = `
SELECT u.i, r.reported
FROM unnest($2::int4[], $3::text[], $4::text[]) AS u (i, member, period)
JOIN metric_reports AS r ON r.programme_id = $1 AND r.member = u.member AND r.period = u.period
ORDER BY u.i, r.n`

// readScores measures what is a score of reported metrics. What was reported is kept beside the scores, for the decision to
// tell what it was made of.
func (r *rater) readScores(ctx context.Context) error {
	var indexes []int32
	var members, periods []string
	for i, w := range r.measured {
		if w.measure == string(ByPoints) {
			continue
		}
		indexes, members = append(indexes, int32(i)), append(members, w.rating.member)
		periods = append(periods, w.group.Period.name(w.span, w.rating.calendar))
		w.into[w.measure] = decimal.Zero
	}
	if len(indexes) == 0 {
		return nil
	}
	rows, err := r.catalog.pool.Query(ctx, sqlReadReports, r.programme.ID, indexes, members, periods)
	if err != nil {
		return fmt.Errorf("benefits: read metrics: %w", err)
	}
	reports := make(map[int32]map[string]decimal.Decimal)
	var i int32
	var values string
	_, err = pgx.ForEachRow(rows, []any{&i, &values}, func() error {
		if reports[i] == nil {
			reports[i] = make(map[string]decimal.Decimal)
		}
		var later map[string]decimal.Decimal
		if err := json.Unmarshal([]byte(values), &later); err != nil {
			return err
		}
		maps.Copy(reports[i], later)
		return nil
	})
	if err != nil {
		return fmt.Errorf("benefits: read metrics: %w", err)
	}
	for i, metrics := range reports {
		w := r.measured[i]
		if w.measure == string(ByPercentile) {
			w.into[w.measure] = metrics[percentileOf(w.group.Code)]
			continue
		}
		w.into[w.measure] = w.group.Scores[w.measure].value(metrics, r.section.members.Regions.around(w.rating.facts.Region))
	}
	return nil
}
