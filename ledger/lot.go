package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Never is the expires_at of units that do not expire.
var Never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// ProgrammeFund is the fund of lots that the programme itself pays for.
const ProgrammeFund = "programme"

// Lot is what an account holds of the units that share an expiry and a fund.
type Lot struct {
	ExpiresAt time.Time
	Fund      string
	Remaining decimal.Decimal
}

// Draw is the part of a lot that one entry added (positive) or took (negative).
type Draw struct {
	ExpiresAt time.Time
	Fund      string
	Amount    decimal.Decimal
}

func (d Draw) neg() Draw { return Draw{ExpiresAt: d.ExpiresAt, Fund: d.Fund, Amount: d.Amount.Neg()} }

// compareLots is the spending order: soonest expiry, then fund. It is total, because the two are the lot's key.
func compareLots(aExpires time.Time, aFund string, bExpires time.Time, bFund string) int {
	return cmp.Or(aExpires.Compare(bExpires), strings.Compare(aFund, bFund))
}

// lotSet is an account's open lots in spending order.
type lotSet []Lot

func (s lotSet) find(expiresAt time.Time, fund string) (int, bool) {
	return slices.BinarySearchFunc(s, Lot{ExpiresAt: expiresAt, Fund: fund}, func(a, b Lot) int {
		return compareLots(a.ExpiresAt, a.Fund, b.ExpiresAt, b.Fund)
	})
}

// add applies one draw, positive or negative. It reports false when the lot does not hold what is taken.
func (s *lotSet) add(d Draw) bool {
	i, found := s.find(d.ExpiresAt, d.Fund)
	if !found {
		if !d.Amount.IsPositive() {
			return false
		}
		*s = slices.Insert(*s, i, Lot{ExpiresAt: d.ExpiresAt, Fund: d.Fund, Remaining: d.Amount})
		return true
	}
	left := (*s)[i].Remaining.Add(d.Amount)
	switch {
	case left.IsNegative():
		return false
	case left.IsZero():
		*s = slices.Delete(*s, i, i+1)
	default:
		(*s)[i].Remaining = left
	}
	return true
}

// pick chooses amount from the lots in spending order, leaving out what has expired at now unless now is zero.
// It returns positive draws, and false when the lots do not hold enough.
func (s lotSet) pick(amount decimal.Decimal, now time.Time) ([]Draw, bool) {
	var draws []Draw
	for _, lot := range s {
		if !now.IsZero() && !lot.ExpiresAt.After(now) {
			continue
		}
		part := decimal.Min(lot.Remaining, amount)
		draws = append(draws, Draw{ExpiresAt: lot.ExpiresAt, Fund: lot.Fund, Amount: part})
		if amount = amount.Sub(part); amount.IsZero() {
			return draws, true
		}
	}
	return nil, false
}

// live is what the lots hold that has not expired at now.
func (s lotSet) live(now time.Time) decimal.Decimal {
	sum := decimal.Zero
	for _, lot := range s {
		if lot.ExpiresAt.After(now) {
			sum = sum.Add(lot.Remaining)
		}
	}
	return sum
}

// lapsed returns, as positive draws, everything that has expired at now.
func (s lotSet) lapsed(now time.Time) []Draw {
	var draws []Draw
	for _, lot := range s {
		if lot.ExpiresAt.After(now) {
			break // spending order begins with the soonest expiry
		}
		draws = append(draws, Draw{ExpiresAt: lot.ExpiresAt, Fund: lot.Fund, Amount: lot.Remaining})
	}
	return draws
}

func sumDraws(draws []Draw) decimal.Decimal {
	sum := decimal.Zero
	for _, d := range draws {
		sum = sum.Add(d.Amount)
	}
	return sum
}

// drawMarks separate lot lines and their parts, so a fund may not contain them.
const drawMarks = "|;"

// drawTime keeps the text sortable and free of trailing zeros; expiries are whole microseconds.
const drawTime = "2006-01-02T15:04:05.999999Z"

// formatDraws is the stored form of an entry's lot lines: "<expires_at>|<fund>|<amount>" joined by ";".
func formatDraws(draws []Draw) string {
	if len(draws) == 0 {
		return ""
	}
	b := make([]byte, 0, 48*len(draws))
	for i, d := range draws {
		if i > 0 {
			b = append(b, ';')
		}
		b = d.ExpiresAt.UTC().AppendFormat(b, drawTime)
		b = append(b, '|')
		b = append(b, d.Fund...)
		b = append(b, '|')
		b = append(b, d.Amount.String()...)
	}
	return string(b)
}

// ParseDraws is the inverse of formatDraws.
func ParseDraws(text string) ([]Draw, error) {
	if text == "" {
		return nil, nil
	}
	var draws []Draw
	for line := range strings.SplitSeq(text, ";") {
		expires, rest, ok1 := strings.Cut(line, "|")
		fund, amount, ok2 := strings.Cut(rest, "|")
		at, err1 := time.Parse(drawTime, expires)
		value, err2 := decimal.NewFromString(amount)
		if !ok1 || !ok2 || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("ledger: lot line %q is not expires|fund|amount", line)
		}
		draws = append(draws, Draw{ExpiresAt: at, Fund: fund, Amount: value})
	}
	return draws, nil
}
