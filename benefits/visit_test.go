package benefits_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
)

// newLounges is a club with lounges, in which ann is gold.
func newLounges(t *testing.T) club {
	t.Helper()
	c := newClubOf(t, loungeDocument)
	c.Accrue(t, "a-ann", "ann", "points", 600)
	return c
}

func atTheDoor(key, member string, guests int, consent ...benefits.Consent) (benefits.CheckIn, ledger.Request) {
	w := benefits.CheckIn{Operator: "jade", Lounge: "can-t2-jade", Member: member, Guests: guests, Consent: consent}
	return w, ledger.Request{Client: "door", Key: key}
}

func upTo(unit string, most int64) benefits.Consent {
	return benefits.Consent{Unit: unit, Most: decimal.NewFromInt(most)}
}

func (c club) checkIn(t *testing.T, key, member string, guests int, consent ...benefits.Consent) (benefits.Visit, error) {
	t.Helper()
	w, r := atTheDoor(key, member, guests, consent...)
	return c.CheckInVisit(t.Context(), c.Programme, w, r)
}

func (c club) mustCheckIn(t *testing.T, key, member string, guests int, consent ...benefits.Consent) benefits.Visit {
	t.Helper()
	v, err := c.checkIn(t, key, member, guests, consent...)
	if err != nil {
		t.Fatalf("check in %s: %v", key, err)
	}
	return v
}

func (c club) report(t *testing.T, record string, visit uuid.UUID, guests int) (benefits.Reported, error) {
	t.Helper()
	w := benefits.VisitRecord{Operator: "jade", Record: record, Visit: visit, Lounge: "can-t2-jade", Guests: guests}
	return c.ReportVisit(t.Context(), c.Programme, w, ledger.Request{Actor: "test"})
}

func (c club) mustReport(t *testing.T, record string, visit uuid.UUID, guests int) benefits.Reported {
	t.Helper()
	done, err := c.report(t, record, visit, guests)
	if err != nil {
		t.Fatalf("report %s: %v", record, err)
	}
	return done
}

// wantVisit compares a visit, written "pending: visits 1 held, guest-visits 1 held".
func wantVisit(t *testing.T, v benefits.Visit, want string) {
	t.Helper()
	var heads []string
	for _, h := range v.Heads {
		heads = append(heads, strings.TrimSpace(fmt.Sprintf("%s %s %s", h.Unit, h.Amount, h.State)))
	}
	if got := string(v.State) + ": " + strings.Join(heads, ", "); got != want {
		t.Errorf("visit: %s, want %s", got, want)
	}
}

// wantOwed compares what is owed to the operator.
func (c club) wantOwed(t *testing.T, want string) {
	t.Helper()
	owed, err := c.vouchers.Payable(t.Context(), c.Programme, "jade")
	got := "nothing"
	for _, o := range owed {
		got = o.Amount.String() + " " + o.Unit
	}
	if err != nil || got != want {
		t.Errorf("owed: %s, %v, want %s", got, err, want)
	}
}

func TestAVisitHoldsAtTheDoorAndIsChargedByTheReport(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	v := c.mustCheckIn(t, "v1", "ann", 2)
	wantVisit(t, v, "pending: visits 1 held, guest-visits 1 held")
	c.wantWallet(t, "ann", "guest-visits 2, points 600, visits 1")
	list, err := c.LoungeAllotments(t.Context(), c.Programme, "ann")
	if err != nil || len(list) != 2 || list[1].Shared || list[1].FreeGuests != 1 {
		t.Fatalf("allotments: %+v, %v", list, err)
	}
	if own, guests := list[1].Own, list[1].ForGuests; own.Pending.String() != "1" || own.Left.String() != "1" || guests.Pending.String() != "1" || guests.Total.String() != "3" {
		t.Errorf("own %+v, guests %+v", own, guests)
	}
	again := c.mustCheckIn(t, "v1", "ann", 2)
	if again.ID != v.ID {
		t.Errorf("again: %+v", again)
	}
	_, err = c.checkIn(t, "v1", "ann", 1)
	wantRefusal(t, err, ledger.IdempotencyKeyReused)
	c.wantOwed(t, "nothing")
	for range 2 {
		done := c.mustReport(t, "r1", v.ID, 2)
		wantVisit(t, done.Visit, "reported: visits 1 charged, guest-visits 1 charged")
		c.wantOwed(t, "240 CNY")
	}
	_, err = c.report(t, "r2", v.ID, 2)
	wantRefusal(t, err, ledger.ReferenceUsed)
	c.wantWallet(t, "ann", "guest-visits 2, points 600, visits 1")
	other := c.mustCheckIn(t, "v2", "ann", 0)
	_, err = c.report(t, "r1", other.ID, 0)
	wantRefusal(t, err, ledger.ReferenceUsed)
}

