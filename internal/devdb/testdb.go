package devdb

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/migrations"
)

// Database is one test's own database, dropped when the test ends.
type Database struct {
	// URL is for the runtime role, which may not change the journal.
	URL string
	// OwnerURL is for the owner of the tables, for tests that break what the runtime role cannot.
	OwnerURL string
}

// New returns a pool, of the runtime role, on a fresh database with every migration. All tests of a process share one
// server, which the first of them starts. Without a database on this machine the test fails.
func New(t testing.TB) *db.Pool {
	t.Helper()
	return Open(t, NewDatabase(t).URL, db.Options{})
}

// NewDatabase is [New] for tests that open pools of their own, by [Open], or start a process.
func NewDatabase(t testing.TB) Database {
	t.Helper()
	s := shared(t)
	d := newDatabase(t, s, s.template(t))
	if s.cluster == nil { // every database of a foreign server is migrated by itself
		migrate(t, d.OwnerURL)
	}
	return d
}

// NewEmpty is a database without any migration.
func NewEmpty(t testing.TB) Database {
	t.Helper()
	return newDatabase(t, shared(t), "")
}

// Open opens a pool that the test's end closes.
func Open(t testing.TB, url string, opts db.Options) *db.Pool {
	t.Helper()
	pool, err := db.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// testServer is the server of this process's tests. It is not stopped: it ends with the process.
type testServer struct {
	*Server
	start    sync.Once
	startErr error
	migrate  sync.Once
}

var tests testServer

func shared(t testing.TB) *testServer {
	t.Helper()
	tests.start.Do(func() { tests.Server, tests.startErr = Start(context.Background(), Config{}) })
	if tests.startErr != nil {
		t.Fatal(tests.startErr)
	}
	return &tests
}

const templateDatabase = "tallystick_template"

// template is the migrated database that others are copied from, on a server of our own.
func (s *testServer) template(t testing.TB) string {
	t.Helper()
	if s.cluster == nil {
		return ""
	}
	s.migrate.Do(func() {
		s.administer(t, "CREATE DATABASE "+templateDatabase)
		migrate(t, s.URL(templateDatabase))
	})
	return templateDatabase
}

func migrate(t testing.TB, url string) {
	t.Helper()
	pool, err := db.Open(t.Context(), url, db.Options{StatementTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := migrations.Apply(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
}

func newDatabase(t testing.TB, s *testServer, template string) Database {
	t.Helper()
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	create := "CREATE DATABASE " + name
	if template != "" {
		create += " TEMPLATE " + template
	}
	s.administer(t, create)
	t.Cleanup(func() {
		drop := fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name)
		if strings.HasPrefix(s.engine, db.CockroachDB.String()) {
			drop = fmt.Sprintf("DROP DATABASE %s CASCADE", name)
		}
		s.administer(t, drop)
	})
	return Database{URL: s.RuntimeURL(name), OwnerURL: s.URL(name)}
}

// administer runs a statement on databases, which is allowed in no transaction and in no other database's pool.
func (s *testServer) administer(t testing.TB, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, s.URL(""))
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	// crdbcheck: it names a database, which cannot be a parameter
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
