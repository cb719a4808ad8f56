package benefits

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Wallet is what a member has, and where the member stands.
type Wallet struct {
	Standing Standing
	Balances []ledger.Balance // of every unit of points, qualifying points and allotments, by code
	// Due is what the member's tiers still grant in the periods of now, by unit, on top of the balances; it is negative for
	// what a lower tier is to take back.
	Due map[string]decimal.Decimal
}

// Wallet reads a member's wallet. Somebody the programme never heard of has an empty one.
func (c *Catalog) Wallet(ctx context.Context, programme uuid.UUID, member string) (Wallet, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return Wallet{}, err
	}
	return c.wallet(ctx, p, s, member)
}

func (c *Catalog) wallet(ctx context.Context, p *ledger.Programme, s *section, member string) (Wallet, error) {
	standing, err := c.standing(ctx, p.ID, s.tiers, member)
	if err != nil {
		return Wallet{}, err
	}
	grants, err := c.due(ctx, p, s, standing, member)
	if err != nil {
		return Wallet{}, err
	}
	w := Wallet{Standing: standing, Due: uses(grants)}
	var units []string
	for _, code := range slices.Sorted(maps.Keys(p.Units)) {
		switch p.Units[code].Kind {
		case ledger.PointsUnit, ledger.QualifyingUnit, ledger.AllotmentUnit:
			units = append(units, code)
		default:
		}
	}
	w.Balances, err = c.ledger.Balances(ctx, p.ID, member, units...)
	return w, err
}

// spendable is what the member could pay with in one unit, what is due included.
func (w Wallet) spendable(unit string) decimal.Decimal {
	i := slices.IndexFunc(w.Balances, func(b ledger.Balance) bool { return b.Unit == unit })
	if i < 0 {
		return w.Due[unit]
	}
	return w.Balances[i].Available.Add(w.Due[unit])
}
