package rpc_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/internal/outbox"
	"tallystick/internal/rpc"
	"tallystick/ledger"
	"tallystick/partners"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

func TestClientsThatHangUpLeaveWholePostings(t *testing.T) { // E61
	w := newWorld(t, nil)
	const calls = 1000
	client := w.ledgerClient()
	request := func(i int) *v1.AccrueRequest {
		return &v1.AccrueRequest{IdempotencyKey: "hang-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26), MemberId: "m1", Unit: "points", Amount: "1"}
	}
	var all sync.WaitGroup
	for lane := range 8 {
		all.Go(func() {
			for i := lane; i < calls; i += 8 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%40)*100*time.Microsecond)
				_, _ = client.Accrue(ctx, request(i)) // whatever it answers, the retry decides
				cancel()
			}
		})
	}
	all.Wait()
	for lane := range 8 {
		all.Go(func() {
			for i := lane; i < calls; i += 8 {
				if _, err := client.Accrue(t.Context(), request(i)); err != nil {
					t.Errorf("retry: %v", err)
				}
			}
		})
	}
	all.Wait()
	if got := w.available("m1"); got != "1000" {
		t.Errorf("available %s, want 1000", got)
	}
	w.balanced()
}

// gate is a network that can be cut, or lead to somebody who never says anything.
type gate struct {
	cut    atomic.Bool
	silent atomic.Pointer[net.TCPAddr]
	mu     sync.Mutex
	conns  []net.Conn
}

func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if g.cut.Load() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("the network is cut")}
	}
	if silent := g.silent.Load(); silent != nil {
		network, address = "tcp", silent.String()
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		g.mu.Lock()
		g.conns = append(g.conns, conn)
		g.mu.Unlock()
	}
	return conn, err
}

func (g *gate) close() {
	g.cut.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.conns {
		_ = conn.Close()
	}
}

// servedBy makes the world's server use a database by this pool alone.
func (w *world) servedBy(pool *db.Pool) {
	w.t.Helper()
	books := ledger.New(pool, pool)
	w.t.Cleanup(books.Close)
	vouchers := partners.New(books, pool, w.secrets)
	w.url = serve(w.t, w.config(func(cfg *rpc.Config) {
		cfg.Ledger, cfg.Vouchers, cfg.Benefits = books, vouchers, benefits.New(books, pool, vouchers)
		cfg.Keys, cfg.Webhooks = auth.NewKeys(pool, "test"), outbox.NewEndpoints(pool, outbox.Config{})
		cfg.Checks = []rpc.Check{{Name: "database", Run: pool.Ping}}
	}))
}

// expectOfAll asks at once for all that needs a database in a way of its own: the write f, reads by either pool, a key
// that has not been seen.
func (w *world) expectOfAll(f fields, code, reason string) {
	w.t.Helper()
	const member = `{"memberId":"m1","unit":"points"}`
	var all sync.WaitGroup
	for name, ask := range map[string]func() answer{
		"a write":       func() answer { return w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but()) },
		"a balance":     func() answer { return w.call(auth.System, api.LedgerServiceGetBalanceProcedure, member) },
		"a statement":   func() answer { return w.call(auth.System, api.LedgerServiceListEntriesProcedure, member) },
		"an unseen key": func() answer { return w.call(auth.Finance, api.FinanceServiceGetTrialBalanceProcedure, `{}`) },
	} {
		all.Go(func() { w.expect(name, ask(), code, reason) })
	}
	all.Wait()
}

func TestWithoutItsDatabaseTheServerSaysSoAndRecovers(t *testing.T) { // E62
	network := &gate{}
	w := newWorld(t, nil)
	pool := devdb.Open(t, w.pool.Config().ConnString(), db.Options{ByIndex: true, Dial: network.dial})
	w.servedBy(pool)
	for _, role := range auth.Roles { // the keys are remembered now
		w.call(role, api.LedgerServiceGetBalanceProcedure, `{}`)
	}
	w.accrue("m1", "100")
	if status, err := w.raw(http.MethodGet, "/readyz", ""); err != nil || status != http.StatusOK {
		t.Errorf("ready: %d, %v", status, err)
	}
	network.close()
	f := accrual()
	before := w.books()
	got := w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but(), "Connect-Timeout-Ms", "8000")
	if got.code != "unavailable" {
		t.Errorf("a write: %d %s %s %s", got.status, got.code, got.reason, got.body)
	}
	for _, m := range allMethods() {
		data, err := protojson.Marshal(sample(m.input, 0))
		if err != nil {
			t.Fatal(err)
		}
		got := w.call(m.role, m.procedure, string(data))
		if got.code != "unavailable" {
			t.Errorf("%s: %d %s", m.procedure, got.status, got.body)
		}
	}
	if status, err := w.raw(http.MethodGet, "/readyz", ""); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("not ready: %d, %v", status, err)
	}
	if status, err := w.raw(http.MethodGet, "/livez", ""); err != nil || status != http.StatusOK {
		t.Errorf("alive: %d, %v", status, err)
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	network.cut.Store(false)
	w.expect("the same request again", w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but()), "ok", "")
	w.balanced()
}

// A database that takes the connection and then says nothing is no better than one that is not there.
func TestADatabaseThatSaysNothingIsUnavailable(t *testing.T) { // E62
	network := &gate{}
	w := newWorld(t, nil)
	pool := devdb.Open(t, w.pool.Config().ConnString(), db.Options{ByIndex: true, Dial: network.dial})
	w.servedBy(pool)
	w.accrue("m1", "100") // the key of the system is remembered now, that of finance is not
	before := w.books()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	network.silent.Store(listener.Addr().(*net.TCPAddr))
	network.close()
	network.cut.Store(false)

	f := accrual()
	var all sync.WaitGroup
	all.Go(func() { w.expectOfAll(f, "unavailable", "DATABASE_UNAVAILABLE") })
	all.Go(func() {
		if status, err := w.raw(http.MethodGet, "/readyz", ""); err != nil || status != http.StatusServiceUnavailable {
			t.Errorf("ready: %d, %v", status, err)
		}
	})
	all.Wait()
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	network.silent.Store(nil)
	network.close()
	network.cut.Store(false)
	w.expect("the same request again", w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but()), "ok", "")
	w.balanced()
}

func TestWhenEveryConnectionIsInUseTheServerSaysSo(t *testing.T) { // E62
	w := newWorld(t, nil)
	pool := devdb.Open(t, w.pool.Config().ConnString(), db.Options{ByIndex: true, MaxConns: 2})
	w.servedBy(pool)
	w.accrue("m1", "100") // the key of the system is remembered now, that of finance is not
	before := w.books()
	for range 2 {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	f := accrual()
	w.expectOfAll(f, exhausted, "DATABASE_BUSY")
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.balanced()
}
