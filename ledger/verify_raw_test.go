package ledger

import (
	"testing"

	pgxdecimal "github.com/jackc/pgx-shopspring-decimal"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// anyAmount draws decimals of up to 16 digits before and 9 behind the point, trailing zeros included.
func anyAmount(t *rapid.T, label string) decimal.Decimal {
	whole := rapid.Int64Range(-9_999_999_999_999_999, 9_999_999_999_999_999).Draw(t, label+" digits")
	return decimal.New(whole, -rapid.Int32Range(0, 9).Draw(t, label+" scale"))
}

func encodeNumeric(t rapid.TB, d decimal.Decimal) numeric {
	m := pgtype.NewMap()
	pgxdecimal.Register(m)
	b, err := m.Encode(pgtype.NumericOID, pgtype.BinaryFormatCode, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRawNumbersPrintAsTheirDecimalsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyAmount(t, "amount")
		n := encodeNumeric(t, d)

		if got := string(n.appendText(nil)); got != d.String() {
			t.Errorf("%s prints as %s", d, got)
		}
		f, ok := n.fixed()
		if !ok || f.String() != d.String() {
			t.Errorf("%s is %s in billionths, %t", d, f, ok)
		}
		parsed, ok := parseFixed([]byte(d.String()))
		if !ok || parsed != f {
			t.Errorf("%s parses as %s, %t", d, parsed, ok)
		}
		if places := int(-min(d.Exponent(), 0)); n.decimals() > places {
			t.Errorf("%s has %d decimal places", d, n.decimals())
		}
	})
}

func TestBillionthsAddAsTheirDecimalsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyAmount(t, "a"), anyAmount(t, "b")
		x, _ := encodeNumeric(t, a).fixed()
		y, _ := encodeNumeric(t, b).fixed()

		if got, want := x.add(y), a.Add(b); got.String() != want.String() {
			t.Errorf("%s + %s is %s", a, b, got)
		}
		if got, want := x.add(y.neg()), a.Sub(b); got.String() != want.String() || got.negative() != want.IsNegative() ||
			got.isZero() != want.IsZero() {
			t.Errorf("%s - %s is %s", a, b, got)
		}
	})
}

func TestNumbersThatNoPostingWritesAreRefused(t *testing.T) {
	for _, text := range []string{"0.0000000001", "10000000000000000", "-12345678901234567890"} {
		d := decimal.RequireFromString(text)
		if f, ok := encodeNumeric(t, d).fixed(); ok {
			t.Errorf("%s was read as %s", text, f)
		}
	}
	for _, text := range []string{"", "-", "1e3", "1.0000000001", "+1", "1 ", "1234567890123456789"} {
		if f, ok := parseFixed([]byte(text)); ok {
			t.Errorf("%q was parsed as %s", text, f)
		}
	}
}
