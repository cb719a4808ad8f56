package main

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
)

func TestAnOwnerWithoutOtherRightsMigrates(t *testing.T) {
	d := devdb.NewEmpty(t)
	pool := devdb.Open(t, d.OwnerURL, db.Options{})
	role := "owner_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	for _, sql := range []string{
		"CREATE ROLE " + role + " LOGIN CREATEROLE",
		"GRANT USAGE, CREATE ON SCHEMA public TO " + role,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Skipf("SKIPPED, this server lets us make no role that owns: %v", err)
		}
	}
	t.Cleanup(func() { // a role outlives the database of a test
		conn, err := pgx.Connect(t.Context(), d.OwnerURL)
		if err == nil {
			_, _ = conn.Exec(t.Context(), "DROP OWNED BY "+role+"; DROP ROLE "+role) // the server ends with the tests in any case
			_ = conn.Close(t.Context())
		}
	})
	address, err := url.Parse(d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.User(role)
	conn, err := pgx.Connect(t.Context(), address.String())
	if err != nil {
		t.Skipf("SKIPPED, this server lets no role in without a password: %v", err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	t.Setenv("DATABASE_URL", address.String())
	for range 2 {
		if out := run(t, "migrate"); !strings.HasPrefix(out, "schema is up to date") {
			t.Error(out)
		}
	}
}
