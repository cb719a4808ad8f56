package benefits

import (
	"context"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/partners"
)

// bundleRule names the claim of a bundle's further right in its transaction; bundle and part are codes.
func bundleRule(bundle, part string) string { return "bundle/" + bundle + "/" + part }

// bundled builds the claims of a bundle's rights after the first, which the claim itself gives and is paid for. They cost
// nothing, have keys beside that of the claim, and are posted with it, all or none.
func (s *section) bundled(p *ledger.Programme, b *Benefit, w Wanted, at *circumstances, r ledger.Request) ([]ledger.Request, error) {
	if len(b.Bundle) == 0 {
		return nil, nil
	}
	delivered := s.benefits[b.Bundle[0]].Delivery != nil
	var list []ledger.Request
	for i, code := range b.Bundle[1:] {
		part, one := s.benefits[code], r
		one.Key, one.Rule, one.Asked = headKey(r.Key, i+1), bundleRule(b.Code, code), w.asked()+" part "+strconv.Quote(code)
		if part.Delivery != nil {
			delivered = true
			if err := part.deliver(p.ID, &w, &one); err != nil {
				return nil, err
			}
		}
		voucher := partners.PlaceOf(w.Member, code, ledger.TransactionID(p.ID, one.Client, one.Key))
		var ways []ledger.Request
		for _, from := range s.sourcesFor(part, at.Segments) {
			right := ledger.Leg{From: from.account, To: voucher, Unit: code, Amount: decimal.NewFromInt(1)}
			way := ledger.RedeemLegs(w.Member, []ledger.Leg{right}, one)
			way.Needs = s.needs(nil, from.tier)
			ways = append(ways, way)
		}
		list = append(list, inTurn(ways))
	}
	if !delivered && w.DeliverTo != "" {
		return nil, invalid("deliver_to", "nothing of it is delivered")
	}
	return list, nil
}

// bundleOf lists the claims that were posted with one, the one that was paid first; of what was claimed by itself it is that.
func (c *Catalog) bundleOf(ctx context.Context, programme, claim uuid.UUID) ([]uuid.UUID, error) {
	tx, err := c.ledger.Transaction(ctx, programme, claim)
	if err != nil {
		return nil, err
	}
	key := tx.Key
	if strings.HasPrefix(tx.Rule, "bundle/") {
		key = key[:strings.LastIndexByte(key, '/')]
	}
	var ids []uuid.UUID
	for part := range mostBundled {
		ids = append(ids, ledger.TransactionID(programme, tx.Client, headKey(key, part)))
	}
	found, err := c.ledger.Transactions(ctx, programme, ids)
	if err != nil {
		return nil, err
	}
	list := ids[:1]
	for _, id := range ids[1:] {
		if part := found[id]; part != nil && part.Posted() && strings.HasPrefix(part.Rule, "bundle/") {
			list = append(list, id)
		}
	}
	return list, nil
}
