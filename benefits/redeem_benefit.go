package benefits

import (
	"context"
	"errors"

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
// Refusals: NOT_FOUND, NOT_ELIGIBLE with the tier that is required (neither is recorded), IDEMPOTENCY_KEY_REUSED,
// MEMBER_FROZEN, OUT_OF_STOCK, INSUFFICIENT_POINTS.
func (c *Catalog) RedeemBenefit(ctx context.Context, programme uuid.UUID, member, benefit string, with PayWith, r ledger.Request) (Claim, error) {
	if err := c.admit(ctx, programme, member, benefit, with, r); err != nil {
		return Claim{}, err
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

// PreviewRedemption decides a redemption by the same code on the same state, and records nothing. It does not grant
// what a tier is due, so before the first use of an allotment in a year it may answer INSUFFICIENT_POINTS.
// Refusals are those of RedeemBenefit.
func (c *Catalog) PreviewRedemption(ctx context.Context, programme uuid.UUID, member, benefit string, with PayWith, r ledger.Request) (*ledger.Transaction, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	if err := c.eligible(ctx, p, s, member, benefit); err != nil {
		return nil, err
	}
	request, err := c.claim(p, member, benefit, with, r)
	if err != nil {
		return nil, err
	}
	return c.ledger.Preview(ctx, programme, request)
}

// admit checks what the books do not: the tier. A key that was answered before needs no admission again.
func (c *Catalog) admit(ctx context.Context, programme uuid.UUID, member, benefit string, with PayWith, r ledger.Request) error {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return err
	}
	if with == WithAllotment {
		if _, err := c.Qualify(ctx, programme, member); err != nil {
			return err
		}
	}
	err = c.eligible(ctx, p, s, member, benefit)
	if !errors.Is(err, &ledger.Refusal{Reason: ledger.NotEligible}) {
		return err
	}
	if _, first := c.ledger.Transaction(ctx, programme, ledger.TransactionID(programme, r.Client, r.Key)); first == nil {
		return nil
	}
	return err
}

// eligible refuses a benefit that is for a higher tier than the member's. What is unknown is refused by claim, which
// also knows earlier versions.
func (c *Catalog) eligible(ctx context.Context, p *ledger.Programme, s *section, member, benefit string) error {
	b := s.benefits[benefit]
	if b == nil || b.Tier == "" {
		return nil
	}
	standing, err := c.standing(ctx, p.ID, s.tiers, member)
	if err != nil {
		return err
	}
	if refusal := standing.admits(s.tiers, b); refusal != nil {
		return refusal
	}
	return nil
}

func (st Standing) admits(ladder Ladder, b *Benefit) *ledger.Refusal {
	if len(st.reached) < ladder.rank(b.Tier) {
		return refuse(ledger.NotEligible, "tier", b.Tier)
	}
	return nil
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
	return r, nil
}
