package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/outbox"
	"tallystick/internal/rpc"
	"tallystick/ledger"
	"tallystick/partners"
)

// service is what one process serves: the API and, beside it, the sweep and the webhooks.
type service struct {
	catalog  *benefits.Catalog
	vouchers *partners.Vouchers
	keys     *auth.Keys
	url      string
	http     *http.Server
	served   chan error // gets the listener's error when it ends by itself
	halt     context.CancelFunc
	beside   sync.WaitGroup
	flush    func(context.Context) error
}

// serviceConfig is what serve lets its user decide; run and demo leave most of it alone.
type serviceConfig struct {
	addr        string
	environment string
	pageKey     []byte
	maxInFlight int
	unlimited   []string // clients without a rate
	loopback    bool     // whether webhooks may go to this machine
	sweep       time.Duration
	log         *slog.Logger
}

// Limits of readiness: work that is overdue for longer means that nobody does it.
const (
	maxSweepLag  = 15 * time.Minute
	maxOutboxLag = 15 * time.Minute
)

// startService serves the books in l. posting must have been opened with db.Options.Poster; pool is for everything else.
func startService(ctx context.Context, l *ledger.Ledger, posting, pool *db.Pool, c serviceConfig) (*service, error) {
	tracing, flush, err := rpc.Tracing(ctx)
	if err != nil {
		return nil, err
	}
	s := &service{
		vouchers: partners.New(l, pool), keys: auth.NewKeys(pool, c.environment), served: make(chan error, 1), flush: flush,
	}
	s.catalog = benefits.New(l, pool, s.vouchers)
	hooks := outbox.Config{AllowLoopback: c.loopback, Log: c.log}
	webhooks := outbox.NewEndpoints(posting, hooks)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	handler, err := rpc.New(rpc.Config{
		Ledger: l, Benefits: s.catalog, Vouchers: s.vouchers, Webhooks: webhooks, Keys: s.keys, PageKey: c.pageKey,
		MaxInFlight: c.maxInFlight, ExemptClients: c.unlimited, Checks: readiness(l, pool, webhooks), Log: c.log,
		Registry: registry, Tracing: tracing,
	})
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.url = "http://" + listener.Addr().String()
	s.http = rpc.HTTPServer(handler)
	go func() { s.served <- s.http.Serve(listener) }()

	// The work beside the API outlives the request to stop, so that calls under way find everything as it was.
	ctx, s.halt = context.WithCancel(context.WithoutCancel(ctx))
	dispatcher := outbox.NewDispatcher(l, posting, hooks)
	s.beside.Go(func() { dispatcher.Run(ctx) })
	if c.sweep > 0 {
		s.beside.Go(func() {
			l.SweepForever(ctx, c.sweep, func(err error) { c.log.ErrorContext(ctx, "sweep", "error", err) })
		})
	}
	return s, nil
}

// readiness is what has to be well: the database, and that somebody does the work beside the API.
func readiness(l *ledger.Ledger, pool *db.Pool, webhooks *outbox.Endpoints) []rpc.Check {
	return []rpc.Check{
		{Name: "database", Run: pool.Ping},
		{Name: "sweep", Run: func(ctx context.Context) error { return sweepKeepsUp(ctx, l) }},
		{Name: "outbox", Run: func(ctx context.Context) error {
			lag, err := webhooks.Lag(ctx)
			if err == nil && lag.Oldest > maxOutboxLag {
				err = fmt.Errorf("an event has waited for %s", lag.Oldest)
			}
			return err
		}},
	}
}

// sweepKeepsUp leaves sandboxes out: their clocks jump, and what is due then has not waited for real.
func sweepKeepsUp(ctx context.Context, l *ledger.Ledger) error {
	ids, err := l.Programmes(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		state, err := l.State(ctx, id)
		if err != nil {
			return err
		}
		if state.Sandbox {
			continue
		}
		lag, err := l.SweepLag(ctx, id)
		if err != nil {
			return err
		}
		if lag > maxSweepLag {
			return fmt.Errorf("the sweep is %s behind", lag)
		}
	}
	return nil
}

// close lets the calls that are under way finish, then stops what runs beside them.
func (s *service) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	s.halt()
	s.beside.Wait()
	return errors.Join(err, s.flush(ctx))
}
