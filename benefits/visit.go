package benefits

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Visit is a member at the door of a lounge: what was asked for there, and what became of it.
type Visit struct {
	ID        uuid.UUID // of the transaction of the member's own entry
	Member    string
	Benefit   string
	Lounge    string
	Operator  string
	Voucher   uuid.UUID // the pass that was shown; zero without
	Guests    int
	Free      int       // of the guests, who cost nothing
	Consent   []Consent // what the member agreed to pay
	At        time.Time // when it was recorded
	ReleaseAt time.Time // what is held goes back then, unless the operator reports
	State     VisitState
	// Heads are those that cost something, the member's own first. After a report there may be more than were let in.
	Heads  []Head
	Report *VisitReport // nil before

	canceled    bool // the door took it back before anybody reported it
	client, key string
}

// Consent is the most that a member agreed to pay, in points or money, for each head that no allotment pays for.
type Consent struct {
	Unit string          `json:"unit"`
	Most decimal.Decimal `json:"most"`
}

// VisitState is what became of a visit. It is derived, and stored nowhere.
type VisitState string

// The states of a visit.
const (
	VisitPending  VisitState = "pending"  // the operator has not reported it
	VisitReported VisitState = "reported" // and what it says was charged, but for the heads that are open
	VisitCanceled VisitState = "canceled" // taken back at the door
	VisitReleased VisitState = "released" // nobody reported it in time
)

// Head is one person of a visit and what was paid for it.
type Head struct {
	Transaction uuid.UUID // that holds or pays; zero when nobody paid
	With        PayWith   // empty for a pass
	Unit        string
	Amount      decimal.Decimal
	State       HeadState
}

// HeadState is what became of what a head costs. It is derived, and stored nowhere.
type HeadState string

// The states of a head.
const (
	HeadHeld     HeadState = "held"     // waits for the report
	HeadCharged  HeadState = "charged"  // for good
	HeadReturned HeadState = "returned" // to the member
	HeadOpen     HeadState = "open"     // reported, and nothing could be charged for it: it is to be settled with the member
)

// VisitReport is what an operator reported of a visit.
type VisitReport struct {
	Record    string // the operator's own id of it
	VisitedAt time.Time
	Guests    int
}

const sqlInsertVisits = `
INSERT INTO visits (id, programme_id, member, benefit, lounge, operator, voucher_id, guests, free, days, consent)
SELECT u.id, u.programme_id, u.member, u.benefit, u.lounge, u.operator, u.voucher_id, u.guests, u.free, u.days, u.consent
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::int8[], $9::int8[],
    $10::int8[], $11::text[])
  AS u (id, programme_id, member, benefit, lounge, operator, voucher_id, guests, free, days, consent)`

var visits = &ledger.CompanionTable{
	Name:   "visits",
	Insert: sqlInsertVisits,
	Columns: func(rows [][]any) []any {
		return []any{
			ledger.Column[uuid.UUID](rows, 0), ledger.Column[uuid.UUID](rows, 1), ledger.Column[string](rows, 2),
			ledger.Column[string](rows, 3), ledger.Column[string](rows, 4), ledger.Column[string](rows, 5),
			ledger.Column[uuid.UUID](rows, 6), ledger.Column[int64](rows, 7), ledger.Column[int64](rows, 8),
			ledger.Column[int64](rows, 9), ledger.Column[string](rows, 10),
		}
	},
}

func (v *Visit) row(programme uuid.UUID, days int) ledger.Companion {
	return ledger.Companion{Table: visits, Row: []any{
		programme, v.Member, v.Benefit, v.Lounge, v.Operator, v.Voucher, int64(v.Guests), int64(v.Free), int64(days), consentText(v.Consent),
	}}
}

func consentText(list []Consent) string {
	if len(list) == 0 {
		return "[]"
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(fmt.Sprintf("benefits: consent as JSON: %v", err)) // it is texts
	}
	return string(text)
}

const (
	sqlVisit = `
SELECT v.id, v.member, v.benefit, v.lounge, v.operator, v.voucher_id, v.guests, v.free, v.days, v.consent,
    t.recorded_at, t.client, t.idempotency_key, r.record, r.visited_at, r.guests
FROM visits AS v
JOIN transactions AS t ON t.id = v.id
LEFT JOIN visit_reports AS r ON r.visit_id = v.id
WHERE v.id = $1 AND v.programme_id = $2`

	sqlVisitsOf = `
SELECT v.id, v.member, v.benefit, v.lounge, v.operator, v.voucher_id, v.guests, v.free, v.days, v.consent,
    t.recorded_at, t.client, t.idempotency_key, r.record, r.visited_at, r.guests
FROM visits AS v
JOIN transactions AS t ON t.id = v.id
LEFT JOIN visit_reports AS r ON r.visit_id = v.id
WHERE v.programme_id = $1 AND v.member = $2 AND (t.recorded_at, v.id) < ($3, $4)
ORDER BY t.recorded_at DESC, v.id DESC
LIMIT $5`
)

// Visit reads a visit, or answers NOT_FOUND.
func (c *Catalog) Visit(ctx context.Context, programme, id uuid.UUID) (Visit, error) {
	list, err := c.readVisits(ctx, programme, sqlVisit, id, programme)
	if err != nil {
		return Visit{}, err
	}
	if len(list) == 0 {
		return Visit{}, refuse(ledger.NotFoundReason, "visit", id.String())
	}
	return list[0], nil
}

