package torture_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/internal/keyring"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
	"tallystick/migrations"
	"tallystick/partners"
)

// What can be redeemed: seats are few, of passes there is no end.
const (
	seat, pass  = "seat", "pass"
	seats       = 24
	pointsPrice = 5
	allotted    = 50 // visits for whoever reached the tier
)

// partnersOf is who honours a benefit, and prices what is owed for each use.
var (
	partnersOf = map[string][]string{seat: {"theatre"}, pass: {"lounge-one", "theatre"}}
	prices     = map[string]string{seat: "12.50", pass: "80"}
)

var document = fmt.Sprintf(`
programme: torture
zone: Asia/Shanghai
expiry:
  quarter: {kind: rolling, months: 3}
units:
  - {code: points, kind: points}
  - {code: visits, kind: allotment}
  - {code: seat, kind: right, expiry: quarter}
  - {code: pass, kind: right, expiry: quarter}
  - {code: CNY, kind: money, scale: 2}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: ever}
    validity: {until: end_of_period}
    points: points
    ladder:
      - {code: silver, from: {points: 50}, names: {en: Silver, zh-Hans: 银卡}}
allotments:
  - {unit: visits, per: year, totals: {silver: %[1]d}}
benefits:
  - {code: seat, kind: event, names: {en: Seat, zh-Hans: 座位}, prices: {points: %[2]d}, stock: {all: %[3]d}}
  - {code: pass, kind: lounge, names: {en: Pass, zh-Hans: 通行券}, prices: {points: %[2]d, visits: 1}}
partners:
  - code: lounge-one
    names: {en: Lounge One, zh-Hans: 一号}
    outlets: [gate-4]
    honours: [{benefit: pass, unit: CNY, price: %[4]q}]
  - code: theatre
    names: {en: Theatre, zh-Hans: 剧院}
    outlets: [gate-4]
    honours: [{benefit: pass, unit: CNY, price: %[4]q}, {benefit: seat, unit: CNY, price: %[5]q}]
`, allotted, pointsPrice, seats, prices[pass], prices[seat])

// rig is a database that keeps its promises, two servers on it as processes of their own, and keys to call them with.
type rig struct {
	database  *devdb.Server
	binary    string
	keyFile   string
	keys      *keyring.Ring
	servers   [2]*server
	programme uuid.UUID
	as        map[string]*http.Client // by the member or the partner that calls, or system
}

// system is who calls for nobody in particular, as billing does.
const system = ""

// server is one process of `tallystick serve`.
type server struct {
	url     atomic.Pointer[string] // of the process that runs, or ran last
	process *exec.Cmd
	log     *os.File
}

// newRig starts everything. The test's goroutine stays on its thread, with which the processes end.
func newRig(t *testing.T) *rig {
	t.Helper()
	if os.Getenv("DATABASE_URL") != "" {
		t.Skip("SKIPPED: the server of DATABASE_URL is not ours to kill")
	}
	runtime.LockOSThread()
	r := &rig{binary: filepath.Join(t.TempDir(), "tallystick"), keyFile: filepath.Join(t.TempDir(), "keys")}
	var err error
	if r.keys, err = keyring.ReadOrMake(r.keyFile); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", r.binary, "tallystick/cmd/tallystick")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if r.database, err = devdb.Start(t.Context(), devdb.Config{Durable: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.database.Stop(); err != nil {
			t.Error(err)
		}
	})
	r.prepare(t)
	for i := range r.servers {
		r.servers[i] = &server{}
		r.start(t, r.servers[i])
		t.Cleanup(func() { r.servers[i].kill(t) })
	}
	return r
}

// prepare migrates the database, applies the programme and issues the keys.
func (r *rig) prepare(t *testing.T) {
	t.Helper()
	owner := devdb.Open(t, r.database.URL(""), db.Options{StatementTimeout: time.Minute})
	if _, err := migrations.Apply(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	pool := devdb.Open(t, r.database.RuntimeURL(""), db.Options{ByIndex: true})
	l := ledger.New(pool, pool)
	defer l.Close()
	p, err := benefits.New(l, pool, partners.New(l, pool, r.keys)).ApplyProgramme(t.Context(), ledgertest.Application(document))
	if err != nil {
		t.Fatal(err)
	}
	r.programme, r.as = p.ID, make(map[string]*http.Client)
	keys, transport := auth.NewKeys(pool, "torture"), &http.Transport{MaxIdleConnsPerHost: 2 * clients}
	issue := func(role auth.Role, who, outlet string) {
		token, err := keys.Issue(t.Context(), auth.Grant{
			Programme: p.ID, Role: role, Client: "torture", Subject: who + outlet, Life: 24 * time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.as[who] = &http.Client{Transport: &bearer{token, transport}}
	}
	issue(auth.System, system, "")
	for n := range members {
		issue(auth.Member, memberNamed(n), "")
	}
	for _, partner := range partnersOf[pass] {
		issue(auth.Merchant, partner, "/gate-4")
	}
}

// bearer puts the key on every call.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// start starts a server process and waits until it says where it listens.
func (r *rig) start(t *testing.T, s *server) {
	t.Helper()
	if s.log == nil {
		log, err := os.Create(filepath.Join(t.TempDir(), "serve.log"))
		if err != nil {
			t.Fatal(err)
		}
		s.log = log
		t.Cleanup(func() { _ = log.Close() })
	}
	s.process = exec.Command(r.binary, "serve", "--listen", "127.0.0.1:0", "--environment", "torture", "--key-file", r.keyFile,
		"--unlimited", "torture", "--sweep", "1s", "--database-url", r.database.RuntimeURL(""))
	s.process.Env = append(os.Environ(), "DATABASE_URL=")
	s.process.SysProcAttr, s.process.Stderr = withUs, s.log
	out, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		text, _ := os.ReadFile(s.log.Name())
		t.Fatalf("serve: %v\n%s", err, text)
	}
	fields := strings.Fields(line)
	s.url.Store(&fields[len(fields)-1])
}

// kill ends the process as a power cut would.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = s.process.Wait() // killed, as it should be
	s.process = nil
}

// progress counts what was acknowledged, and lets the killer wait for more.
type progress struct {
	mu   sync.Mutex
	cond *sync.Cond
	acks int
	over bool
}

func newProgress() *progress {
	p := &progress{}
	p.cond = sync.NewCond(&p.mu)
	return p
}

func (p *progress) ack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acks++
	p.cond.Broadcast()
}

// more waits for n more acknowledgements.
func (p *progress) more(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for goal := p.acks + n; p.acks < goal; {
		p.cond.Wait()
	}
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

func (p *progress) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// openLedger is a ledger of the test's own on the rig's database, to read the books with.
func (r *rig) openLedger(t *testing.T) (*ledger.Ledger, *db.Pool) {
	t.Helper()
	pool := devdb.Open(t, r.database.RuntimeURL(""), db.Options{ByIndex: true})
	reports := devdb.Open(t, r.database.RuntimeURL(""), db.Options{StatementTimeout: 10 * time.Minute})
	l := ledger.New(pool, reports)
	t.Cleanup(l.Close)
	return l, reports
}

// ready waits until a server answers that it is.
func (r *rig) ready(ctx context.Context, s *server) bool {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, *s.url.Load()+"/readyz", http.NoBody)
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}
