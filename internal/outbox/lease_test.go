package outbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger/ledgertest"
)

func taken(t *testing.T, pool *db.Pool, endpoint uuid.UUID, length time.Duration) *lease {
	t.Helper()
	l, err := take(t.Context(), pool, endpoint, uuid.New(), length)
	if err != nil || l == nil {
		t.Fatalf("lease %v, %v", l, err)
	}
	return l
}

// Whoever serves an endpoint knows it as it was. After any change nothing of what it learned may be saved.
func TestAChangeOfAnEndpointFencesItsHolder(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints, e := endpoint(t, b, newSink(t))
	for _, c := range []struct {
		name   string
		change func() error
	}{
		{"rotate", func() error { _, err := endpoints.Rotate(t.Context(), b.Programme, e.ID, anew()); return err }},
		{"replay", func() error { _, err := endpoints.Replay(t.Context(), b.Programme, e.ID, anew(), nil); return err }},
		{"resume", func() error { _, err := endpoints.Resume(t.Context(), b.Programme, e.ID, anew()); return err }},
		{"delete", func() error { return endpoints.Delete(t.Context(), b.Programme, e.ID, anew()) }},
	} {
		l := taken(t, b.Pool, e.ID, time.Hour)
		to := &target{programme: b.Programme, id: e.ID}
		if err := l.save(t.Context(), to, progress{delivered: true}); err != nil {
			t.Fatalf("before %s: %v", c.name, err)
		}
		if err := c.change(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := l.save(t.Context(), to, progress{delivered: true}); !errors.Is(err, errLeaseLost) {
			t.Errorf("after %s: %v", c.name, err)
		}
		if err := l.release(t.Context()); err != nil { // it is no longer its own to release
			t.Fatal(err)
		}
		if _, err := b.Pool.Exec(t.Context(), `UPDATE leases SET lease_until = now()`); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALeaseHasOneHolderUntilItEnds(t *testing.T) {
	b := ledgertest.New(t, live)
	_, e := endpoint(t, b, newSink(t))
	first := taken(t, b.Pool, e.ID, time.Hour)
	if other, err := take(t.Context(), b.Pool, e.ID, uuid.New(), time.Hour); other != nil || err != nil {
		t.Errorf("a second holder: %v, %v", other, err)
	}
	if _, err := b.Pool.Exec(t.Context(), `UPDATE leases SET lease_until = now()`); err != nil {
		t.Fatal(err)
	}
	to := &target{programme: b.Programme, id: e.ID}
	if err := first.save(t.Context(), to, progress{delivered: true}); !errors.Is(err, errLeaseLost) {
		t.Errorf("a lease that has ended: %v", err)
	}
	second := taken(t, b.Pool, e.ID, time.Hour)
	if err := first.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.save(t.Context(), to, progress{delivered: true}); err != nil {
		t.Errorf("the second holder after the first one's release: %v", err)
	}
}

// The requests of a holder that cannot renew are cut off by its own clock, before another can begin.
func TestAHolderThatCannotRenewIsCutOff(t *testing.T) {
	b := ledgertest.New(t, live)
	_, e := endpoint(t, b, newSink(t))
	own := devdb.Open(t, b.Database.URL, db.Options{ByIndex: true})
	l := taken(t, own, e.ID, 4*time.Second)
	until := l.until
	held, end := l.keep(t.Context())
	defer end(nil)
	eventually(t, "the lease is renewed", func() bool {
		var renewed bool
		err := b.Pool.QueryRow(t.Context(), `SELECT lease_until > $1 FROM leases`, until.Add(time.Second)).Scan(&renewed)
		return err == nil && renewed
	})
	own.Close()
	select {
	case <-held.Done():
	case <-time.After(time.Minute):
		t.Fatal("it goes on without a lease")
	}
	if cause := context.Cause(held); !errors.Is(cause, errLeaseLost) {
		t.Errorf("it ended for %v", cause)
	}
}

func TestAHolderThatWasOvertakenIsCutOff(t *testing.T) {
	b := ledgertest.New(t, live)
	_, e := endpoint(t, b, newSink(t))
	l := taken(t, b.Pool, e.ID, time.Second)
	l.until = time.Now().Add(time.Hour) // it is not the end of the lease that stops it
	if _, err := b.Pool.Exec(t.Context(), sqlFenceLease, l.name); err != nil {
		t.Fatal(err)
	}
	held, end := l.keep(t.Context())
	defer end(nil)
	select {
	case <-held.Done():
	case <-time.After(time.Minute):
		t.Fatal("it goes on although it was overtaken")
	}
	if cause := context.Cause(held); !errors.Is(cause, errLeaseLost) {
		t.Errorf("it ended for %v", cause)
	}
}
