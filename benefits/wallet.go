package benefits

import (
	"context"
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

// Wallet reads a member's wallet, with the tiers as Rate would leave them; nothing is posted. Somebody the programme never
// heard of has an empty one.
func (c *Catalog) Wallet(ctx context.Context, programme uuid.UUID, member string) (Wallet, error) {
	r, err := c.rateNow(ctx, programme, member)
	if err != nil {
		return Wallet{}, err
	}
	return c.walletOf(ctx, r)
}

// walletOf reads the wallet of the one member whom a rating is of.
func (c *Catalog) walletOf(ctx context.Context, r *rater) (Wallet, error) {
	standing, _ := r.decide(r.ratings[0])
	grants, err := c.due(ctx, r.programme, r.section, standing)
	if err != nil {
		return Wallet{}, err
	}
	w := Wallet{At: r.now, Standing: standing, Due: uses(grants)}
	w.Balances, err = c.ledger.Balances(ctx, r.programme.ID, standing.Member, r.section.spent...)
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
