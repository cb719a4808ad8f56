package benefits

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// Wanted is what a member asks for.
type Wanted struct {
	Member, Benefit string
	// With is how the member pays; WithAny leaves it to the benefit's order.
	With PayWith
	// Cash is what the channel has collected of the member for it, whose number is the request's reference. Only prices of
	// exactly so much money are paid then. Its unit is empty without.
	Cash Cash
	// Choice is the benefit that is chosen, where there is a choice.
	Choice string
	// Region is where the member is, as far as the channel knows.
	Region string
	// DeliverTo is where to what is delivered goes: a reference that the operator understands, and no address.
	DeliverTo string

	seats *seats // of what is an event
}

// Claim is the answer to a redemption: the transaction, and the voucher as it was issued.
type Claim struct {
	ledger.Answer
	Voucher partners.Voucher
	// Parts are the vouchers of a bundle that come with it.
	Parts []partners.Voucher
}

// RedeemBenefit pays for a benefit and issues its voucher, whose id is the transaction's, in one transaction. r gives
// client, key, actor, channel, and as its reference the payment of what was paid in cash; a retry with the same key gets
// the first answer, its code included, whatever became of price, tier, facts and hours meanwhile. Where an allotment may
// pay, what the member's tiers entitle to is granted first; where a tier matters, the member is rated first.
//
// Which price and which stock it is, is decided under the locks of the posting: the first way of the benefit's order, the
// price of the highest tier, the stock that is kept for the highest tier, that this member can have.
// Refusals: NOT_FOUND, NOT_ELIGIBLE for a way to pay that the benefit does not take, INVALID_FIELD for a choice or money
// that it does not take (none of these is recorded), IDEMPOTENCY_KEY_REUSED, REFERENCE_USED for a payment that paid
// before, MEMBER_FROZEN, MEMBER_TERMINATED, NOT_ELIGIBLE with because or the tier that is required, NOT_OPEN with
// because and opens_at, LIMIT_REACHED, OUT_OF_STOCK, INSUFFICIENT_POINTS.
func (c *Catalog) RedeemBenefit(ctx context.Context, programme uuid.UUID, w Wanted, r ledger.Request) (Claim, error) {
	answers, err := c.redeem(ctx, programme, w, r)
	claim := Claim{Answer: first(answers)}
	if err != nil {
		return claim, err
	}
	if claim.Voucher, err = c.vouchers.IssuedBy(ctx, answers[0]); err != nil {
		return claim, err
	}
	for i := range answers[1:] {
		part, err := c.vouchers.IssuedBy(ctx, answers[1+i])
		if err != nil {
			return claim, err
		}
		claim.Parts = append(claim.Parts, part)
	}
	return claim, nil
}

// first is the answer to the claim itself; those of a bundle's other parts come after it.
func first(answers []ledger.Answer) ledger.Answer {
	if len(answers) == 0 {
		return ledger.Answer{}
	}
	return answers[0]
}

// redeem posts a claim, and before it what it depends on.
func (c *Catalog) redeem(ctx context.Context, programme uuid.UUID, w Wanted, r ledger.Request) ([]ledger.Answer, error) {
	return c.ledger.PostAllUnder(ctx, programme, r, func(t ledger.Terms, r ledger.Request) ([]ledger.Request, error) {
		if err := c.touch(ctx, t, w); err != nil {
			return nil, err
		}
		return c.claim(ctx, t, w, r)
	})
}

// PreviewRedemption decides a redemption, and before it the grants that it would make, by the same code on the same state,
// and records nothing. Refusals are those of RedeemBenefit.
func (c *Catalog) PreviewRedemption(ctx context.Context, programme uuid.UUID, w Wanted, r ledger.Request) (*ledger.Transaction, error) {
	tx, err := c.previewRedemption(ctx, programme, w, r)
	for errors.Is(err, ledger.ErrTermsChanged) {
		tx, err = c.previewRedemption(ctx, programme, w, r)
	}
	return tx, err
}

func (c *Catalog) previewRedemption(ctx context.Context, programme uuid.UUID, w Wanted, r ledger.Request) (*ledger.Transaction, error) {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	claim, err := c.claim(ctx, t, w, r)
	if err != nil {
		return nil, err
	}
	requests := []ledger.Request{}
	if b := s.benefits[w.Benefit]; w.mayUseAllotment(b) || b.tiered() {
		if _, requests, err = c.brought(ctx, programme, w.Member, w.mayUseAllotment(b)); err != nil {
			return nil, err
		}
	}
	answers, err := c.ledger.PreviewBatch(ctx, programme, append(requests, claim...), false)
	if err != nil {
		return nil, err
	}
	claimed := answers[len(requests):]
	return claimed[0].Transaction, ledger.Decisive(claimed)
}

