package benefits_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
	"tallystick/partners"
)

// wantAllotment compares an allotment, written "gold: 6 = 1 used + 0 pending + 5 left".
func (c club) wantAllotment(t *testing.T, member, want string) {
	t.Helper()
	list, err := c.ListAllotments(t.Context(), c.Programme, member)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d allotments, %v", len(list), err)
	}
	a := list[0]
	var sources decimal.Decimal
	for _, s := range a.Sources {
		sources = sources.Add(s.Left)
	}
	got := fmt.Sprintf("%s: %s = %s used + %s pending + %s left", a.Tier, a.Total, a.Used, a.Pending, a.Left)
	if got != want || !sources.Equal(a.Left) {
		t.Errorf("%s has %s (sources of %s), want %s", member, got, sources, want)
	}
}

func (c club) qualify(t *testing.T, member string) {
	t.Helper()
	if _, err := c.Qualify(t.Context(), c.Programme, member); err != nil {
		t.Fatal(err)
	}
}

func newClubWith(t *testing.T, allotment string) club {
	t.Helper()
	return newClubOf(t, strings.Replace(document, "per: year, totals: {gold: 2, diamond: 6}", allotment, 1))
}

func TestWhatIsLeftOfAnAllotmentIsCarriedOnce(t *testing.T) {
	t.Parallel()
	c := newClubWith(t, "per: month, totals: {gold: 4, diamond: 6}, carry: 2")
	c.Accrue(t, "a1", "ann", "points", 600)
	c.mustRedeem(t, "r1", "ann", "lounge", benefits.WithAllotment)
	c.wantAllotment(t, "ann", "gold: 4 = 1 used + 0 pending + 3 left")
	c.moveClock(t, time.Date(2026, 3, 31, 16, 0, 0, 0, time.UTC)) // April
	c.wantAllotment(t, "ann", "gold: 6 = 0 used + 0 pending + 6 left")
	c.qualify(t, "ann")
	c.qualify(t, "ann")
	c.wantAllotment(t, "ann", "gold: 6 = 0 used + 0 pending + 6 left")
	for i := range 3 {
		c.mustRedeem(t, fmt.Sprint("april", i), "ann", "lounge", benefits.WithAllotment)
	}
	c.moveClock(t, time.Date(2026, 4, 30, 16, 0, 0, 0, time.UTC)) // May: 3 of the 4 granted were left, and what was carried is gone
	c.wantAllotment(t, "ann", "gold: 6 = 0 used + 0 pending + 6 left")
	c.moveClock(t, time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)) // nothing was granted in July
	c.wantAllotment(t, "ann", "gold: 4 = 0 used + 0 pending + 4 left")
}

func TestACarriedUseIsDrawnBeforeAGrantedOne(t *testing.T) {
	t.Parallel()
	c := newClubWith(t, "per: month, totals: {gold: 4}, carry: 1")
	c.Accrue(t, "a1", "ann", "points", 600)
	c.qualify(t, "ann")
	c.moveClock(t, time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC))
	c.mustRedeem(t, "r1", "ann", "lounge", benefits.WithAllotment)
	list, err := c.ListAllotments(t.Context(), c.Programme, "ann")
	if err != nil || len(list[0].Sources) != 1 || list[0].Sources[0].Source != "granted" {
		t.Errorf("sources: %+v, %v", list[0].Sources, err)
	}
}

func TestALowerTierTakesBackWhatIsNotUsed(t *testing.T) {
	t.Parallel()
	c := newClubWith(t, "per: year, totals: {gold: 2, diamond: 6}, downgrade: cut")
	accrual := c.Accrue(t, "a1", "ann", "points", 1000)
	c.mustRedeem(t, "r1", "ann", "lounge", benefits.WithAllotment)
	c.wantAllotment(t, "ann", "diamond: 6 = 1 used + 0 pending + 5 left")
	c.Post(t, ledger.Reverse(accrual.ID, decimal.NewFromInt(400), ledger.Request{Client: "test", Key: "claw"}))
	c.wantAllotment(t, "ann", "gold: 2 = 1 used + 0 pending + 1 left")
	_, err := c.redeem(t, "r2", "ann", "lounge", benefits.WithAllotment)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.redeem(t, "r3", "ann", "lounge", benefits.WithAllotment)
	wantRefusal(t, err, ledger.InsufficientPoints)
	c.Accrue(t, "a2", "ann", "points", 400)
	c.qualify(t, "ann")
	c.wantAllotment(t, "ann", "diamond: 6 = 2 used + 0 pending + 4 left")
}

func TestAnniversaryAllotmentsBeginOnTheDayOfEnrolment(t *testing.T) {
	t.Parallel()
	c := newClubWith(t, "per: anniversary, totals: {gold: 4}")
	c.Accrue(t, "a1", "bob", "points", 600)
	if list, err := c.ListAllotments(t.Context(), c.Programme, "bob"); err != nil || len(list) != 0 {
		t.Errorf("who was never enrolled has %v, %v", list, err)
	}
	c.Accrue(t, "a2", "ann", "points", 600)
	facts := benefits.Facts{Kind: benefits.Person, EnrolledAt: time.Date(2024, 3, 20, 4, 0, 0, 0, time.UTC)}
	if _, err := c.EnrolMember(t.Context(), c.Programme, "ann", facts, by("e"), false); err != nil {
		t.Fatal(err)
	}
	c.mustRedeem(t, "r1", "ann", "lounge", benefits.WithAllotment)
	c.wantAllotment(t, "ann", "gold: 4 = 1 used + 0 pending + 3 left")
	c.moveClock(t, time.Date(2026, 3, 19, 16, 0, 0, 0, time.UTC))
	c.wantAllotment(t, "ann", "gold: 4 = 0 used + 0 pending + 4 left")
}

