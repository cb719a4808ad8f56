package db_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
)

// The server's own text is the judge of what arrived.
func TestServerReadsTheArraysThatWeWrite(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	id := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	at := time.Date(1969, 7, 20, 20, 17, 40, 123_456_000, time.FixedZone("", 3600))
	later := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	n := decimal.RequireFromString("-12.5")
	for _, c := range []struct {
		array any
		kind  string
		want  string // elements joined by a blank, a NULL as a dash; "NULL" when the array itself is none
	}{
		{[]uuid.UUID{id, {}}, "uuid", id.String() + " 00000000-0000-0000-0000-000000000000"},
		{[]*uuid.UUID{nil, &id, nil}, "uuid", "- " + id.String() + " -"},
		{[]string{"a", "", "\"{é,}\\", "NULL"}, "text", "a  \"{é,}\\ NULL"},
		{[][]byte{{0, 255}, {}, nil}, "bytea", `\x00ff \x -`},
		{[]int16{-32768, 0, 32767}, "int2", "-32768 0 32767"},
		{[]int64{-9223372036854775808, 0, 9223372036854775807}, "int8", "-9223372036854775808 0 9223372036854775807"},
		{[]time.Time{at, later}, "timestamptz", "1969-07-20 19:17:40.123456+00 9999-12-31 00:00:00+00"},
		{[]*time.Time{&at, nil}, "timestamptz", "1969-07-20 19:17:40.123456+00 -"},
		{[]decimal.Decimal{n, {}}, "decimal", "-12.5 0"},
		{[]decimal.NullDecimal{{}, {Decimal: n, Valid: true}}, "decimal", "- -12.5"},
		{[]string{}, "text", ""},
		{[]string(nil), "text", "NULL"},
		{[]decimal.Decimal(nil), "decimal", "NULL"},
	} {
		sql := strings.ReplaceAll(`SELECT coalesce(array_to_string($1::kind[]::text[], ' ', '-'), 'NULL')`, "kind", c.kind)
		var got string
		if err := pool.QueryRow(t.Context(), sql, c.array).Scan(&got); err != nil || got != c.want {
			t.Errorf("%T became %q, want %q: %v", c.array, got, c.want, err)
		}
	}
}
