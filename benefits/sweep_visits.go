package benefits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

const sqlInsertVisitDues = `
INSERT INTO visit_dues (programme_id, due_at, transaction_id, visit_id)
SELECT u.programme_id, u.due_at, u.transaction_id, u.visit_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) AS u (transaction_id, programme_id, visit_id, due_at)`

var visitDues = &ledger.CompanionTable{
	Name:   "visit_dues",
	Insert: sqlInsertVisitDues,
	Columns: func(rows [][]any) []any {
		return []any{
			ledger.Column[uuid.UUID](rows, 0), ledger.Column[uuid.UUID](rows, 1), ledger.Column[uuid.UUID](rows, 2), ledger.Column[time.Time](rows, 3),
		}
	},
}

// due notes that a head goes back unless the visit is reported by then.
func (v *Visit) due(programme uuid.UUID, by time.Time) ledger.Companion {
	return ledger.Companion{Table: visitDues, Row: []any{programme, v.ID, by}}
}

const (
	sqlReadVisitDues = `
SELECT d.due_at, d.transaction_id, d.visit_id
FROM visit_dues AS d
WHERE d.programme_id = $1 AND d.due_at <= $2
ORDER BY d.due_at, d.transaction_id
LIMIT $3`

	sqlDeleteVisitDue = `
DELETE FROM visit_dues AS d
WHERE d.programme_id = $1 AND d.due_at = $2 AND d.transaction_id = $3`
)

// visitDue is a head whose time is over.
type visitDue struct {
	at          time.Time
	head, visit uuid.UUID
}

// SweepVisits takes back what passes and money paid for visits that no operator reported in time: the pass can be used again, the
// money is owed no more, and nothing is owed to the operator. A report that comes later pays anew. What is held goes back with
// the ledger's own sweep. Any number of processes may do it at once.
func (c *Catalog) SweepVisits(ctx context.Context, programme uuid.UUID) error {
	t, err := c.ledger.Terms(ctx, programme)
	if err != nil {
		return err
	}
	const page = 1000
	for {
		rows, err := c.pool.Query(ctx, sqlReadVisitDues, programme, t.Now, page)
		if err != nil {
			return fmt.Errorf("benefits: read visits: %w", err)
		}
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d visitDue, err error) {
			return d, row.Scan(&d.at, &d.head, &d.visit)
		})
		if err != nil {
			return fmt.Errorf("benefits: read visits: %w", err)
		}
		for _, d := range list {
			if err := c.releaseHead(ctx, programme, d); err != nil {
				return err
			}
		}
		if len(list) < page {
			return nil
		}
	}
}

// releaseHead takes a head back unless its visit was reported. A report that comes at the same moment finds the head charged, and
// is charged anew here.
func (c *Catalog) releaseHead(ctx context.Context, programme uuid.UUID, d visitDue) error {
	v, err := c.Visit(ctx, programme, d.visit)
	if err != nil {
		return err
	}
	if v.Report == nil {
		r := c.systems("visit-release/"+d.head.String(), ledger.Request{Actor: systemClient, Channel: loungeChannel})
		_, err := c.ledger.Post(ctx, programme, ledger.Reverse(d.head, decimal.Zero, r))
		if err != nil && !errors.Is(err, &ledger.Refusal{Reason: ledger.AlreadyReversed}) {
			return fmt.Errorf("benefits: release visit %s: %w", d.visit, err)
		}
		if v, err = c.Visit(ctx, programme, d.visit); err != nil {
			return err
		}
		if v.Report != nil {
			if err := c.chargeVisit(ctx, programme, &v, ledger.Request{Actor: systemClient}); err != nil {
				return err
			}
		}
	}
	if _, err := c.pool.Exec(ctx, sqlDeleteVisitDue, programme, d.at, d.head); err != nil {
		return fmt.Errorf("benefits: release visit %s: %w", d.visit, err)
	}
	return nil
}
