package outbox

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// anew asks under a key that was never used.
func anew() Asked { return Asked{"test", uuid.NewString()} }

func TestARetryOfARotationAnswersTheSameSecretAndRotatesNothing(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints, e := endpoint(t, b, newSink(t))
	asked := anew()
	secrets := make([]string, 16)
	var all sync.WaitGroup
	for i := range secrets {
		all.Go(func() {
			var err error
			if secrets[i], err = endpoints.Rotate(t.Context(), b.Programme, e.ID, asked); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, secret := range secrets {
		if secret == "" || secret != secrets[0] {
			t.Errorf("the same key answered %q and %q", secrets[0], secret)
		}
	}
	next, err := endpoints.Rotate(t.Context(), b.Programme, e.ID, anew())
	if err != nil || next == secrets[0] {
		t.Errorf("another key: %v, the same secret: %t", err, next == secrets[0])
	}
	again, err := endpoints.Rotate(t.Context(), b.Programme, e.ID, asked)
	if err != nil || again != "" {
		t.Errorf("a retry after another rotation: %q, %v", again, err)
	}
	var current, previous []byte
	const read = `SELECT secret, previous_secret FROM webhook_endpoints WHERE id = $1`
	if err := b.Pool.QueryRow(t.Context(), read, e.ID).Scan(&current, &previous); err != nil {
		t.Fatal(err)
	}
	if showSecret(current) != next || showSecret(previous) != secrets[0] {
		t.Error("the retries rotated: the secrets that sign are not those that were answered")
	}
}

func TestARetryOfAChangeOfAnEndpointChangesNothing(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints, e := endpoint(t, b, newSink(t))
	replay, resume, remove := anew(), anew(), anew()
	b.Accrue(t, "a", "m", "points", 1)
	if _, err := endpoints.Replay(t.Context(), b.Programme, e.ID, replay, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := endpoints.Resume(t.Context(), b.Programme, e.ID, resume); err != nil {
		t.Fatal(err)
	}
	const moveOn = `UPDATE webhook_cursors AS c SET event = s.events, seal = s.seals + 1
FROM stripes AS s WHERE s.stripe = c.stripe AND s.programme_id = $1`
	if _, err := b.Pool.Exec(t.Context(), moveOn, b.Programme); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Pool.Exec(t.Context(), sqlPark, b.Programme, e.ID); err != nil {
		t.Fatal(err)
	}
	now, err := endpoints.Replay(t.Context(), b.Programme, e.ID, replay, nil)
	if err != nil || now.Undelivered != 0 {
		t.Errorf("a retry of a replay: %d events wait, %v", now.Undelivered, err)
	}
	if now, err = endpoints.Resume(t.Context(), b.Programme, e.ID, resume); err != nil || now.State != Parked {
		t.Errorf("a retry of a resumption: %s, %v", now.State, err)
	}
	for range 2 {
		if err := endpoints.Delete(t.Context(), b.Programme, e.ID, remove); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if err := endpoints.Delete(t.Context(), b.Programme, e.ID, anew()); !errors.Is(err, errNotFound) {
		t.Errorf("delete under another key: %v", err)
	}
}

func TestADeletedEndpointDoesNotComeBackByARetry(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints := NewEndpoints(b.Pool, Config{AllowLoopback: true})
	asked := anew()
	e, _, err := endpoints.Create(t.Context(), b.Programme, asked, "http://127.0.0.1:1/")
	if err != nil {
		t.Fatal(err)
	}
	if err := endpoints.Delete(t.Context(), b.Programme, e.ID, anew()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := endpoints.Create(t.Context(), b.Programme, asked, "http://127.0.0.1:1/"); !errors.Is(err, errNotFound) {
		t.Errorf("a retry of the creation: %v", err)
	}
}

func TestAKeyBelongsToOneChange(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints, e := endpoint(t, b, newSink(t))
	asked := anew()
	if _, err := endpoints.Replay(t.Context(), b.Programme, e.ID, asked, nil); err != nil {
		t.Fatal(err)
	}
	for name, act := range map[string]func() error{
		"rotate": func() error { _, err := endpoints.Rotate(t.Context(), b.Programme, e.ID, asked); return err },
		"resume": func() error { _, err := endpoints.Resume(t.Context(), b.Programme, e.ID, asked); return err },
		"replay another position": func() error {
			_, err := endpoints.Replay(t.Context(), b.Programme, e.ID, asked, Position{0: 0})
			return err
		},
		"another endpoint": func() error { _, err := endpoints.Replay(t.Context(), b.Programme, uuid.New(), asked, nil); return err },
		"delete":           func() error { return endpoints.Delete(t.Context(), b.Programme, e.ID, asked) },
	} {
		if err := act(); !errors.Is(err, &ledger.Refusal{Reason: ledger.IdempotencyKeyReused}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARefusedChangeLeavesItsKeyFree(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints, e := endpoint(t, b, newSink(t))
	asked := anew()
	if _, err := endpoints.Replay(t.Context(), b.Programme, e.ID, asked, Position{0: 99}); !errors.Is(err, &ledger.Refusal{Reason: ledger.InvalidField}) {
		t.Errorf("a position not reached: %v", err)
	}
	if _, err := endpoints.Replay(t.Context(), b.Programme, e.ID, asked, nil); err != nil {
		t.Errorf("the key is not free: %v", err)
	}
}
