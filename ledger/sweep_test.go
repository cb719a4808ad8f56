package ledger_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func TestSweepPostsWhatIsDueOnceHoweverManySweep(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	for i := range 300 {
		b.Accrue(t, fmt.Sprint("a", i), fmt.Sprint("m", i), "points", 10)
	}
	held := b.Post(t, ledger.Reserve(b.Programme, "m1", "points", amount(4), time.Hour, key("hold")))
	pending := b.Post(t, ledger.Accrual{
		Member: "m2", Unit: "points", Amount: amount(7), ActivateAt: time.Date(1970, 6, 1, 0, 0, 0, 0, time.UTC),
	}.Into(b.Programme, key("pending")))
	b.Post(t, ledger.SetClock(time.Date(1971, 3, 1, 0, 0, 0, 0, time.UTC), key("clock")))

	expected := map[ledger.Kind]int{}
	if err := b.Ledger.DueNow(t.Context(), b.Programme, func(d ledger.Due) { expected[d.Kind]++ }); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, l := range []*ledger.Ledger{b.Ledger, b.Another(t), b.Another(t)} {
		wg.Go(func() {
			if err := l.Sweep(t.Context(), b.Programme, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if expected[ledger.KindExpiry] != 300 || expected[ledger.KindTimeout] != 1 || expected[ledger.KindActivation] != 1 {
		t.Errorf("due before the sweep: %v", expected)
	}
	if n, err := b.Ledger.CountDue(t.Context(), b.Programme); err != nil || n != 0 {
		t.Errorf("%d things are still due after the sweep, %v", n, err)
	}
	b.WantBalance(t, "breakage", "points", decimal.NewFromInt(300*10))
	b.WantBalance(t, "hold", "points", decimal.Zero)
	b.WantBalance(t, "wallet", "points", amount(7)) // activated in June 1970: lives to June 1971
	_, _ = held, pending
}
