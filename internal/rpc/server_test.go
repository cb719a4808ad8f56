package rpc_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/internal/keyring"
	"tallystick/internal/outbox"
	"tallystick/internal/rpc"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
	"tallystick/partners"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

const document = `
programme: rpc-test
zone: Asia/Shanghai
sandbox: true
expiry:
  year: {kind: rolling, months: 12}
  quarter: {kind: rolling, months: 3}
units:
  - {code: points, kind: points, scale: 0, expiry: year}
  - {code: cents, kind: points, scale: 2}
  - {code: visits, kind: allotment, scale: 0}
  - {code: pass, kind: right, scale: 0, expiry: quarter}
  - {code: seat, kind: right, scale: 0, expiry: quarter}
  - {code: dinner, kind: right, scale: 0, expiry: quarter}
  - {code: CNY, kind: money, scale: 2}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder:
      - {code: gold, from: {points: 500}, names: {en: Gold, zh-Hans: 金卡}}
allotments:
  - {unit: visits, per: year, totals: {gold: 2}}
benefits:
  - {code: pass, kind: lounge, names: {en: Pass, zh-Hans: 通行券}, prices: {points: 300, visits: 1}}
  - {code: seat, kind: event, names: {en: Seat, zh-Hans: 座位}, prices: {points: 1}, stock: {all: 1}}
  - {code: dinner, kind: event, names: {en: Dinner, zh-Hans: 晚宴}, tier: gold, prices: {points: 10}}
partners:
  - code: lounge-one
    names: {en: Lounge One, zh-Hans: 一号}
    outlets: [gate-4]
    honours: [{benefit: pass, unit: CNY, price: "80.00"}]
  - code: other-house
    names: {en: Other House, zh-Hans: 二号}
    outlets: [door]
    honours: [{benefit: dinner, unit: CNY, price: "1.00"}]
limits:
  - {code: survey-a-month, of: times, per: member, interval: month, most: 1}
  - {code: goodwill-a-month, of: points, per: member, interval: month, most: 100}
members:
  plans: [{code: p588, names: {en: P588, zh-Hans: 588套餐}}]
  segments: [{code: vip, names: {en: VIP, zh-Hans: 贵宾}}]
  roles: [{code: contact, names: {en: Contact, zh-Hans: 联系人}}]
  attributes:
    - {code: plan, type: text, names: {en: Plan, zh-Hans: 套餐}}
    - {code: arpu, type: number, names: {en: ARPU, zh-Hans: 月均消费}}
  regions:
    - {code: china, level: nation, names: {en: China, zh-Hans: 中国}}
    - {code: guangdong, level: province, in: china, names: {en: Guangdong, zh-Hans: 广东}}
goodwill:
  unit: points
  reasons:
    - {code: why, names: {en: Why, zh-Hans: 原因}, most: 60, limits: [goodwill-a-month]}
earning:
  activities:
    - {code: bill, names: {en: Bill, zh-Hans: 账单}, money: CNY, fields: {plan: text, months: number, online: flag}}
    - {code: survey, names: {en: Survey, zh-Hans: 问卷}}
  rules:
    - {code: bill-points, names: {en: Points, zh-Hans: 积分}, on: bill, unit: points, rate: {points: 1, per: 1, whole: true}}
    - {code: online, names: {en: Online, zh-Hans: 电子账单}, on: bill, when: activity.online && activity.months >= 12, unit: points, points: 5}
    - {code: survey, names: {en: Survey, zh-Hans: 问卷}, on: survey, unit: points, points: 20, limits: [survey-a-month]}
`

// world is a running server on a real listener and a real database, with a credential of every role.
type world struct {
	t         testing.TB
	pool      *db.Pool
	owner     *db.Pool
	ledger    *ledger.Ledger
	vouchers  *partners.Vouchers
	catalog   *benefits.Catalog
	keys      *auth.Keys
	secrets   *keyring.Ring
	programme uuid.UUID
	url       string
	tokens    map[auth.Role]string
	log       *logBuffer
}

// newWorld starts a server; change, when not nil, alters its configuration first.
func newWorld(t testing.TB, change func(*rpc.Config)) *world {
	t.Helper()
	database := devdb.NewDatabase(t)
	w := &world{t: t, secrets: keyring.New(), tokens: make(map[auth.Role]string), log: &logBuffer{}}
	w.pool = devdb.Open(t, database.URL, db.Options{ByIndex: true})
	w.owner = devdb.Open(t, database.OwnerURL, db.Options{})
	w.ledger = ledger.New(w.pool, w.owner)
	t.Cleanup(w.ledger.Close)
	w.vouchers = partners.New(w.ledger, w.pool, w.secrets)
	w.catalog = benefits.New(w.ledger, w.pool, w.vouchers)
	w.keys = auth.NewKeys(w.pool, "test")
	cfg := w.config(change)
	rpc.Watch(rpc.Watched{
		Ledger: w.ledger, Pools: map[string]*db.Pool{"posting": w.pool}, Outbox: cfg.Webhooks.Lag,
		SweepLag: func(ctx context.Context) (time.Duration, error) { return w.ledger.SweepLag(ctx, w.programme) },
	}, cfg.Registry, cfg.Traces)
	w.programme = w.apply(document)
	for _, role := range auth.Roles {
		w.tokens[role] = w.issue(w.grant(role))
	}
	w.url = serve(t, cfg)
	return w
}

