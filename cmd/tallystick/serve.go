package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"tallystick/internal/db"
	"tallystick/ledger"
	"tallystick/migrations"
)

type serveCommand struct {
	DatabaseURL string        `name:"database-url" env:"DATABASE_URL" required:"" help:"The database; its role must not be able to change the journal." placeholder:"URL"`
	Listen      string        `help:"Address to listen on; TLS is the proxy's." default:"127.0.0.1:8080"`
	Environment string        `help:"Which keys are accepted: it is part of each." default:"live"`
	PageKeyFile string        `help:"File with the key of page tokens, the same for all servers behind one address." type:"existingfile" placeholder:"FILE"`
	MaxInFlight int           `help:"Calls served at a time; more are refused." default:"512"`
	Unlimited   []string      `help:"Clients without a rate limit." placeholder:"CLIENT"`
	Loopback    bool          `help:"Let webhooks go to this machine, for development."`
	Sweep       time.Duration `help:"Pause between sweeps; 0 leaves them to another process." default:"10s"`
	Verbose     bool          `help:"Log every call, not only those that were refused."`
}

// Run serves an existing database until it is interrupted. It changes no schema.
func (c *serveCommand) Run(ctx context.Context, s *streams) error {
	tuneMemory()
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(s.err, &slog.HandlerOptions{Level: level}))
	posting, err := db.Open(ctx, c.DatabaseURL, db.Options{Poster: true})
	if err != nil {
		return err
	}
	defer posting.Close()
	if err := errors.Join(migrations.Check(ctx, posting), migrations.CheckRuntimeRole(ctx, posting)); err != nil {
		return err
	}
	pool, err := db.Open(ctx, c.DatabaseURL, db.Options{})
	if err != nil {
		return err
	}
	defer pool.Close()
	reports, err := db.Open(ctx, c.DatabaseURL, db.Options{StatementTimeout: time.Hour})
	if err != nil {
		return err
	}
	defer reports.Close()
	l := ledger.New(posting, reports)
	defer l.Close()
	return c.serve(ctx, s, l, posting, pool, log)
}

func (c *serveCommand) serve(ctx context.Context, s *streams, l *ledger.Ledger, posting, pool *db.Pool, log *slog.Logger) error {
	config := serviceConfig{
		addr: c.Listen, environment: c.Environment, maxInFlight: c.MaxInFlight, unlimited: c.Unlimited,
		loopback: c.Loopback, sweep: c.Sweep, log: log,
	}
	if c.PageKeyFile != "" {
		key, err := os.ReadFile(c.PageKeyFile)
		if err != nil {
			return fmt.Errorf("page key: %w", err)
		}
		if len(key) < 32 {
			return fmt.Errorf("page key: %s holds %d bytes, and 32 is the least", c.PageKeyFile, len(key))
		}
		config.pageKey = key
	}
	service, err := startService(ctx, l, posting, pool, config)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "Tallystick serves %s\n", service.url)
	select {
	case <-ctx.Done():
		log.Info("stopping")
		return service.close()
	case err := <-service.served:
		return errors.Join(err, service.close())
	}
}

// tuneMemory trades memory that we do not need for time: our heap is a few megabytes, and collecting it whenever it has
// doubled takes a quarter of our processor time under load. The limit keeps us far below what a server may use.
func tuneMemory() {
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(256 << 20)
}