func TestFewerGuestsThanHeldGiveTheRestBack(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	v := c.mustCheckIn(t, "v1", "ann", 3)
	c.wantWallet(t, "ann", "guest-visits 1, points 600, visits 1")
	done := c.mustReport(t, "r1", v.ID, 1)
	wantVisit(t, done.Visit, "reported: visits 1 charged, guest-visits 1 returned, guest-visits 1 returned")
	c.wantWallet(t, "ann", "guest-visits 3, points 600, visits 1")
	c.wantOwed(t, "160 CNY")
}

func TestBeyondTheAllotmentAMemberPaysWhatWasAgreedTo(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	c.mustCheckIn(t, "v1", "ann", 3)
	c.mustCheckIn(t, "v2", "ann", 0)
	_, err := c.checkIn(t, "v3", "ann", 0)
	wantRefusal(t, err, ledger.LimitReached)
	if err == nil || !strings.Contains(err.Error(), "because entry") || !strings.Contains(err.Error(), "accepted CNY 99, points 300") && !strings.Contains(err.Error(), "accepted points 300, CNY 99") {
		t.Errorf("refusal: %v", err)
	}
	_, err = c.checkIn(t, "v4", "ann", 0, upTo("points", 299))
	wantRefusal(t, err, ledger.LimitReached)
	w, r := atTheDoor("v5", "ann", 3, upTo("points", 300), upTo("CNY", 100))
	preview, err := c.PreviewVisit(t.Context(), c.Programme, w, r)
	if err != nil {
		t.Fatal(err)
	}
	wantVisit(t, preview, "pending: points 300 held, guest-visits 1 held, points 200 held")
	v, err := c.CheckInVisit(t.Context(), c.Programme, w, r)
	if err != nil {
		t.Fatal(err)
	}
	wantVisit(t, v, "pending: points 300 held, guest-visits 1 held, points 200 held")
	last := c.mustCheckIn(t, "v6", "ann", 2, upTo("CNY", 100))
	wantVisit(t, last, "pending: CNY 99 charged, CNY 60 charged")
	done := c.mustReport(t, "r6", last.ID, 0)
	wantVisit(t, done.Visit, "reported: CNY 99 charged, CNY 60 returned")
	_, err = c.checkIn(t, "v7", "ann", 4, upTo("CNY", 100))
	wantRefusal(t, err, ledger.LimitReached)
}

func TestMoreGuestsThanHeldPayByConsentOrStayOpen(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	v := c.mustCheckIn(t, "v1", "ann", 1, upTo("points", 200))
	done := c.mustReport(t, "r1", v.ID, 6) // the free one, three by allotment, two by points
	wantVisit(t, done.Visit, "reported: visits 1 charged, guest-visits 1 charged, guest-visits 1 charged, guest-visits 1 charged, points 200 charged, points 200 charged")
	v = c.mustCheckIn(t, "v2", "ann", 1)
	done = c.mustReport(t, "r2", v.ID, 2)
	wantVisit(t, done.Visit, "reported: visits 1 charged, 0 open")
	if done.Open != 1 {
		t.Errorf("open: %d", done.Open)
	}
	c.wantWallet(t, "ann", "points 200")
	c.wantOwed(t, "800 CNY") // seven and three heads
}

