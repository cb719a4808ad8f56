package db_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
)

func TestUUIDsAndDecimalsSurviveTheWayThereAndBack(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	ids := []uuid.UUID{uuid.New(), uuid.Nil, uuid.Max}
	amounts := []decimal.Decimal{}
	for _, s := range []string{"0", "-12345.6789", "0.000000000000000001", "123456789012345678901234567890"} {
		amounts = append(amounts, decimal.RequireFromString(s))
	}
	var gotIDs []uuid.UUID
	var gotAmounts []decimal.Decimal
	err := pool.QueryRow(t.Context(), `SELECT $1::uuid[], $2::numeric[]`, ids, amounts).Scan(&gotIDs, &gotAmounts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, gotIDs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(amounts, gotAmounts, cmp.Comparer(decimal.Decimal.Equal)); diff != "" {
		t.Error(diff)
	}
	for i := range ids {
		var id uuid.UUID
		var amount decimal.Decimal
		var none *uuid.UUID
		err := pool.QueryRow(t.Context(), `SELECT $1::uuid, $2::numeric, $3::uuid`, ids[i], amounts[i], none).Scan(&id, &amount, &none)
		if err != nil || id != ids[i] || !amount.Equal(amounts[i]) || none != nil {
			t.Error(id, amount, none, err)
		}
	}
	rows, err := pool.Query(t.Context(), `SELECT u.id FROM unnest($1::uuid[]) AS u(id)`, ids)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for i := 0; rows.Next(); i++ {
		if raw := rows.RawValues()[0]; string(raw) != string(ids[i][:]) {
			t.Errorf("a uuid came as %q: not in binary", raw)
		}
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
}

func TestNullIsNoUUID(t *testing.T) {
	pool := ownerPool(t, db.Options{})
	var id uuid.UUID
	if err := pool.QueryRow(t.Context(), `SELECT NULL::uuid`).Scan(&id); err == nil {
		t.Errorf("NULL became %s", id)
	}
}

func TestSessionsHaveLimits(t *testing.T) {
	pool := ownerPool(t, db.Options{Application: "check", StatementTimeout: time.Minute})
	for name, want := range map[string]string{
		"statement_timeout": "1min", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "10s", "application_name": "check",
	} {
		if got := setting(t, pool, name); pool.Dialect() == db.PostgreSQL && got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestPlansByIndexOnPostgreSQLAlone(t *testing.T) {
	pool := ownerPool(t, db.Options{ByIndex: true})
	if pool.Dialect() != db.PostgreSQL {
		return // that it opened is the test
	}
	for name, want := range map[string]string{
		"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off", "jit": "off",
		"plan_cache_mode": "force_generic_plan", "statement_timeout": "5s",
	} {
		if got := setting(t, pool, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestRoleInTheURLIsTaken(t *testing.T) {
	d := devdb.NewDatabase(t)
	pool := devdb.Open(t, d.OwnerURL+"&role=tallystick_app", db.Options{})
	if got := one[string](t, pool, `SELECT current_user`); got != "tallystick_app" {
		t.Errorf("sessions run as %s", got)
	}
	_, err := db.Open(t.Context(), d.OwnerURL+"&role=nobody_at_all", db.Options{})
	if err == nil || !strings.Contains(err.Error(), "nobody_at_all") {
		t.Errorf("opened for a role that does not exist: %v", err)
	}
}

func TestWhatCannotBeReachedIsUnavailable(t *testing.T) {
	_, err := db.Open(t.Context(), "postgres:///x?host=/nowhere", db.Options{})
	if !errors.Is(err, db.ErrUnavailable) || !db.IsRetryable(err) {
		t.Error(err)
	}
	there := devdb.NewEmpty(t).OwnerURL
	if _, err := db.Open(t.Context(), strings.Replace(there, "/test_", "/no_such_", 1), db.Options{}); db.State(err) != "3D000" || errors.Is(err, db.ErrUnavailable) {
		t.Errorf("a refusal is no absence: %v", err)
	}
}

func setting(t *testing.T, pool *db.Pool, name string) string {
	t.Helper()
	return one[string](t, pool, `SELECT current_setting($1::text)`, name)
}

func TestExhaustedPoolIsUnavailable(t *testing.T) {
	pool := ownerPool(t, db.Options{MaxConns: 1})
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := serializable(ctx, pool, nil); !errors.Is(err, db.ErrUnavailable) {
		t.Error(err)
	}
}