func TestOrganisationsAssignTheirAllotmentToTheirPeople(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.apply(t, organised(document)+membersSection)
	c.enrol(t, "acme", benefits.Organisation)
	c.enrol(t, "ann", benefits.Person)
	c.Accrue(t, "a1", "acme", "points", 1000)
	assign := func(key string, amount int64) (ledger.Answer, error) {
		a := benefits.Assignment{Organisation: "acme", Person: "ann", Unit: "visits", Amount: decimal.NewFromInt(amount)}
		return c.AssignAllotment(t.Context(), c.Programme, a, by(key))
	}
	_, err := assign("s0", 2)
	wantRefusal(t, err, ledger.NotEligible)
	if _, err := c.link(t, "l1", benefits.Link{Member: "ann", Of: "acme"}); err != nil {
		t.Fatal(err)
	}
	_, err = assign("s0", 2) // it is recorded
	wantRefusal(t, err, ledger.NotEligible)
	_, err = assign("s1", 7)
	wantRefusal(t, err, ledger.InsufficientPoints)
	assigned, err := assign("s2", 4)
	if err != nil {
		t.Fatal(err)
	}
	again, err := assign("s2", 4)
	if err != nil || again.Transaction.ID != assigned.Transaction.ID || !again.Replayed {
		t.Errorf("again: %+v, %v", again, err)
	}
	c.wantAllotment(t, "acme", "diamond: 2 = 0 used + 0 pending + 2 left")
	c.Accrue(t, "a2", "ann", "points", 500)
	for i := range 3 { // two of her own, then one of acme's
		c.mustRedeem(t, fmt.Sprint("r", i), "ann", "lounge", benefits.WithAllotment)
	}
	list, err := c.ListAllotments(t.Context(), c.Programme, "ann")
	if err != nil || len(list[0].Sources) != 1 || list[0].Sources[0].Source != "pooled" {
		t.Errorf("sources: %+v, %v", list, err)
	}
	revoke := func(key string, id uuid.UUID, amount int64) error {
		_, err := c.RevokeAllotment(t.Context(), c.Programme, id, decimal.NewFromInt(amount), by(key))
		return err
	}
	wantRefusal(t, revoke("v1", assigned.Transaction.ID, 4), ledger.InsufficientPoints)
	if err := revoke("v2", assigned.Transaction.ID, 0); err != nil {
		t.Fatal(err)
	}
	c.wantAllotment(t, "acme", "diamond: 5 = 0 used + 0 pending + 5 left")
	c.wantAllotment(t, "ann", "gold: 3 = 3 used + 0 pending + 0 left")
	wantRefusal(t, revoke("v3", assigned.Transaction.ID, 0), ledger.InsufficientPoints)
	wantRefusal(t, revoke("v4", again.Transaction.Legs[0].From.Account.ID(c.Programme), 1), ledger.NotFoundReason)
}

// TestAllotmentsOfTwoServersComeToTheTotal raises members through every tier while many grant and use at once on two servers.
func TestAllotmentsOfTwoServersComeToTheTotal(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	other := c.Another(t)
	two := benefits.New(other, c.Pool, partners.New(other, c.Pool, c.Keys))
	var claims atomic.Int64
	for round := range 10 {
		member := fmt.Sprint("m", round)
		var calls []func()
		for i := range 10 {
			catalog := []*benefits.Catalog{c.Catalog, two}[i%2]
			calls = append(calls, func() {
				r := ledger.Request{Client: "app", Key: fmt.Sprintf("r-%s-%d", member, i)}
				_, err := catalog.RedeemBenefit(t.Context(), c.Programme, benefits.Wanted{Member: member, Benefit: "lounge", With: benefits.WithAllotment}, r)
				if err == nil {
					claims.Add(1)
				} else {
					wantRefusal(t, err, ledger.InsufficientPoints)
				}
			})
		}
		calls = append(calls, func() {
			c.Accrue(t, "a-"+member, member, "points", 500)
			c.Accrue(t, "b-"+member, member, "points", 500)
		})
		race(calls...)
		c.qualify(t, member)
		for i := range 10 {
			r := ledger.Request{Client: "app", Key: fmt.Sprintf("l-%s-%d", member, i)}
			if _, err := c.RedeemBenefit(t.Context(), c.Programme, benefits.Wanted{Member: member, Benefit: "lounge", With: benefits.WithAllotment}, r); err == nil {
				claims.Add(1)
			}
		}
		c.wantAllotment(t, member, "diamond: 6 = 6 used + 0 pending + 0 left")
	}
	if claims.Load() != 60 {
		t.Errorf("%d uses, want 60", claims.Load())
	}
}

// organised is a document whose tiers are for organisations too.
func organised(document string) string {
	return strings.Replace(document, "    points: points\n", "    points: points\n    for: [person, organisation]\n", 1)
}
