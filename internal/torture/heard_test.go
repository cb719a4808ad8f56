package torture_test

import (
	"sync"
	"testing"
	"time"

	"tallystick/ledger"
)

// heard is everything that the clients were told.
type heard struct {
	mu       sync.Mutex
	wallets  map[wallet]int64
	vouchers map[string]*voucher // by id
	posted   map[string]bool     // ids
	deeds    map[string]*count
	refused  map[ledger.Reason]int
	races    map[string]int // of a use against a cancellation, by winner
	phase    count
	slowest  time.Duration
	progress *progress
}

// deeds are the names of all.
var deeds = []string{"accrue", "redeem", "hold", "capture", "void", claiming, using, takingBack, canceling}

type wallet struct{ member, unit string }

// count is how often something was done, what that took, and how many answers to a retry told of what had been recorded
// before: the first answer was lost.
type count struct{ done, retries, lost int }

func newHeard() *heard {
	return &heard{
		wallets: make(map[wallet]int64), vouchers: make(map[string]*voucher), posted: make(map[string]bool),
		deeds: make(map[string]*count), refused: make(map[ledger.Reason]int), races: make(map[string]int),
	}
}

// begin starts another phase, with counts of its own; what was posted stays.
func (h *heard) begin() {
	h.phase, h.slowest, h.progress = count{}, 0, newProgress()
}

// hit reports whether an answer was lost in this phase whose posting had been committed.
func (h *heard) hit() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.phase.lost > 0
}

// hitEverywhere is hit, and in the long form also that an answer to every deed was lost in some phase.
func (h *heard) hitEverywhere() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range deeds {
		if c := h.deeds[name]; everyAnswerLost && (c == nil || c.lost == 0) {
			return false
		}
	}
	return h.phase.lost > 0
}

func (h *heard) yes(d deed, a answer, retries int, before bool, took time.Duration) {
	h.mu.Lock()
	sum := count{done: 1, retries: retries}
	if retries > 0 && before {
		sum.lost = 1
	}
	h.add(d.name, sum, took)
	h.posted[a.id] = true
	d.note(a.id)
	h.mu.Unlock()
	h.progress.ack()
}

func (h *heard) no(d deed, reason ledger.Reason, retries int, took time.Duration) {
	h.mu.Lock()
	h.refused[reason]++
	h.add(d.name, count{retries: retries}, took)
	h.mu.Unlock()
	h.progress.ack()
}

func (h *heard) add(name string, sum count, took time.Duration) {
	of := h.deeds[name]
	if of == nil {
		of = new(count)
		h.deeds[name] = of
	}
	for _, c := range []*count{of, &h.phase} {
		c.done += sum.done
		c.retries += sum.retries
		c.lost += sum.lost
	}
	h.slowest = max(h.slowest, took)
}

// wantEverything fails the test unless every deed was done, the last rights were raced for, and so were vouchers, with
// either winner. Kills must have hit every deed, so that it was sent again; in the long form also after its COMMIT.
func (h *heard) wantEverything(t *testing.T) {
	t.Helper()
	for _, name := range deeds {
		c := h.deeds[name]
		if c == nil || c.done == 0 {
			t.Errorf("%s never happened", name)
			continue
		}
		t.Logf("%s: %d done, %d retries, %d answers lost", name, c.done, c.retries, c.lost)
		if c.retries == 0 || everyAnswerLost && c.lost == 0 {
			t.Errorf("%s was not hit: %d retries, %d answers lost", name, c.retries, c.lost)
		}
	}
	t.Logf("refused: %v; races over a voucher won: %v", h.refused, h.races)
	if h.refused[ledger.OutOfStock] == 0 || h.races[using] == 0 || h.races[canceling] == 0 {
		t.Error("the last rights, or the vouchers, were not raced for with every outcome")
	}
}