func TestALateReportChargesAnew(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	v := c.mustCheckIn(t, "v1", "ann", 2)
	c.moveClock(t, v.ReleaseAt.Add(time.Hour))
	if err := c.Ledger.Sweep(t.Context(), c.Programme, func(ledger.Due) {}); err != nil {
		t.Fatal(err)
	}
	v, err := c.Visit(t.Context(), c.Programme, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantVisit(t, v, "released: visits 1 returned, guest-visits 1 returned")
	c.wantWallet(t, "ann", "guest-visits 3, points 600, visits 2")
	done := c.mustReport(t, "r1", v.ID, 2)
	wantVisit(t, done.Visit, "reported: visits 1 charged, guest-visits 1 charged")
	c.wantWallet(t, "ann", "guest-visits 2, points 600, visits 1")
}

func TestAVisitWithAPassUsesItAtTheDoor(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	pass := c.mustRedeem(t, "p1", "ann", "lounge", benefits.WithAllotment)
	w, r := atTheDoor("v1", "", 2)
	w.Code = string(pass.Voucher.Code)
	v, err := c.CheckInVisit(t.Context(), c.Programme, w, r)
	if err != nil {
		t.Fatal(err)
	}
	wantVisit(t, v, "pending: lounge 1 charged, guest-visits 1 held")
	if v.Member != "ann" || v.Voucher != pass.Voucher.ID {
		t.Errorf("visit: %+v", v)
	}
	r.Key = "v2"
	_, err = c.CheckInVisit(t.Context(), c.Programme, w, r)
	wantRefusal(t, err, ledger.VoucherUsed)
	c.wantOwed(t, "80 CNY")
	record := benefits.VisitRecord{Operator: "jade", Record: "r1", Code: w.Code, Lounge: "can-t2-jade", Guests: 2}
	if _, err := c.ReportVisit(t.Context(), c.Programme, record, ledger.Request{}); err != nil {
		t.Fatal(err)
	}
	c.wantOwed(t, "240 CNY")
}

func TestACanceledVisitGivesEverythingBack(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	pass := c.mustRedeem(t, "p1", "ann", "lounge", benefits.WithAllotment)
	w, r := atTheDoor("v1", "", 3, upTo("CNY", 60))
	w.Code = string(pass.Voucher.Code)
	v, err := c.CheckInVisit(t.Context(), c.Programme, w, r)
	if err != nil {
		t.Fatal(err)
	}
	r.Key = "c1"
	if _, err := c.PreviewCancelVisit(t.Context(), c.Programme, "jade", v.ID, r); err != nil {
		t.Fatal(err)
	}
	_, err = c.CancelVisit(t.Context(), c.Programme, "other", v.ID, r)
	wantRefusal(t, err, ledger.NotFoundReason)
	for range 2 {
		v, err = c.CancelVisit(t.Context(), c.Programme, "jade", v.ID, r)
		if err != nil {
			t.Fatal(err)
		}
		wantVisit(t, v, "canceled: lounge 1 returned, guest-visits 1 returned, guest-visits 1 returned")
	}
	c.wantWallet(t, "ann", "guest-visits 3, points 600, visits 1")
	_, err = c.report(t, "r1", v.ID, 0)
	wantRefusal(t, err, ledger.HoldClosed)
	again := c.mustCheckIn(t, "v2", "ann", 0)
	c.mustReport(t, "r2", again.ID, 0)
	r.Key = "c2"
	_, err = c.CancelVisit(t.Context(), c.Programme, "jade", again.ID, r)
	wantRefusal(t, err, ledger.HoldClosed)
}

func TestADoorThatIsClosedOrOfAnotherLetsNobodyIn(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	w, r := atTheDoor("v1", "ann", 0)
	w.Operator = "other"
	_, err := c.CheckInVisit(t.Context(), c.Programme, w, r)
	wantRefusal(t, err, ledger.NotFoundReason)
	c.moveClock(t, time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC))
	_, err = c.checkIn(t, "v2", "ann", 0)
	wantRefusal(t, err, ledger.NotOpen)
	c.wantWallet(t, "ann", "guest-visits 3, points 600, visits 2")
}

