package benefits

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Earned is what an activity earned. For one that earned nothing the transaction is a rejection with NOTHING_EARNED.
type Earned struct {
	ledger.Answer
	Lots []EarnedLot
}

// EarnedLot is what one rule made of an activity.
type EarnedLot struct {
	Rule, Unit string
	// Points is what the rule gives, Granted what its limits let through of it.
	Points, Granted decimal.Decimal
	Why             string // when Points is zero
}

// RecordActivity accrues what a member's activity earns: one transaction with a leg for each rule, which names it. r gives
// client, key, actor and channel; the activity's own time is when it counts, now if it has none. A retry with the same
// key and activity gets the first answer, whatever rules and tier have become of it. An activity that earns nothing is
// recorded as that, and no error.
// Refusals: NOT_FOUND for an unknown kind of activity, INVALID_FIELD, RULE_FAILED (none is recorded), and those of an
// accrual.
func (c *Catalog) RecordActivity(ctx context.Context, programme uuid.UUID, a Activity, r ledger.Request) (Earned, error) {
	who, err := c.earner(ctx, programme, a.Member)
	if err != nil {
		return Earned{}, err
	}
	answer, err := c.ledger.PostUnder(ctx, programme, r, func(t ledger.Terms, r ledger.Request) (ledger.Request, error) {
		r, _, err := c.build(t, a, who, r)
		return r, err
	})
	switch {
	case errors.Is(err, &ledger.Refusal{Reason: ledger.NothingEarned}):
		return Earned{Answer: answer}, nil
	case err != nil:
		return Earned{Answer: answer}, err
	}
	lots, err := c.lotsEarned(ctx, answer.Transaction)
	return Earned{Answer: answer, Lots: lots}, err
}

// EstimateActivity decides what RecordActivity would answer, by the same code on the same state, and records nothing.
// Without a member it says what the rules give to somebody without tier and facts, before limits.
func (c *Catalog) EstimateActivity(ctx context.Context, programme uuid.UUID, a Activity) (Earned, error) {
	t, err := c.ledger.Terms(ctx, programme)
	if err != nil {
		return Earned{}, err
	}
	who, err := c.earner(ctx, programme, a.Member)
	if err != nil {
		return Earned{}, err
	}
	r, yields, err := c.build(t, a, who, ledger.Request{Client: systemClient, Key: uuid.NewString()}) // a key that is free
	if err != nil || a.Member == "" {
		return Earned{Lots: granted(yields, nil)}, err
	}
	tx, err := c.ledger.Preview(ctx, programme, r)
	switch {
	case errors.Is(err, &ledger.Refusal{Reason: ledger.NothingEarned}):
		return Earned{Lots: granted(yields, new(ledger.Transaction))}, nil
	case err != nil:
		return Earned{}, err
	}
	return Earned{Answer: ledger.Answer{Transaction: tx}, Lots: granted(yields, tx)}, nil
}

// earner reads what rules may know of a member.
func (c *Catalog) earner(ctx context.Context, programme uuid.UUID, member string) (Earner, error) {
	if member == "" {
		return Earner{}, nil
	}
	all, err := c.earners(ctx, programme, []string{member})
	return all[member], err
}

// earners reads what rules may know of members.
func (c *Catalog) earners(ctx context.Context, programme uuid.UUID, members []string) (map[string]Earner, error) {
	t, sec, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	rater, err := c.rate(ctx, t, sec, members)
	if err != nil {
		return nil, err
	}
	all := make(map[string]Earner, len(members))
	for _, rating := range rater.ratings {
		standing, _ := rater.decide(rating)
		all[rating.member] = Earner{Facts: rating.facts, Tier: standing.shown()}
	}
	return all, nil
}

// build makes the transaction of an activity under a version of the document, now.
func (c *Catalog) build(t ledger.Terms, a Activity, who Earner, r ledger.Request) (ledger.Request, []Yield, error) {
	s, err := c.section(t.Programme)
	if err != nil {
		return r, nil, err
	}
	return s.accrual(t.Programme, a, who, t.Now, r)
}

// accrual makes the transaction of an activity: a leg for each rule that gives something.
func (s *section) accrual(p *ledger.Programme, a Activity, who Earner, now time.Time, r ledger.Request) (ledger.Request, []Yield, error) {
	if err := a.check(s.earning, p); err != nil {
		return r, nil, err
	}
	r.Kind, r.Member, r.Rule, r.Asked, r.Amount = ledger.KindAccrual, a.Member, "activity/"+a.Kind, a.asked(), a.earns()
	r.EffectiveAt, r.Channel, r.Reference = a.At, a.Channel, a.Reference
	if a.At.IsZero() {
		a.At = now
	}
	yields, err := s.earning.earn(p, &a, who)
	if err != nil {
		return r, nil, refuse(ledger.RuleFailed, "problem", err.Error())
	}
	to := ledger.Account{Owner: ledger.Member(a.Member), Place: ledger.Wallet}
	if activate := a.At.Add(s.earning.Activities[a.Kind].Pending); activate.After(now) {
		r.DueAt = activate
		to.Place, to.Of = ledger.Pending, ledger.TransactionID(p.ID, r.Client, r.Key)
	}
	for _, y := range yields {
		if y.Points.IsPositive() {
			to.Unit = y.Rule.Unit
			r.Legs = append(r.Legs, y.leg(p, to, a))
		}
	}
	r.Companions = append(r.Companions, a.row(p.ID, who, yields))
	return r, yields, nil
}

