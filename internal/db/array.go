package db

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"
)

// arrayCodec is pgx's own, except that it writes slices of the types that our statements send in one go. pgx wraps every
// element in an interface and looks up how to write it, which was a third of a posting's allocations.
type arrayCodec struct{ pgtype.ArrayCodec }

func arrayOf(element *pgtype.Type) pgtype.Codec {
	return &arrayCodec{pgtype.ArrayCodec{ElementType: element}}
}

// registerArrays makes the arrays that are not ours by their element be written in one go as well.
func registerArrays(m *pgtype.Map) {
	for _, a := range []struct {
		name           string
		array, element uint32
	}{
		{"_text", pgtype.TextArrayOID, pgtype.TextOID},
		{"_bytea", pgtype.ByteaArrayOID, pgtype.ByteaOID},
		{"_int2", pgtype.Int2ArrayOID, pgtype.Int2OID},
		{"_int8", pgtype.Int8ArrayOID, pgtype.Int8OID},
		{"_timestamptz", pgtype.TimestamptzArrayOID, pgtype.TimestamptzOID},
	} {
		element, _ := m.TypeForOID(a.element) // pgx brings it
		m.RegisterType(&pgtype.Type{Name: a.name, OID: a.array, Codec: arrayOf(element)})
	}
}

func (c *arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if plan := c.plan(m, value); plan != nil && format == pgtype.BinaryFormatCode {
		return plan
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// plan is how to write a slice of Go's type as an array of the database's; nil when it is not one of those here.
func (c *arrayCodec) plan(m *pgtype.Map, value any) pgtype.EncodePlan {
	element := c.ElementType.OID
	switch value.(type) {
	case []uuid.UUID:
		return planFor(element, pgtype.UUIDOID, appendUUID)
	case []*uuid.UUID:
		return planFor(element, pgtype.UUIDOID, orNull(appendUUID))
	case []string:
		return planFor(element, pgtype.TextOID, func(buf []byte, s string) ([]byte, error) { return append(buf, s...), nil })
	case [][]byte:
		return planFor(element, pgtype.ByteaOID, appendBytes)
	case []int16:
		return planFor(element, pgtype.Int2OID, func(buf []byte, n int16) ([]byte, error) {
			return binary.BigEndian.AppendUint16(buf, uint16(n)), nil
		})
	case []int64:
		return planFor(element, pgtype.Int8OID, func(buf []byte, n int64) ([]byte, error) {
			return binary.BigEndian.AppendUint64(buf, uint64(n)), nil
		})
	case []time.Time:
		return planFor(element, pgtype.TimestamptzOID, appendTime)
	case []*time.Time:
		return planFor(element, pgtype.TimestamptzOID, orNull(appendTime))
	case []decimal.Decimal:
		return planFor(element, pgtype.NumericOID, encodeDecimal(m).append)
	case []decimal.NullDecimal:
		decimals := encodeDecimal(m)
		return planFor(element, pgtype.NumericOID, func(buf []byte, d decimal.NullDecimal) ([]byte, error) {
			if !d.Valid {
				return nil, nil
			}
			return decimals.append(buf, d.Decimal)
		})
	default:
		return nil
	}
}

// appender writes one element's bytes; it returns nil for NULL.
type appender[T any] func(buf []byte, element T) ([]byte, error)

type slicePlan[T any] struct {
	element uint32
	write   appender[T]
}

func planFor[T any](element, want uint32, write appender[T]) pgtype.EncodePlan {
	if element != want {
		return nil
	}
	return slicePlan[T]{element, write}
}

// Encode writes PostgreSQL's binary array of one dimension: the number of dimensions, whether there are NULLs, the
// element's type, the length, the first index, and each element after its own length.
func (p slicePlan[T]) Encode(value any, buf []byte) ([]byte, error) {
	list := value.([]T) //nolint:forcetypeassert // the plan was made for this type
	if list == nil {
		return nil, nil
	}
	dimensions := uint32(min(len(list), 1))
	buf = binary.BigEndian.AppendUint32(buf, dimensions)
	nulls := len(buf)
	buf = binary.BigEndian.AppendUint32(buf, 0)
	buf = binary.BigEndian.AppendUint32(buf, p.element)
	if dimensions == 0 {
		return buf, nil
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(list)))
	buf = binary.BigEndian.AppendUint32(buf, 1)
	for _, element := range list {
		length := len(buf)
		buf = binary.BigEndian.AppendUint32(buf, ^uint32(0)) // NULL's length
		written, err := p.write(buf, element)
		switch {
		case err != nil:
			return nil, err
		case written == nil:
			buf[nulls+3] = 1
		default:
			buf = written
			binary.BigEndian.PutUint32(buf[length:], uint32(len(buf)-length-4))
		}
	}
	return buf, nil
}

func orNull[T any](write appender[T]) appender[*T] {
	return func(buf []byte, element *T) ([]byte, error) {
		if element == nil {
			return nil, nil
		}
		return write(buf, *element)
	}
}

func appendUUID(buf []byte, id uuid.UUID) ([]byte, error) { return append(buf, id[:]...), nil }

func appendBytes(buf, b []byte) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	return append(buf, b...), nil
}

// epoch is where PostgreSQL's microseconds begin: 2000-01-01.
const epoch = 946_684_800_000_000

func appendTime(buf []byte, t time.Time) ([]byte, error) {
	return binary.BigEndian.AppendUint64(buf, uint64(t.UnixMicro()-epoch)), nil
}
