package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/aggregator"
	v1 "tallystick/proto/tallystick/v1"
)

const (
	worldLounge = "world-lounge"
	globe       = "globe-lounges"
)

// flyAbroad claims a pass for a lounge of an aggregator, who loses every third answer and tells everything twice: it is issued
// once all the same, its use is heard of, and the aggregator's statement agrees with the books.
func (l *life) flyAbroad(ctx context.Context) error {
	claim, err := l.app.RedeemBenefit(ctx, &v1.RedeemBenefitRequest{
		IdempotencyKey: "abroad", MemberId: l.member, BenefitId: worldLounge, Channel: "app", DeliverTo: "card-" + l.member,
	})
	if err != nil {
		return err
	}
	id, err := uuid.Parse(claim.Transaction.Id)
	if err != nil {
		return err
	}
	state, err := l.site.ledger.State(ctx, l.programme.ID)
	if err != nil {
		return err
	}
	agreements, err := l.site.vouchers.Agreements(l.programme)
	if err != nil {
		return err
	}
	price := agreements[globe].Honours[worldLounge].Amount
	partner := aggregator.NewReference(map[string]decimal.Decimal{worldLounge: price}, func() time.Time { return state.Now },
		aggregator.Faults{LoseEvery: 3, RepeatEvery: 1})
	// A real aggregator remembers its orders. This one is in memory, and hears of them again when the story was interrupted.
	known := heard(func() error {
		_, err := partner.Issue(ctx, aggregator.Order{ID: id, Benefit: worldLounge})
		return err
	})
	connector := aggregator.NewConnector(l.site.catalog, l.programme.ID, globe, partner)
	round := func() error { return connector.Round(ctx) }
	if err := errors.Join(known, heard(round), partner.Use(id), heard(round)); err != nil {
		return err
	}
	var matched aggregator.Matched
	err = heard(func() (err error) {
		matched, err = connector.Match(ctx, state.Now.Add(-time.Hour), state.Now.Add(time.Hour))
		return err
	})
	if err == nil && (!matched.Clean() || matched.Agree != 1) {
		err = fmt.Errorf("the aggregator's statement does not match the books: %+v", matched)
	}
	return err
}

// heard calls until no answer is lost, but not for ever.
func heard(call func() error) error {
	err := call()
	for n := 0; n < 20 && errors.Is(err, aggregator.ErrLost); n++ {
		err = call()
	}
	return err
}
