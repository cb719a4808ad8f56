package document

import (
	"regexp"

	"github.com/shopspring/decimal"
)

// Amount is an amount of at least zero in plain notation, written as a number or, to keep its zeros, as text. What it
// counts decides whether it is right.
type Amount string

// No exponents, as in the API: 1e9 is hard to read, and 1e999999999 is hard to compare.
var plainAmount = regexp.MustCompile(`^[0-9]{1,16}(\.[0-9]{1,9})?$`)

// Decimal is the amount, and whether it is one.
func (a Amount) Decimal() (decimal.Decimal, bool) {
	if !plainAmount.MatchString(string(a)) {
		return decimal.Zero, false
	}
	amount, err := decimal.NewFromString(string(a))
	return amount, err == nil
}
