package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/keyring"
	"tallystick/internal/outbox"
	"tallystick/internal/rpc"
	"tallystick/ledger"
	"tallystick/partners"
)

// serving is what one process does while it serves: the API and, beside it, the sweep and the webhooks.
type serving struct {
	catalog  *benefits.Catalog
	vouchers *partners.Vouchers
	keys     *auth.Keys
	url      string
	servers  []*http.Server
	served   chan error // gets the error of a listener that ends by itself
	halt     context.CancelFunc
	beside   sync.WaitGroup
	traces   *rpc.Traces
}

// servingConfig is what serve lets its user decide; run and demo leave most of it alone.
type servingConfig struct {
	addr        string
	metricsAddr string // empty shows /metrics beside the API
	environment string
	secrets     *keyring.Ring
	maxInFlight int
	rates       rpc.Rates
	unlimited   []string // clients without a rate
	loopback    bool     // whether webhooks may go to this machine
	sweep       time.Duration
	log         *slog.Logger
}

// pools are the pools of one database. posting and calls must have been opened with db.Options.ByIndex, reports for what
// takes long.
type pools struct {
	posting, calls, reports *db.Pool
}

// Limits of readiness: work that is overdue for longer means that nobody does it.
const (
	maxSweepLag  = 15 * time.Minute
	maxOutboxLag = 15 * time.Minute
)

// startServing serves the books in l.
func startServing(ctx context.Context, l *ledger.Ledger, p pools, c servingConfig) (*serving, error) {
	tuneMemory()
	traces, err := rpc.NewTraces(ctx)
	if err != nil {
		return nil, err
	}
	s := &serving{
		vouchers: partners.New(l, p.calls, c.secrets), keys: auth.NewKeys(p.calls, c.environment), served: make(chan error, 2), traces: traces,
	}
	s.catalog = benefits.New(l, p.calls, s.vouchers)
	hooks := outbox.Config{AllowLoopback: c.loopback, Log: c.log}
	webhooks := outbox.NewEndpoints(p.posting, hooks)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	rpc.Watch(rpc.Watched{
		Ledger: l, Pools: map[string]*db.Pool{"posting": p.posting, "calls": p.calls, "reports": p.reports},
		SweepLag: func(ctx context.Context) (time.Duration, error) { return sweepLag(ctx, l) }, Outbox: webhooks.Lag,
	}, registry, traces)
	handler, err := rpc.New(rpc.Config{
		Ledger: l, Benefits: s.catalog, Vouchers: s.vouchers, Webhooks: webhooks, Keys: s.keys, PageKey: c.secrets.Derive(c.secrets.Current(), "page tokens"),
		MaxInFlight: c.maxInFlight, Rates: c.rates, ExemptClients: c.unlimited, Checks: readiness(l, p.calls, webhooks),
		Log: c.log, Registry: registry, MetricsApart: c.metricsAddr != "", Traces: traces,
	})
	if err != nil {
		return nil, err
	}
	if s.url, err = s.listen(ctx, c.addr, handler); err != nil {
		return nil, err
	}
	if c.metricsAddr != "" {
		address, err := s.listen(ctx, c.metricsAddr, rpc.MetricsHandler(registry))
		if err != nil {
			return nil, errors.Join(err, s.servers[0].Close())
		}
		c.log.InfoContext(ctx, "metrics", "url", address+"/metrics")
	}
	s.workBeside(ctx, l, outbox.NewDispatcher(l, p.posting, hooks), c)
	return s, nil
}

// listen serves handler at an address and returns its URL.
func (s *serving) listen(ctx context.Context, address string, handler http.Handler) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", fmt.Errorf("%w; --listen chooses another address", err)
	}
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	server := rpc.HTTPServer(handler)
	s.servers = append(s.servers, server)
	go func() { s.served <- server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// workBeside starts the work beside the API. It outlives the request to stop, so that calls under way find everything as it
// was.
func (s *serving) workBeside(ctx context.Context, l *ledger.Ledger, dispatcher *outbox.Dispatcher, c servingConfig) {
	ctx, s.halt = context.WithCancel(context.WithoutCancel(ctx))
	s.beside.Go(func() { dispatcher.Run(ctx) })
	if c.sweep > 0 {
		s.beside.Go(func() {
			l.SweepForever(ctx, c.sweep, func(err error) { c.log.ErrorContext(ctx, "sweep", "error", err) })
		})
		s.beside.Go(func() {
			s.catalog.SweepForever(ctx, c.sweep, func(err error) { c.log.ErrorContext(ctx, "sweep of events", "error", err) })
		})
	}
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

func sweepKeepsUp(ctx context.Context, l *ledger.Ledger) error {
	lag, err := sweepLag(ctx, l)
	if err == nil && lag > maxSweepLag {
		err = fmt.Errorf("the sweep is %s behind", lag)
	}
	return err
}

// sweepLag is the longest that anything has been due. It leaves sandboxes out: their clocks jump, and what is due then has
// not waited for real.
func sweepLag(ctx context.Context, l *ledger.Ledger) (longest time.Duration, err error) {
	ids, err := l.Programmes(ctx)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		state, err := l.State(ctx, id)
		if err != nil {
			return 0, err
		}
		if state.Sandbox {
			continue
		}
		lag, err := l.SweepLag(ctx, id)
		if err != nil {
			return 0, err
		}
		longest = max(longest, lag)
	}
	return longest, nil
}

// close lets the calls that are under way finish, then stops what runs beside them.
func (s *serving) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var err error
	for _, server := range s.servers {
		err = errors.Join(err, server.Shutdown(ctx))
	}
	s.halt()
	s.beside.Wait()
	return errors.Join(err, s.traces.Close(ctx))
}

// tuneMemory keeps a server far below what it may use.
func tuneMemory() { debug.SetMemoryLimit(256 << 20) }