// touch brings up to date what a redemption depends on: the member's tiers, and the allotments that go with them.
func (c *Catalog) touch(ctx context.Context, t ledger.Terms, w Wanted) error {
	s, err := c.section(t.Programme)
	if err != nil {
		return err
	}
	switch b := s.benefits[w.Benefit]; {
	case w.mayUseAllotment(b):
		_, err = c.Qualify(ctx, t.ID, w.Member)
	case b != nil && b.tiered():
		_, err = c.Rate(ctx, t.ID, w.Member)
	}
	return err
}

// tiered reports whether a claim may depend on the member's tier.
func (b *Benefit) tiered() bool {
	return b.Tier != "" || len(b.Priority) > 0 || len(b.Kept) > 0 || b.condition != nil ||
		slices.ContainsFunc(b.Prices, func(p Price) bool { return p.Tier != "" }) || len(b.Choose)+len(b.Bundle) > 0
}

func (w *Wanted) mayUseAllotment(b *Benefit) bool {
	return b != nil && w.Cash.Unit == "" && (w.With == WithAllotment || w.With == WithAny) && b.takes(WithAllotment)
}

// claim builds the transaction under one version of the document: the price out of the wallet, the right into the voucher
// that the transaction opens, in every way that is to be tried. Of a bundle there is one more for every further right.
func (c *Catalog) claim(ctx context.Context, t ledger.Terms, w Wanted, r ledger.Request) ([]ledger.Request, error) {
	s, err := c.section(t.Programme)
	if err != nil {
		return nil, err
	}
	b, err := s.benefit(w.Benefit)
	if err != nil {
		return nil, err
	}
	at, err := c.circumstances(ctx, t, s, b, w, r.Channel)
	if err != nil {
		return nil, err
	}
	claim, err := s.claim(t.Programme, b, w, at, r)
	if err != nil {
		return nil, err
	}
	parts, err := s.bundled(t.Programme, b, w, at, r)
	list := append([]ledger.Request{claim}, parts...)
	for i := range list {
		list[i] = c.vouchers.Issuing(t.ID, list[i])
	}
	return list, err
}

// circumstances reads what the conditions of a benefit are decided by, as far as it has any.
func (c *Catalog) circumstances(
	ctx context.Context, t ledger.Terms, s *section, b *Benefit, w Wanted, channel string,
) (*circumstances, error) {
	at := &circumstances{region: w.Region, channel: channel, now: t.Now}
	if b.condition != nil {
		who, err := c.earner(ctx, t.ID, w.Member)
		if err != nil {
			return nil, err
		}
		at.Earner = who
		at.know(s, t.Zone)
	} else if len(b.Kinds)+len(b.Segments)+len(b.Regions)+len(b.KeptFor) > 0 {
		facts, err := c.Facts(ctx, t.ID, []string{w.Member})
		if err != nil {
			return nil, err
		}
		at.Facts = facts[w.Member]
	}
	if b.Event != nil && w.seats != nil {
		return at, c.guestList(ctx, t.Programme, b, w, at)
	}
	return at, nil
}

// claim is what is decided without the books: it depends on the document, on what is wanted and on the circumstances alone.
func (s *section) claim(p *ledger.Programme, b *Benefit, w Wanted, at *circumstances, r ledger.Request) (ledger.Request, error) {
	right, err := s.chosen(b, w.Choice)
	if err != nil {
		return r, err
	}
	if err := b.takesSeats(w.seats); err != nil {
		return r, err
	}
	if b.Event != nil {
		b = b.forSeats(b.Event.paid(int64(len(w.seats.guests))))
	}
	prices, err := b.pricesFor(w, r)
	if err != nil {
		return r, err
	}
	r.Rule, r.Asked = "benefit/"+b.Code, w.asked()
	why, until := s.denies(b, at, p.Zone)
	if r.HoldsUntil = until; len(why) > 0 {
		r.Denied = why[0]
	}
	for _, tier := range s.tiersFor(b, at.now, p.Zone) {
		r.Needs = append(r.Needs, s.tiers.need(tier))
	}
	if len(b.Bundle) == 0 || right.Delivery != nil {
		if err := right.deliver(p.ID, &w, &r); err != nil {
			return r, err
		}
	}
	voucher := partners.PlaceOf(w.Member, right.Code, ledger.TransactionID(p.ID, r.Client, r.Key))
	if b.Event != nil {
		voucher = s.seat(p, b, w, at, voucher, &r)
	}

	var first ledger.Request
	next := &first
	for i, price := range prices {
		for j, from := range s.sourcesFor(right, at.Segments) {
			if i+j > 0 {
				next.Otherwise = new(ledger.Request)
				next = next.Otherwise
			}
			legs := append(price.legs(w.Member, r.Channel), w.rights(p, b, from.account, voucher, at.now)...)
			*next = ledger.RedeemLegs(w.Member, b.use(p, legs, w.Member, at), r)
			next.Needs = s.needs(r.Needs, price.Tier, from.tier)
		}
	}
	return first, nil
}

