package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Verify reads columns as the database sends them: decoding each into Go's types and printing it again for its hash
// would take several times as long as the hash.

// binaryRows asks for every column in binary form.
var binaryRows = pgx.QueryResultFormats{pgx.BinaryFormatCode}

// each calls fn with every row's columns, which are valid for that call only, and closes rows.
func each(rows pgx.Rows, err error, fn func(row [][]byte) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.RawValues()); err != nil {
			return err
		}
	}
	return rows.Err()
}

// postgresEpoch is 2000-01-01 in microseconds of Unix time: the zero of a timestamptz.
const postgresEpoch = 946684800000000

func rawTime(column []byte) int64   { return int64(binary.BigEndian.Uint64(column)) + postgresEpoch }
func rawInt8(column []byte) int64   { return int64(binary.BigEndian.Uint64(column)) }
func rawInt2(column []byte) int16   { return int16(binary.BigEndian.Uint16(column)) }
func rawID(column []byte) uuid.UUID { return uuid.UUID(column) }

// rawIDs reads an array of ids: dimensions, a flag, the element's type, then length and lower bound of the dimension.
func rawIDs(column []byte) ([]uuid.UUID, bool) {
	const head, element = 20, 4 + 16
	if len(column) < head || (len(column)-head)%element != 0 || binary.BigEndian.Uint32(column) != 1 {
		return nil, false
	}
	ids := make([]uuid.UUID, 0, (len(column)-head)/element)
	for rest := column[head:]; len(rest) > 0; rest = rest[element:] {
		ids = append(ids, uuid.UUID(rest[4:element]))
	}
	return ids, true
}

func microTime(micro int64) time.Time { return time.UnixMicro(micro).UTC() }

// micro is hashed as canon.time hashes a stored time.
func (c *canon) micro(t int64) { c.int(t) }

// raw is hashed as canon.text hashes a string.
func (c *canon) raw(text []byte) { c.bytes(text) }

// numeric is a column of type DECIMAL in binary form: digits of base 10000, the first of which weighs 10000^weight.
type numeric []byte

func (n numeric) digits() int    { return int(binary.BigEndian.Uint16(n)) }
func (n numeric) weight() int    { return int(int16(binary.BigEndian.Uint16(n[2:]))) }
func (n numeric) negative() bool { return binary.BigEndian.Uint16(n[4:]) == 0x4000 }
func (n numeric) finite() bool   { return binary.BigEndian.Uint16(n[4:])&0x8000 == 0 }
func (n numeric) digit(i int) int {
	if i < 0 || i >= n.digits() {
		return 0
	}
	return int(binary.BigEndian.Uint16(n[8+2*i:]))
}

// appendText appends the number as decimal.Decimal prints it: no exponent, no trailing zeros.
func (n numeric) appendText(b []byte) []byte {
	if !n.finite() {
		return append(b, "NaN"...)
	}
	if n.digits() == 0 {
		return append(b, '0')
	}
	if n.negative() {
		b = append(b, '-')
	}
	weight := n.weight()
	if weight < 0 {
		b = append(b, '0')
	}
	for i := 0; i <= weight; i++ {
		if i == 0 {
			b = strconv.AppendInt(b, int64(n.digit(0)), 10)
		} else {
			b = appendFour(b, n.digit(i))
		}
	}
	whole := len(b)
	b = append(b, '.')
	for i := weight + 1; i < n.digits(); i++ {
		b = appendFour(b, n.digit(i))
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	if len(b) == whole+1 {
		b = b[:whole]
	}
	return b
}

func appendFour(b []byte, d int) []byte {
	return append(b, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
}

// decimals is how many decimal places the number needs.
func (n numeric) decimals() int {
	if n.digits() <= n.weight()+1 {
		return 0
	}
	var text [64]byte
	_, fraction, _ := bytes.Cut(n.appendText(text[:0]), []byte("."))
	return len(fraction)
}

// fixed is a number of billionths in 128 bits, two's complement: every amount that a unit's scale allows, and sums of
// any number of them that a disk can hold.
type fixed struct {
	hi, lo uint64
}

const billion = 1_000_000_000

// fixed converts the number; false when it has digits beyond the ninth decimal or 10^16, which no posting writes.
func (n numeric) fixed() (fixed, bool) {
	weight, count := n.weight(), n.digits()
	if !n.finite() || (count > 0 && weight > 3) {
		return fixed{}, false
	}
	var whole, fraction uint64
	for i := 0; i <= weight; i++ {
		whole = whole*10000 + uint64(n.digit(i))
	}
	for i := max(weight+1, 0); i < count; i++ {
		d := uint64(n.digit(i))
		switch place := weight - i; {
		case place == -1:
			fraction += d * 100_000
		case place == -2:
			fraction += d * 10
		case place == -3 && d%1000 == 0:
			fraction += d / 1000
		case d != 0:
			return fixed{}, false
		}
	}
	return makeFixed(whole, fraction, n.negative()), true
}

func makeFixed(whole, fraction uint64, negative bool) fixed {
	hi, lo := bits.Mul64(whole, billion)
	lo, carry := bits.Add64(lo, fraction, 0)
	f := fixed{hi + carry, lo}
	if negative {
		return f.neg()
	}
	return f
}

// parseFixed reads a decimal as formatDraws writes it.
func parseFixed(text []byte) (fixed, bool) {
	rest, negative := bytes.CutPrefix(text, []byte("-"))
	head, tail, _ := bytes.Cut(rest, []byte("."))
	if len(head) == 0 || len(head) > 18 || len(tail) > 9 {
		return fixed{}, false
	}
	var whole, fraction uint64
	for _, c := range head {
		if c < '0' || c > '9' {
			return fixed{}, false
		}
		whole = whole*10 + uint64(c-'0')
	}
	for i := range 9 {
		fraction *= 10
		if i < len(tail) {
			if tail[i] < '0' || tail[i] > '9' {
				return fixed{}, false
			}
			fraction += uint64(tail[i] - '0')
		}
	}
	return makeFixed(whole, fraction, negative), true
}

func (f fixed) add(g fixed) fixed {
	lo, carry := bits.Add64(f.lo, g.lo, 0)
	hi, _ := bits.Add64(f.hi, g.hi, carry)
	return fixed{hi, lo}
}

func (f fixed) neg() fixed {
	lo, carry := bits.Add64(^f.lo, 1, 0)
	return fixed{^f.hi + carry, lo}
}

func (f fixed) negative() bool { return f.hi>>63 == 1 }
func (f fixed) isZero() bool   { return f == fixed{} }
func (f fixed) positive() bool { return !f.negative() && !f.isZero() }

// String prints at most 10^19 billionths exactly in whole units, which is what failures show.
func (f fixed) String() string {
	sign := ""
	if f.negative() {
		sign, f = "-", f.neg()
	}
	whole, fraction := bits.Div64(f.hi%billion, f.lo, billion)
	text := sign + strconv.FormatUint(whole, 10)
	if fraction == 0 {
		return text
	}
	tail := strconv.FormatUint(billion+fraction, 10)[1:]
	return text + "." + string(bytes.TrimRight([]byte(tail), "0"))
}

// numeric is hashed as canon.amount hashes a decimal.
func (c *canon) numeric(n numeric) {
	var text [64]byte
	c.raw(n.appendText(text[:0]))
}

// hashes reports whether want is the sum of the bytes.
func (c *canon) hashes(want []byte) bool {
	sum := sha256.Sum256(*c)
	return bytes.Equal(sum[:], want)
}
