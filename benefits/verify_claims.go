package benefits

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// What was claimed, and held or paid at a lounge's door, by the version that decided it. Limits are not of the claim: the
// ledger keeps them. What is charged after a visit may be at the door's price, which an earlier version decided.
const sqlClaimLegs = `
SELECT t.programme_id, t.rule_version, t.id, t.rule, l.unit, l.amount, l.from_owner, l.from_place, l.to_owner, l.to_place
FROM transactions AS t
JOIN legs AS l ON l.transaction_id = t.id
WHERE t.rejection = '' AND l.from_place NOT LIKE 'cap%' AND l.to_place NOT LIKE 'cap%'
  AND (t.kind = 'redemption' AND (t.rule LIKE 'benefit/%' OR t.rule LIKE 'bundle/%') OR t.kind IN ('hold', 'redemption') AND t.rule LIKE 'lounge/%' AND t.client <> 'tallystick')
ORDER BY t.programme_id, t.rule_version, t.id, l.leg`

// claimed is a claim as the journal has it.
type claimed struct {
	programme uuid.UUID
	version   int64
	id        uuid.UUID
	rule      string
	legs      []claimedLeg
}

type claimedLeg struct {
	unit                 string
	amount               decimal.Decimal
	fromOwner, fromPlace string
	toOwner, toPlace     string
}

// verifyClaims derives what every claim could cost, and where its right could come from, from the version that it names.
func (v *versionReader) verifyClaims(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error {
	rows, err := tx.Query(ctx, sqlClaimLegs)
	if err != nil {
		return err
	}
	var c claimed
	judge := func() error {
		if c.id == uuid.Nil || len(*failures) == ledger.MaxFailures {
			return nil
		}
		s, err := v.section(ctx, c.programme, c.version)
		if err != nil {
			return err
		}
		*count++
		if problem := s.misclaimed(&c); problem != "" {
			*failures = append(*failures, ledger.Failure{Row: "transactions " + c.id.String(), Problem: problem})
		}
		return nil
	}
	var row claimed
	var leg claimedLeg
	_, err = pgx.ForEachRow(rows, []any{
		&row.programme, &row.version, &row.id, &row.rule, &leg.unit, &leg.amount, &leg.fromOwner, &leg.fromPlace, &leg.toOwner, &leg.toPlace,
	}, func() error {
		if row.id != c.id {
			if err := judge(); err != nil {
				return err
			}
			c = row
		}
		c.legs = append(c.legs, leg)
		return nil
	})
	if err != nil {
		return err
	}
	return judge()
}

// misclaimed says what of a claim the document does not allow; nothing when it all follows from it.
func (s *section) misclaimed(c *claimed) string {
	b, part := s.claimedBy(c.rule)
	if b == nil {
		return "its version has no such benefit"
	}
	var paid []claimedLeg
	rights, visits := decimal.Zero, strings.HasPrefix(c.rule, "lounge/")
	for _, leg := range c.legs {
		switch {
		case leg.fromPlace == string(ledger.Wallet) && (leg.toPlace == string(ledger.Redeemed) || visits && leg.toPlace == "hold/"+c.id.String()),
			leg.fromPlace == string(ledger.Receivable) && leg.toPlace == string(ledger.Deferred):
			paid = append(paid, leg)
		case leg.toPlace == "voucher/"+c.id.String(), leg.toPlace == "hold/"+c.id.String() && b.Event != nil:
			if !s.gives(b, part, leg) {
				return fmt.Sprintf("its version gives no right to %s out of %s for %s", leg.unit, leg.fromPlace, b.Code)
			}
			rights = rights.Add(leg.amount)
		default:
			return fmt.Sprintf("a claim moves nothing from %s to %s", leg.fromPlace, leg.toPlace)
		}
	}
	one := decimal.NewFromInt(1)
	switch {
	case strings.HasPrefix(c.rule, "bundle/"):
		if !rights.Equal(one) || len(paid) > 0 {
			return fmt.Sprintf("it gives %s rights of a bundle, and is paid %d times", rights, len(paid))
		}
		return ""
	case visits:
		entry := *b
		entry.Prices = slices.Concat(b.Prices, b.Entry.Guests.Prices)
		b = &entry
	case rights.IsZero() && b.Event != nil: // what is kept when a seat is given back: a part of a price of an earlier version
		return ""
	case b.Event == nil && !rights.Equal(one):
		return fmt.Sprintf("it gives %s rights", rights)
	case b.Event != nil:
		b = b.forSeats(b.Event.paid(rights.Sub(one).IntPart()))
	}
	if !b.costs(paid) {
		return "it is no price that its version asks for"
	}
	return ""
}

// claimedBy finds the benefit that a rule names, and the part of a bundle. Codes may have slashes, so the rule cannot be split.
func (s *section) claimedBy(rule string) (b *Benefit, part string) {
	if code, is := strings.CutPrefix(rule, "benefit/"); is {
		return s.benefits[code], ""
	}
	for _, b := range s.benefits {
		for site := range s.lounges {
			if b.Entry != nil && rule == "lounge/"+site+"/"+b.Code {
				return b, ""
			}
		}
		for _, part := range b.Bundle {
			if rule == bundleRule(b.Code, part) {
				return b, part
			}
		}
	}
	return nil, ""
}

// gives reports whether a right may be had where it was taken.
func (s *section) gives(b *Benefit, part string, leg claimedLeg) bool {
	switch {
	case part != "" && leg.unit != part,
		part == "" && len(b.Bundle) > 0 && leg.unit != b.Bundle[0],
		len(b.Bundle) == 0 && leg.unit != b.Code && !slices.Contains(b.Choose, leg.unit):
		return false
	}
	right := s.benefits[leg.unit]
	return right != nil && slices.ContainsFunc(s.sources(right), func(from source) bool {
		return from.account.PlaceText() == leg.fromPlace && string(from.account.Owner) == leg.fromOwner
	})
}

// costs reports whether what was paid is one of the prices.
func (b *Benefit) costs(paid []claimedLeg) bool {
	points, cash := paidIn(paid)
	return slices.ContainsFunc(b.Prices, func(p Price) bool {
		if cash.Unit != "" && p.Cash.Unit != cash.Unit {
			var mixes bool
			if p, mixes = b.mixed(p, cash); !mixes {
				return false
			}
		}
		if p.With == WithCash {
			p.Unit, p.Amount = "", decimal.Zero
		}
		return p.Unit == points.Unit && p.Amount.Equal(points.Amount) && p.Cash.Unit == cash.Unit && p.Cash.Amount.Equal(cash.Amount)
	}) && len(paid) <= 2
}

// paidIn parts what was paid into points, or uses of an allotment, and money.
func paidIn(paid []claimedLeg) (points, cash Cash) {
	for _, leg := range paid {
		if leg.fromPlace == string(ledger.Receivable) {
			cash = Cash{leg.unit, leg.amount}
		} else {
			points = Cash{leg.unit, leg.amount}
		}
	}
	return points, cash
}