// chosen is the benefit that a claim gives a right to.
func (s *section) chosen(b *Benefit, choice string) (*Benefit, error) {
	switch {
	case len(b.Bundle) > 0 && choice == "":
		return s.benefits[b.Bundle[0]], nil
	case len(b.Choose) == 0 && choice == "":
		return b, nil
	case slices.Contains(b.Choose, choice):
		return s.benefits[choice], nil
	default:
		return nil, invalid("choice", fmt.Sprintf("use one of %v", b.Choose))
	}
}

// pricesFor lists the prices that may be paid, in the order in which they are tried.
func (b *Benefit) pricesFor(w Wanted, r ledger.Request) ([]Price, error) {
	if w.Cash.Unit != "" {
		return b.pricesOf(w, r)
	}
	if (w.With == WithCash || w.With == WithPointsAndCash) && b.takes(w.With) {
		return nil, invalid("cash", "say what was collected for it")
	}
	var list []Price
	for _, price := range b.Prices {
		if price.Cash.Unit == "" && (w.With == WithAny || w.With == price.With) {
			list = append(list, price)
		}
	}
	if len(list) == 0 {
		return nil, refuse(ledger.NotEligible, "pay_with", string(w.With))
	}
	return list, nil
}

// pricesOf lists the prices that take exactly so much money.
func (b *Benefit) pricesOf(w Wanted, r ledger.Request) ([]Price, error) {
	switch {
	case r.Channel == "":
		return nil, invalid("channel", "say through what the money was collected")
	case r.Reference == "":
		return nil, invalid("cash", "give the reference of the payment")
	}
	var list []Price
	for _, price := range b.Prices {
		if price.Cash.Unit != w.Cash.Unit || !price.Cash.Amount.Equal(w.Cash.Amount) {
			var mixes bool
			if price, mixes = b.mixed(price, w.Cash); !mixes {
				continue
			}
		}
		if w.With == WithAny || w.With == price.With {
			list = append(list, price)
		}
	}
	if len(list) == 0 {
		return nil, invalid("cash", "no price takes so much of this money")
	}
	return list, nil
}

// rights are what a claim gives: one right, or the seats of a party.
func (w *Wanted) rights(p *ledger.Programme, b *Benefit, from, to ledger.Account, now time.Time) []ledger.Leg {
	if b.Event != nil {
		return w.seats.legs(p, b.Event, w.Member, from, to, now)
	}
	return []ledger.Leg{{From: from, To: to, Unit: to.Unit, Amount: decimal.NewFromInt(1)}}
}

// legs are what is paid.
func (p Price) legs(member, channel string) []ledger.Leg {
	var legs []ledger.Leg
	if p.With != WithCash && p.Unit != "" {
		legs = append(legs, ledger.Leg{
			From: ledger.Account{Unit: p.Unit, Owner: ledger.Member(member), Place: ledger.Wallet},
			To:   ledger.Account{Unit: p.Unit, Owner: ledger.ProgrammeOwner, Place: ledger.Redeemed},
			Unit: p.Unit, Amount: p.Amount,
		})
	}
	if p.Cash.Unit != "" {
		legs = append(legs, ledger.Leg{
			From: ledger.Account{Unit: p.Cash.Unit, Owner: ledger.Channel(channel), Place: ledger.Receivable},
			To:   ledger.Account{Unit: p.Cash.Unit, Owner: ledger.ProgrammeOwner, Place: ledger.Deferred},
			Unit: p.Cash.Unit, Amount: p.Cash.Amount,
		})
	}
	return legs
}

// use gives each leg the limits that count it: the first that gives a right, those of times and rights.
func (b *Benefit) use(p *ledger.Programme, legs []ledger.Leg, member string, at *circumstances) []ledger.Leg {
	right := slices.IndexFunc(legs, func(l ledger.Leg) bool { return l.To.Place == ledger.Voucher || l.To.Place == ledger.Hold })
	for _, code := range b.Limits {
		limit := p.Limits[code]
		used := p.Cap(limit, member, at.now)
		for i := range legs {
			if legs[i].Unit == limit.Of || i == right && (limit.Of == ledger.Times || limit.Of == b.Code) {
				legs[i].Uses = append(legs[i].Uses, used)
			}
		}
	}
	return legs
}

// needs adds what a price and a stock are for.
func (s *section) needs(always []ledger.Need, tiers ...string) []ledger.Need {
	list := slices.Clone(always)
	for _, tier := range tiers {
		if tier != "" {
			list = append(list, s.tiers.need(tier))
		}
	}
	return list
}

// asked is what a retry is known by.
func (w *Wanted) asked() string {
	text := fmt.Sprintf("benefit %q with %q cash %q %q choice %q in %q", w.Benefit, w.With, w.Cash.Unit, w.Cash.Amount.String(), w.Choice, w.Region)
	if w.DeliverTo != "" {
		text += fmt.Sprintf(" to %q", w.DeliverTo)
	}
	if w.seats != nil {
		text += fmt.Sprintf(" guests %q", w.seats.guests)
	}
	return text
}
