package outbox

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func TestCreateIsIdempotentAndShowsTheSecretOnce(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints := NewEndpoints(b.Pool, Config{AllowLoopback: true})
	first, secret, err := endpoints.Create(t.Context(), b.Programme, Asked{"ops", "k"}, "http://127.0.0.1:1/")
	if err != nil || secret == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	again, shown, err := endpoints.Create(t.Context(), b.Programme, Asked{"ops", "k"}, "http://127.0.0.1:1/")
	if err != nil || again.ID != first.ID || shown != "" {
		t.Errorf("retry: %+v, secret %q, %v", again, shown, err)
	}
	_, _, err = endpoints.Create(t.Context(), b.Programme, Asked{"ops", "k"}, "http://127.0.0.1:2/")
	if !errors.Is(err, &ledger.Refusal{Reason: ledger.IdempotencyKeyReused}) {
		t.Errorf("the same key for another address: %v", err)
	}
	_, _, err = endpoints.Create(t.Context(), uuid.New(), Asked{"ops", "k"}, "http://127.0.0.1:1/")
	if !errors.Is(err, errNotFound) {
		t.Errorf("an unknown programme: %v", err)
	}
}

func TestAnotherProgrammesEndpointIsNotFound(t *testing.T) {
	b := ledgertest.New(t, live)
	_, e := endpoint(t, b, newSink(t))
	other, err := b.Ledger.ApplyProgramme(t.Context(), ledgertest.Application("programme: other\nzone: Asia/Shanghai\nunits: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	endpoints := NewEndpoints(b.Pool, Config{AllowLoopback: true})
	for name, act := range map[string]func() error{
		"get":    func() error { _, err := endpoints.Get(t.Context(), other.ID, e.ID); return err },
		"rotate": func() error { _, err := endpoints.Rotate(t.Context(), other.ID, e.ID, anew()); return err },
		"resume": func() error { _, err := endpoints.Resume(t.Context(), other.ID, e.ID, anew()); return err },
		"replay": func() error { _, err := endpoints.Replay(t.Context(), other.ID, e.ID, anew(), nil); return err },
		"delete": func() error { return endpoints.Delete(t.Context(), other.ID, e.ID, anew()) },
	} {
		if err := act(); !errors.Is(err, errNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := endpoints.Get(t.Context(), b.Programme, e.ID); err != nil {
		t.Errorf("the endpoint suffered: %v", err)
	}
}

func TestADeletedEndpointGetsNothingMore(t *testing.T) {
	b := ledgertest.New(t, live)
	deleted, kept := newSink(t), newSink(t)
	endpoints, e := endpoint(t, b, deleted)
	endpoint(t, b, kept)
	b.Accrue(t, "a", "m", "points", 1)
	if err := endpoints.Delete(t.Context(), b.Programme, e.ID, anew()); err != nil {
		t.Fatal(err)
	}
	run(t, hurried(b.Ledger, b.Pool))
	kept.await(1)
	if deleted.count() != 0 {
		t.Errorf("%d requests came", deleted.count())
	}
	if err := endpoints.Delete(t.Context(), b.Programme, e.ID, anew()); !errors.Is(err, errNotFound) {
		t.Errorf("deleting it again: %v", err)
	}
}

func TestReplayRefusesAPositionThatWasNotReached(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints, e := endpoint(t, b, newSink(t))
	for _, position := range []Position{{0: 1}, {0: -1}, {64: 0}, {-1: 0}} {
		_, err := endpoints.Replay(t.Context(), b.Programme, e.ID, anew(), position)
		if !errors.Is(err, &ledger.Refusal{Reason: ledger.InvalidField}) {
			t.Errorf("%v: %v", position, err)
		}
	}
}

// The previous secret signs beside the new one until its time is over; a receiver may know either.
func TestBothSecretsSignDuringARotation(t *testing.T) {
	b := ledgertest.New(t, live)
	headers, bodies := make(chan http.Header, 9), make(chan []byte, 9)
	s := newSink(t)
	s.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(raw)
		headers <- r.Header
		bodies <- raw
	})
	endpoints, e := endpoint(t, b, s)
	old := s.secret
	fresh, err := endpoints.Rotate(t.Context(), b.Programme, e.ID, anew())
	if err != nil || fresh == old {
		t.Fatalf("%q, %v", fresh, err)
	}
	stop := run(t, hurried(b.Ledger, b.Pool))
	verify := func(header http.Header, raw []byte, secret string) error {
		webhook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		return webhook.Verify(raw, header)
	}

	b.Accrue(t, "a", "m", "points", 1)
	header, raw := <-headers, <-bodies
	for _, secret := range []string{old, fresh} {
		if err := verify(header, raw, secret); err != nil {
			t.Errorf("during the rotation: %v", err)
		}
	}
	stop()
	if _, err := b.Pool.Exec(t.Context(), `UPDATE webhook_endpoints SET previous_until = now() WHERE id = $1`, e.ID); err != nil {
		t.Fatal(err)
	}
	run(t, hurried(b.Ledger, b.Pool))
	b.Accrue(t, "b", "m", "points", 1)
	for id := ""; id != ledger.TransactionID(b.Programme, "test", "b").String(); {
		header, raw = <-headers, <-bodies
		id = header.Get(standardwebhooks.HeaderWebhookID)
	}
	if err := verify(header, raw, fresh); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	if err := verify(header, raw, old); err == nil {
		t.Error("the old secret still signs")
	}
}

// The seal of any position is found by halving, rejected-only seals and the ends included.
func TestReplayFindsEveryPosition(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints, e := endpoint(t, b, newSink(t))
	for i := range 30 {
		b.Accrue(t, "a"+strconv.Itoa(i), "m", "points", 1)
		r := ledger.Redeem("m", "points", decimal.NewFromInt(1000), ledger.Request{Client: "test", Key: "r" + strconv.Itoa(i)})
		if _, err := b.Ledger.Post(t.Context(), b.Programme, r); err == nil {
			t.Fatal("a rejection was posted")
		}
	}
	end, err := endpoints.Get(t.Context(), b.Programme, e.ID)
	if err != nil || end.Undelivered != 30 {
		t.Fatalf("%+v, %v", end, err)
	}
	p, err := b.Ledger.Programme(t.Context(), b.Programme)
	if err != nil {
		t.Fatal(err)
	}
	reader := &windows{pool: b.Pool, programme: p, endpoint: e.ID, events: 64 * 64, seals: 64}
	for n := range int64(31) {
		position := Position{}
		for stripe := range int16(ledger.Stripes) {
			position[stripe] = n
		}
		now, err := endpoints.Replay(t.Context(), b.Programme, e.ID, anew(), clamp(t, b, position))
		if err != nil {
			t.Fatal(err)
		}
		w, err := reader.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(w.picks)) != now.Undelivered {
			t.Fatalf("after %d: %d events in the window, %d undelivered", n, len(w.picks), now.Undelivered)
		}
		seen := make(map[uuid.UUID]bool)
		for _, p := range w.picks {
			if p.after.event <= n || seen[p.transaction] {
				t.Errorf("after %d: event %d of stripe %d", n, p.after.event, p.stripe)
			}
			seen[p.transaction] = true
		}
	}
}

// clamp lowers a position to what the programme has reached.
func clamp(t *testing.T, b *ledgertest.Books, p Position) Position {
	t.Helper()
	rows, err := b.Pool.Query(t.Context(), `SELECT s.stripe, s.events FROM stripes AS s`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var stripe int16
		var events int64
		if err := rows.Scan(&stripe, &events); err != nil {
			t.Fatal(err)
		}
		p[stripe] = min(p[stripe], events)
	}
	return p
}

func TestLagIsHowLongAnEventWaitedWhileNothingWasDelivered(t *testing.T) {
	b := ledgertest.New(t, live)
	s := newSink(t)
	endpoints, e := endpoint(t, b, s)
	if lag, err := endpoints.Lag(t.Context()); err != nil || lag != (Lag{}) {
		t.Errorf("nothing posted: %+v, %v", lag, err)
	}
	b.Accrue(t, "a", "m", "points", 1)
	b.Accrue(t, "b", "n", "points", 1)
	var since time.Duration
	if err := b.Pool.QueryRow(t.Context(), `SELECT now() - min(s.sealed_at) FROM seals AS s`).Scan(&since); err != nil {
		t.Fatal(err)
	}
	lag, err := endpoints.Lag(t.Context())
	if err != nil || lag.Undelivered != 2 || lag.Oldest < since {
		t.Errorf("two posted %v ago: %+v, %v", since, lag, err)
	}
	stop := run(t, hurried(b.Ledger, b.Pool))
	s.await(2)
	eventually(t, "no lag is left", func() bool {
		lag, err := endpoints.Lag(t.Context())
		return err == nil && lag == (Lag{})
	})
	stop()

	before := lag.Oldest
	if _, err := endpoints.Replay(t.Context(), b.Programme, e.ID, anew(), nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Pool.QueryRow(t.Context(), `SELECT now() - e.started_at FROM webhook_endpoints AS e`).Scan(&since); err != nil {
		t.Fatal(err)
	}
	var age time.Duration
	lag, err = endpoints.Lag(t.Context())
	if err2 := b.Pool.QueryRow(t.Context(), `SELECT now() - min(s.sealed_at) FROM seals AS s`).Scan(&age); err2 != nil {
		t.Fatal(err2)
	}
	if err != nil || lag.Undelivered != 2 || lag.Oldest < since || lag.Oldest >= age-before {
		t.Errorf("a replay begun %v ago of events %v old: %+v, %v", since, age, lag, err)
	}
}

// A failure has to be tried again in time by somebody; what the receiver answers then does not matter.
func TestLagCountsFailuresThatNobodyTriesAgain(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints, e := endpoint(t, b, newSink(t))
	b.Accrue(t, "a", "m", "points", 1)
	const longAgo = `UPDATE webhook_endpoints SET started_at = now() - INTERVAL '9 hours' WHERE id = $1`
	const fail = `INSERT INTO webhook_failures (endpoint_id, transaction_id, attempts, failure, failed_at, next_at)
VALUES ($1, $2, 1, 'status 500', now() - $3::interval, now() - $4::interval)`
	if _, err := b.Pool.Exec(t.Context(), longAgo, e.ID); err != nil {
		t.Fatal(err)
	}
	owner := devdb.Open(t, b.Database.OwnerURL, db.Options{})
	shift := func(by time.Duration) {
		if _, err := owner.Exec(t.Context(), `UPDATE seals SET sealed_at = sealed_at + $1::interval`, by); err != nil {
			t.Fatal(err)
		}
	}
	shift(-9 * time.Hour)
	defer shift(9 * time.Hour) // the books have to verify in the end
	for _, c := range []struct {
		name         string
		failed, next time.Duration // ago
		least, most  time.Duration
	}{
		{"the next attempt is due", 5 * time.Hour, 4 * time.Hour, 4 * time.Hour, 5 * time.Hour},
		{"another attempt is to come", 8 * time.Hour, -time.Hour, 4 * time.Hour, 5 * time.Hour},
		{"another failed since", time.Hour, -time.Hour, time.Hour, 2 * time.Hour},
	} {
		if _, err := b.Pool.Exec(t.Context(), fail, e.ID, uuid.New(), c.failed, c.next); err != nil {
			t.Fatal(err)
		}
		lag, err := endpoints.Lag(t.Context())
		if err != nil || lag.Failing != 1 || lag.Oldest < c.least || lag.Oldest >= c.most {
			t.Errorf("%s: %+v, %v; want %v", c.name, lag, err, c.least)
		}
	}
	if _, err := b.Pool.Exec(t.Context(), `DELETE FROM webhook_failures WHERE next_at < now()`); err != nil {
		t.Fatal(err)
	}
	if lag, err := endpoints.Lag(t.Context()); err != nil || lag.Failing != 1 || lag.Oldest != 0 {
		t.Errorf("every attempt is to come: %+v, %v", lag, err)
	}
}
