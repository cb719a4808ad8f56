package benefits

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// ReturnActivity claws back what an activity earned, in proportion to the money that is returned, whole when amount is
// zero. Returns may come in any number of parts, and never bring back more than the money that earned; each leg's parts
// add up to all of it in the end, limits and what a partner owes included.
// Refusals: NOT_FOUND for what is no activity that earned, and those of a reversal.
func (c *Catalog) ReturnActivity(ctx context.Context, programme, activity uuid.UUID, amount decimal.Decimal, r ledger.Request) (ledger.Answer, error) {
	var yields string
	err := c.pool.QueryRow(ctx, sqlReadYields, activity, programme).Scan(&yields)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ledger.Answer{}, refuse(ledger.NotFoundReason, "activity", activity.String())
	case err != nil:
		return ledger.Answer{}, err
	}
	return c.ledger.Post(ctx, programme, ledger.Reverse(activity, amount, r))
}
