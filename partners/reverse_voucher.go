package partners

import (
	"context"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// ReverseVoucher takes a partner's own use of a voucher back: the voucher can be used again and nothing is owed.
// Refusals: NOT_FOUND for anything but a use by this partner, ALREADY_REVERSED.
func (v *Vouchers) ReverseVoucher(ctx context.Context, programme uuid.UUID, partner string, use uuid.UUID, r ledger.Request) (ledger.Answer, error) {
	tx, err := v.ledger.Transaction(ctx, programme, use)
	if err != nil {
		return ledger.Answer{}, err
	}
	if tx.Kind != ledger.KindUse || !tx.Posted() || tx.Legs[0].To.Account.Owner != ledger.Partner(partner) {
		return ledger.Answer{}, notFound()
	}
	return v.ledger.Post(ctx, programme, ledger.Reverse(use, decimal.Zero, r))
}
