package ledger

import (
	"testing"
	"time"
)

const tierLines = `
tiers:
  - code: club
    ladder: [{code: silver}, {code: gold}, {code: diamond}]
`

var club = []string{"silver", "gold", "diamond"}

// setTier gives a member a tier from a source until a day, and takes lots away.
func (d *desk) setTier(member, tier, source, until string, withdraw ...TierLot) Request {
	c := TierChange{Member: member, Withdraw: withdraw}
	if tier != "" {
		c.Grant = &TierLot{Tier: tier, Source: source, Until: day(until)}
	}
	return c.Into(d.book.programme.ID, d.next().Own())
}

func TestATierIsALiveLotOfItsUnit(t *testing.T) {
	d := newDesk(t, tierLines)
	silver := TierLot{Tier: "silver", Source: "points", Until: day("2026-06-01")}
	d.must(d.setTier("ann", "silver", "points", "2026-06-01"))
	d.must(d.setTier("ann", "gold", "points", "2026-09-01", silver))
	d.must(d.setTier("ann", "silver", "plan", "2027-01-01"))
	d.wantLots("ann", "silver", "2027-01-01 1 plan")
	d.wantLots("ann", "gold", "2026-09-01 1 points")

	claim := func(need string) Request {
		r := Redeem("ann", "points", amount("1"), d.next())
		r.Needs = []Need{{Tier: need, AnyOf: club[1:]}}
		return r
	}
	d.accrue("ann", "10", "2028-01-01")
	d.must(claim("gold"))
	d.book.now = day("2026-09-01") // half-open: over at that very instant
	d.refuse(NotEligible, claim("gold"))
}

func TestAChangeOfTierDecidedOnWhatIsNoLongerSoIsRefusedAndNotRecorded(t *testing.T) {
	d := newDesk(t, tierLines)
	held := TierLot{Tier: "silver", Source: "points", Until: day("2026-06-01")}
	d.must(d.setTier("ann", "silver", "points", "2026-06-01"))
	for what, r := range map[string]Request{
		"another end":    d.setTier("ann", "gold", "points", "2026-09-01", TierLot{Tier: "silver", Source: "points", Until: day("2026-07-01")}),
		"another source": d.setTier("ann", "", "", "", TierLot{Tier: "silver", Source: "plan", Until: day("2026-06-01")}),
		"another tier":   d.setTier("ann", "", "", "", TierLot{Tier: "gold", Source: "points", Until: day("2026-06-01")}),
	} {
		o := d.apply(Item{Requests: []Request{r}})[0]
		if o.tx != nil || o.err == nil || o.err.Error() != refuse(TierMoved, "tier", refusalOf(o.err).Detail["tier"]).Error() {
			t.Errorf("%s: %+v", what, o)
		}
	}
	d.book.now = day("2026-06-01") // what has lapsed expires by itself
	d.refuseUnrecorded(TierMoved, d.setTier("ann", "gold", "points", "2026-09-01", held))
	d.must(d.setTier("ann", "gold", "points", "2026-09-01"))
	d.refuseUnrecorded(TimeNotInFuture, d.setTier("ann", "gold", "plan", "2026-06-01"))
}

func TestATierThatBeginsLaterWaitsAndActivates(t *testing.T) {
	d := newDesk(t, tierLines)
	later := func() Request {
		return TierChange{
			Member: "ann", Grant: &TierLot{Tier: "gold", Source: "points", Until: day("2027-07-01")}, StartsAt: day("2026-07-01"),
		}.Into(d.book.programme.ID, d.next().Own())
	}
	first := d.must(later())
	d.must(TierChange{Member: "ann", Withdraw: []TierLot{{Tier: "gold", Source: "points", Until: day("2027-07-01"), Waits: first.ID}}}.
		Into(d.book.programme.ID, d.next().Own()))
	second := d.must(later())
	d.wantLots("ann", "gold")
	d.refuseUnrecorded(HoldNotDue, Activate(second.ID))
	d.book.now = day("2026-07-01")
	d.must(Activate(second.ID))
	d.wantLots("ann", "gold", "2027-07-01 1 points")
	d.refuseUnrecorded(NotPending, Activate(first.ID))
}

func TestATierIsNoCurrency(t *testing.T) {
	d := newDesk(t, tierLines)
	given := d.must(d.setTier("ann", "gold", "plan", "2027-01-01"))
	r := d.next()
	r.Reason = "test"
	d.refuse(FlowNotAllowed, Adjust("ann", "gold", amount("1"), time.Time{}, r))
	d.refuse(FlowNotAllowed, Transfer("ann", "bob", "gold", amount("1"), d.next()))
	d.refuse(FlowNotAllowed, Redeem("ann", "gold", amount("1"), d.next()))
	d.refuse(FlowNotAllowed, Accrual{Member: "ann", Unit: "gold", Amount: amount("1")}.Into(d.book.programme.ID, d.next()))
	d.refuse(NotReversible, Reverse(given.ID, amount("0"), d.next()))
	d.wantLots("ann", "gold", "2027-01-01 1 plan")
}

func TestALadderNeverChangesItsOrder(t *testing.T) {
	parse := func(ladder string) *Programme {
		p, err := ParseProgramme([]byte("\ntiers: [{code: club, ladder: ["+ladder+"]}]"+factsProgramme), 1)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := parse("{code: silver}, {code: gold}")
	for ladder, keeps := range map[string]bool{
		"{code: silver}, {code: gold}":                                true,
		"{code: vip}, {code: silver}, {code: platinum}, {code: gold}": true,
		"{code: gold}, {code: silver}":                                false,
		"{code: gold}":                                                false,
	} {
		if err := parse(ladder).keeps(before); (err == nil) != keeps {
			t.Errorf("%s: %v", ladder, err)
		}
	}
	for _, document := range []string{
		"units: [{code: gold, kind: tier}]", "tiers: [{code: a, ladder: [{code: x}]}, {code: b, ladder: [{code: x}]}]",
		"tiers: [{code: a}, {code: a}]",
	} {
		if _, err := ParseProgramme([]byte("programme: p\nzone: UTC\n"+document), 1); err == nil {
			t.Errorf("%s: accepted", document)
		}
	}
}

// refuseUnrecorded wants a refusal that leaves no trace.
func (d *desk) refuseUnrecorded(want Reason, r Request) {
	d.Helper()
	o := d.apply(Item{Requests: []Request{r}})[0]
	if o.tx != nil || o.err == nil || refusalOf(o.err).Reason != want || d.byID[TransactionID(d.book.programme.ID, r.Client, r.Key)] != nil {
		d.Fatalf("got %+v, want an unrecorded %s", o, want)
	}
}

func refusalOf(err error) *Refusal {
	refusal, is := err.(*Refusal) //nolint:errorlint // as apply makes it
	if !is {
		return new(Refusal)
	}
	return refusal
}
