package benefits

import (
	"context"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// CancelRedemption gives an unused voucher back and returns what was paid for it to the lots that it came from.
// Refusals: NOT_FOUND for what is not the member's voucher, IDEMPOTENCY_KEY_REUSED, VOUCHER_USED, VOUCHER_EXPIRED,
// ALREADY_REVERSED.
func (c *Catalog) CancelRedemption(ctx context.Context, programme uuid.UUID, member string, voucher uuid.UUID, r ledger.Request) (ledger.Answer, error) {
	v, err := c.vouchers.Voucher(ctx, programme, voucher)
	if err != nil {
		return ledger.Answer{}, err
	}
	if v.Member != member {
		return ledger.Answer{}, refuse(ledger.NotFoundReason)
	}
	return c.ledger.Post(ctx, programme, ledger.Reverse(voucher, decimal.Zero, r))
}
