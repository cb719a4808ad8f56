package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

const limits = `
limits:
  - {code: monthly, of: points, per: member, interval: month, most: 100}
  - {code: budget, of: points, per: programme, interval: ever, most: 150}
  - {code: weekly-times, of: times, per: member, interval: week, most: 2}
  - {code: daily-rights, of: times, per: member, interval: day, most: 3}
`

func limitsDesk(t rapid.TB) *desk {
	t.Helper()
	return newDesk(t, limits)
}

// bounded is an accrual of points that counts now and is bounded by limits.
func (d *desk) bounded(member, points string, limits ...string) Request {
	r := Accrual{Member: member, Unit: "points", Amount: amount(points), ExpiresAt: day("2027-06-01")}.Into(d.book.programme.ID, d.next())
	d.boundedBy(&r, member, limits...)
	return r
}

func (d *desk) boundedBy(r *Request, member string, limits ...string) {
	for _, code := range limits {
		c := d.book.programme.Cap(d.book.programme.Limits[code], member, d.book.now)
		r.Legs[len(r.Legs)-1].Uses = append(r.Legs[len(r.Legs)-1].Uses, c)
	}
}

func TestALimitCutsWhatIsAccrued(t *testing.T) {
	d := limitsDesk(t)
	d.must(d.bounded("ann", "70", "monthly"))
	cut := d.must(d.bounded("ann", "70.25", "monthly"))
	if !cut.Amount.Equal(amount("30")) {
		t.Errorf("the second accrual moved %s", cut.Amount)
	}
	d.refuse(NothingEarned, d.bounded("ann", "1", "monthly"))
	d.wantLots("ann", "points", "2027-06-01 100")
	d.must(d.bounded("bob", "40", "monthly"))
	d.until("2026-02-01")
	d.must(d.bounded("ann", "70", "monthly"))
	d.wantLots("ann", "points", "2027-06-01 170")
}

func TestTheScarcestOfSeveralLimitsDecides(t *testing.T) {
	d := limitsDesk(t)
	d.must(d.bounded("ann", "80", "monthly", "budget"))
	d.must(d.bounded("bob", "90", "monthly", "budget"))
	d.wantLots("bob", "points", "2027-06-01 70")
	d.refuse(NothingEarned, d.bounded("cec", "1", "monthly", "budget"))
}

func TestALimitOfTimesCountsEachLegOnce(t *testing.T) {
	d := limitsDesk(t)
	for range 2 {
		d.must(d.bounded("ann", "500", "weekly-times"))
	}
	d.refuse(NothingEarned, d.bounded("ann", "1", "weekly-times"))
	d.wantLots("ann", "points", "2027-06-01 1000")
}

func TestWhatIsClawedBackIsNoLongerUsed(t *testing.T) {
	d := limitsDesk(t)
	first := d.must(d.bounded("ann", "100", "monthly"))
	d.reverse(first, "25")
	cut := d.must(d.bounded("ann", "100", "monthly"))
	if !cut.Amount.Equal(amount("25")) {
		t.Errorf("after a return of 25, %s was accrued", cut.Amount)
	}
}

func TestARedemptionBeyondALimitIsRefused(t *testing.T) {
	d := limitsDesk(t)
	claim := func(rights string) Request {
		r := d.next()
		id := TransactionID(d.book.programme.ID, r.Client, r.Key)
		r = RedeemLegs("ann", []Leg{{
			From: programmeAccount("lounge", Issuance), To: Account{Unit: "lounge", Owner: Member("ann"), Place: Voucher, Of: id},
			Unit: "lounge", Amount: amount(rights), ExpiresAt: day("2026-03-01"),
		}}, r)
		d.boundedBy(&r, "ann", "daily-rights")
		return r
	}
	first := d.must(claim("2"))
	d.refuse(LimitReached, claim("2"))
	d.must(claim("1"))
	d.reverse(first, "0")
	d.must(claim("2"))
	d.until("2026-01-16")
	d.must(claim("3"))
}

func TestALimitOfAnotherIntervalThanNowAsksForTheRequestAnew(t *testing.T) {
	d := limitsDesk(t)
	r := d.bounded("ann", "10", "monthly")
	d.until("2026-02-02")
	if o := d.apply(Item{Requests: []Request{r}})[0]; o.err != ErrTermsChanged { //nolint:errorlint // the very sentinel
		t.Errorf("answer: %+v", o)
	}
	if o := d.apply(Item{Requests: []Request{r}, Atomic: true})[0]; o.err != ErrTermsChanged { //nolint:errorlint // the very sentinel
		t.Errorf("atomic answer: %+v", o)
	}
	r.EffectiveAt = day("2026-01-20") // late, it counts in its own month
	d.must(r)
}

