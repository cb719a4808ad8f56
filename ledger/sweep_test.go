package ledger_test

import (
	"errors"
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

func TestARedatingJobMovesEveryMembersLotsOnce(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	for i := range 40 {
		b.Accrue(t, fmt.Sprint("a", i), fmt.Sprint("m", i), "points", 10) // expires 1971-02-01 in Shanghai
	}
	expired := time.Date(1971, 1, 31, 16, 0, 0, 0, time.UTC)
	job := ledger.Request{Client: "test", Key: "spring", Reason: "goodwill"}
	redate := func() ledger.Redated {
		done, err := b.Ledger.RedateAll(t.Context(), b.Programme, "points", expired, expired.Add(time.Hour), expired.AddDate(1, 0, 0), job)
		if err != nil || len(done.Refused) > 0 {
			t.Fatal(err, done.Refused)
		}
		return done
	}

	first, second := redate(), redate()
	b.Post(t, ledger.SetClock(expired.AddDate(0, 6, 0), key("clock")))
	if err := b.Ledger.Sweep(t.Context(), b.Programme, nil); err != nil {
		t.Fatal(err)
	}

	if first.Lots != 40 || !first.Amount.Equal(amount(400)) || second.Lots != 0 {
		t.Errorf("the job re-dated %+v, then %+v; want 40 lots of 400, then none", first, second)
	}
	if _, err := b.Ledger.RedateAll(t.Context(), b.Programme, "nosuch", expired, expired, expired, job); !errors.Is(err, &ledger.Refusal{Reason: ledger.UnknownUnit}) {
		t.Errorf("an unknown unit: %v", err)
	}
	b.WantBalance(t, "wallet", "points", amount(400))
}

func TestARedatingJobCountsAllLotsOfAMemberWithManyPages(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	const lots = 600 // a page is 500
	list := make([]ledger.Request, lots)
	for i := range list {
		list[i] = ledger.Accrual{Member: "m", Unit: "points", Amount: amount(2), ExpiresAt: day(1971, 1, 1).Add(time.Duration(i) * time.Minute)}.
			Into(b.Programme, key(fmt.Sprint("a", i)))
	}
	if _, err := b.Ledger.PostBatch(t.Context(), b.Programme, list, true); err != nil {
		t.Fatal(err)
	}
	done, err := b.Ledger.RedateAll(t.Context(), b.Programme, "points", day(1971, 1, 1), day(1971, 2, 1), day(1973, 1, 1), ledger.Request{Client: "test", Key: "job", Reason: "goodwill"})
	if err != nil || done.Lots != lots || done.Members != 1 || done.Earlier != 0 || !done.Amount.Equal(amount(2*lots)) {
		t.Errorf("re-dated %+v, %v; want 1 member's %d lots", done, err, lots)
	}
}

func TestASweepThatGivesWayToCallersStillEnds(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	const members = 2000 // so that a bucket's page is long enough to give way
	for from := 0; from < members; from += ledger.MaxBatch {
		var list []ledger.Request
		for i := range ledger.MaxBatch {
			member := fmt.Sprint("m", from+i)
			list = append(list, ledger.Accrual{Member: member, Unit: "points", Amount: amount(1)}.Into(b.Programme, key(member)))
		}
		if _, err := b.Ledger.PostBatch(t.Context(), b.Programme, list, false); err != nil {
			t.Fatal(err)
		}
	}
	b.Post(t, ledger.SetClock(time.Date(1971, 3, 1, 0, 0, 0, 0, time.UTC), key("clock")))
	callers, began, swept, written := b.Another(t), make(chan struct{}), make(chan struct{}), 0
	beginning := sync.OnceFunc(func() { close(began) })
	var wg sync.WaitGroup
	wg.Go(func() {
		defer beginning()
		for ; ; written++ {
			if written > 0 {
				beginning()
			}
			select {
			case <-swept:
				return
			default:
			}
			accrual := ledger.Accrual{Member: "caller", Unit: "points", Amount: amount(1)}
			if _, err := callers.Post(t.Context(), b.Programme, accrual.Into(b.Programme, key(fmt.Sprint("call", written)))); err != nil {
				t.Error(err)
				return
			}
		}
	})

	<-began
	err := b.Ledger.Sweep(t.Context(), b.Programme, nil)
	close(swept)
	wg.Wait()

	if err != nil || written == 0 {
		t.Fatalf("sweep beside %d postings: %v", written, err)
	}
	b.WantBalance(t, "breakage", "points", amount(members))
	b.WantBalance(t, "wallet", "points", amount(int64(written)))
}
