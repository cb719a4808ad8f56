package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/migrations"
)

// database is the database that a command works on: the one DATABASE_URL names, else the lasting local one, which is
// started for the length of the command.
type database struct {
	server  *devdb.Server
	pools   []*db.Pool
	posting *db.Pool // with the poster's plans
	reports *db.Pool // for statements that take long
	ledger  *ledger.Ledger
}

// opening opens a ledger for a command: ledger.New or ledger.NewJob.
type opening func(posting, reports *db.Pool) *ledger.Ledger

// openDatabase works on the database of a server, which close stops. An older schema is an error that says what to do.
func openDatabase(ctx context.Context, server *devdb.Server, open opening) (*database, error) {
	d := &database{server: server}
	if err := d.prepare(ctx, open); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) prepare(ctx context.Context, open opening) error {
	owner, err := db.Open(ctx, d.server.URL(""), db.Options{})
	if err != nil {
		return err
	}
	defer owner.Close()
	if err := migrations.Check(ctx, owner); err != nil {
		return err
	}
	if d.posting, err = d.pool(ctx, db.Options{ByIndex: true}); err != nil {
		return err
	}
	if d.reports, err = d.pool(ctx, db.Options{StatementTimeout: time.Hour}); err != nil {
		return err
	}
	d.ledger = open(d.posting, d.reports)
	return nil
}

// pool opens a pool as the runtime role; close closes it.
func (d *database) pool(ctx context.Context, opts db.Options) (*db.Pool, error) {
	pool, err := db.Open(ctx, d.server.RuntimeURL(""), opts)
	if err == nil {
		d.pools = append(d.pools, pool)
	}
	return pool, err
}

func (d *database) close() error {
	if d.ledger != nil {
		d.ledger.Close()
	}
	for _, pool := range d.pools {
		pool.Close()
	}
	return d.server.Stop()
}

// onDatabase is embedded by the commands that work on an existing database.
type onDatabase struct {
	Dir string `help:"Folder of the local database, when DATABASE_URL is not set." placeholder:"DIR"`
}

// start finds or starts the server.
func (o onDatabase) start(ctx context.Context) (*devdb.Server, error) {
	dir := o.Dir
	if dir == "" {
		var err error
		if dir, err = devdb.DefaultDir(); err != nil {
			return nil, err
		}
	}
	return devdb.Start(ctx, devdb.Config{Dir: dir})
}

// with opens the database, runs do and closes it again.
func (o onDatabase) with(ctx context.Context, do func(*database) error) error {
	server, err := o.start(ctx)
	if err != nil {
		return err
	}
	d, err := openDatabase(ctx, server, ledger.NewJob)
	if err != nil {
		return err
	}
	return errors.Join(do(d), d.close())
}

// onProgramme is embedded by the commands that work on one programme.
type onProgramme struct {
	onDatabase
	Programme string `short:"p" help:"The programme's name; needed only when there are several." placeholder:"NAME"`
}

func (o onProgramme) with(ctx context.Context, do func(*database, uuid.UUID) error) error {
	return o.onDatabase.with(ctx, func(d *database) error {
		id, err := o.find(ctx, d)
		if err != nil {
			return err
		}
		return do(d, id)
	})
}

func (o onProgramme) find(ctx context.Context, d *database) (uuid.UUID, error) {
	if o.Programme != "" {
		return ledger.ProgrammeID(o.Programme), nil
	}
	ids, err := d.ledger.Programmes(ctx)
	switch {
	case err != nil:
		return uuid.Nil, err
	case len(ids) == 0:
		return uuid.Nil, errors.New("there is no programme yet: tallystick apply -f programme.yaml makes one")
	case len(ids) > 1:
		return uuid.Nil, fmt.Errorf("there are %d programmes: say which with --programme NAME", len(ids))
	default:
		return ids[0], nil
	}
}

// byOperator is the request that a command line tool makes, in the name of who is logged in: its key is new each time
// unless one is given.
func byOperator(key, reason string) ledger.Request {
	if key == "" {
		key = uuid.NewString()
	}
	return ledger.Request{Client: "tallystick-cli", Key: key, Actor: "cli/" + loggedIn(), Channel: "cli", Reason: reason}
}

// loggedIn is the name of who runs the tool.
func loggedIn() string {
	who, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return who.Username
}
