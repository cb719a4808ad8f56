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
	r, err := v.reversal(ctx, programme, partner, use, r)
	if err != nil {
		return ledger.Answer{}, err
	}
	return v.ledger.Post(ctx, programme, r)
}

// PreviewReverse decides a ReverseVoucher by the same code on the same state, and records nothing.
func (v *Vouchers) PreviewReverse(ctx context.Context, programme uuid.UUID, partner string, use uuid.UUID, r ledger.Request) (*ledger.Transaction, error) {
	r, err := v.reversal(ctx, programme, partner, use, r)
	if err != nil {
		return nil, err
	}
	return v.ledger.Preview(ctx, programme, r)
}

func (v *Vouchers) reversal(ctx context.Context, programme uuid.UUID, partner string, use uuid.UUID, r ledger.Request) (ledger.Request, error) {
	tx, err := v.ledger.Transaction(ctx, programme, use)
	if err != nil {
		return r, err
	}
	if tx.Kind != ledger.KindUse || !tx.Posted() || tx.Legs[0].To.Account.Owner != ledger.Partner(partner) {
		return r, notFound()
	}
	return ledger.Reverse(use, decimal.Zero, r), nil
}
