package benefits

import (
	"context"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// Claim is the answer to a redemption: the transaction, and the voucher as it was issued.
type Claim struct {
	ledger.Answer
	Voucher partners.Voucher
}

// RedeemBenefit pays for a benefit and issues its voucher, whose id is the transaction's, in one transaction. r gives
// client, key, actor and channel; a retry with the same key gets the first answer, its code included, whatever became of
// price and tier meanwhile. Paying by allotment first grants what the member's tier entitles to.
// Refusals: NOT_FOUND, NOT_ELIGIBLE for a way to pay that the benefit does not take (neither is recorded),
// IDEMPOTENCY_KEY_REUSED, MEMBER_FROZEN, NOT_ELIGIBLE with the tier that is required, OUT_OF_STOCK, INSUFFICIENT_POINTS.
func (c *Catalog) RedeemBenefit(ctx context.Context, programme uuid.UUID, member, benefit string, with PayWith, r ledger.Request) (Claim, error) {
	if with == WithAllotment {
		if _, err := c.Qualify(ctx, programme, member); err != nil {
			return Claim{}, err
		}
	}
	answer, err := c.ledger.PostUnder(ctx, programme, r, func(p *ledger.Programme, r ledger.Request) (ledger.Request, error) {
		return c.claim(p, member, benefit, with, r)
	})
	claim := Claim{Answer: answer}
	if err == nil {
		claim.Voucher, err = c.vouchers.IssuedBy(ctx, answer.Transaction)
	}
	return claim, err
}

// PreviewRedemption decides a redemption, and before it the grants that it would make, by the same code on the same state,
// and records nothing. Refusals are those of RedeemBenefit.
func (c *Catalog) PreviewRedemption(ctx context.Context, programme uuid.UUID, member, benefit string, with PayWith, r ledger.Request) (*ledger.Transaction, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	claim, err := c.claim(p, member, benefit, with, r)
	if err != nil {
		return nil, err
	}
	var requests []ledger.Request
	if with == WithAllotment {
		standing, err := c.standing(ctx, programme, s.tiers, member)
		if err != nil {
			return nil, err
		}
		if requests, err = c.due(ctx, p, s, standing, member); err != nil {
			return nil, err
		}
	}
	answers, err := c.ledger.PreviewBatch(ctx, programme, append(requests, claim), false)
	if err != nil {
		return nil, err
	}
	last := answers[len(answers)-1]
	return last.Transaction, last.Err
}

// claim builds the transaction: the price out of the wallet, the right into the voucher that the transaction opens.
func (c *Catalog) claim(p *ledger.Programme, member, benefit string, with PayWith, r ledger.Request) (ledger.Request, error) {
	s, err := c.section(p)
	if err != nil {
		return r, err
	}
	b, err := s.benefit(benefit)
	if err != nil {
		return r, err
	}
	price, accepted := b.price(with)
	if !accepted {
		return r, refuse(ledger.NotEligible, "pay_with", string(with))
	}
	r.Rule = "benefit/" + b.Code
	from := ledger.Account{Unit: b.Code, Owner: ledger.ProgrammeOwner, Place: ledger.Issuance}
	if len(b.Stock) > 0 {
		from.Place = ledger.Stock
	}
	voucher := partners.PlaceOf(member, b.Code, ledger.TransactionID(p.ID, r.Client, r.Key))
	r = ledger.RedeemLegs(member, []ledger.Leg{{
		From: ledger.Account{Unit: price.Unit, Owner: ledger.Member(member), Place: ledger.Wallet},
		To:   ledger.Account{Unit: price.Unit, Owner: ledger.ProgrammeOwner, Place: ledger.Redeemed},
		Unit: price.Unit, Amount: price.Amount,
	}, {
		From: from, To: voucher, Unit: b.Code, Amount: decimal.NewFromInt(1),
	}}, r)
	r.Companions = append(r.Companions, partners.Facts(p.ID, voucher))
	if b.Tier != "" {
		r.Needs = append(r.Needs, s.tiers.need(b.Tier))
	}
	return r, nil
}
