// Package devdb starts one local database for run, demo, bench and the tests.
//
// It takes the first of these that it finds: the server that DATABASE_URL names; a cockroach binary (COCKROACH_BINARY
// or PATH), in memory, unless the data must be kept or be durable; PostgreSQL's own binaries (newest under
// /usr/lib/postgresql, or PATH). A PostgreSQL that it starts listens on a private Unix socket alone, and ends when this
// process does, however it ends.
package devdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/cockroach-go/v2/testserver"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tallystick/internal/db"
	"tallystick/migrations"
)

// Owner is the role that owns the tables on a server that we start.
const Owner = "tallystick"

// ErrNoDatabase says that there is neither a server to use nor one to start.
var ErrNoDatabase = errors.New("no database here: install PostgreSQL (Debian: apt-get install -y --no-install-recommends postgresql), " +
	"or set DATABASE_URL to a server that is running")

// Config says what the database is for. The zero value is a throw-away for tests: fast, and gone with the process.
type Config struct {
	// Dir keeps the data. Empty means a throw-away directory, removed when the server stops.
	Dir string
	// Durable makes a throw-away database keep its promises as a lasting one does, which is what a benchmark measures.
	Durable bool
	// Alone waits, for a quarter of a minute, until no other process has Dir, instead of joining that one's server, which
	// ends with it. It is for what stays up.
	Alone bool
}

// Server is a database server that [Start] found or started.
type Server struct {
	owner   *url.URL // a superuser's, or whatever DATABASE_URL says
	engine  string
	cluster *cluster // nil when it is not PostgreSQL of our own kind
	stop    func() error
	foreign bool // another process, or nobody that we know, started it
}

// Start finds or starts a server and, on one that it starts, makes the database "tallystick". With a Dir, it waits
// for the recovery of what an earlier process left there; while another process has the Dir, it joins that one's server.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if external := os.Getenv("DATABASE_URL"); external != "" {
		return useExternal(ctx, external)
	}
	if bin := cockroachBinary(); bin != "" && cfg == (Config{}) {
		return startCockroach(ctx, bin)
	}
	c, err := newCluster(cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{
		owner:   &url.URL{Scheme: "postgres", User: url.User(Owner), Path: "/" + Owner, RawQuery: url.Values{"host": {c.socketDir}}.Encode()},
		cluster: c,
		stop:    c.discard,
	}
	err = s.Restart(ctx)
	for left := 15 * time.Second; cfg.Alone && errors.Is(err, errInUse) && left > 0 && ctx.Err() == nil; left -= pause {
		time.Sleep(pause)
		err = s.Restart(ctx)
	}
	switch {
	case !errors.Is(err, errInUse):
	case cfg.Alone:
		err = fmt.Errorf("%w: end the other tallystick that works on it, or give --dir another folder", err)
	default:
		err = s.join(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.discard())
	}
	return s, nil
}

// Restart starts the server again, on the same data, after [Server.Stop] of a Dir or after [Server.Kill].
func (s *Server) Restart(ctx context.Context) error {
	if s.foreign {
		return fmt.Errorf("%s is not ours to start", s.engine)
	}
	if err := s.cluster.start(ctx); err != nil {
		return err
	}
	return s.await(ctx)
}

// join uses the server of the process that has the folder, which may only just have begun to start it.
func (s *Server) join(ctx context.Context) error {
	s.foreign, s.stop = true, func() error { return nil }
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.await(ctx); err != nil {
		return fmt.Errorf("%w, and its server does not answer: %w", errInUse, err)
	}
	return nil
}

// await waits for the server's first answer.
func (s *Server) await(ctx context.Context) error {
	conn, err := s.cluster.waitReady(ctx, s.urlFor("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	version, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), " ")
	s.engine = fmt.Sprintf("PostgreSQL %s, private socket, %s", version, s.cluster.dir)
	return createDatabase(ctx, conn, Owner)
}

// URL is the owner's address of a database on this server, for migrations. Empty means the server's own: "tallystick",
// or the one that DATABASE_URL names.
func (s *Server) URL(database string) string {
	if database == "" {
		return s.owner.String()
	}
	return s.urlFor(database)
}

// RuntimeURL is the address of the same database for the role that serves, which exists after the migrations.
func (s *Server) RuntimeURL(database string) string {
	u, _ := url.Parse(s.URL(database)) // it comes from a URL
	if s.cluster != nil {
		u.User = url.User(migrations.RuntimeRole)
		return u.String()
	}
	q := u.Query() // we do not know this server's passwords: log in as before, and take the role then
	q.Set("role", migrations.RuntimeRole)
	u.RawQuery = q.Encode()
	return u.String()
}

func (s *Server) urlFor(database string) string {
	u := *s.owner
	u.Path = "/" + database
	return u.String()
}

// Engine says which database this is and where.
func (s *Server) Engine() string { return s.engine }

// Stop ends the server in order, and removes a throw-away's data. It leaves a server alone that was running before.
func (s *Server) Stop() error { return s.stop() }

// Kill ends every process of the server at once, as a power cut would, and leaves the data for [Server.Restart].
func (s *Server) Kill() error {
	if s.foreign {
		return fmt.Errorf("%s is not ours to kill", s.engine)
	}
	return s.cluster.kill()
}

func useExternal(ctx context.Context, address string) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" {
		return nil, errors.New("DATABASE_URL must have the form postgres://user@host/database")
	}
	pool, err := db.Open(ctx, address, db.Options{MaxConns: 1})
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer pool.Close()
	version, _, _ := strings.Cut(pool.Version(), " (")
	return &Server{owner: u, engine: version + ", DATABASE_URL", stop: func() error { return nil }, foreign: true}, nil
}

func startCockroach(ctx context.Context, bin string) (*Server, error) {
	ts, err := testserver.NewTestServer(testserver.CockroachBinaryPathOpt(bin))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", bin, err)
	}
	s, err := useExternal(ctx, ts.PGURL().String())
	if err != nil {
		ts.Stop()
		return nil, err
	}
	s.engine = strings.TrimSuffix(s.engine, "DATABASE_URL") + "in memory, " + bin
	s.stop = func() error { ts.Stop(); return nil }
	return s, nil
}

const sqlDatabaseExists = `SELECT count(*) > 0 FROM pg_catalog.pg_database AS d WHERE d.datname = $1`

// What PostgreSQL says when two make a database at once.
const (
	duplicateDatabase = "42P04"
	uniqueViolation   = "23505"
)

func createDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	var exists bool
	if err := conn.QueryRow(ctx, sqlDatabaseExists, name).Scan(&exists); err != nil || exists {
		return err
	}
	// crdbcheck: a database is no value, and cannot be a parameter
	_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	failure := new(pgconn.PgError)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failure) && (failure.Code == duplicateDatabase || failure.Code == uniqueViolation):
		return nil // another process that uses this server made it at the same moment
	default:
		return fmt.Errorf("create database %s: %w", name, err)
	}
}

// pause is how long we wait before looking at a process or a socket again.
const pause = 10 * time.Millisecond
