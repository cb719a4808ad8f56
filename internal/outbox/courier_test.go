package outbox

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger/ledgertest"
)

func TestAnEventGetsTenAttemptsInAboutThreeDays(t *testing.T) {
	want := []time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour,
		6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24 * time.Hour,
	}
	var saved []progress
	c := &courier{retry: NewDispatcher(nil, nil, Config{}).retry}
	c.save = func(_ context.Context, p progress) error { saved = append(saved, p); return nil }
	d := &delivery{pick: pick{transaction: uuid.New()}}
	for n, wait := range want {
		before := time.Now()
		if err := c.settle(t.Context(), attempt{d, &failure{text: "status 500"}}); err != nil {
			t.Fatalf("attempt %d: %v", n+1, err)
		}
		noted := c.unsaved.failed[d.transaction]
		if low, high := wait-wait/10, wait+wait/10; noted.wait < low || noted.wait > high || d.due.Before(before.Add(low)) || d.due.After(time.Now().Add(high)) {
			t.Errorf("after attempt %d: the next is noted for %v and due in %v, want about %v", n+1, noted.wait, time.Until(d.due), wait)
		}
	}
	err := c.settle(t.Context(), attempt{d, &failure{text: "status 500"}})
	if !errors.Is(err, errParked) || len(saved) != 1 || !saved[0].park || saved[0].failed[d.transaction].attempts != 10 {
		t.Errorf("the tenth attempt: %v, saved %+v", err, saved)
	}
}

func TestAPauseThatIsAskedForHoldsBackEverything(t *testing.T) {
	c := &courier{retry: retrySchedule}
	d := &delivery{pick: pick{transaction: uuid.New()}}
	c.ready = []*delivery{{pick: pick{transaction: uuid.New()}}}
	if err := c.settle(t.Context(), attempt{d, &failure{text: "status 429", retryAfter: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	if wait := c.unsaved.failed[d.transaction].wait; wait != time.Hour {
		t.Errorf("the next attempt is noted for %v", wait)
	}
	c.unsaved = progress{} // as if saved
	c.start(t.Context())
	if c.flying != 0 || len(c.ready) != 1 {
		t.Errorf("%d attempts were begun", c.flying)
	}
	if pause := c.pause(); pause < 50*time.Minute || d.due.Before(time.Now().Add(50*time.Minute)) {
		t.Errorf("it goes on in %v, and with the event itself in %v", pause, time.Until(d.due))
	}
}

func TestAnEndpointThatIsGoneIsParkedAtOnce(t *testing.T) {
	b := ledgertest.New(t, live)
	s := newSink(t)
	s.answer = func(int, Event) int { return http.StatusGone }
	endpoints, e := endpoint(t, b, s)
	b.Accrue(t, "a", "m", "points", 1)
	run(t, hurried(b.Ledger, b.Pool))
	eventually(t, "the endpoint is parked", func() bool {
		var err error
		e, err = endpoints.Get(t.Context(), b.Programme, e.ID)
		return err == nil && e.State == Parked
	})
	if s.count() != 1 || e.Failures != 1 || e.LastFailure != "status 410" {
		t.Errorf("parked after %d requests: %+v", s.count(), e)
	}
}
