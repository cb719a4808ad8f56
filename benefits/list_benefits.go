package benefits

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// CatalogQuery asks for benefits as one member sees them.
type CatalogQuery struct {
	Member string
	// Region is where the member is and Channel through what the member asks, as far as is known.
	Region, Channel string
	Kinds           []Kind // none: all
	Redeemable      bool   // only what the member can redeem now
	After           string // a code; only those after it
	Limit           int    // how many at the most; 0: all

	seats bool   // only events that have seats
	only  string // one code; empty: all
}

// asks reports whether a benefit is asked for.
func (q *CatalogQuery) asks(b *Benefit) bool {
	return b.State == BenefitActive && b.Code > q.After && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, b.Kind)) &&
		(!q.seats || b.Event != nil) && (q.only == "" || q.only == b.Code)
}

// Listing is a benefit as one member sees it.
type Listing struct {
	*Benefit
	// Left is what is in stock for this member; it is valid when the benefit has a limit.
	Left decimal.NullDecimal
	// Spendable is what the member has of each price's unit, in the order of Prices: the points, and what is left of the
	// tier's allotment.
	Spendable []decimal.Decimal
	// Refusals are everything that stands in the way now, each with the smallest change that would help, see [Catalog.ListBenefits];
	// none when RedeemBenefit would succeed, as far as can be told without trying.
	Refusals []*ledger.Refusal
}

// ListBenefits reads what is offered as a member sees it, by code. The details of a refusal say what would help: of
// NOT_ELIGIBLE because what is accepted, or the tier with what is missing to it of which unit, and opens_at when it is
// needed only before; of NOT_OPEN opens_at; of INSUFFICIENT_POINTS the price that is closest, as unit and missing; of
// LIMIT_REACHED the limit and resets_at; of OUT_OF_STOCK the tier for which some are left. The catalog is that of the
// current version; nothing is locked, and what is read may change meanwhile.
func (c *Catalog) ListBenefits(ctx context.Context, programme uuid.UUID, q CatalogQuery) ([]Listing, error) {
	r, err := c.rateNow(ctx, programme, q.Member)
	if err != nil {
		return nil, err
	}
	s := r.section
	var asked []*Benefit
	for _, code := range s.codes {
		if b := s.benefits[code]; q.asks(b) {
			asked = append(asked, b)
		}
	}
	if q.Limit > 0 && !q.Redeemable && len(asked) > q.Limit {
		asked = asked[:q.Limit]
	}
	v, err := c.viewer(ctx, r, q, asked)
	if err != nil {
		return nil, err
	}
	list := make([]Listing, 0, len(asked))
	for _, b := range asked {
		l := v.see(b)
		if q.Redeemable && len(l.Refusals) > 0 {
			continue
		}
		if list = append(list, l); len(list) == q.Limit {
			break
		}
	}
	return list, nil
}

// Entitlement is whether a member is entitled to a service, and how it is rendered to the member.
type Entitlement struct {
	Listing
	Parameters map[string]string
}

// CheckEntitlement answers whether a member is entitled to a benefit now: of a static service by tier and conditions alone,
// of what is counted also by what is left to pay with. It uses nothing up. Refusals: NOT_FOUND for what is not offered.
func (c *Catalog) CheckEntitlement(ctx context.Context, programme uuid.UUID, benefit string, q CatalogQuery) (Entitlement, error) {
	r, err := c.rateNow(ctx, programme, q.Member)
	if err != nil {
		return Entitlement{}, err
	}
	b, err := r.section.benefit(benefit)
	if err != nil {
		return Entitlement{}, err
	}
	v, err := c.viewer(ctx, r, q, []*Benefit{b})
	if err != nil {
		return Entitlement{}, err
	}
	return Entitlement{v.see(b), v.parameters(b)}, nil
}

// viewer loads what decides how the member of a rating sees some benefits.
func (c *Catalog) viewer(ctx context.Context, r *rater, q CatalogQuery, asked []*Benefit) (*viewer, error) {
	p, s := r.programme, r.section
	v := &viewer{section: s, programme: p, member: q.Member}
	var err error
	if v.wallet, err = c.walletOf(ctx, r); err != nil {
		return nil, err
	}
	who := Earner{Facts: r.ratings[0].facts, Tier: v.wallet.Standing.shown()}
	v.at = &circumstances{Earner: who, region: q.Region, channel: q.Channel, now: r.now}
	if slices.ContainsFunc(asked, func(b *Benefit) bool { return b.condition != nil }) {
		v.at.know(s, p.Zone)
	}
	return v, c.readBalances(ctx, v, asked)
}

const sqlAccountBalances = `
SELECT a.id, a.balance
FROM accounts AS a
WHERE a.id = ANY($1::uuid[])`

// readBalances reads what is left of every stock, and used of every limit, of benefits.
func (c *Catalog) readBalances(ctx context.Context, v *viewer, asked []*Benefit) error {
	var ids []uuid.UUID
	for _, b := range asked {
		for _, right := range v.rights(b) {
			for _, from := range v.sources(right) {
				if right.limited() {
					ids = append(ids, from.account.ID(v.programme.ID))
				}
			}
		}
		for _, code := range b.Limits {
			ids = append(ids, v.capOf(code).ID(v.programme.ID))
		}
	}
	var err error
	v.balances, err = c.amounts(ctx, sqlAccountBalances, ids)
	return err
}
