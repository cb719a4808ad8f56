package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
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

	posted := make(visits)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, l := range []*ledger.Ledger{b.Ledger, b.Another(t), b.Another(t)} {
		wg.Go(func() {
			err := l.Sweep(t.Context(), b.Programme, func(d ledger.Due) {
				mu.Lock()
				defer mu.Unlock()
				posted.visit(d)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	// m1's lot lapsed in the hold and leaves from there.
	want := visits{ledger.KindExpiry: {300, "2996"}, ledger.KindTimeout: {1, "4"}, ledger.KindActivation: {1, "7"}}
	if diff := cmp.Diff(want, posted); diff != "" {
		t.Errorf("all sweeps together (-want +got):\n%s", diff)
	}
	if n, err := b.Ledger.CountDue(t.Context(), b.Programme); err != nil || n != 0 {
		t.Errorf("%d things are still due after the sweep, %v", n, err)
	}
	b.WantBalance(t, "breakage", "points", decimal.NewFromInt(300*10))
	b.WantBalance(t, "hold", "points", decimal.Zero)
	b.WantBalance(t, "wallet", "points", amount(7)) // activated in June 1970: lives to June 1971
	_, _ = held, pending
}

// visits are what a sweep said it did, by kind.
type visits map[ledger.Kind]visited

type visited struct {
	Count  int
	Amount string
}

func (v visits) visit(d ledger.Due) {
	t := v[d.Kind]
	sum, _ := decimal.NewFromString(t.Amount) // nothing at first
	v[d.Kind] = visited{t.Count + 1, sum.Add(d.Amount).String()}
}

const sqlCountTransactions = `SELECT count(*) FROM transactions AS t`

// TestADryRunShowsWhatASweepPostsAndPostsNothing, also where one thing settles another: ending a hold touches the wallet
// that it returns to, and whatever lapsed there is expired with it.
func TestADryRunShowsWhatASweepPostsAndPostsNothing(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	for i := range 3 {
		member := fmt.Sprint("m", i)
		for month := range 3 { // three lots, which lapse in three months
			b.Post(t, ledger.Accrual{
				Member: member, Unit: "points", Amount: amount(10), ExpiresAt: time.Date(1970, time.Month(2+month), 1, 0, 0, 0, 0, time.UTC),
			}.Into(b.Programme, key(fmt.Sprint(member, "-", month))))
		}
		b.Post(t, ledger.Reserve(b.Programme, member, "points", amount(4), time.Hour, key("hold-"+member)))
	}
	b.Post(t, ledger.SetClock(time.Date(1970, 3, 15, 0, 0, 0, 0, time.UTC), key("clock")))
	transactions := func() (n int) {
		t.Helper()
		if err := b.Pool.QueryRow(t.Context(), sqlCountTransactions).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	sweep := func(run func(context.Context, uuid.UUID, func(ledger.Due)) error) visits {
		t.Helper()
		found := make(visits)
		if err := run(t.Context(), b.Programme, found.visit); err != nil {
			t.Fatal(err)
		}
		return found
	}

	before := transactions()
	shown, again := sweep(b.Ledger.DueNow), sweep(b.Ledger.DueNow)
	after := transactions()
	posted := sweep(b.Ledger.Sweep)

	want := visits{ledger.KindTimeout: {3, "12"}, ledger.KindExpiry: {6, "48"}} // of each 20 that lapsed, 4 did in the hold
	for name, got := range map[string]visits{"shown": shown, "shown again": again, "posted": posted} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if before != after {
		t.Errorf("showing posted %d transactions", after-before)
	}
	if rest := transactions(); rest != before+3+6 {
		t.Errorf("the sweep posted %d transactions", rest-before)
	}
	if left := sweep(b.Ledger.Sweep); len(left) > 0 {
		t.Errorf("a second sweep says that it posted %v", left)
	}
	b.WantBalance(t, "breakage", "points", amount(60))
	b.WantBalance(t, "wallet", "points", amount(30))
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
