package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"

	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/internal/keyring"
	"tallystick/ledger"
	"tallystick/migrations"
)

// document is the programme that is measured: a live one, so that time is the database's. Points are for what members
// have plenty of, miles for redemptions whose lots are counted, stamps for what expires in the sweep.
const document = `
programme: bench
zone: Asia/Shanghai
expiry:
  rolling: {kind: rolling, months: 12}
units:
  - {code: points, kind: points, expiry: rolling}
  - {code: miles, kind: points, expiry: rolling}
  - {code: stamps, kind: points, expiry: rolling}
`

// clientName is the client of the benchmark's key, which the server exempts from its rate; environment is part of the key.
const (
	clientName  = "bench"
	environment = "bench"
)

// bench is a run: the database, the ledger that fills it, and the server that is measured.
type bench struct {
	Options
	database   *devdb.Server
	postmaster int // the database's process, when it is ours
	owner      *db.Pool
	posting    *db.Pool
	reports    *db.Pool
	ledger     *ledger.Ledger
	programme  uuid.UUID
	server     *server
	token      string

	filled   int // members who have points
	spent    int // members whose lots of miles are used up
	limits   *limitTables
	other    *other   // the ledger that is compared
	pages    []string // page tokens of the statement that is read
	sweeping *sweepRun
	club     *club
	secrets  string // the folder of the file of keys, which the server has as well
	keys     *keyring.Ring
}

func start(ctx context.Context, o Options) (b *bench, err error) {
	b = &bench{Options: o, spent: o.Members}
	defer func() {
		if err != nil {
			err = b.stop(err)
		}
	}()
	if o.Compare != "" {
		b.other, err = findOther(ctx, o.Compare)
		return b, err
	}
	return b, b.begin(ctx)
}

// begin starts what is ours: the database with a live programme, a ledger to fill it, and the server.
func (b *bench) begin(ctx context.Context) (err error) {
	if b.database, err = devdb.Start(ctx, devdb.Config{Durable: true}); err != nil {
		return err
	}
	b.postmaster = findPostmaster()
	b.note("database: %s", b.database.Engine())
	if b.owner, err = db.Open(ctx, b.database.URL(""), db.Options{ByIndex: true, MaxConns: 40, StatementTimeout: 10 * time.Minute}); err != nil {
		return err
	}
	if _, err = migrations.Apply(ctx, b.owner); err != nil {
		return err
	}
	if b.posting, err = db.Open(ctx, b.database.RuntimeURL(""), db.Options{ByIndex: true}); err != nil {
		return err
	}
	if b.reports, err = db.Open(ctx, b.database.RuntimeURL(""), db.Options{StatementTimeout: 30 * time.Minute}); err != nil {
		return err
	}
	b.ledger = ledger.NewJob(b.posting, b.reports)
	p, err := b.ledger.ApplyProgramme(ctx, ledger.Application{Document: []byte(document), By: "bench"})
	if err != nil {
		return err
	}
	b.programme = p.ID
	b.token, err = auth.NewKeys(b.posting, environment).Issue(ctx, auth.Grant{
		Programme: p.ID, Role: auth.System, Client: clientName, Life: 24 * time.Hour,
	})
	if err != nil {
		return err
	}
	if b.secrets, err = os.MkdirTemp("", "tallystick-bench-"); err != nil {
		return err
	}
	if b.keys, err = keyring.ReadOrMake(b.keyFile()); err != nil {
		return err
	}
	b.printSettings(ctx)
	b.server, err = b.serve()
	return err
}

// stop ends everything that start began, in reverse, and returns why joined with what went wrong in doing so.
func (b *bench) stop(why error) error {
	if b.server != nil {
		why = errors.Join(why, b.server.stop())
	}
	if b.ledger != nil {
		b.ledger.Close()
	}
	for _, pool := range []*db.Pool{b.posting, b.reports, b.owner} {
		if pool != nil {
			pool.Close()
		}
	}
	if b.database != nil {
		why = errors.Join(why, b.database.Stop())
	}
	if b.secrets != "" {
		why = errors.Join(why, os.RemoveAll(b.secrets))
	}
	return why
}

func (b *bench) keyFile() string { return filepath.Join(b.secrets, "keys") }

func member(i int) string { return fmt.Sprintf("%07d", i) }

// plenty is what every member has of points: no measurement uses it up.
var plenty = decimal.NewFromInt(1_000_000)

// fill gives every member points, once.
func (b *bench) fill(ctx context.Context) error {
	first := b.filled
	if first >= b.Members {
		return nil
	}
	b.filled = b.Members
	err := b.post(ctx, "members", b.Members-first, func(i int) ledger.Request {
		i += first
		return ledger.Accrual{Member: member(i), Unit: "points", Amount: plenty}.
			Into(b.programme, ledger.Request{Client: "seed", Key: "points-" + member(i), Actor: "seed", Channel: "bench"})
	})
	if err != nil {
		return err
	}
	return b.settle(ctx)
}

// settle brings the database to where a running one is, so that no measurement pays for what the filling left to do.
func (b *bench) settle(ctx context.Context) error {
	if b.owner.Dialect() != db.PostgreSQL {
		return nil // it does these things by itself
	}
	for _, statement := range [...]string{`VACUUM ANALYZE`, `CHECKPOINT`} {
		// crdbcheck: CockroachDB has neither, and is not asked
		if _, err := b.owner.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// post writes requests 0 to n-1 in batches through the ledger, without the API, and fails when any is refused.
func (b *bench) post(ctx context.Context, what string, n int, request func(i int) ledger.Request) error {
	return b.postTo(ctx, b.programme, what, n, request)
}

// postTo is post into any programme.
func (b *bench) postTo(ctx context.Context, programme uuid.UUID, what string, n int, request func(i int) ledger.Request) error {
	const size = 1000
	bar := b.bar(what, n)
	defer bar.done()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for from := 0; from < n; from += size {
		group.Go(func() error {
			requests := make([]ledger.Request, 0, size)
			for i := from; i < min(from+size, n); i++ {
				requests = append(requests, request(i))
			}
			answers, err := b.ledger.PostBatch(ctx, programme, requests, false)
			if err != nil {
				return err
			}
			for _, a := range answers {
				if a.Err != nil {
					return a.Err
				}
			}
			bar.add(len(answers))
			return nil
		})
	}
	return group.Wait()
}
