package benefits

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// TierRow is a tier that a source gives a member now.
type TierRow struct {
	Decision uuid.UUID // the transaction that gave it
	Member   string
	Group    string
	Tier     string
	Source   Source
	From     time.Time
	Until    time.Time // without days of grace
	Reason   string    // an operator's, of an override
}

// A lot of a tier says by its fund and its expiry which source's decision gave it. Of two that agree in both, as when a
// validity was prolonged to where it was, the later one holds.
const sqlExportTiers = `
SELECT d.transaction_id, d.member, d.tier_group, d.tier, d.source, d.starts_at, d.until, d.inputs
FROM tier_decisions AS d
JOIN accounts AS a ON a.programme_id = d.programme_id AND a.unit = d.tier AND a.owner = 'member/' || d.member AND a.place = 'wallet'
JOIN lots AS l ON l.account_id = a.id AND l.fund = d.source AND l.expires_at = d.lot_until
WHERE d.programme_id = $1 AND d.lot_until > $2 AND l.remaining > 0
ORDER BY d.member, d.tier_group, d.source, d.n`

// ExportTiers tells each tier that a member of a programme holds now, by member, group and source: for every source one, of
// which the highest counts. What waits for its start is not told. It reads one state of the books, however long it takes; an
// error of tell ends it.
func (c *Catalog) ExportTiers(ctx context.Context, programme uuid.UUID, tell func(TierRow) error) error {
	t, err := c.ledger.Terms(ctx, programme)
	if err != nil {
		return err
	}
	rows, err := c.pool.Query(ctx, sqlExportTiers, programme, t.Now)
	if err != nil {
		return fmt.Errorf("benefits: export tiers: %w", err)
	}
	var last, row TierRow
	var inputs string
	_, err = pgx.ForEachRow(rows, []any{
		&row.Decision, &row.Member, &row.Group, &row.Tier, &row.Source, &row.From, &row.Until, &inputs,
	}, func() error {
		var in tierInputs
		if err := json.Unmarshal([]byte(inputs), &in); err != nil {
			return err
		}
		row.Reason, row.From, row.Until = in.Reason, row.From.In(t.Zone), row.Until.In(t.Zone)
		before := last
		last = row
		if before.Member == "" || before.Member == row.Member && before.Group == row.Group && before.Source == row.Source && before.Tier == row.Tier {
			return nil
		}
		return tell(before)
	})
	if err == nil && last.Member != "" {
		err = tell(last)
	}
	if err != nil {
		return fmt.Errorf("benefits: export tiers: %w", err)
	}
	return nil
}
