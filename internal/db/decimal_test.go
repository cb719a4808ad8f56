package db_test

import (
	"math/rand/v2"
	"testing"

	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
)

// The server's own text is the judge of what arrived, and of what we read back.
func TestServerReadsTheDecimalsThatWeWrite(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	amounts := []decimal.Decimal{{}, decimal.New(5, 3), decimal.New(-5, 20), decimal.New(1, -30)}
	for _, s := range []string{
		"0", "0.00", "-0.0", "1", "-1", "9999", "10000", "10001", "99999999", "100000000", "0.1", "0.0001", "0.00010", "0.00001",
		"-0.00000001", "1.0000", "10000.0001", "12345.6789", "123456789012345", "999999999999999", "1000000000000000",
		"99999999999.9999", "0.999999999999999", "0.000000000000001", "0.0000000000000001", "-1234567890.12345", "120.500",
	} {
		amounts = append(amounts, decimal.RequireFromString(s))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		digits := r.Int64N(1 << r.IntN(63))
		amounts = append(amounts, decimal.New(digits, int32(-r.IntN(19))), decimal.New(-digits, int32(3-r.IntN(6))))
	}
	rows, err := pool.Query(t.Context(), `SELECT u.n, u.n::TEXT FROM unnest($1::numeric[]) AS u(n)`, amounts)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := 0
	for ; rows.Next(); seen++ {
		var got decimal.Decimal
		var text string
		if err := rows.Scan(&got, &text); err != nil {
			t.Fatal(err)
		}
		want := amounts[seen]
		if !got.Equal(want) || !decimal.RequireFromString(text).Equal(want) {
			t.Errorf("%s became %s on the server, and %s again here", want, text, got)
		}
		if places := max(0, -want.Exponent()); text != want.StringFixed(places) || got.StringFixed(places) != text {
			t.Errorf("%s has other decimal places as %s and %s", want.StringFixed(places), text, got)
		}
	}
	if err := rows.Err(); err != nil || seen != len(amounts) {
		t.Errorf("%d of %d came back: %v", seen, len(amounts), err)
	}
}

func TestDecimalsRefuseWhatIsNoNumber(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	for _, sql := range []string{`SELECT NULL::numeric`, `SELECT 'NaN'::numeric`} {
		var d decimal.Decimal
		if err := pool.QueryRow(t.Context(), sql).Scan(&d); err == nil {
			t.Errorf("%s became %s", sql, d)
		}
	}
	var none *decimal.Decimal
	var null decimal.NullDecimal
	if err := pool.QueryRow(t.Context(), `SELECT NULL::numeric, NULL::numeric`).Scan(&none, &null); err != nil || none != nil || null.Valid {
		t.Error(none, null, err)
	}
	var some *decimal.Decimal
	if err := pool.QueryRow(t.Context(), `SELECT $1::numeric`, &null).Scan(&some); err != nil || some != nil {
		t.Error(some, err)
	}
}

func BenchmarkDecimalArray(b *testing.B) {
	pool := devdb.Open(b, devdb.NewEmpty(b).OwnerURL, db.Options{})
	amounts := make([]decimal.Decimal, 1000)
	for i := range amounts {
		amounts[i] = decimal.New(int64(i)*12_345, -2)
	}
	for b.Loop() {
		var got []decimal.Decimal
		if err := pool.QueryRow(b.Context(), `SELECT $1::numeric[]`, amounts).Scan(&got); err != nil {
			b.Fatal(err)
		}
	}
}
