package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/keyring"
	"tallystick/internal/rpc"
	"tallystick/ledger"
	"tallystick/migrations"
)

type serveCommand struct {
	DatabaseURL   string             `name:"database-url" env:"DATABASE_URL" required:"" help:"The database; its role must not be able to change the journal." placeholder:"URL"`
	Listen        string             `help:"Address to listen on; TLS is the proxy's." default:"127.0.0.1:8080"`
	Environment   string             `help:"Which keys are accepted: it is part of each, as token issued it." default:"dev"`
	KeyFile       string             `env:"TALLYSTICK_KEY_FILE" required:"" help:"File of the installation's secrets, the same for every server and job; tallystick keys new makes it." type:"existingfile" placeholder:"FILE"`
	MaxInFlight   int                `help:"Calls served at a time; more are refused." default:"512"`
	Rate          map[string]float64 `help:"Calls a second that a credential of a role may make, such as member=20; the other roles keep theirs." placeholder:"ROLE=CALLS"`
	Unlimited     []string           `help:"Clients without a rate limit." placeholder:"CLIENT"`
	MetricsListen string             `help:"Address of /metrics, when callers are not to see it." placeholder:"ADDRESS"`
	Loopback      bool               `help:"Let webhooks go to this machine, for development."`
	Sweep         time.Duration      `help:"Pause between sweeps; 0 leaves them to another process." default:"10s"`
	Verbose       bool               `help:"Log every call, not only those that were refused."`
}

// Run serves an existing database until it is interrupted. It changes no schema.
func (c *serveCommand) Run(ctx context.Context, s *streams) error {
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(s.err, &slog.HandlerOptions{Level: level}))
	posting, err := db.Open(ctx, c.DatabaseURL, db.Options{ByIndex: true})
	if err != nil {
		return err
	}
	defer posting.Close()
	if err := errors.Join(migrations.Check(ctx, posting), migrations.CheckRuntimeRole(ctx, posting)); err != nil {
		return err
	}
	calls, err := db.Open(ctx, c.DatabaseURL, db.Options{ByIndex: true})
	if err != nil {
		return err
	}
	defer calls.Close()
	reports, err := db.Open(ctx, c.DatabaseURL, db.Options{StatementTimeout: time.Hour})
	if err != nil {
		return err
	}
	defer reports.Close()
	l := ledger.New(posting, reports)
	defer l.Close()
	config, err := c.config(log)
	if err != nil {
		return err
	}
	serving, err := startServing(ctx, l, pools{posting: posting, calls: calls, reports: reports}, config)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "Tallystick serves %s\n", serving.url)
	select {
	case <-ctx.Done():
		log.Info("stopping")
		return serving.close()
	case err := <-serving.served:
		return errors.Join(err, serving.close())
	}
}

func (c *serveCommand) config(log *slog.Logger) (servingConfig, error) {
	config := servingConfig{
		addr: c.Listen, metricsAddr: c.MetricsListen, environment: c.Environment, maxInFlight: c.MaxInFlight,
		rates: rpc.DefaultRates(), unlimited: c.Unlimited, loopback: c.Loopback, sweep: c.Sweep, log: log,
	}
	for role, calls := range c.Rate {
		if _, known := config.rates[auth.Role(role)]; !known || calls <= 0 {
			return config, fmt.Errorf("rate: %s=%v is not a role and a number above zero", role, calls)
		}
		config.rates[auth.Role(role)] = rate.Limit(calls)
	}
	var err error
	config.secrets, err = keyring.Read(c.KeyFile)
	return config, err
}
