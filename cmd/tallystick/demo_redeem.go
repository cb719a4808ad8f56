package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

// wish is a benefit that a member redeems on the day of an order.
type wish struct {
	order   order
	benefit string
	with    v1.PayWith
	key     string
	voucher *v1.Voucher
}

const (
	loungePass    = "lounge-pass"
	teaTasting    = "tea-tasting"
	harvestDinner = "harvest-dinner"
)

var (
	price       = decimal.NewFromInt(300) // of a lounge pass, and of a tea tasting
	dinnerPrice = decimal.NewFromInt(500)
)

// wishes decides what is redeemed on a day: whoever has the price after the last order of the day spends it, and whoever
// reached a tier visits the lounge once on its allotment.
func (y *player) wishes(orders []order, balances map[string]decimal.Decimal, reached []reach) []*wish {
	var list []*wish
	last := make(map[string]order)
	for _, o := range orders {
		if !o.nothingToEarn() {
			last[o.Member] = o
		}
	}
	for _, o := range orders {
		if last[o.Member].No != o.No || balances[o.Member].LessThan(price) {
			continue
		}
		w := &wish{order: o, benefit: loungePass, with: v1.PayWith_PAY_WITH_POINTS, key: "redeem-" + o.No}
		switch chance := o.chance(); {
		case chance%4 == 0 && balances[o.Member].GreaterThanOrEqual(dinnerPrice) && y.hasTier(o.Member, "gold"):
			w.benefit = harvestDinner
		case chance%2 == 0:
			w.benefit = teaTasting
		}
		list = append(list, w)
	}
	for _, r := range reached {
		list = append(list, &wish{order: r.order, benefit: loungePass, with: v1.PayWith_PAY_WITH_ALLOTMENT, key: "visit-" + r.order.No})
	}
	return list
}

func (y *player) hasTier(member, tier string) bool {
	for _, reached := range y.reached(member) {
		if reached.Code == tier {
			return true
		}
	}
	return false
}

// redeemAll claims the wishes, then plays what becomes of each voucher. Who gets the last of a stock must not depend on
// which call is faster, so what has a stock is claimed in the order of the orders, and nothing is given back before.
func (y *player) redeemAll(ctx context.Context, wishes []*wish) error {
	var free []*wish
	for _, w := range wishes {
		if w.benefit == loungePass {
			free = append(free, w)
			continue
		}
		err := y.claim(ctx, w)
		if reasonOf(err) == ledger.OutOfStock { // too late: a lounge pass then
			w.benefit, w.key = loungePass, "instead-"+w.order.No
			free, err = append(free, w), nil
		}
		if err != nil {
			return err
		}
	}
	if err := each(ctx, free, y.claim); err != nil {
		return err
	}
	return each(ctx, slices.DeleteFunc(wishes, func(w *wish) bool { return w.voucher == nil }), y.follow)
}

func (y *player) claim(ctx context.Context, w *wish) error {
	claimed, err := y.app.RedeemBenefit(ctx, &v1.RedeemBenefitRequest{
		IdempotencyKey: w.key, MemberId: w.order.Member, BenefitId: w.benefit, PayWith: w.with, Channel: "app",
	})
	if err != nil {
		return fmt.Errorf("%s: %w", w.key, err)
	}
	w.voucher = claimed.Voucher
	return nil
}

// follow plays what becomes of a voucher: most are used, some are given back, some forgotten, and now and then a merchant
// takes a use back, after which the voucher is used again or given back.
func (y *player) follow(ctx context.Context, w *wish) error {
	steps := []func(context.Context, *wish) error{y.use("use")}
	switch w.order.chance() / 16 % 10 {
	case 0:
		steps = []func(context.Context, *wish) error{y.giveBack}
	case 1:
		steps = nil
	case 2:
		steps = append(steps, y.takeBack, y.use("use-again"))
	case 3:
		steps = append(steps, y.takeBack, y.giveBack)
	}
	for _, step := range steps {
		if err := step(ctx, w); err != nil {
			return fmt.Errorf("voucher of %s: %w", w.key, err)
		}
	}
	return nil
}

// use is what happens at a till: the merchant looks, then redeems. On a day that is played again it may look used.
func (y *player) use(key string) func(context.Context, *wish) error {
	return func(ctx context.Context, w *wish) error {
		till := y.tills[w.benefit]
		if _, err := till.ValidateVoucher(ctx, &v1.ValidateVoucherRequest{Code: w.voucher.Code}); err != nil {
			return err
		}
		_, err := till.RedeemVoucher(ctx, &v1.RedeemVoucherRequest{IdempotencyKey: key + "-" + w.key, Code: w.voucher.Code})
		return err
	}
}

// takeBack reverses the first use. Its receipt is asked for again by the key, which is how a till that lost it would.
func (y *player) takeBack(ctx context.Context, w *wish) error {
	till := y.tills[w.benefit]
	used, err := till.RedeemVoucher(ctx, &v1.RedeemVoucherRequest{IdempotencyKey: "use-" + w.key, Code: w.voucher.Code})
	if err != nil {
		return err
	}
	_, err = till.ReverseVoucher(ctx, &v1.ReverseVoucherRequest{
		IdempotencyKey: "take-back-" + w.key, RedemptionId: used.RedemptionId, Reason: "scanned by mistake",
	})
	return err
}

func (y *player) giveBack(ctx context.Context, w *wish) error {
	_, err := y.app.CancelRedemption(ctx, &v1.CancelRedemptionRequest{
		IdempotencyKey: "give-back-" + w.key, MemberId: w.order.Member, VoucherId: w.voucher.Id, Channel: "app",
	})
	return err
}
