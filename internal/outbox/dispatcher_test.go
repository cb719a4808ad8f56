package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

const live = `
programme: live
zone: Asia/Shanghai
units:
  - {code: points, kind: points}
`

// endpoint registers a sink before anything was posted.
func endpoint(t *testing.T, b *ledgertest.Books, s *sink) (*Endpoints, Endpoint) {
	t.Helper()
	endpoints := NewEndpoints(b.Pool, Config{AllowLoopback: true})
	e, secret, err := endpoints.Create(t.Context(), b.Programme, Asked{"test", uuid.NewString()}, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.secret = secret
	s.mu.Unlock()
	return endpoints, e
}

// traffic posts accruals, redemptions (some of which are refused) and transfers of few members through several servers
// at once, and returns how many were posted.
func traffic(t *testing.T, b *ledgertest.Books, servers []*ledger.Ledger, each int) int {
	t.Helper()
	var mu sync.Mutex
	posted, rejected := 0, 0
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 7))
			for i := range each {
				r := ledger.Request{Client: "test", Key: fmt.Sprintf("%s-%d-%d", t.Name(), w, i)}
				member, other := fmt.Sprint("m", rng.IntN(6)), fmt.Sprint("m", 6+rng.IntN(3))
				amount := decimal.NewFromInt(1 + rng.Int64N(20))
				switch rng.IntN(5) {
				case 0:
					r = ledger.Redeem(member, "points", amount, r)
				case 1:
					r = ledger.Transfer(member, other, "points", amount, r)
				default:
					r = ledger.Accrual{Member: member, Unit: "points", Amount: amount}.Into(b.Programme, r)
				}
				_, err := servers[w%len(servers)].Post(context.Background(), b.Programme, r)
				mu.Lock()
				switch {
				case err == nil:
					posted++
				case errors.Is(err, &ledger.Refusal{Reason: ledger.InsufficientPoints}):
					rejected++
				default:
					t.Errorf("%s: %v", r.Kind, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if rejected == 0 {
		t.Error("no request was rejected: nothing is proved about rejected ones")
	}
	return posted
}

// A dispatcher's process is killed again and again while two servers write the same members and the receiver fails.
func TestEveryEventArrivesInOrderThroughKillsAndFaults(t *testing.T) {
	b := ledgertest.New(t, live)
	s := newSink(t)
	s.answer = faulty()
	endpoints, e := endpoint(t, b, s)
	posted := make(chan int, 1)
	go func() { posted <- traffic(t, b, []*ledger.Ledger{b.Ledger, b.Another(t)}, 150) }()

	kills := 0
	for ; kills < 8; kills++ {
		kill(t, b, s, kills%2 == 1)
	}
	run(t, hurried(b.Ledger, b.Pool))
	s.await(<-posted)

	again := s.check(b)
	if again == 0 {
		t.Error("nothing was sent twice: the faults did not happen")
	}
	eventually(t, "all is saved as delivered", func() bool {
		now, err := endpoints.Get(t.Context(), b.Programme, e.ID)
		return err == nil && now.Undelivered == 0 && now.Failures == 0
	})
	t.Logf("%d events, %d deliveries repeated, %d kills", len(s.first), again, kills)
}

// Several processes' dispatchers want the same endpoint; one that stops hands it on.
func TestCompetingDispatchersKeepTheOrder(t *testing.T) {
	b := ledgertest.New(t, live)
	s := newSink(t)
	s.answer = faulty()
	endpoint(t, b, s)
	other := b.Another(t)
	run(t, hurried(b.Ledger, b.Pool))
	stop := run(t, hurried(other, b.Pool))
	half := traffic(t, b, []*ledger.Ledger{b.Ledger, other}, 30)
	s.await(half / 2)
	stop()
	run(t, hurried(other, b.Pool))
	s.await(half)
	s.check(b)
}

// Without a fault nothing is sent twice, however many dispatchers there are.
func TestOneDispatcherServesAnEndpointAtATime(t *testing.T) {
	b := ledgertest.New(t, live)
	s := newSink(t)
	endpoint(t, b, s)
	for range 3 {
		d := hurried(b.Ledger, b.Pool)
		d.lease = steady
		run(t, d)
	}
	s.await(traffic(t, b, []*ledger.Ledger{b.Ledger, b.Another(t)}, 30))
	if again := s.check(b); again > 0 {
		t.Errorf("%d deliveries were repeated", again)
	}
}

// Windows far smaller than the backlog are cut within seals; an account's events lie on both sides of the cuts.
func TestSmallWindowsKeepTheOrder(t *testing.T) {
	for name, document := range map[string]string{"live": live, "sandbox": ledgertest.Document} {
		t.Run(name, func(t *testing.T) {
			b := ledgertest.New(t, document)
			s := newSink(t)
			endpoint(t, b, s)
			servers := []*ledger.Ledger{b.Ledger, b.Another(t), b.Another(t)}
			posted := traffic(t, b, servers, 30)
			d := hurried(b.Ledger, b.Pool)
			d.lease, d.events, d.seals = steady, 7, 3
			run(t, d)
			s.await(posted)
			if again := s.check(b); again > 0 {
				t.Errorf("%d deliveries were repeated without a failure", again)
			}
		})
	}
}

func TestAnEndpointStartsAtItsCreationAndReplaysFromAnyPosition(t *testing.T) {
	b := ledgertest.New(t, live)
	for i := range 40 {
		b.Accrue(t, fmt.Sprint("before", i), "m", "points", 1)
	}
	s := newSink(t)
	endpoints, e := endpoint(t, b, s)
	run(t, hurried(b.Ledger, b.Pool))
	b.Accrue(t, "after", "m", "points", 1)
	s.await(1)
	if got := s.receipts(); len(got) != 1 || got[0].event.Data.Accounts[0].Seq != 41 {
		t.Fatalf("got %d events, the first %+v", len(got), got[0])
	}

	if _, err := endpoints.Replay(t.Context(), b.Programme, e.ID, anew(), nil); err != nil {
		t.Fatal(err)
	}
	s.await(41)

	var middle EventPosition
	for _, r := range s.receipts() {
		if r.event.Data.Accounts[0].Seq == 20 {
			middle = r.event.Position
		}
	}
	eventually(t, "everything is delivered", func() bool {
		now, err := endpoints.Get(t.Context(), b.Programme, e.ID)
		return err == nil && now.Undelivered == 0
	})
	now, err := endpoints.Get(t.Context(), b.Programme, e.ID)
	if err != nil {
		t.Fatal(err)
	}
	now.Position[middle.Stripe] = middle.N
	before := len(s.receipts())
	replayed, err := endpoints.Replay(t.Context(), b.Programme, e.ID, anew(), now.Position)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rest is sent again", func() bool { return int64(len(s.receipts())) >= int64(before)+replayed.Undelivered })
	for _, r := range s.receipts()[before:] {
		if r.event.Position.Stripe != middle.Stripe || r.event.Position.N <= middle.N {
			t.Errorf("sent again: %+v, want only what follows %+v", r.event.Position, middle)
		}
	}
}

func TestAFailingEndpointIsParkedAlone(t *testing.T) {
	b := ledgertest.New(t, live)
	bad, good := newSink(t), newSink(t)
	bad.answer = func(int, Event) int { return http.StatusInternalServerError }
	endpoints, e := endpoint(t, b, bad)
	endpoint(t, b, good)
	d := hurried(b.Ledger, b.Pool)
	d.lease, d.retry = steady, d.retry[:9]
	run(t, d)
	for i := range 20 {
		b.Accrue(t, fmt.Sprint(i), "m", "points", 1)
	}
	good.await(20)

	var parked Endpoint
	eventually(t, "the failing endpoint is parked", func() bool {
		var err error
		parked, err = endpoints.Get(t.Context(), b.Programme, e.ID)
		return err == nil && parked.State == Parked
	})
	if parked.Failures != 10 || parked.LastFailure != "status 500" || parked.Undelivered != 20 || bad.count() != 10 {
		t.Errorf("parked after %d requests: %+v", bad.count(), parked)
	}
	lag, err := endpoints.Lag(t.Context())
	if err != nil || lag.Parked != 1 || lag.Failing != 0 {
		t.Errorf("lag %+v, %v", lag, err)
	}

	bad.mu.Lock()
	bad.answer = func(int, Event) int { return http.StatusOK }
	bad.mu.Unlock()
	if _, err := endpoints.Resume(t.Context(), b.Programme, e.ID, anew()); err != nil {
		t.Fatal(err)
	}
	bad.await(20)
	bad.check(b)
}

func TestAFailureHoldsUpItsOwnAccountOnly(t *testing.T) {
	b := ledgertest.New(t, live)
	s := newSink(t)
	s.answer = func(_ int, e Event) int {
		if e.Data.Transaction.Member == "ill" {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
	endpoints, e := endpoint(t, b, s)
	for i := range 5 {
		b.Accrue(t, fmt.Sprint("ill", i), "ill", "points", 1)
		b.Accrue(t, fmt.Sprint("well", i), "well", "points", 1)
	}
	d := hurried(b.Ledger, b.Pool)
	d.retry = []time.Duration{time.Hour}
	run(t, d)
	s.await(5)
	eventually(t, "the failure is recorded", func() bool {
		now, err := endpoints.Get(t.Context(), b.Programme, e.ID)
		return err == nil && now.Failures == 1 && now.State == Active
	})
	for _, r := range s.receipts() {
		if r.event.Data.Transaction.Member != "well" {
			t.Errorf("%+v arrived", r.event.Data.Transaction)
		}
	}
	lag, err := endpoints.Lag(t.Context())
	if err != nil || lag.Failing != 1 || lag.Undelivered < 5 {
		t.Errorf("lag %+v, %v", lag, err)
	}
}

func TestARetryAfterIsHonoured(t *testing.T) {
	b := ledgertest.New(t, live)
	s := newSink(t)
	s.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, e := endpoint(t, b, s)
	run(t, hurried(b.Ledger, b.Pool))
	b.Accrue(t, "a", "m", "points", 1)
	eventually(t, "the pause is recorded", func() bool {
		var n int
		err := b.Pool.QueryRow(t.Context(), `SELECT count(*) FROM webhook_failures AS f
			WHERE f.endpoint_id = $1 AND f.attempts = 1 AND f.next_at - f.failed_at >= INTERVAL '1 hour'`, e.ID).Scan(&n)
		return err == nil && n == 1
	})
}

// kill starts a dispatcher in a process of its own and kills it in the middle of a window: soon after its first requests,
// or once it has saved a part of what it delivered.
func kill(t *testing.T, b *ledgertest.Books, s *sink, saved bool) {
	t.Helper()
	requests, before := s.count(), savedAt(t, b)
	process := start(t, b)
	eventually(t, "the dispatcher is at work", func() bool {
		return s.count() > requests+20 && (!saved || savedAt(t, b).After(before))
	})
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait()
}

// savedAt is when a dispatcher last saved that it delivered something.
func savedAt(t *testing.T, b *ledgertest.Books) (at time.Time) {
	t.Helper()
	const sql = `SELECT coalesce(max(e.delivered_at), '1970-01-01') FROM webhook_endpoints AS e`
	if err := b.Pool.QueryRow(t.Context(), sql).Scan(&at); err != nil {
		t.Fatal(err)
	}
	return at
}

func start(t *testing.T, b *ledgertest.Books) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "OUTBOX_TEST_DISPATCHER="+b.Database.URL)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}
