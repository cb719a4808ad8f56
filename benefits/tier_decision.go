package benefits

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

// tierDecision is a row of tier_decisions.
type tierDecision struct {
	member, group string
	source        Source
	n             int64
	id            uuid.UUID
	later         bool
	cause         Cause
	before, tier  string
	start         time.Time
	until         time.Time
	lotUntil      time.Time
	basis         Span
	inputs        string
	at            time.Time
}

const (
	sqlInsertTierDecisions = `
INSERT INTO tier_decisions (transaction_id, programme_id, member, tier_group, source, n, later, cause, tier_before, tier,
    starts_at, until, lot_until, basis_from, basis_to, inputs, decided_at)
SELECT u.transaction_id, u.programme_id, u.member, u.tier_group, u.source, u.n, u.later, u.cause, u.tier_before, u.tier,
    u.starts_at, u.until, u.lot_until, u.basis_from, u.basis_to, u.inputs, u.decided_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::bool[], $8::text[], $9::text[],
    $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[],
    $16::text[], $17::timestamptz[])
  AS u (transaction_id, programme_id, member, tier_group, source, n, later, cause, tier_before, tier, starts_at, until,
    lot_until, basis_from, basis_to, inputs, decided_at)`

	sqlReadTierDecisions = `
SELECT d.member, d.tier_group, d.source, d.n, d.transaction_id, d.later, d.cause, d.tier_before, d.tier, d.starts_at,
       d.until, d.lot_until, d.basis_from, d.basis_to, d.inputs, d.decided_at
FROM tier_decisions AS d
WHERE d.programme_id = $1 AND d.member = ANY($2::text[])
ORDER BY d.member, d.tier_group, d.source, d.n, d.transaction_id`
)

var tierDecisions = &ledger.CompanionTable{
	Name:   "tier_decisions",
	Insert: sqlInsertTierDecisions,
	Columns: func(rows [][]any) []any {
		return []any{
			tierColumn[uuid.UUID](rows, 0), tierColumn[uuid.UUID](rows, 1), tierColumn[string](rows, 2),
			tierColumn[string](rows, 3), tierColumn[string](rows, 4), tierColumn[int64](rows, 5), tierColumn[bool](rows, 6),
			tierColumn[string](rows, 7), tierColumn[string](rows, 8), tierColumn[string](rows, 9),
			tierColumn[time.Time](rows, 10), tierColumn[time.Time](rows, 11), tierColumn[time.Time](rows, 12),
			tierColumn[time.Time](rows, 13), tierColumn[time.Time](rows, 14), tierColumn[string](rows, 15),
			tierColumn[time.Time](rows, 16),
		}
	},
}

func tierColumn[T any](rows [][]any, i int) []T {
	values := make([]T, len(rows))
	for n, row := range rows {
		values[n] = row[i].(T) //nolint:forcetypeassert // companion made the row
	}
	return values
}

// companion is the row that is saved with the transaction of the decision.
func (d tierDecision) companion(programme uuid.UUID) ledger.Companion {
	return ledger.Companion{Table: tierDecisions, Row: []any{
		programme, d.member, d.group, string(d.source), d.n, d.later, string(d.cause), d.before, d.tier,
		known(d.start), known(d.until), known(d.lotUntil), known(d.basis.From), known(d.basis.To), d.inputs, known(d.at),
	}}
}

// known stores no time as the beginning of all times.
func known(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t
}

func (d tierDecision) grant(g *TierGroup) Grant {
	return Grant{Rank: g.rank(d.tier), Start: d.start, Until: d.until, LotUntil: d.lotUntil, Basis: d.basis}
}

// readTierDecisions reads all decisions about members, in their order, by member.
func readTierDecisions(ctx context.Context, q queryer, programme uuid.UUID, members []string) (map[string][]tierDecision, error) {
	rows, err := q.Query(ctx, sqlReadTierDecisions, programme, members)
	if err != nil {
		return nil, fmt.Errorf("benefits: read tier decisions: %w", err)
	}
	found := make(map[string][]tierDecision)
	list, err := pgx.CollectRows(rows, scanTierDecision)
	if err != nil {
		return nil, fmt.Errorf("benefits: read tier decisions: %w", err)
	}
	for _, d := range list {
		found[d.member] = append(found[d.member], d)
	}
	return found, nil
}

func scanTierDecision(row pgx.CollectableRow) (tierDecision, error) {
	var d tierDecision
	err := row.Scan(&d.member, &d.group, &d.source, &d.n, &d.id, &d.later, &d.cause, &d.before, &d.tier, &d.start, &d.until,
		&d.lotUntil, &d.basis.From, &d.basis.To, &d.inputs, &d.at)
	for _, t := range [...]*time.Time{&d.start, &d.until, &d.lotUntil, &d.basis.From, &d.basis.To, &d.at} {
		*t = t.UTC()
	}
	if d.basis.To.Equal(time.Unix(0, 0)) { // none
		d.basis = Span{}
	}
	return d, err
}
