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
	// Left is what is in stock; it is valid when the benefit has a limit.
	Left decimal.NullDecimal
	// Spendable is what the member has of each price's unit, in the order of Prices: the points, and what is left of the
	// tier's allotment.
	Spendable []decimal.Decimal
	// Refusal is what RedeemBenefit would answer now, as far as can be told without trying; nil when it would succeed.
	Refusal *ledger.Refusal
}

// ListBenefits reads the catalog as a member sees it, by code.
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
		if len(l.Stock) > 0 {
			l.Left = decimal.NewNullDecimal(left[code])
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
	case !l.affordable():
		return refuse(ledger.InsufficientPoints)
	case l.Left.Valid && l.Left.Decimal.LessThan(decimal.NewFromInt(1)):
		return refuse(ledger.OutOfStock)
	default:
		return nil
	}
}

func (l Listing) affordable() bool {
	for i, price := range l.Prices {
		if l.Spendable[i].GreaterThanOrEqual(price.Amount) {
			return true
		}
	}
	return false
}

const sqlStock = `
SELECT a.unit, a.balance
FROM accounts AS a
WHERE a.id = ANY($1::uuid[])`

// stock reads what is left of every benefit that has a limit.
func (c *Catalog) stock(ctx context.Context, p *ledger.Programme, s *section) (map[string]decimal.Decimal, error) {
	var ids []uuid.UUID
	for code, b := range s.benefits {
		if len(b.Stock) > 0 {
			a := ledger.Account{Unit: code, Owner: ledger.ProgrammeOwner, Place: ledger.Stock}
			ids = append(ids, a.ID(p.ID))
		}
	}
	rows, err := c.pool.Query(ctx, sqlStock, ids)
	if err != nil {
		return nil, fmt.Errorf("benefits: read stock: %w", err)
	}
	left := make(map[string]decimal.Decimal)
	var unit string
	var balance decimal.Decimal
	_, err = pgx.ForEachRow(rows, []any{&unit, &balance}, func() error { left[unit] = balance; return nil })
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
