package partners

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// Validation is a merchant's answer about a voucher: yes when Refusal is nil, else no and why. It knows more than
// RedeemVoucher records, to which a voucher that was given back is one that is used up.
type Validation struct {
	Voucher Voucher
	Refusal *ledger.Refusal
}

// ValidateVoucher looks at a voucher without using it: it tries the use by the code that decides it and records nothing.
// A voucher that does not exist and one that the partner does not honour get the same NOT_FOUND.
// Refusals: CODE_MALFORMED, CODE_CHECKSUM, NOT_FOUND. In the answer: TOKEN_EXPIRED, VOUCHER_USED, VOUCHER_EXPIRED, VOUCHER_CANCELED, MEMBER_FROZEN.
func (v *Vouchers) ValidateVoucher(ctx context.Context, programme uuid.UUID, partner, code string) (Validation, error) {
	p, err := v.ledger.Programme(ctx, programme)
	if err != nil {
		return Validation{}, err
	}
	voucher, err := v.shownTo(ctx, p, partner, code)
	if err != nil {
		return Validation{}, err
	}
	if voucher.Late {
		return Validation{voucher, tooLate()}, nil
	}
	switch voucher.State {
	case Redeemed:
		return Validation{voucher, &ledger.Refusal{Reason: ledger.VoucherUsed}}, nil
	case Expired:
		return Validation{voucher, &ledger.Refusal{Reason: ledger.VoucherExpired}}, nil
	case Canceled:
		return Validation{voucher, &ledger.Refusal{Reason: ledger.VoucherCanceled}}, nil
	default:
	}
	use, err := v.use(p, voucher, partner, "", ledger.Request{Client: "tallystick", Key: "validate/" + voucher.ID.String()})
	if err != nil {
		return Validation{}, err
	}
	_, err = v.ledger.Preview(ctx, programme, use)
	var refusal *ledger.Refusal
	if errors.As(err, &refusal) {
		return Validation{voucher, refusal}, nil
	}
	return Validation{Voucher: voucher}, err
}

// shownTo reads the voucher with the code, for a partner that honours it.
func (v *Vouchers) shownTo(ctx context.Context, p *ledger.Programme, partner, code string) (Voucher, error) {
	voucher, err := v.Shown(ctx, p.ID, code)
	if err != nil {
		return Voucher{}, err
	}
	agreements, err := v.Agreements(p)
	if err != nil {
		return Voucher{}, err
	}
	if _, honoured := agreements.honours(partner, voucher.Benefit); !honoured {
		return Voucher{}, notFound()
	}
	return voucher, nil
}
