package benefits

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Return is the request that claws back what an activity earned, in proportion to the money that is returned, whole when
// amount is zero. Returns may come in any number of parts, and never bring back more than the money that earned; each leg's
// parts add up to all of it in the end, limits and what a partner owes included.
// It answers NOT_FOUND for what is no activity that earned; posting it has the refusals of a reversal.
func (c *Catalog) Return(ctx context.Context, programme, activity uuid.UUID, amount decimal.Decimal, r ledger.Request) (ledger.Request, error) {
	var yields string
	err := c.pool.QueryRow(ctx, sqlReadYields, activity, programme).Scan(&yields)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return r, refuse(ledger.NotFoundReason, "activity", activity.String())
	case err != nil:
		return r, fmt.Errorf("benefits: read activity: %w", err)
	}
	return ledger.Reverse(activity, amount, r), nil
}
