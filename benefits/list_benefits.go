package benefits

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Listing is a benefit as one member sees it.
type Listing struct {
	*Benefit
	// Left is what is in stock for this member; it is valid when the benefit has a limit.
	Left decimal.NullDecimal
	// Spendable is what the member has of each price's unit, in the order of Prices: the points, and what is left of the
	// tier's allotment.
	Spendable []decimal.Decimal
	// Refusal is what RedeemBenefit would answer now, as far as can be told without trying; nil when it would succeed.
	Refusal *ledger.Refusal
}

// ListBenefits reads what is offered as a member sees it, by code. Conditions that are not about tiers are left out of what
// is refused: PreviewRedemption tells them.
func (c *Catalog) ListBenefits(ctx context.Context, programme uuid.UUID, member string) ([]Listing, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	wallet, err := c.wallet(ctx, p, s, member)
	if err != nil {
		return nil, err
	}
	left, err := c.stock(ctx, p, s)
	if err != nil {
		return nil, err
	}
	frozen, err := c.frozen(ctx, programme, member)
	if err != nil {
		return nil, err
	}
	list := make([]Listing, 0, len(s.benefits))
	for _, code := range slices.Sorted(maps.Keys(s.benefits)) {
		l := Listing{Benefit: s.benefits[code]}
		if l.State != BenefitActive {
			continue
		}
		if l.limited() {
			l.Left = decimal.NewNullDecimal(decimal.Zero)
			for _, from := range s.sources(l.Benefit) {
				if len(wallet.Standing.reached) >= s.tiers.rank(from.tier) {
					l.Left.Decimal = l.Left.Decimal.Add(left[from.account.ID(p.ID)])
				}
			}
		}
		for _, price := range l.Prices {
			l.Spendable = append(l.Spendable, wallet.spendable(price.Unit))
		}
		l.Refusal = l.refusal(s.tiers, wallet.Standing, frozen)
		list = append(list, l)
	}
	return list, nil
}

// refusal names the first thing that stands in the way, in the order in which RedeemBenefit finds them.
func (l Listing) refusal(ladder Ladder, standing Standing, frozen bool) *ledger.Refusal {
	if frozen {
		return refuse(ledger.MemberFrozen)
	}
	if len(standing.reached) < ladder.rank(l.Tier) {
		return refuse(ledger.NotEligible, "tier", l.Tier)
	}
	switch {
	case !l.affordable(ladder, standing):
		return refuse(ledger.InsufficientPoints)
	case l.Left.Valid && l.Left.Decimal.LessThan(decimal.NewFromInt(1)):
		return refuse(ledger.OutOfStock)
	default:
		return nil
	}
}

// affordable reports whether the member has what one of the prices takes. Whoever pays in money alone can always.
func (l Listing) affordable(ladder Ladder, standing Standing) bool {
	for i, price := range l.Prices {
		theirs := len(standing.reached) >= ladder.rank(price.Tier)
		if theirs && (price.With == WithCash || l.Spendable[i].GreaterThanOrEqual(price.Amount)) {
			return true
		}
	}
	return false
}

const sqlStock = `
SELECT a.id, a.balance
FROM accounts AS a
WHERE a.id = ANY($1::uuid[])`

// stock reads what is left of every benefit that has a limit, by stock.
func (c *Catalog) stock(ctx context.Context, p *ledger.Programme, s *section) (map[uuid.UUID]decimal.Decimal, error) {
	var ids []uuid.UUID
	for _, b := range s.benefits {
		if !b.limited() {
			continue
		}
		for _, from := range s.sources(b) {
			ids = append(ids, from.account.ID(p.ID))
		}
	}
	rows, err := c.pool.Query(ctx, sqlStock, ids)
	if err != nil {
		return nil, fmt.Errorf("benefits: read stock: %w", err)
	}
	left := make(map[uuid.UUID]decimal.Decimal)
	var id uuid.UUID
	var balance decimal.Decimal
	_, err = pgx.ForEachRow(rows, []any{&id, &balance}, func() error { left[id] = balance; return nil })
	if err != nil {
		return nil, fmt.Errorf("benefits: read stock: %w", err)
	}
	return left, nil
}

const sqlFrozen = `
SELECT count(*) > 0
FROM freezes AS f
WHERE f.programme_id = $1 AND f.member = $2`

func (c *Catalog) frozen(ctx context.Context, programme uuid.UUID, member string) (frozen bool, err error) {
	if err := c.pool.QueryRow(ctx, sqlFrozen, programme, member).Scan(&frozen); err != nil {
		return false, fmt.Errorf("benefits: read freeze: %w", err)
	}
	return frozen, nil
}
