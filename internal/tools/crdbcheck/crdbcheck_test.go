package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryRuleFindsItsOffender(t *testing.T) {
	for sql, want := range map[string]string{
		`SELECT * FROM a`:                                           "SELECT *",
		`SELECT t.* FROM a AS t`:                                    "t.*",
		`INSERT INTO a (id) VALUES (1) RETURNING *`:                 "SELECT *",
		`CREATE TABLE IF NOT EXISTS a (id SERIAL)`:                  "sequences",
		`CREATE TABLE IF NOT EXISTS a (id INT)`:                     "INT has 64 bits",
		`CREATE TABLE IF NOT EXISTS a (n FLOAT8)`:                   "DECIMAL",
		`CREATE TABLE IF NOT EXISTS a (n VARCHAR(3))`:               "text is TEXT",
		`CREATE TABLE IF NOT EXISTS a (n TIMESTAMP)`:                "TIMESTAMPTZ",
		`CREATE TYPE a AS ENUM ('b')`:                               "types of our own",
		`SELECT pg_advisory_xact_lock(1)`:                           "advisory",
		`SELECT pg_try_advisory_lock(1)`:                            "advisory",
		`SELECT a.id FROM a AS a FOR UPDATE SKIP LOCKED`:            "lease",
		`CREATE TEMP TABLE a (id UUID)`:                             "work tables",
		`UPSERT INTO a (id) VALUES (1)`:                             "only one of the two",
		`SELECT a.id FROM a AS a AS OF SYSTEM TIME '-5s'`:           "only one of the two",
		`INSERT INTO a (id) VALUES (1) ON CONFLICT DO NOTHING`:      "names its columns",
		`SELECT a.id FROM a AS a WHERE a.n ILIKE 'b'`:               "collate",
		`SELECT a.id FROM a AS a LIMIT 1 OFFSET 5`:                  "pages go by key",
		`SELECT txid_current()`:                                     "differs on the two",
		`SELECT a.n / 2 FROM a AS a`:                                "divide in Go",
		`SELECT a.id FROM a AS a WHERE a.id = ANY($1)`:              "carries its cast",
		`SELECT u.id FROM unnest($1) AS u(id)`:                      "carries its cast",
		`SELECT u.id FROM unnest($1::uuid[], $2) AS u(id, n)`:       "carries its cast",
		`CREATE INDEX IF NOT EXISTS a ON b (c) WHERE d`:             "partial indexes",
		`CREATE INDEX IF NOT EXISTS a ON b (recorded_at, c)`:        "begins with a time",
		`SELECT a.id FROM accounts a`:                               "the alias a",
		`SELECT a.id FROM accounts AS a JOIN lots l ON l.id = a.id`: "the alias l",
		`SELECT count(*) n FROM a AS a`:                             "the alias n",
		`UPDATE accounts a SET n = 1`:                               "the alias a",
		`WITH x AS (UPDATE a SET n = 1 RETURNING id) DELETE FROM a`: "two writes to a",
		`SELECT 1; SELECT 2`:                                        "2 statements",
		`SELEC 1`:                                                   "CockroachDB: at or near",
		`CREATE TABLE a (id UUID, UNIQUE (id) DEFERRABLE)`:          "CockroachDB:",
		`LISTEN a`: "CockroachDB",
		`CREATE FUNCTION f() RETURNS INT8 LANGUAGE SQL AS 'SELECT 1'`:         "logic is in Go",
		`DO $$ BEGIN RAISE NOTICE 'a'; END $$`:                                "logic is in Go",
		`SELECT a.id FROM a AS a WHERE a.id = @id`:                            "CockroachDB:",
		`CREATE TABLE IF NOT EXISTS a (id UUID DEFAULT uuidv7())`:             "UUIDs are made in Go",
		`SELECT a.id FROM a AS a WHERE a.xmin = 1`:                            "differs on the two",
		`CREATE TABLE IF NOT EXISTS a (id INT8 GENERATED ALWAYS AS IDENTITY)`: "sequences",
	} {
		if found := strings.Join(checkStatement(sql), "\n"); !strings.Contains(found, want) {
			t.Errorf("%s\n\tfound %q, want %q", sql, found, want)
		}
	}
}

func TestGoodStatementsPass(t *testing.T) {
	for _, sql := range []string{
		`SELECT a.id, count(*) AS n FROM accounts AS a LEFT JOIN lots AS l ON l.account_id = a.id
			WHERE a.id = ANY($1::uuid[]) GROUP BY a.id ORDER BY a.id LIMIT 5 -- 1 / 2, SELECT *`,
		`INSERT INTO a (id, n) SELECT u.id, u.n FROM unnest($1::uuid[], $2::numeric[]) AS u(id, n)
			ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING id`,
		`UPDATE leases AS l SET lease_until = now() + INTERVAL '30 s' WHERE l.lease_until < now() RETURNING l.id`,
		`WITH x AS (INSERT INTO a (id) VALUES (1) RETURNING id) INSERT INTO b (id) SELECT x.id FROM x AS x`,
		`SELECT p.clock FROM programmes AS p WHERE p.name = 'SELECT * / it''s' FOR SHARE`,
		`CREATE TABLE IF NOT EXISTS a (id UUID NOT NULL, at TIMESTAMPTZ NOT NULL, CONSTRAINT a_pkey PRIMARY KEY (id), CONSTRAINT a_x CHECK (id IS NOT NULL))`,
		`CREATE INDEX IF NOT EXISTS a ON b (bucket, due_at)`,
		`DELETE FROM lots WHERE remaining = 0`,
	} {
		if found := checkStatement(sql); found != nil {
			t.Errorf("%s\n\t%s", sql, strings.Join(found, "\n\t"))
		}
	}
}