// TestDoorsOfTwoServersLetInExactlyTheAllotment checks one member in at many doors of two servers at once.
func TestDoorsOfTwoServersLetInExactlyTheAllotment(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	c.qualify(t, "ann")
	var visits, guests atomic.Int64
	var wg sync.WaitGroup
	enter := func(i, bring int) {
		catalog := c.Catalog
		if i%2 == 0 {
			catalog = other
		}
		w, r := atTheDoor(fmt.Sprintf("v%d-%d", bring, i), "ann", bring)
		v, err := catalog.CheckInVisit(t.Context(), c.Programme, w, r)
		if err == nil {
			visits.Add(1)
			guests.Add(int64(len(v.Heads) - 1))
		} else if !errors.Is(err, &ledger.Refusal{Reason: ledger.LimitReached}) {
			t.Errorf("door %d: %v", i, err)
		}
	}
	for i := range 12 {
		wg.Go(func() { enter(i, 0) })
	}
	wg.Wait()
	if visits.Load() != 2 {
		t.Errorf("%d visits of an allotment of 2", visits.Load())
	}
	c.wantWallet(t, "ann", "guest-visits 3, points 600")
}

// TestDoorsOfTwoServersLetInExactlyTheGuests does the same with guests, of whom each visit has one free.
func TestDoorsOfTwoServersLetInExactlyTheGuests(t *testing.T) {
	t.Parallel()
	c := newClubOf(t, strings.Replace(loungeDocument, "totals: {gold: 2}", "totals: {gold: 50}", 1))
	c.Accrue(t, "a-ann", "ann", "points", 600)
	c.qualify(t, "ann")
	other := benefits.New(c.Another(t), c.Pool, c.vouchers)
	var let atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			catalog := c.Catalog
			if i%2 == 0 {
				catalog = other
			}
			w, r := atTheDoor(fmt.Sprint("v", i), "ann", 2)
			_, err := catalog.CheckInVisit(t.Context(), c.Programme, w, r)
			if err == nil {
				let.Add(1)
			} else if !errors.Is(err, &ledger.Refusal{Reason: ledger.LimitReached}) {
				t.Errorf("door %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if let.Load() != 3 {
		t.Errorf("%d paying guests of an allowance of 3", let.Load())
	}
	c.wantWallet(t, "ann", "points 600, visits 47") // nobody who was refused holds anything
}

func TestVerifyCatchesAVisitThatItsTransactionsDoNotExplain(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	owner := devdb.Open(t, c.Database.OwnerURL, db.Options{})
	v := c.mustCheckIn(t, "v1", "ann", 2)
	c.mustReport(t, "r1", v.ID, 2)
	c.verify(t)
	for name, sql := range map[string][2]string{
		"another member": {`UPDATE visits SET member = 'eve'`, `UPDATE visits SET member = 'ann'`},
		"another lounge": {`UPDATE visits SET lounge = 'szx-lane'`, `UPDATE visits SET lounge = 'can-t2-jade'`},
		"more guests":    {`UPDATE visits SET guests = 3`, `UPDATE visits SET guests = 2`},
		"more free":      {`UPDATE visits SET free = 2`, `UPDATE visits SET free = 1`},
		"a pass":         {`UPDATE visits SET voucher_id = id`, `UPDATE visits SET voucher_id = '00000000-0000-0000-0000-000000000000'`},
		"a lost visit":   {`UPDATE visits SET id = gen_random_uuid()`, `UPDATE visits SET id = '` + v.ID.String() + `'`},
		"a lost report":  {`UPDATE visit_reports SET visit_id = gen_random_uuid()`, `UPDATE visit_reports SET visit_id = '` + v.ID.String() + `'`},
		"fewer reported": {`UPDATE visit_reports SET guests = 1`, `UPDATE visit_reports SET guests = 2`},
		"another's":      {`UPDATE visit_reports SET operator = 'eve'`, `UPDATE visit_reports SET operator = 'jade'`},
		"another price": {
			`UPDATE legs SET amount = 3 WHERE unit = 'visits' AND to_place = 'hold/` + v.ID.String() + `'`,
			`UPDATE legs SET amount = 1 WHERE unit = 'visits' AND to_place = 'hold/` + v.ID.String() + `'`,
		},
	} {
		if _, err := owner.Exec(t.Context(), sql[0]); err != nil {
			t.Fatal(err)
		}
		var report ledger.Report
		if err := benefits.Verify(t.Context(), owner, &report); err != nil || report.OK() {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
		if _, err := owner.Exec(t.Context(), sql[1]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnOperatorsFileIsTakenLineByLineOnce(t *testing.T) {
	t.Parallel()
	c := newLounges(t)
	one, two := c.mustCheckIn(t, "v1", "ann", 1), c.mustCheckIn(t, "v2", "ann", 0)
	late := c.mustCheckIn(t, "v3", "ann", 0, upTo("points", 300))
	c.moveClock(t, late.ReleaseAt.Add(time.Hour))
	if err := c.Ledger.Sweep(t.Context(), c.Programme, func(ledger.Due) {}); err != nil {
		t.Fatal(err)
	}
	file := "key,lounge,at,visit,guests\n" +
		fmt.Sprintf("r1,can-t2-jade,2026-03-01 10:00:00,%s,1\n", one.ID) +
		fmt.Sprintf("r2,can-t2-jade,2026-03-01,%s,\n", two.ID) +
		fmt.Sprintf("r3,can-t2-jade,2026-03-01,%s,0\n", late.ID) + // after what it held went back
		fmt.Sprintf("r1,can-t2-jade,2026-03-01,%s,0\n", two.ID) +
		fmt.Sprintf("r5,wuh-jade,2026-03-01,%s,0\n", one.ID) +
		"r6,can-t2-jade,2026-03-01,,0\n" +
		"r7,can-t2-jade,yesterday,0190163d-8694-739b-aea5-966c26f8ad91,0\n" +
		"r8,can-t2-jade,2026-03-01,0190163d-8694-739b-aea5-966c26f8ad91,0\n"
	by := func(ctx context.Context, p uuid.UUID, f benefits.SourceFile, r ledger.Request) (benefits.Import, error) {
		r.Client = "jade"
		return c.ImportVisits(ctx, p, f, r)
	}
	done, rejected, err := c.importingBy(t.Context(), t, by, file, quiet)
	if want := (benefits.Import{Read: 8, Recorded: 3, Rejected: 5}); err != nil || done != want {
		t.Fatalf("%+v, %v: %q", done, err, rejected)
	}
	for i, column := range []string{"5 r1 key", "6 r5 lounge", "7 r6 visit", "8 r7 at", "9 r8 visit"} {
		if len(rejected) != 5 || !strings.HasPrefix(rejected[i], column+": ") {
			t.Errorf("rejected: %q, want the %dth to begin with %q", rejected, i, column)
			break
		}
	}
	again, _, err := c.importingBy(t.Context(), t, by, file+"\n", quiet)
	if want := (benefits.Import{Read: 8, Known: 3, Rejected: 5}); err != nil || again != want {
		t.Errorf("the same lines in another file: %+v, %v", again, err)
	}
	v, err := c.Visit(t.Context(), c.Programme, late.ID)
	if err != nil || v.State != benefits.VisitReported {
		t.Errorf("the late one: %+v, %v", v, err)
	}
}
