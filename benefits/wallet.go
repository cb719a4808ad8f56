package benefits

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// Wallet is what a member has, and where the member stands.
type Wallet struct {
	At       time.Time // the programme's clock
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
	facts, err := c.Facts(ctx, programme, []string{member})
	if err != nil {
		return Wallet{}, err
	}
	return c.walletOf(ctx, p, s, member, facts[member])
}

// walletOf reads the wallet of a member whose facts are known.
func (c *Catalog) walletOf(ctx context.Context, p *ledger.Programme, s *section, member string, facts Facts) (Wallet, error) {
	state, err := c.ledger.State(ctx, p.ID)
	if err != nil {
		return Wallet{}, err
	}
	standing, err := c.standing(ctx, p.ID, s.tiers, member)
	if err != nil {
		return Wallet{}, err
	}
	grants, err := c.dueTo(ctx, p, s.entitlements(standing, member, facts, state.Now, p.Zone), state.Now)
	if err != nil {
		return Wallet{}, err
	}
	w := Wallet{At: state.Now, Standing: standing, Due: uses(grants)}
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
