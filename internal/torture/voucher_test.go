package torture_test

import (
	"context"
	"sync"

	"tallystick/ledger"
	"tallystick/partners"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// What is done with a voucher.
const (
	claiming   = "claim"
	using      = "use"
	takingBack = "take back"
	canceling  = "cancel"
)

// voucher is what its client was told of it.
type voucher struct {
	id, code        string
	member, benefit string
	paid            wallet
	price           int64
	state           partners.State
	partner, use    string // where it was used last, and the receipt
}

// visit does the next thing with one of the client's vouchers. Seats are few: what was used is taken back and given back,
// so that the last ones are raced for until the end. Some passes stay used.
func (c *client) visit(member string) {
	slot := &c.vouchers[c.random.IntN(len(c.vouchers))]
	v := *slot
	switch {
	case v == nil:
		*slot = c.claim(member)
	case v.state == partners.Redeemed && v.benefit == pass && c.random.IntN(3) == 0:
		*slot = nil
	case v.state == partners.Redeemed:
		c.insist(c.key(), c.takeBack(v))
	case v.state == partners.Canceled:
		*slot = nil
	case c.random.IntN(4) == 0:
		c.race(v)
	case c.random.IntN(3) == 0:
		c.insist(c.key(), c.cancel(v))
	default:
		c.insist(c.key(), c.use(v))
	}
}

// claim redeems a benefit as the member does. It returns nothing when that was refused.
func (c *client) claim(member string) *voucher {
	v := &voucher{member: member, benefit: seat, paid: wallet{member, "points"}, price: pointsPrice, state: partners.Issued}
	with := v1.PayWith_PAY_WITH_POINTS
	switch c.random.IntN(4) {
	case 0:
		v.benefit = pass
	case 1:
		v.benefit, v.paid.unit, v.price, with = pass, "visits", 1, v1.PayWith_PAY_WITH_ALLOTMENT
	}
	v.id = c.insist(c.key(), deed{name: claiming, call: func(ctx context.Context, server, key string) (answer, error) {
		res, err := api.NewMemberServiceClient(c.rig.as[member], server).RedeemBenefit(ctx, &v1.RedeemBenefitRequest{
			IdempotencyKey: key, BenefitId: v.benefit, PayWith: with,
		})
		v.code = res.GetVoucher().GetCode()
		return posted(res.GetTransaction(), err)
	}, note: func(id string) {
		c.heard.vouchers[id] = v
		c.heard.wallets[v.paid] -= v.price
	}, refusal: []ledger.Reason{ledger.OutOfStock, ledger.InsufficientPoints}})
	if v.id == "" {
		return nil
	}
	return v
}

// use is how a merchant redeems a voucher by its code.
func (c *client) use(v *voucher, refusal ...ledger.Reason) deed {
	partner := partnersOf[v.benefit][c.random.IntN(len(partnersOf[v.benefit]))]
	return deed{name: using, call: func(ctx context.Context, server, key string) (answer, error) {
		res, err := api.NewMerchantServiceClient(c.rig.as[partner], server).RedeemVoucher(ctx, &v1.RedeemVoucherRequest{
			IdempotencyKey: key, Code: v.code,
		})
		return answer{res.GetRedemptionId(), res.GetRecordedAt().AsTime()}, err
	}, note: func(id string) { v.state, v.partner, v.use = partners.Redeemed, partner, id }, refusal: refusal}
}

// takeBack is how the merchant undoes it, by the receipt.
func (c *client) takeBack(v *voucher) deed {
	return deed{name: takingBack, call: func(ctx context.Context, server, key string) (answer, error) {
		res, err := api.NewMerchantServiceClient(c.rig.as[v.partner], server).ReverseVoucher(ctx, &v1.ReverseVoucherRequest{
			IdempotencyKey: key, RedemptionId: v.use,
		})
		return answer{res.GetReversalId(), res.GetRecordedAt().AsTime()}, err
	}, note: func(string) { v.state = partners.Issued }}
}

// cancel is how the member gives a voucher back.
func (c *client) cancel(v *voucher, refusal ...ledger.Reason) deed {
	return deed{name: canceling, call: func(ctx context.Context, server, key string) (answer, error) {
		res, err := api.NewMemberServiceClient(c.rig.as[v.member], server).CancelRedemption(ctx, &v1.CancelRedemptionRequest{
			IdempotencyKey: key, VoucherId: v.id,
		})
		return posted(res.GetTransaction(), err)
	}, note: func(string) {
		v.state = partners.Canceled
		c.heard.wallets[v.paid] += v.price
	}, refusal: refusal}
}

// race lets the member give back what the merchant uses: one of them must have it.
func (c *client) race(v *voucher) {
	use, cancel := c.use(v, ledger.VoucherUsed), c.cancel(v, ledger.VoucherUsed)
	useKey, cancelKey := c.key(), c.key()
	var used, canceled string
	var both sync.WaitGroup
	both.Go(func() { used = c.insist(useKey, use) })
	both.Go(func() { canceled = c.insist(cancelKey, cancel) })
	both.Wait()
	if (used == "") == (canceled == "") {
		c.t.Errorf("voucher %s: the use is %q and the cancellation %q", v.id, used, canceled)
		return
	}
	winner := using
	if used == "" {
		winner = canceling
	}
	c.heard.mu.Lock()
	defer c.heard.mu.Unlock()
	c.heard.races[winner]++
}
