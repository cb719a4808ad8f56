package db

import (
	"encoding/binary"
	"fmt"

	pgxdecimal "github.com/jackc/pgx-shopspring-decimal"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"
)

// registerDecimal teaches m to carry decimal.Decimal as numeric. Amounts of up to fifteen digits, which is all of them
// but the odd one, are written and read in place, fifteen times as fast as by the big integers of the library; a posting
// has a dozen.
func registerDecimal(m *pgtype.Map) {
	pgxdecimal.Register(m)
	element := &pgtype.Type{Name: "numeric", OID: pgtype.NumericOID, Codec: numericCodec{}}
	m.RegisterType(element)
	m.RegisterType(&pgtype.Type{Name: "_numeric", OID: pgtype.NumericArrayOID, Codec: arrayOf(element)})
}

// numericCodec is the library's for everything but our type in binary.
type numericCodec struct{ pgxdecimal.NumericCodec }

func (c numericCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ours := value.(decimal.Decimal); ours && format == pgtype.BinaryFormatCode {
		return encodeDecimal(m)
	}
	return c.NumericCodec.PlanEncode(m, oid, format, value)
}

func encodeDecimal(m *pgtype.Map) numericEncode {
	large := pgtype.NumericCodec{}.PlanEncode(m, pgtype.NumericOID, pgtype.BinaryFormatCode, pgxdecimal.Decimal{})
	return numericEncode{large}
}

func (c numericCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	large := numericScan{c.NumericCodec.PlanScan(m, oid, pgtype.BinaryFormatCode, new(pgxdecimal.Decimal))}
	switch target.(type) {
	case *decimal.Decimal:
		if format == pgtype.BinaryFormatCode {
			return large
		}
	case *decimal.NullDecimal:
		if format == pgtype.BinaryFormatCode {
			return nullScan{large}
		}
	}
	return c.NumericCodec.PlanScan(m, oid, format, target)
}

// PostgreSQL writes a numeric as four 16-bit numbers (how many digits; the first one's weight; the sign; how many
// decimal places to show) and then its digits to the base of 10,000, aligned to the decimal point.
const (
	base     = 10_000
	positive = 0x0000
	negative = 0x4000
	header   = 8
	most     = 15 // decimal digits; aligning them makes up to three more, and 10^18 fits 64 bits
)

var powersOfTen = [...]uint64{1, 10, 100, 1000, base}

type numericEncode struct{ large pgtype.EncodePlan }

func (p numericEncode) Encode(value any, buf []byte) ([]byte, error) {
	return p.append(buf, value.(decimal.Decimal)) // the plan was made for this type
}

func (p numericEncode) append(buf []byte, d decimal.Decimal) ([]byte, error) {
	places := -d.Exponent()
	if places < 0 || places > most || d.NumDigits() > most {
		return p.large.Encode(pgxdecimal.Decimal(d), buf)
	}
	sign, rest := uint16(positive), uint64(d.CoefficientInt64())
	if d.Sign() < 0 {
		sign, rest = negative, -rest
	}
	fractions := (places + 3) / 4
	rest *= powersOfTen[fractions*4-places]
	var digits [5]uint16 // the least significant first
	n := 0
	for ; rest > 0; rest /= base {
		digits[n] = uint16(rest % base)
		n++
	}
	weight := int16(0)
	if n > 0 {
		weight = int16(n) - int16(fractions) - 1
	}
	buf = binary.BigEndian.AppendUint16(buf, uint16(n))
	buf = binary.BigEndian.AppendUint16(buf, uint16(weight))
	buf = binary.BigEndian.AppendUint16(buf, sign)
	buf = binary.BigEndian.AppendUint16(buf, uint16(places))
	for i := n - 1; i >= 0; i-- {
		buf = binary.BigEndian.AppendUint16(buf, digits[i])
	}
	return buf, nil
}

type numericScan struct{ large pgtype.ScanPlan }

func (p numericScan) Scan(src []byte, dst any) error {
	d := dst.(*decimal.Decimal) // the plan was made for this type
	if src == nil {
		return fmt.Errorf("cannot scan NULL into *decimal.Decimal")
	}
	if small, ok := smallNumeric(src); ok {
		*d = small
		return nil
	}
	return p.large.Scan(src, (*pgxdecimal.Decimal)(d))
}

// nullScan is for columns that may be NULL.
type nullScan struct{ numericScan }

func (p nullScan) Scan(src []byte, dst any) error {
	d := dst.(*decimal.NullDecimal) // the plan was made for this type
	if d.Valid = src != nil; !d.Valid {
		return nil
	}
	return p.numericScan.Scan(src, &d.Decimal)
}

// smallNumeric reads a number of at most four digits to the base of 10,000, with the decimal places that the database
// shows. The others, and what is no number, are the library's.
func smallNumeric(src []byte) (decimal.Decimal, bool) {
	if len(src) < header {
		return decimal.Decimal{}, false
	}
	n := int(binary.BigEndian.Uint16(src))
	weight := int(int16(binary.BigEndian.Uint16(src[2:])))
	sign := binary.BigEndian.Uint16(src[4:])
	places := int(binary.BigEndian.Uint16(src[6:]))
	if n > 4 || len(src) != header+2*n || sign != positive && sign != negative {
		return decimal.Decimal{}, false
	}
	if n == 0 {
		return decimal.New(0, int32(-places)), true
	}
	var value int64
	for i := range n {
		value = value*base + int64(binary.BigEndian.Uint16(src[header+2*i:]))
	}
	exponent := 4 * (weight - n + 1)
	for ; exponent > -places; exponent-- { // zeros that the digits leave out
		if value >= 1e17 {
			return decimal.Decimal{}, false
		}
		value *= 10
	}
	for ; exponent < -places; exponent++ { // zeros that fill the last digit
		if value%10 != 0 {
			return decimal.Decimal{}, false
		}
		value /= 10
	}
	if sign == negative {
		value = -value
	}
	return decimal.New(value, int32(-places)), true
}
