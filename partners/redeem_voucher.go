package partners

import (
	"context"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Use is a merchant's receipt.
type Use struct {
	ledger.Answer
	Benefit string
	Payable Price // what is owed for it; the zero value if nothing is
}

// RedeemVoucher uses a voucher at one of the partner's outlets, once, in one transaction: the right becomes the
// partner's, and the price of the agreement is owed. r gives client, key and actor; a retry with the same key gets the
// first answer, whatever became of the agreement meanwhile.
// Refusals: CODE_MALFORMED, CODE_CHECKSUM, TOKEN_EXPIRED, INVALID_FIELD (outlet), NOT_FOUND for vouchers that the partner does not honour,
// VOUCHER_USED (also when it was given back), VOUCHER_EXPIRED, MEMBER_FROZEN.
func (v *Vouchers) RedeemVoucher(ctx context.Context, programme uuid.UUID, partner, outlet, code string, r ledger.Request) (Use, error) {
	voucher, err := v.Shown(ctx, programme, code)
	if err != nil {
		return Use{}, err
	}
	answer, err := v.ledger.PostUnder(ctx, programme, r, func(t ledger.Terms, r ledger.Request) (ledger.Request, error) {
		return v.use(t.Programme, voucher, partner, outlet, r)
	})
	return receipt(voucher, answer, err)
}

// PreviewUse decides a RedeemVoucher by the same code on the same state, and records nothing.
func (v *Vouchers) PreviewUse(ctx context.Context, programme uuid.UUID, partner, outlet, code string, r ledger.Request) (Use, error) {
	voucher, err := v.Shown(ctx, programme, code)
	if err != nil {
		return Use{}, err
	}
	p, err := v.ledger.Programme(ctx, programme)
	if err != nil {
		return Use{}, err
	}
	if r, err = v.use(p, voucher, partner, outlet, r); err != nil {
		return Use{}, err
	}
	tx, err := v.ledger.Preview(ctx, programme, r)
	return receipt(voucher, ledger.Answer{Transaction: tx}, err)
}

// UseOf is the request that RedeemVoucher posts, for who posts it together with others. Refusals: NOT_FOUND for what the
// partner does not honour.
func (v *Vouchers) UseOf(p *ledger.Programme, voucher Voucher, partner string, r ledger.Request) (ledger.Request, error) {
	return v.use(p, voucher, partner, "", r)
}

func receipt(voucher Voucher, answer ledger.Answer, err error) (Use, error) {
	use := Use{Answer: answer, Benefit: voucher.Benefit}
	if err == nil {
		use.Payable = payableBy(answer.Transaction)
	}
	return use, err
}

// use builds the transaction that uses a voucher, by the partner's terms in this version of the programme.
func (v *Vouchers) use(p *ledger.Programme, voucher Voucher, partner, outlet string, r ledger.Request) (ledger.Request, error) {
	agreements, err := v.Agreements(p)
	if err != nil {
		return r, err
	}
	price, honoured := agreements.honours(partner, voucher.Benefit)
	switch {
	case !honoured:
		return r, notFound()
	case !agreements[partner].at(outlet):
		return r, &ledger.Refusal{Reason: ledger.InvalidField, Detail: map[string]string{"field": "outlet"}}
	}
	one := decimal.NewFromInt(1)
	legs := []ledger.Leg{{
		From: PlaceOf(voucher.Member, voucher.Benefit, voucher.ID),
		To:   ledger.Account{Unit: voucher.Benefit, Owner: ledger.Partner(partner), Place: ledger.Redeemed},
		Unit: voucher.Benefit, Amount: one,
	}}
	if price.Amount.IsPositive() {
		legs = append(legs, ledger.Leg{
			From: ledger.Account{Unit: price.Unit, Owner: ledger.ProgrammeOwner, Place: ledger.BenefitCost},
			To:   ledger.Account{Unit: price.Unit, Owner: ledger.Partner(partner), Place: ledger.Payable},
			Unit: price.Unit, Amount: price.Amount,
		})
	}
	if voucher.Late {
		r.Denied = tooLate()
		r = r.Own() // the next scan may come with the same key
	}
	r.Rule = "partner/" + partner
	if outlet != "" {
		r.Channel = "outlet/" + outlet
	}
	return ledger.Use(voucher.Member, legs, r), nil
}

// tooLate refuses what begins by a rotating code whose time is over.
func tooLate() *ledger.Refusal { return &ledger.Refusal{Reason: ledger.TokenExpired} }

// payableBy reads from a use what is owed for it.
func payableBy(use *ledger.Transaction) Price {
	for _, leg := range use.Legs {
		if leg.To.Account.Place == ledger.Payable {
			return Price{Unit: leg.Unit, Amount: leg.Amount}
		}
	}
	return Price{}
}
