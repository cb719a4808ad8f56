package partners

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

// Cursor is the voucher after which a page begins. The zero value is before the newest.
type Cursor struct {
	IssuedAt time.Time
	ID       uuid.UUID
}

const sqlMemberVouchers = `
SELECT v.id, v.key_id, v.member, v.benefit, t.recorded_at, a.due_at, a.balance, l.to_place
FROM vouchers AS v
JOIN transactions AS t ON t.id = v.id
JOIN accounts AS a ON a.id = v.account_id
JOIN entries AS e ON e.account_id = a.id AND e.recorded_at = a.recorded_at AND e.seq = a.seq
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
WHERE v.programme_id = $1 AND v.member = $2
  AND (t.recorded_at < $3 OR (t.recorded_at = $3 AND t.id < $4))
ORDER BY t.recorded_at DESC, t.id DESC
LIMIT $5`

// ListVouchers reads a member's vouchers, newest first, at most limit of them after the cursor.
func (v *Vouchers) ListVouchers(ctx context.Context, programme uuid.UUID, member string, after Cursor, limit int) ([]Voucher, error) {
	state, err := v.ledger.State(ctx, programme)
	if err != nil {
		return nil, err
	}
	if after == (Cursor{}) {
		after = Cursor{IssuedAt: ledger.Never, ID: uuid.Max}
	}
	rows, err := v.pool.Query(ctx, sqlMemberVouchers, programme, member, after.IssuedAt, after.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("partners: list vouchers: %w", err)
	}
	list, err := pgx.CollectRows(rows, v.scan(state.Now))
	if err != nil {
		return nil, fmt.Errorf("partners: list vouchers: %w", err)
	}
	return list, nil
}
