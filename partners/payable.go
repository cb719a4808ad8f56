package partners

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

const sqlPayable = `
SELECT a.unit, sum(a.balance)
FROM accounts AS a
WHERE a.id = ANY($1::uuid[])
GROUP BY a.unit
ORDER BY a.unit`

// Payable is what the programme owes a partner, by unit of money, without those in which nothing was ever owed.
func (v *Vouchers) Payable(ctx context.Context, programme uuid.UUID, partner string) ([]Price, error) {
	p, err := v.ledger.Programme(ctx, programme)
	if err != nil {
		return nil, err
	}
	var stripes []uuid.UUID
	for code, unit := range p.Units {
		if unit.Kind != ledger.MoneyUnit {
			continue
		}
		account := ledger.Account{Unit: code, Owner: ledger.Partner(partner), Place: ledger.Payable}
		for account.Stripe = range ledger.Stripes {
			stripes = append(stripes, account.ID(programme))
		}
	}
	rows, err := v.pool.Query(ctx, sqlPayable, stripes)
	if err != nil {
		return nil, fmt.Errorf("partners: payable: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Price, error) {
		var owed Price
		err := row.Scan(&owed.Unit, &owed.Amount)
		return owed, err
	})
	if err != nil {
		return nil, fmt.Errorf("partners: payable: %w", err)
	}
	return list, nil
}