func TestMigrationRules(t *testing.T) {
	const head = "-- why\n-- +goose NO TRANSACTION\n-- +goose Up\n"
	for text, want := range map[string]string{
		head + "CREATE TABLE IF NOT EXISTS a (id UUID);":                          "",
		"-- +goose Up\nCREATE TABLE IF NOT EXISTS a (id UUID);":                   ":1: no `-- +goose NO TRANSACTION`",
		"CREATE TABLE IF NOT EXISTS a (id UUID);":                                 ":1: no `-- +goose Up`",
		head + "CREATE TABLE a (id UUID);":                                        ":3: CREATE TABLE without",
		head + "CREATE INDEX a ON b (c);":                                         ":3: CREATE INDEX without",
		head + "ALTER TABLE a ADD COLUMN b INT8;":                                 ":3: ADD COLUMN without",
		head + "ALTER TABLE a ADD COLUMN IF NOT EXISTS b INT8;":                   "",
		head + "DROP TABLE a;":                                                    ":3: DROP without",
		head + "DROP TABLE IF EXISTS a;":                                          "",
		head + "DROP TABLE IF EXISTS a; DROP TABLE IF EXISTS b;":                  ":3: 2 statements",
		head + "DROP TABLE IF EXISTS a;\n-- +goose Down\nDROP TABLE IF EXISTS b;": "no way down",
	} {
		path := filepath.Join(t.TempDir(), "0001_a.sql")
		put(t, path, text)
		found, err := checkMigration(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 && want == "" {
			continue
		}
		var all []string
		for _, f := range found {
			all = append(all, f.String())
		}
		if got := strings.Join(all, "\n"); want == "" || !strings.Contains(got, want) {
			t.Errorf("%s\n\tfound %q, want %q", text, got, want)
		}
	}
}

const goodCode = `package store

const part = "WHERE a.id = $1"

const (
	sqlOne = "SELECT a.id FROM accounts AS a " + part
	sqlTwo = "SELECT l.id FROM lots AS l"
)

var vouchers = ledger.CompanionTable{Insert: sqlTwo}

func read(ctx context.Context, tx pgx.Tx, u *url.URL) {
	tx.Query(ctx, sqlOne, 1)
	u.Query()
	list[int](ctx, tx, sqlTwo)
	for _, sql := range [...]string{sqlOne, sqlTwo} {
		tx.Exec(ctx, sql)
	}
	b.Queue(table.Insert).Exec(func() {})
	// crdbcheck: a role is no value
	tx.Exec(ctx, "SET ROLE " + role)
}

func list[T any](ctx context.Context, tx pgx.Tx, sql string) { tx.Query(ctx, sql) }
`

func TestGoodCodePasses(t *testing.T) {
	if found := checkCode(t, goodCode); found != "" {
		t.Error(found)
	}
}

func TestOffendersInCodeAreFound(t *testing.T) {
	for add, want := range map[string]string{
		`const sqlBad = "SELECT * FROM a"`:                                                    "sqlBad: SELECT *",
		`const sqlOdd = "SELECT " + other.Column`:                                             "sqlOdd is not made of string literals",
		`func f() { tx.Exec(ctx, "SELECT 1") }`:                                               "cannot be checked",
		`func f() { tx.QueryRow(ctx, fmt.Sprintf("SELECT %d", 1)) }`:                          "cannot be checked",
		`func f() { b.Queue("SELECT 1") }`:                                                    "cannot be checked",
		`func f() { sql := sqlOne; tx.Query(ctx, sql) }`:                                      "cannot be checked",
		`func f() { for _, sql := range []string{sqlOne, "SELECT 2"} { tx.Exec(ctx, sql) } }`: "cannot be checked",
		`func f() { list[int](ctx, tx, "SELECT 1") }`:                                         "cannot be checked",
		`func List(sql string) { tx.Query(ctx, sql) }`:                                        "cannot be checked",
		`var seats = &ledger.CompanionTable{Insert: "SELECT 1"}`:                              "cannot be checked",
		`var rows = tx.Query(ctx, "SELECT 1")`:                                                "cannot be checked",
		"func f() {\n\t// crdbcheck: \n\ttx.Exec(ctx, x)\n}":                                  "cannot be checked", // no reason given
	} {
		if found := checkCode(t, goodCode+add); !strings.Contains(found, want) || strings.Count(found, "\n") != 1 {
			t.Errorf("%s\n\tfound %q, want %q", add, found, want)
		}
	}
}

func TestTestsAndToolsAndGeneratedCodeAreLeftOut(t *testing.T) {
	const bad = "package a\nconst sqlBad = \"SELECT * FROM a\"\n"
	root := t.TempDir()
	put(t, filepath.Join(root, "a", "a_test.go"), bad)
	put(t, filepath.Join(root, "internal", "tools", "b.go"), bad)
	put(t, filepath.Join(root, ".tools", "c.go"), bad)
	put(t, filepath.Join(root, "d.pb.go"), "// Code generated by protoc. DO NOT EDIT.\n"+bad)
	if _, _, err := check(root); err == nil {
		t.Error("a folder without a statement passes")
	}
}

func checkCode(t *testing.T, code string) string {
	t.Helper()
	root := t.TempDir()
	put(t, filepath.Join(root, "store.go"), code)
	found, _, err := check(root)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range found {
		all.WriteString(f.String() + "\n")
	}
	return all.String()
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
