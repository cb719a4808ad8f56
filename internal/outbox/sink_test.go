package outbox

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tallystick/internal/db"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// TestMain lets this binary be a dispatcher in a process of its own, which a test can kill.
func TestMain(m *testing.M) {
	url := os.Getenv("OUTBOX_TEST_DISPATCHER")
	if url == "" {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	pool, err := db.Open(ctx, url, db.Options{ByIndex: true})
	if err != nil {
		panic(err)
	}
	hurried(ledger.New(pool, pool), pool).Run(ctx)
}

// steady is a lease that a machine which stops for seconds does not lose: for tests in which a repeated delivery is a fault.
const steady = time.Minute

// hurried is a dispatcher for which little time passes between a failure and the next attempt.
func hurried(l *ledger.Ledger, pool *db.Pool) *Dispatcher {
	d := NewDispatcher(l, pool, Config{AllowLoopback: true, Log: slog.New(slog.DiscardHandler)})
	d.lease, d.poll = 600*time.Millisecond, 5*time.Millisecond
	d.retry = make([]time.Duration, 100)
	for i := range d.retry {
		d.retry[i] = 20 * time.Millisecond
	}
	return d
}

// run lets a dispatcher work until the test ends or stop is called, which waits for it.
func run(t *testing.T, d *Dispatcher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// receipt is one delivery that a sink accepted.
type receipt struct {
	id    string
	event Event
	raw   string
}

// sink is a receiver that checks every delivery and keeps those that it accepted.
type sink struct {
	*httptest.Server
	t       *testing.T
	secret  string
	mu      sync.Mutex
	list    []receipt
	first   map[string]string // the first body of each id
	changed chan struct{}
	// answer returns the status of the n-th request, negative to break the connection after the event was taken.
	answer   func(n int, e Event) int
	requests int
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{t: t, first: make(map[string]string), changed: make(chan struct{}, 1)}
	s.answer = func(int, Event) int { return http.StatusNoContent }
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the dispatcher was killed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var e Event
	if err := json.Unmarshal(raw, &e); err != nil {
		s.t.Errorf("body: %v", err)
	}
	if s.secret != "" {
		webhook, err := standardwebhooks.NewWebhook(s.secret)
		if err == nil {
			err = webhook.Verify(raw, r.Header)
		}
		if err != nil {
			s.t.Errorf("signature: %v", err)
		}
	}
	s.requests++
	status := s.answer(s.requests, e)
	if status/100 == 2 || status < 0 {
		s.take(receipt{r.Header.Get(standardwebhooks.HeaderWebhookID), e, string(raw)})
	}
	if status < 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

func (s *sink) take(r receipt) {
	if first, again := s.first[r.id]; again && first != r.raw {
		s.t.Errorf("%s was sent again with another body:\n%s", r.id, cmp.Diff(first, r.raw))
	}
	if r.id != r.event.Data.Transaction.ID.String() {
		s.t.Errorf("webhook-id %s for transaction %s", r.id, r.event.Data.Transaction.ID)
	}
	s.first[r.id] = r.raw
	s.list = append(s.list, r)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// await waits until the sink has accepted n different events.
func (s *sink) await(n int) {
	s.t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		s.mu.Lock()
		got := len(s.first)
		s.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-s.changed:
		case <-deadline:
			s.t.Fatalf("%d of %d events arrived", got, n)
		}
	}
}

// receipts returns what the sink accepted so far.
func (s *sink) receipts() []receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]receipt(nil), s.list...)
}

// count is how many requests came, whatever became of them.
func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// check compares all that was accepted with the journal: every posted transaction arrived, nothing else did, and each
// account's events first arrived in the order of seq without a gap. It returns how many were sent more than once.
func (s *sink) check(b *ledgertest.Books) (again int) {
	s.t.Helper()
	rows, err := b.Pool.Query(s.t.Context(), `SELECT t.id::text FROM transactions AS t WHERE t.rejection = ''`)
	if err != nil {
		s.t.Fatal(err)
	}
	posted := make(map[string]bool)
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			s.t.Fatal(err)
		}
		posted[id] = true
	}
	arrived, last := make(map[string]bool), make(map[uuid.UUID]int64)
	for _, r := range s.receipts() {
		if arrived[r.id] {
			again++
			continue
		}
		arrived[r.id] = true
		for _, account := range r.event.Data.Accounts {
			if account.FirstSeq != last[account.ID]+1 {
				s.t.Errorf("%s %s: seq %d came after %d", account.Member, account.Place, account.FirstSeq, last[account.ID])
			}
			last[account.ID] = account.Seq
		}
	}
	if diff := cmp.Diff(posted, arrived); diff != "" {
		s.t.Errorf("posted (-) and arrived (+):\n%s", diff)
	}
	return again
}

// faulty fails 30 % of requests and drops the connection of 5 % after it took the event.
func faulty() func(int, Event) int {
	rng := rand.New(rand.NewPCG(1, 2))
	return func(int, Event) int {
		switch n := rng.IntN(100); {
		case n < 30:
			return http.StatusServiceUnavailable
		case n < 35:
			return -1
		}
		return http.StatusOK
	}
}

// eventually polls until what holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}
