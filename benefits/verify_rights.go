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

const (
	sqlProgrammes = `
SELECT p.id, p.version
FROM programmes AS p
ORDER BY p.id`

	// How much of each unit moved from each kind of place to each other, and for claims how much of it. A partner's system may
	// use an allotment up by the ledger's own calls, which name no rule.
	sqlUnitFlows = `
SELECT l.unit, split_part(l.from_place, '/', 1), split_part(l.to_place, '/', 1), split_part(t.rule, '/', 1) IN ('benefit', 'lounge', ''), sum(l.amount)
FROM legs AS l
JOIN transactions AS t ON t.id = l.transaction_id
WHERE t.programme_id = $1 AND l.unit = ANY($2::text[])
GROUP BY 1, 2, 3, 4`

	sqlUnitPlaces = `
SELECT a.unit, split_part(a.place, '/', 1), sum(a.balance)
FROM accounts AS a
WHERE a.programme_id = $1 AND a.unit = ANY($2::text[])
GROUP BY 1, 2`
)

// unitBooks is where the units of one code came from and where they are.
type unitBooks struct {
	issued  decimal.Decimal // out of issuance, less what went back
	claimed decimal.Decimal // used up by claims
	undone  decimal.Decimal // came back from being used up
	lapsed  decimal.Decimal // into breakage, less what came back
	at      map[string]decimal.Decimal
}

// verifyRights re-adds every benefit's rights and every allotment: what was issued is held, used, expired or in stock, and
// what was used was used by claims.
func (v *versionReader) verifyRights(ctx context.Context, tx pgx.Tx, count *int64, failures *[]ledger.Failure) error {
	rows, err := tx.Query(ctx, sqlProgrammes)
	if err != nil {
		return err
	}
	type current struct {
		id      uuid.UUID
		version int64
	}
	programmes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c current, err error) {
		return c, row.Scan(&c.id, &c.version)
	})
	if err != nil {
		return err
	}
	for _, p := range programmes {
		if p.version == 0 {
			continue // nothing was applied yet
		}
		s, err := v.section(ctx, p.id, p.version)
		if err != nil {
			return err
		}
		books, err := readUnitBooks(ctx, tx, p.id, s.ownUnits())
		if err != nil {
			return err
		}
		for _, unit := range slices.Sorted(maps.Keys(books)) {
			*count++
			problem := books[unit].ofRights()
			if s.allotment(unit) != nil {
				problem = books[unit].ofAllotment()
			}
			if problem != "" && len(*failures) < ledger.MaxFailures {
				*failures = append(*failures, ledger.Failure{Row: "units " + unit, Problem: problem})
			}
		}
	}
	return nil
}

// ownUnits are the units of rights and allotments.
func (s *section) ownUnits() []string {
	units := slices.Collect(maps.Keys(s.benefits))
	for _, a := range s.allotments {
		units = append(units, a.Unit)
	}
	return units
}

func readUnitBooks(ctx context.Context, tx pgx.Tx, programme uuid.UUID, units []string) (map[string]*unitBooks, error) {
	books := make(map[string]*unitBooks, len(units))
	for _, unit := range units {
		books[unit] = &unitBooks{at: make(map[string]decimal.Decimal)}
	}
	rows, err := tx.Query(ctx, sqlUnitFlows, programme, units)
	if err != nil {
		return nil, err
	}
	var unit, from, to string
	var claim bool
	var amount decimal.Decimal
	if _, err := pgx.ForEachRow(rows, []any{&unit, &from, &to, &claim, &amount}, func() error {
		books[unit].flow(ledger.Place(from), ledger.Place(to), claim, amount)
		return nil
	}); err != nil {
		return nil, err
	}
	if rows, err = tx.Query(ctx, sqlUnitPlaces, programme, units); err != nil {
		return nil, err
	}
	var place string
	_, err = pgx.ForEachRow(rows, []any{&unit, &place, &amount}, func() error { books[unit].at[place] = amount; return nil })
	return books, err
}

// flow adds a movement up.
func (b *unitBooks) flow(from, to ledger.Place, claim bool, amount decimal.Decimal) {
	switch {
	case from == ledger.Issuance:
		b.issued = b.issued.Add(amount)
	case to == ledger.Issuance:
		b.issued = b.issued.Sub(amount)
	}
	switch {
	case from == ledger.Redeemed:
		b.undone = b.undone.Add(amount)
	case to == ledger.Redeemed && claim:
		b.claimed = b.claimed.Add(amount)
	}
	switch {
	case from == ledger.Breakage:
		b.lapsed = b.lapsed.Sub(amount)
	case to == ledger.Breakage:
		b.lapsed = b.lapsed.Add(amount)
	}
}

// sum is what is in some places.
func (b *unitBooks) sum(places ...ledger.Place) decimal.Decimal {
	sum := decimal.Zero
	for _, place := range places {
		sum = sum.Add(b.at[string(place)])
	}
	return sum
}

// ofRights says what does not add up of a benefit's rights: issued = held + used + expired + in stock.
func (b *unitBooks) ofRights() string {
	stock, held := b.sum(ledger.Stock), b.sum(ledger.Hold, ledger.Voucher)
	used, expired := b.sum(ledger.Redeemed), b.sum(ledger.Breakage)
	if sum := stock.Add(held).Add(used).Add(expired); !sum.Equal(b.issued) || !expired.Equal(b.lapsed) {
		return fmt.Sprintf("%s rights were issued, but %s are held, %s used, %s expired and %s in stock", b.issued, held, used, expired, stock)
	}
	return ""
}

// ofAllotment says what does not add up of an allotment: granted = used + expired + left, and used = what claims paid.
func (b *unitBooks) ofAllotment() string {
	left, used, expired := b.sum(ledger.Wallet, ledger.Pending, ledger.Hold), b.sum(ledger.Redeemed), b.sum(ledger.Breakage)
	switch {
	case !left.Add(used).Add(expired).Equal(b.issued) || !expired.Equal(b.lapsed):
		return fmt.Sprintf("%s uses were granted, but %s are used, %s expired and %s left", b.issued, used, expired, left)
	case !b.claimed.Sub(b.undone).Equal(used):
		return fmt.Sprintf("%s uses are used, but claims paid %s", used, b.claimed.Sub(b.undone))
	default:
		return ""
	}
}
