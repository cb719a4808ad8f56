package db

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// registerUUID teaches m to carry uuid.UUID in binary. Without it pgx writes each one as text and parses that again,
// because the type can print itself for database/sql.
func registerUUID(m *pgtype.Map) {
	m.TryWrapEncodePlanFuncs = append([]pgtype.TryWrapEncodePlanFunc{wrapUUIDEncode}, m.TryWrapEncodePlanFuncs...)
	m.TryWrapScanPlanFuncs = append([]pgtype.TryWrapScanPlanFunc{wrapUUIDScan}, m.TryWrapScanPlanFuncs...)
	m.RegisterDefaultPgType(uuid.UUID{}, "uuid")
	m.RegisterDefaultPgType([]uuid.UUID{}, "_uuid")
}

type uuidValue uuid.UUID

func (v uuidValue) UUIDValue() (pgtype.UUID, error) {
	return pgtype.UUID{Bytes: v, Valid: true}, nil
}

func (v *uuidValue) ScanUUID(src pgtype.UUID) error {
	if !src.Valid {
		return fmt.Errorf("cannot scan NULL into *uuid.UUID")
	}
	*v = src.Bytes
	return nil
}

func wrapUUIDEncode(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
	if id, ok := value.(uuid.UUID); ok {
		return &encodeUUID{}, uuidValue(id), true
	}
	return nil, nil, false
}

type encodeUUID struct{ next pgtype.EncodePlan }

func (p *encodeUUID) SetNext(next pgtype.EncodePlan) { p.next = next }

func (p *encodeUUID) Encode(value any, buf []byte) ([]byte, error) {
	return p.next.Encode(uuidValue(value.(uuid.UUID)), buf) //nolint:forcetypeassert // planned for this type only
}

func wrapUUIDScan(target any) (pgtype.WrappedScanPlanNextSetter, any, bool) {
	if id, ok := target.(*uuid.UUID); ok {
		return &scanUUID{}, (*uuidValue)(id), true
	}
	return nil, nil, false
}

type scanUUID struct{ next pgtype.ScanPlan }

func (p *scanUUID) SetNext(next pgtype.ScanPlan) { p.next = next }

func (p *scanUUID) Scan(src []byte, dst any) error {
	return p.next.Scan(src, (*uuidValue)(dst.(*uuid.UUID))) //nolint:forcetypeassert // planned for this type only
}