func (y Yield) leg(p *ledger.Programme, to ledger.Account, a Activity) ledger.Leg {
	leg := ledger.Leg{
		From: ledger.Account{Unit: to.Unit, Owner: ledger.ProgrammeOwner, Place: ledger.Issuance}, To: to,
		Unit: to.Unit, Amount: y.Points, Policy: y.Rule.Policy, Rule: y.Rule.Code, Owes: y.Rule.Funded,
	}
	for _, code := range y.Rule.Limits {
		leg.Uses = append(leg.Uses, p.Cap(p.Limits[code], a.Member, a.At))
	}
	return leg
}

// asked is what the caller said of an activity, the same for the same.
func (a *Activity) asked() string {
	return "activity " + a.Kind + " " + a.Amount.String() + " " + a.Gifted.String() + " " + a.PaidInPoints.String() + " " + a.fields()
}

// fields is the stored form of an activity's fields: JSON with sorted names.
func (a *Activity) fields() string {
	if len(a.Fields) == 0 {
		return ""
	}
	text, err := json.Marshal(a.Fields)
	if err != nil {
		panic(fmt.Sprintf("benefits: an activity's fields were not checked: %v", err))
	}
	return string(text)
}

const sqlInsertActivities = `
INSERT INTO activities (transaction_id, programme_id, member, kind, amount, gifted, paid_in_points, fields, tier, yields, import_id)
SELECT u.transaction_id, u.programme_id, u.member, u.kind, u.amount, u.gifted, u.paid_in_points, u.fields, u.tier, u.yields, u.import_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::decimal[], $6::decimal[], $7::decimal[], $8::text[],
    $9::text[], $10::text[], $11::uuid[])
  AS u (transaction_id, programme_id, member, kind, amount, gifted, paid_in_points, fields, tier, yields, import_id)`

var activities = &ledger.CompanionTable{
	Name:   "activities",
	Insert: sqlInsertActivities,
	Columns: func(rows [][]any) []any {
		return []any{
			ledger.Column[uuid.UUID](rows, 0), ledger.Column[uuid.UUID](rows, 1), ledger.Column[string](rows, 2),
			ledger.Column[string](rows, 3), ledger.Column[decimal.Decimal](rows, 4), ledger.Column[decimal.Decimal](rows, 5),
			ledger.Column[decimal.Decimal](rows, 6), ledger.Column[string](rows, 7), ledger.Column[string](rows, 8),
			ledger.Column[string](rows, 9), ledger.Column[uuid.UUID](rows, 10),
		}
	},
}

// yieldRow is what is kept of a rule's yield.
type yieldRow struct {
	Rule   string          `json:"rule"`
	Unit   string          `json:"unit"`
	Points decimal.Decimal `json:"points"`
	Why    string          `json:"why,omitempty"`
}

func (a *Activity) row(programme uuid.UUID, who Earner, yields []Yield) ledger.Companion {
	rows := make([]yieldRow, len(yields))
	for i, y := range yields {
		rows[i] = yieldRow{y.Rule.Code, y.Rule.Unit, y.Points, y.Why}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		panic(fmt.Sprintf("benefits: yields as JSON: %v", err)) // they are texts
	}
	return ledger.Companion{Table: activities, Row: []any{
		programme, a.Member, a.Kind, a.Amount, a.Gifted, a.PaidInPoints, a.fields(), who.Tier, string(text), a.importID,
	}}
}

const sqlReadYields = `
SELECT a.yields
FROM activities AS a
WHERE a.transaction_id = $1 AND a.programme_id = $2`

// lotsEarned reads what each rule made of the activity that a transaction recorded: facts fixed when it was posted.
func (c *Catalog) lotsEarned(ctx context.Context, tx *ledger.Transaction) ([]EarnedLot, error) {
	var text string
	err := c.pool.QueryRow(ctx, sqlReadYields, tx.ID, tx.Programme).Scan(&text)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, refuse(ledger.NotFoundReason)
	case err != nil:
		return nil, fmt.Errorf("benefits: read activity: %w", err)
	}
	var rows []yieldRow
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		return nil, fmt.Errorf("benefits: activity %s: %w", tx.ID, err)
	}
	yields := make([]Yield, len(rows))
	for i, row := range rows {
		yields[i] = Yield{Rule: &Rule{Code: row.Rule, Unit: row.Unit}, Points: row.Points, Why: row.Why}
	}
	return granted(yields, tx), nil
}

// granted puts beside what each rule gives what a transaction let through of it; without one, all.
func granted(yields []Yield, tx *ledger.Transaction) []EarnedLot {
	lots := make([]EarnedLot, len(yields))
	for i, y := range yields {
		lots[i] = EarnedLot{Rule: y.Rule.Code, Unit: y.Rule.Unit, Points: y.Points, Why: y.Why}
		if tx == nil {
			lots[i].Granted = y.Points
		}
	}
	if tx == nil {
		return lots
	}
	for _, leg := range tx.Legs {
		i := slices.IndexFunc(lots, func(l EarnedLot) bool { return l.Rule == leg.Rule })
		if i >= 0 {
			lots[i].Granted = lots[i].Granted.Add(leg.Amount)
		}
	}
	return lots
}
