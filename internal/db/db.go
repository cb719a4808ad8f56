// Package db opens pools and transactions, and knows what the database's errors mean.
//
// It speaks to CockroachDB and to PostgreSQL with the same statements. The two differ in three things only, all kept
// here: the isolation level that a transaction gets ([InTx]), the planner settings of the poster's connections
// ([Options.ByIndex]), and how a session takes a role ([Open]).
package db

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Dialect is the database that a pool is connected to, as the server itself tells.
type Dialect int

// The databases that we speak to.
const (
	PostgreSQL Dialect = iota + 1
	CockroachDB
)

func (d Dialect) String() string {
	if d == CockroachDB {
		return "CockroachDB"
	}
	return "PostgreSQL"
}

// Limits of every session. They end what has gone wrong; nothing that works comes near them. A transaction therefore
// lives for at most 15 s ([MaxTransaction]), which readers of the past rely on.
const (
	statementTimeout = 5 * time.Second
	lockTimeout      = 3 * time.Second
	idleTimeout      = 10 * time.Second

	// MaxTransaction is the longest that a writing transaction can be open: [InTx] cancels it then.
	MaxTransaction = 15 * time.Second
)

// maxConns is the size of a pool when neither the options nor the URL say another: more connections than this make
// PostgreSQL slower, not faster, and callers queue better in our process than on its locks.
const maxConns = 16

// Options of a pool. The zero value is right for serving.
type Options struct {
	// Application is shown in the server's list of sessions. Empty means "tallystick".
	Application string
	// MaxConns is the most connections that the pool opens. Zero means the URL's pool_max_conns, or 16.
	MaxConns int32
	// StatementTimeout ends a statement that runs for longer. Zero means 5 s; reports, verification and migrations
	// need more.
	StatementTimeout time.Duration
	// ByIndex makes PostgreSQL plan every statement by index, once, and never compile one: right for all that reads or
	// writes a few rows. For joins with an array it otherwise guesses the array's length, now and then reads a whole
	// table for a batch of a hundred rows, and plans for longer than it reads.
	ByIndex bool
	// Dial replaces the network dialer, which is where tests cut connections.
	Dial pgconn.DialFunc
}

// Pool is a pgxpool.Pool that knows which database it is connected to. It maps uuid.UUID to uuid and decimal.Decimal
// to numeric, also as slices. Transactions are opened by [InTx] alone.
type Pool struct {
	*pgxpool.Pool
	dialect Dialect
	version string
}

// Dialect tells the database's kind.
func (p *Pool) Dialect() Dialect { return p.dialect }

// Version is the server's own description of itself.
func (p *Pool) Version() string { return p.version }

const sqlVersion = `SELECT version()`

// Open connects to the database at url and returns a pool for it, or [ErrUnavailable] when it cannot be reached.
// A "role" parameter in url names the role that every session takes after it has connected.
func Open(ctx context.Context, url string, opts Options) (*Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database url: %w", err)
	}
	role := cfg.ConnConfig.RuntimeParams["role"]
	delete(cfg.ConnConfig.RuntimeParams, "role")
	if opts.Dial != nil {
		cfg.ConnConfig.DialFunc = opts.Dial
	}
	version, err := askVersion(ctx, cfg.ConnConfig)
	if err != nil {
		return nil, err
	}
	p := &Pool{dialect: PostgreSQL, version: version}
	if strings.HasPrefix(version, "CockroachDB") {
		p.dialect = CockroachDB
	}
	setLimits(cfg, opts, p.dialect)
	cfg.ConnConfig.Tracer = waits{}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		registerDecimal(conn.TypeMap())
		registerUUID(conn.TypeMap())
		registerArrays(conn.TypeMap())
		return takeRole(ctx, conn, role)
	}
	p.Pool, err = pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	if err := p.Ping(ctx); err != nil { // the first session takes the role and the settings: fail here, not later
		p.Close()
		return nil, unavailable("open pool", err)
	}
	return p, nil
}

// askVersion asks on a connection of its own, because what a session may set at its start depends on the answer.
func askVersion(ctx context.Context, cfg *pgx.ConnConfig) (string, error) {
	conn, err := pgx.ConnectConfig(ctx, cfg.Copy())
	if err != nil {
		return "", unavailable("connect", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var version string
	if err := conn.QueryRow(ctx, sqlVersion).Scan(&version); err != nil {
		return "", unavailable("ask the server's version", err)
	}
	return version, nil
}

func setLimits(cfg *pgxpool.Config, opts Options, dialect Dialect) {
	params := cfg.ConnConfig.RuntimeParams
	limit := func(name string, d time.Duration) { params[name] = strconv.FormatInt(d.Milliseconds(), 10) }
	limit("statement_timeout", statementTimeout)
	if opts.StatementTimeout > 0 {
		limit("statement_timeout", opts.StatementTimeout)
	}
	limit("lock_timeout", lockTimeout)
	limit("idle_in_transaction_session_timeout", idleTimeout)
	params["application_name"] = "tallystick"
	if opts.Application != "" {
		params["application_name"] = opts.Application
	}
	if opts.ByIndex && dialect == PostgreSQL {
		for _, off := range []string{"enable_hashjoin", "enable_mergejoin", "enable_seqscan", "jit"} {
			params[off] = "off" // jit too: the prices of switched-off plans would start the compiler for a two-row query
		}
		params["plan_cache_mode"] = "force_generic_plan"
	}
	switch {
	case opts.MaxConns > 0:
		cfg.MaxConns = opts.MaxConns
	case !strings.Contains(cfg.ConnString(), "pool_max_conns"):
		cfg.MaxConns = maxConns
	}
}

func takeRole(ctx context.Context, conn *pgx.Conn, role string) error {
	if role == "" {
		return nil
	}
	// crdbcheck: a role is no value, and cannot be a parameter
	if _, err := conn.Exec(ctx, "SET ROLE "+pgx.Identifier{role}.Sanitize()); err != nil {
		return fmt.Errorf("take role %s: %w", role, err)
	}
	return nil
}
