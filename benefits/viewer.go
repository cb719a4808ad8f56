package benefits

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// viewer is a member who looks at the catalog, with everything that decides what is seen. What it answers follows from
// that alone.
type viewer struct {
	*section
	programme *ledger.Programme
	member    string
	at        *circumstances
	wallet    Wallet
	balances  map[uuid.UUID]decimal.Decimal // of stocks and caps, by account; zero for what has no row
}

// barredBy is the reason for which a member of a status gets nothing.
var barredBy = map[MemberStatus]ledger.Reason{
	MemberSuspended:  ledger.MemberFrozen,
	MemberTerminated: ledger.MemberTerminated,
}

// see is a benefit as the viewer sees it: all that stands in the way, in the order in which RedeemBenefit finds it.
func (v *viewer) see(b *Benefit) Listing {
	l := Listing{Benefit: b}
	for _, price := range b.Prices {
		l.Spendable = append(l.Spendable, v.wallet.spendable(price.Unit))
	}
	if reason, barred := barredBy[v.at.Status]; barred {
		l.Refusals = append(l.Refusals, refuse(reason))
	}
	why, _ := v.denies(b, v.at, v.programme.Zone)
	l.Refusals = append(l.Refusals, why...)
	l.Refusals = append(l.Refusals, v.tiersMissing(b)...)
	if no := v.unaffordable(b, l.Spendable); no != nil {
		l.Refusals = append(l.Refusals, no)
	}
	for _, code := range b.Limits {
		if of := v.programme.Limits[code].Of; of == ledger.Times || of == b.Code {
			if no := v.beyond(code, decimal.NewFromInt(1)); no != nil {
				l.Refusals = append(l.Refusals, no)
			}
		}
	}
	var gone *ledger.Refusal
	if l.Left, gone = v.stock(b); gone != nil {
		l.Refusals = append(l.Refusals, gone)
	}
	return l
}

// tiersMissing names the tiers that the viewer needs and does not hold, what is missing to them, and when a tier that is
// only needed for a while is needed no longer.
func (v *viewer) tiersMissing(b *Benefit) (list []*ledger.Refusal) {
	for _, tier := range v.tiersFor(b, v.at.now, v.programme.Zone) {
		if v.has(tier) {
			continue
		}
		details := []string{"tier", tier}
		if g, _ := v.tiers.of(tier); g != nil {
			details = append(details, v.wallet.Standing.In(g.Code).towards(tier)...)
		}
		if tier != b.Tier {
			details = append(details, "opens_at", b.From.UTC().Format(time.RFC3339))
		}
		list = append(list, refuse(ledger.NotEligible, details...))
	}
	return list
}

// has reports whether the viewer holds a tier or one above it; everybody has none.
func (v *viewer) has(tier string) bool { return tier == "" || v.wallet.Standing.has(v.tiers, tier) }

// unaffordable is what is missing to the price that is closest, or the limit that stands before it; nil when one can be paid.
func (v *viewer) unaffordable(b *Benefit, spendable []decimal.Decimal) *ledger.Refusal {
	if len(b.Prices) == 0 {
		return nil
	}
	var closest *ledger.Refusal
	var least decimal.Decimal
	for i, price := range b.Prices {
		if !v.has(price.Tier) {
			continue
		}
		missing := price.Amount.Sub(spendable[i])
		if price.With == WithCash || !missing.IsPositive() {
			limited := v.priceLimited(b, price)
			if limited == nil {
				return nil
			}
			closest, least = limited, decimal.Zero
			continue
		}
		if share := missing.Div(price.Amount); closest == nil || share.LessThan(least) {
			closest, least = refuse(ledger.InsufficientPoints, "unit", price.Unit, "missing", missing.String()), share
		}
	}
	if closest == nil { // all prices are those of tiers
		return refuse(ledger.NotEligible, "tier", b.Prices[len(b.Prices)-1].Tier)
	}
	return closest
}

// priceLimited is the limit that a price does not fit in, nil when there is none.
func (v *viewer) priceLimited(b *Benefit, price Price) *ledger.Refusal {
	for _, code := range b.Limits {
		if v.programme.Limits[code].Of == price.Unit {
			if no := v.beyond(code, price.Amount); no != nil {
				return no
			}
		}
	}
	return nil
}

// beyond is the refusal of so much more under a limit, nil when it fits.
func (v *viewer) beyond(code string, amount decimal.Decimal) *ledger.Refusal {
	limit := v.programme.Limits[code]
	left := limit.Most.Add(v.balances[v.capOf(code).ID(v.programme.ID)]) // what was used is below zero
	if left.GreaterThanOrEqual(amount) {
		return nil
	}
	details := []string{"limit", code}
	if ends := limit.Interval.Ends(v.at.now, v.programme.Zone); ends.Before(ledger.Never) {
		details = append(details, "resets_at", ends.UTC().Format(time.RFC3339))
	}
	return refuse(ledger.LimitReached, details...)
}

func (v *viewer) capOf(limit string) ledger.Account {
	return v.programme.Cap(v.programme.Limits[limit], v.member, v.at.now)
}

// rights are the benefits of which a claim may give a right, or gives one each.
func (v *viewer) rights(b *Benefit) []*Benefit {
	codes := slices.Concat(b.Choose, b.Bundle)
	if len(codes) == 0 {
		return []*Benefit{b}
	}
	list := make([]*Benefit, len(codes))
	for i, code := range codes {
		list[i] = v.benefits[code]
	}
	return list
}

// stock is what is left for the viewer, and the refusal when nothing is, with the lowest tier for which there is something.
// Of a choice and a bundle only the refusal counts: each stock is that of what can be chosen, or is bundled.
func (v *viewer) stock(b *Benefit) (left decimal.NullDecimal, gone *ledger.Refusal) {
	for _, right := range v.rights(b) {
		has, no := v.stockOf(right)
		if right == b {
			left = has
		}
		if gone = no; (no == nil) == (len(b.Bundle) == 0) { // one that is there is enough, or one that is not is too many
			return left, gone
		}
	}
	return left, gone
}

// stockOf is what is left of one right.
func (v *viewer) stockOf(right *Benefit) (left decimal.NullDecimal, gone *ledger.Refusal) {
	if !right.limited() {
		return left, nil
	}
	sum, tier, theirs := decimal.Zero, "", false
	for _, from := range v.sourcesFor(right, v.at.Segments) { // that of the highest tier is the first
		balance := v.balances[from.account.ID(v.programme.ID)]
		switch {
		case v.has(from.tier):
			sum, theirs = sum.Add(balance), true
		case balance.IsPositive():
			tier = from.tier
		}
	}
	left = decimal.NewNullDecimal(sum)
	switch {
	case sum.IsPositive():
		return left, nil
	case tier != "" && !theirs:
		return left, refuse(ledger.NotEligible, "tier", tier)
	case tier != "":
		return left, refuse(ledger.OutOfStock, "tier", tier)
	default:
		return left, refuse(ledger.OutOfStock)
	}
}

// parameters are a service's, with those of the viewer's tiers in place of the lower ones'.
func (v *viewer) parameters(b *Benefit) map[string]string {
	all := maps.Clone(b.Parameters)
	for _, t := range v.wallet.Standing.reached() {
		for name, value := range b.TierParameters[t.Code] {
			if all == nil {
				all = make(map[string]string)
			}
			all[name] = value
		}
	}
	return all
}