func TestAPartnerOwesForWhatMovedOnly(t *testing.T) {
	d := limitsDesk(t)
	r := d.bounded("ann", "120.50", "monthly")
	r.Legs[0].Owes = Owing{Partner: "bank", Fund: "bank/1", Share: amount("0.333"), Unit: "cny", Price: amount("0.1")}
	accrual := d.must(r)
	d.wantLots("ann", "points", "2027-06-01 33.3 bank/1", "2027-06-01 66.7")
	d.wantBalance(programmeAccount("cny", Deferred), "3.33")
	d.reverse(accrual, "33.35")
	d.wantLots("ann", "points", "2027-06-01 16.65 bank/1", "2027-06-01 33.35")
	d.wantBalance(programmeAccount("cny", Deferred), "1.67")
	d.reverse(accrual, "0")
	d.wantLots("ann", "points")
	d.wantBalance(programmeAccount("cny", Deferred), "0")
}

func TestARetryIsRecognisedByWhatWasAsked(t *testing.T) {
	d := limitsDesk(t)
	r := d.bounded("ann", "10", "monthly")
	r.Asked = "bill 100"
	first := d.must(r)
	r.Legs[0].Amount = amount("25") // a coefficient changed meanwhile
	if again := d.must(r); again != first {
		t.Errorf("the retry answered %+v", again)
	}
	r.Asked = "bill 101"
	if o := d.apply(Item{Requests: []Request{r}})[0]; reasonOf(o) != IdempotencyKeyReused {
		t.Errorf("the key with another bill answered %+v", o)
	}
}

func TestAnAccrualThatItsRulesMakeNothingOfIsRecordedAsThat(t *testing.T) {
	d := limitsDesk(t)
	r := d.next()
	r.Kind, r.Member, r.Asked = KindAccrual, "ann", "bill 0.40"
	d.refuse(NothingEarned, r)
}

func TestIntervalsAreThoseOfTheProgrammesZone(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ at, interval, want string }{
		{"2026-02-28T15:59:59Z", "day", "2026-02-28"},
		{"2026-02-28T16:00:00Z", "day", "2026-03-01"},
		{"2026-01-01T00:00:00Z", "week", "2026-W01"},
		{"2027-01-03T15:59:59Z", "week", "2026-W53"},
		{"2027-01-03T16:00:00Z", "week", "2027-W01"},
		{"2026-02-28T16:00:00Z", "month", "2026-03"},
		{"2026-03-31T16:00:00Z", "quarter", "2026-Q2"},
		{"2026-12-31T16:00:00Z", "year", "2027"},
		{"2026-12-31T16:00:00Z", "ever", "ever"},
	} {
		at, err := time.Parse(time.RFC3339, row.at)
		if got := Interval(row.interval).Of(at, zone); err != nil || got != row.want {
			t.Errorf("%s of %s: %s, want %s (%v)", row.interval, row.at, got, row.want, err)
		}
	}
}

func TestLimitsThatCannotBeAreRefused(t *testing.T) {
	for name, line := range map[string]string{
		"no unit":            "{code: x, of: nothing, per: member, interval: day, most: 1}",
		"of a limit":         "{code: x, of: daily-rights, per: member, interval: day, most: 1}",
		"nothing at most":    "{code: x, of: times, per: member, interval: day, most: 0}",
		"a fraction":         "{code: x, of: times, per: member, interval: day, most: 1.5}",
		"per nobody":         "{code: x, of: times, per: merchant, interval: day, most: 1}",
		"no such interval":   "{code: x, of: times, per: member, interval: fortnight, most: 1}",
		"the code of a unit": "{code: points, of: times, per: member, interval: day, most: 1}",
		"no code":            "{of: times, per: member, interval: day, most: 1}",
		"not a number":       "{code: x, of: times, per: member, interval: day, most: many}",
	} {
		if _, err := ParseProgramme([]byte(limits+"  - "+line+"\n"+factsProgramme), 1); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestNoOrderOfUseGoesBeyondALimit: whatever accrues and is taken back, what was used of a limit is what is still accrued
// under it, and never more than it.
func TestNoOrderOfUseGoesBeyondALimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := limitsDesk(t)
		accruals := make(map[uuid.UUID]decimal.Decimal)
		var ids []uuid.UUID
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			if len(ids) > 0 && rapid.Bool().Draw(t, "return") {
				id := rapid.SampledFrom(ids).Draw(t, "of")
				if left := accruals[id]; left.IsPositive() {
					part := decimal.Min(left, hundredths(rapid.Int64Range(1, 9000).Draw(t, "part")))
					d.must(Reverse(id, part, d.next()))
					accruals[id] = left.Sub(part)
				}
				continue
			}
			r := d.bounded("ann", fmt.Sprint(hundredths(rapid.Int64Range(1, 9000).Draw(t, "points"))), "monthly", "budget")
			o := d.apply(Item{Requests: []Request{r}})[0]
			if o.tx.Posted() {
				ids = append(ids, o.tx.ID)
				accruals[o.tx.ID] = o.tx.Amount
			}
		}
		used := decimal.Zero
		for _, left := range accruals {
			used = used.Add(left)
		}
		c := d.book.programme.Cap(d.book.programme.Limits["monthly"], "ann", d.book.now)
		if acc := d.book.accounts[c]; !acc.balance.Neg().Equal(used) || used.GreaterThan(amount("100")) {
			t.Fatalf("used %s, of which %s is still accrued", acc.balance.Neg(), used)
		}
	})
}
