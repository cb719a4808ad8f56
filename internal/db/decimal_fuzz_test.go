package db

import (
	"encoding/binary"
	"testing"

	pgxdecimal "github.com/jackc/pgx-shopspring-decimal"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"
)

func decimalMaps() (ours, library *pgtype.Map) {
	ours, library = pgtype.NewMap(), pgtype.NewMap()
	registerDecimal(ours)
	pgxdecimal.Register(library)
	return ours, library
}

// FuzzDecimalEncoding: what we write, we and the library read back, with the decimal places that were written.
func FuzzDecimalEncoding(f *testing.F) {
	for _, n := range []int64{0, 1, -1, 9999, 10000, 999999999999999, 1000000000000000, -1 << 63, 1<<63 - 1} {
		for _, exponent := range []int8{0, -1, -4, -9, -15, -16, 3, 20, -40} {
			f.Add(n, exponent)
		}
	}
	ours, library := decimalMaps()
	f.Fuzz(func(t *testing.T, n int64, exponent int8) {
		want := decimal.New(n, int32(exponent))
		raw, err := ours.Encode(pgtype.NumericOID, pgtype.BinaryFormatCode, want, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]*pgtype.Map{"we": ours, "the library": library} {
			var got decimal.Decimal
			if err := m.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, raw, &got); err != nil || !got.Equal(want) {
				t.Errorf("%s written as %x is read by %s as %s, %v", want, raw, name, got, err)
			}
		}
		if places := binary.BigEndian.Uint16(raw[6:]); int32(places) != max(0, -want.Exponent()) {
			t.Errorf("%s shows %d decimal places", want, places)
		}
	})
}

// FuzzDecimalDecoding: whatever arrives, we read what the library reads, or refuse it as the library does.
func FuzzDecimalDecoding(f *testing.F) {
	for _, raw := range []string{
		"", "\x00", "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x01\xff\xff\x40\x00\x00\x02\x04\xd2", "\x00\x00\x00\x00\xc0\x00\x00\x00",
		"\x00\x00\x00\x00\xd0\x00\x00\x00", "\x00\x01\x00\x14\x00\x00\x00\x00\x00\x01", "\x00\x01\xff\xf0\x00\x00\x00\x40\x00\x01", "\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01",
		"\x00\x04\x00\x03\x00\x00\x00\x00'\x0f'\x0f'\x0f'\x0f", "\x00\x01\xff\xff\x00\x00\x00\x02\x04\xd3", "\x00\x01\xff\xf0\x00\x00\x00\x00 0",
	} {
		f.Add([]byte(raw))
	}
	ours, library := decimalMaps()
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) >= header && (int16(binary.BigEndian.Uint16(raw[2:])) > 100 || int16(binary.BigEndian.Uint16(raw[2:])) < -100 || binary.BigEndian.Uint16(raw[6:]) > 400) {
			return // no column holds it, and printing it out takes time
		}
		for i := header; i+1 < len(raw); i += 2 {
			if binary.BigEndian.Uint16(raw[i:]) >= base {
				return // not a digit
			}
		}
		var got, want decimal.Decimal
		err, wantErr := ours.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, raw, &got), library.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, raw, &want)
		if (err == nil) != (wantErr == nil) || !got.Equal(want) {
			t.Errorf("%x is read as %s, %v, and by the library as %s, %v", raw, got, err, want, wantErr)
		}
	})
}