func (w *world) config(change func(*rpc.Config)) rpc.Config {
	cfg := rpc.Config{
		Ledger: w.ledger, Vouchers: w.vouchers, Benefits: w.catalog, Keys: w.keys,
		Webhooks: outbox.NewEndpoints(w.pool, outbox.Config{}),
		Registry: prometheus.NewRegistry(), ExemptClients: []string{"tests"},
		Log:    slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Checks: []rpc.Check{{Name: "database", Run: w.pool.Ping}},
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func serve(t testing.TB, cfg rpc.Config) string {
	t.Helper()
	handler, err := rpc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.HTTPServer(handler)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

func (w *world) apply(document string) uuid.UUID {
	w.t.Helper()
	p, err := w.catalog.ApplyProgramme(w.t.Context(), ledgertest.Application(document))
	if err != nil {
		w.t.Fatal(err)
	}
	r := ledger.SetClock(clockStart, ledger.Request{Client: "setup", Actor: "setup", Key: "clock"})
	if _, err := w.ledger.Post(w.t.Context(), p.ID, r); err != nil {
		w.t.Fatal(err)
	}
	return p.ID
}

// clockStart is where the sandbox's clock stands when a test begins.
var clockStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func (w *world) grant(role auth.Role) auth.Grant {
	g := auth.Grant{Programme: w.programme, Role: role, Client: "tests", Life: time.Hour}
	switch role {
	case auth.Member:
		g.Subject = "m1"
	case auth.Merchant:
		g.Subject = "lounge-one"
	default: // is about nobody
	}
	return g
}

func (w *world) issue(g auth.Grant) string {
	w.t.Helper()
	token, err := w.keys.Issue(w.t.Context(), g)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// bearer puts a token on every request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

func (w *world) client(role auth.Role) *http.Client {
	return &http.Client{Transport: bearer{w.tokens[role], http.DefaultTransport}}
}

func (w *world) ledgerClient(options ...connect.ClientOption) api.LedgerServiceClient {
	return api.NewLedgerServiceClient(w.client(auth.System), w.url, options...)
}

func (w *world) accrue(member, amount string) *v1.Transaction {
	w.t.Helper()
	res, err := w.ledgerClient().Accrue(w.t.Context(), &v1.AccrueRequest{
		IdempotencyKey: uuid.NewString(), MemberId: member, Unit: "points", Amount: amount,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Transaction
}

func TestAccrueOverEveryProtocolMovesUnits(t *testing.T) {
	w := newWorld(t, nil)
	protocols := map[string][]connect.ClientOption{
		"connect": nil, "json": {connect.WithProtoJSON()}, "grpc-web": {connect.WithGRPCWeb()},
	}
	for name, options := range protocols {
		res, err := w.ledgerClient(options...).Accrue(t.Context(), &v1.AccrueRequest{
			IdempotencyKey: name, MemberId: "m-" + name, Unit: "points", Amount: "100", Reason: "order", Channel: "app",
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tx := res.Transaction
		if tx.Outcome != v1.Outcome_OUTCOME_POSTED || tx.Kind != v1.Kind_KIND_ACCRUAL || len(tx.Legs) != 1 ||
			len(tx.BalancesAfter) != 1 || tx.BalancesAfter[0].Balance != "100" || len(tx.Legs[0].Lots) != 1 {
			t.Errorf("%s: %v", name, tx)
		}
	}
}

func BenchmarkAccrue(b *testing.B) {
	w := newWorld(b, func(cfg *rpc.Config) { cfg.Log = slog.New(slog.DiscardHandler) })
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	client := api.NewLedgerServiceClient(&http.Client{Transport: bearer{w.tokens[auth.System], transport}}, w.url)
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		ctx := context.Background()
		for p.Next() {
			id := uuid.NewString()
			if _, err := client.Accrue(ctx, &v1.AccrueRequest{IdempotencyKey: id, MemberId: id, Unit: "points", Amount: "5"}); err != nil {
				b.Error(err)
			}
		}
	})
}

// logBuffer collects the log, to look for what must not be in it.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
