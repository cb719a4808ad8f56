package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/internal/outbox"
	"tallystick/internal/rpc"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

const liveProgramme = "programme: live\nzone: UTC\nunits: [{code: points, kind: points, scale: 0}]\n"

// A server whose work beside the API is left undone for a quarter of an hour is not ready, whichever work it is.
func TestReadyIsWhoKeepsUpWithWebhooksAndSweep(t *testing.T) {
	b := ledgertest.New(t, liveProgramme)
	owner := devdb.Open(t, b.Database.OwnerURL, db.Options{})
	webhooks := outbox.NewEndpoints(b.Pool, outbox.Config{AllowLoopback: true})
	if _, _, err := webhooks.Create(t.Context(), b.Programme, outbox.Asked{Client: "test", Key: "k"}, "http://127.0.0.1:1/"); err != nil {
		t.Fatal(err)
	}
	b.Accrue(t, "a", "m", "points", 10)
	hold := ledger.Request{Client: "test", Key: "h"}
	b.Post(t, ledger.Reserve(b.Programme, "m", "points", decimal.NewFromInt(1), 3*time.Hour, hold))
	handler, err := rpc.New(rpc.Config{
		Ledger: b.Ledger, Webhooks: webhooks, Checks: readiness(b.Ledger, b.Pool, webhooks),
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ready := func(name string, status int, report string) {
		t.Helper()
		res := httptest.NewRecorder()
		handler.ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		if res.Code != status || res.Body.String() != report {
			t.Errorf("%s: %d %q, want %d %q", name, res.Code, res.Body, status, report)
		}
	}
	shift := func(by time.Duration, statements ...string) {
		t.Helper()
		for _, sql := range statements {
			if _, err := owner.Exec(t.Context(), sql, by); err != nil {
				t.Fatal(err)
			}
		}
	}
	const (
		seals  = `UPDATE seals SET sealed_at = sealed_at + $1::interval`
		start  = `UPDATE webhook_endpoints SET started_at = started_at + $1::interval`
		places = `UPDATE open_places SET due_at = due_at + $1::interval`
		well   = "database: ok\nsweep: ok\noutbox: ok\n"
	)
	ready("at the beginning", http.StatusOK, well)
	shift(-10*time.Minute, seals, start)
	ready("an event waits for ten minutes", http.StatusOK, well)
	shift(-10*time.Minute, seals, start)
	ready("for twenty", http.StatusServiceUnavailable, "database: ok\nsweep: ok\noutbox: failing\n")
	shift(20*time.Minute, seals, start)
	shift(-3*time.Hour-10*time.Minute, places)
	ready("a hold is due for ten minutes", http.StatusOK, well)
	shift(-10*time.Minute, places)
	ready("for twenty", http.StatusServiceUnavailable, "database: ok\nsweep: failing\noutbox: ok\n")
	shift(3*time.Hour+20*time.Minute, places)
	ready("in the end", http.StatusOK, well)
}