func (c *Catalog) readVisits(ctx context.Context, programme uuid.UUID, query string, args ...any) ([]Visit, error) {
	rows, err := c.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("benefits: read visits: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanVisit)
	if err != nil {
		return nil, fmt.Errorf("benefits: read visits: %w", err)
	}
	return list, c.readHeads(ctx, programme, list)
}

func scanVisit(row pgx.CollectableRow) (Visit, error) {
	var v Visit
	var days int
	var consent string
	var record *string
	var visitedAt *time.Time
	var reported *int
	err := row.Scan(&v.ID, &v.Member, &v.Benefit, &v.Lounge, &v.Operator, &v.Voucher, &v.Guests, &v.Free, &days, &consent,
		&v.At, &v.client, &v.key, &record, &visitedAt, &reported)
	if err != nil {
		return v, err
	}
	v.At = v.At.UTC()
	v.ReleaseAt = v.At.Add(time.Duration(days) * 24 * time.Hour)
	switch {
	case record == nil:
	case *record == cancelRecord(v.ID):
		v.canceled = true
	default:
		v.Report = &VisitReport{*record, visitedAt.UTC(), *reported}
	}
	if err := json.Unmarshal([]byte(consent), &v.Consent); err != nil {
		return v, errors.Join(fmt.Errorf("visit %s", v.ID), err)
	}
	return v, nil
}

// paying is how many heads of so many guests cost something, the member's own included.
func (v *Visit) paying(guests int) int { return 1 + max(0, guests-v.Free) }

// headKey is under which a head is held or paid at the door, beside the key of the visit.
func headKey(key string, head int) string {
	if head == 0 {
		return key
	}
	return key + "/" + strconv.Itoa(head)
}

// step is the key of what the programme itself posts about a visit.
func (v *Visit) step(what string) string { return "visit/" + v.ID.String() + "/" + what }

func (v *Visit) lateKey(head int) string { return v.step("late/" + strconv.Itoa(head)) }

func (v *Visit) headID(programme uuid.UUID, head int) uuid.UUID {
	return ledger.TransactionID(programme, v.client, headKey(v.key, head))
}

func (v *Visit) lateID(programme uuid.UUID, head int) uuid.UUID {
	return ledger.TransactionID(programme, systemClient, v.lateKey(head))
}

// paid is what one transaction holds or takes for a head, and the kind of what followed.
type paid struct {
	kind, followed ledger.Kind
	unit           string
	amount         decimal.Decimal
}

const sqlHeads = `
SELECT t.id, t.kind, l.unit, l.amount, coalesce(f.kind, '')
FROM transactions AS t
JOIN legs AS l ON l.transaction_id = t.id AND l.leg = 0
LEFT JOIN follow_ups AS f ON f.original_id = t.id
WHERE t.id = ANY($1::uuid[]) AND t.rejection = ''`

// readHeads fills in what became of each visit.
func (c *Catalog) readHeads(ctx context.Context, programme uuid.UUID, list []Visit) error {
	var ids []uuid.UUID
	for i := range list {
		v := &list[i]
		for head := range v.shown() {
			ids = append(ids, v.headID(programme, head), v.lateID(programme, head))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	p, err := c.ledger.Programme(ctx, programme)
	if err != nil {
		return err
	}
	rows, err := c.pool.Query(ctx, sqlHeads, ids)
	if err != nil {
		return fmt.Errorf("benefits: read visits: %w", err)
	}
	found := make(map[uuid.UUID]paid, len(ids))
	var id uuid.UUID
	var one paid
	_, err = pgx.ForEachRow(rows, []any{&id, &one.kind, &one.unit, &one.amount, &one.followed}, func() error {
		found[id] = one
		return nil
	})
	if err != nil {
		return fmt.Errorf("benefits: read visits: %w", err)
	}
	for i := range list {
		v := &list[i]
		for head := range v.shown() {
			v.Heads = append(v.Heads, v.head(p, head, found))
		}
		v.State = v.became()
	}
	return nil
}

// shown is how many heads a visit has: those let in, and those reported.
func (v *Visit) shown() int {
	shown := v.paying(v.Guests)
	if v.Report != nil {
		shown = max(shown, v.paying(v.Report.Guests))
	}
	return shown
}

// head derives what became of a head by what was posted for it. What was charged late counts, whatever was held before.
func (v *Visit) head(p *ledger.Programme, head int, found map[uuid.UUID]paid) Head {
	id := v.lateID(p.ID, head)
	one, posted := found[id]
	if !posted {
		id = v.headID(p.ID, head)
		one, posted = found[id]
	}
	h := Head{Transaction: id, Unit: one.unit, Amount: one.amount, With: withUnit(p.Units[one.unit].Kind)}
	switch {
	case !posted:
		return Head{State: HeadOpen}
	case one.followed == ledger.KindCapture, one.followed == "" && one.kind != ledger.KindHold:
		h.State = HeadCharged
	case one.followed == "":
		h.State = HeadHeld
	case v.Report != nil && head < v.paying(v.Report.Guests):
		h.State = HeadOpen
	default:
		h.State = HeadReturned
	}
	return h
}

func withUnit(kind ledger.UnitKind) PayWith {
	ways := map[ledger.UnitKind]PayWith{ledger.PointsUnit: WithPoints, ledger.AllotmentUnit: WithAllotment, ledger.MoneyUnit: WithCash}
	return ways[kind]
}

// became derives the state of a visit.
func (v *Visit) became() VisitState {
	switch {
	case v.Report != nil:
		return VisitReported
	case v.canceled:
		return VisitCanceled
	case v.Heads[0].State == HeadReturned:
		return VisitReleased
	default:
		return VisitPending
	}
}
