package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/internal/rpc"
	"tallystick/partners"
)

// site is the whole service in this process: a local database, the domain and a server that listens on loopback. It is
// what run keeps up and what demo plays on.
type site struct {
	*database
	catalog  *benefits.Catalog
	vouchers *partners.Vouchers
	keys     *auth.Keys
	reports  *db.Pool
	url      string
	http     *http.Server
	served   chan error
}

// openSite starts the database in a folder, brings its schema up to date and serves on addr. The clients named are not
// rate limited.
func openSite(ctx context.Context, cfg devdb.Config, addr string, log *slog.Logger, unlimited ...string) (*site, error) {
	d, err := openDatabase(ctx, cfg, true)
	if err != nil {
		return nil, err
	}
	s := &site{database: d}
	if err := s.serve(ctx, addr, log, unlimited); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return s, nil
}

func (s *site) serve(ctx context.Context, addr string, log *slog.Logger, unlimited []string) error {
	pool, err := s.pool(ctx, db.Options{})
	if err != nil {
		return err
	}
	if s.reports, err = s.pool(ctx, db.Options{StatementTimeout: time.Hour}); err != nil {
		return err
	}
	s.vouchers = partners.New(s.ledger, pool)
	s.catalog = benefits.New(s.ledger, pool, s.vouchers)
	s.keys = auth.NewKeys(pool, "dev")
	handler, err := rpc.New(rpc.Config{
		Ledger: s.ledger, Benefits: s.catalog, Vouchers: s.vouchers, Keys: s.keys, ExemptClients: unlimited,
		Checks:   []rpc.Check{{Name: "database", Run: pool.Ping}},
		Log:      log,
		Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.url = "http://" + listener.Addr().String()
	s.http = rpc.HTTPServer(handler)
	s.served = make(chan error, 1)
	go func() { s.served <- s.http.Serve(listener) }()
	return nil
}

// close lets calls that are under way finish, and stops everything that the site started.
func (s *site) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	return errors.Join(err, s.database.close())
}

// keyLife is for credentials that are issued anew at every start.
const keyLife = 30 * 24 * time.Hour

// key issues a development credential.
func (s *site) key(ctx context.Context, programme uuid.UUID, role auth.Role, client, subject string) (string, error) {
	return s.keys.Issue(ctx, auth.Grant{Programme: programme, Role: role, Client: client, Subject: subject, Life: keyLife})
}

// bearer sends a credential with every request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}
