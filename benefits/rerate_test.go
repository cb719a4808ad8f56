package benefits_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
)

// populated has members of every sort: of the registry, of the books alone, and who was only reported of.
func (c club) populated(t *testing.T, n int, seed uint64) (members []string) {
	t.Helper()
	chance := rand.New(rand.NewPCG(seed, 1))
	for i := range 3 {
		organisation := fmt.Sprintf("org-%d", i)
		c.enrol(t, organisation, benefits.Organisation)
		c.mustReportOn(t, organisation, "2026-H1", "revenue", fmt.Sprint(40*i+20))
		members = append(members, organisation)
	}
	for i := range n {
		member := fmt.Sprintf("m%03d", i)
		members = append(members, member)
		sort := chance.IntN(5)
		if sort < 3 {
			plan := []string{"", "top"}[chance.IntN(4)/3]
			if _, err := c.EnrolMember(t.Context(), c.Programme, member, benefits.Facts{Kind: benefits.Person, Plan: plan}, by("enrol-"+member), false); err != nil {
				t.Fatal(err)
			}
			if chance.IntN(3) == 0 {
				if _, err := c.link(t, "link-"+member, benefits.Link{Member: member, Of: fmt.Sprintf("org-%d", chance.IntN(3))}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if sort%2 == 0 {
			c.Accrue(t, "a-"+member, member, "growth", int64(1+chance.IntN(1200)))
		}
		if sort == 1 || sort == 3 {
			c.mustReportOn(t, member, "2026", "arpu", fmt.Sprint(chance.IntN(800)))
		}
		if chance.IntN(10) == 0 {
			if _, err := c.overrideTier(t, "o-"+member, member, "gold", time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return members
}

func (c club) mustReportOn(t *testing.T, member, period, metric, value string) {
	t.Helper()
	if _, err := c.setMetrics(t, "r-"+member+period, member, period, metric, value); err != nil {
		t.Fatal(err)
	}
}

// standings are the tiers of members in both groups, as the books have them.
func (c club) standings(t *testing.T, members []string) map[string]string {
	t.Helper()
	state, err := c.Ledger.State(t.Context(), c.Programme)
	if err != nil {
		t.Fatal(err)
	}
	tiers := make(map[string]string)
	for _, member := range members {
		held, err := c.TiersOn(t.Context(), c.Programme, member, state.Now)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range held {
			tiers[member] += fmt.Sprintf("%s %s %s %s;", h.Group, h.Tier, h.Source, h.Until)
		}
	}
	return tiers
}

func silent(int64, int64) {}

func TestTheJobRatesEverybodyAsOneByOne(t *testing.T) {
	t.Parallel()
	one, all := newSources(t), newSources(t)
	members := one.populated(t, 120, 7)
	all.populated(t, 120, 7)
	for _, member := range members { // organisations are the first
		one.rate(t, member)
	}
	var moves []benefits.TierMove
	would, err := all.RerateAll(t.Context(), all.Programme, benefits.Rerating{
		Key: "dry", DryRun: true, Tell: silent, Moved: func(m benefits.TierMove) { moves = append(moves, m) },
	})
	if err != nil || would.Rated != int64(len(members)) || would.Moved != int64(len(moves)) || len(moves) == 0 {
		t.Fatalf("a dry run: %+v with %d moves of %d members, %v", would, len(moves), len(members), err)
	}
	for member, held := range all.standings(t, members) { // overrides alone
		if held != "" && !slices.Contains([]string{"club gold override 2026-09-01 00:00:00 +0000 UTC;"}, held) {
			t.Errorf("a dry run left %s with %s", member, held)
		}
	}
	done, err := all.RerateAll(t.Context(), all.Programme, benefits.Rerating{Key: "job", Tell: silent})
	if err != nil || done.Rated != int64(len(members)) || done.Moved < would.Moved { // grades came first, and their people followed
		t.Fatalf("%+v after a dry run of %+v, %v", done, would, err)
	}
	if diff := cmp.Diff(one.standings(t, members), all.standings(t, members)); diff != "" {
		t.Errorf("(-one by one +the job):\n%s", diff)
	}
	again, err := all.RerateAll(t.Context(), all.Programme, benefits.Rerating{Key: "job", Tell: silent})
	if err != nil || again.Moved != 0 || again.Rated != int64(len(members)) {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestAJobThatWasStoppedGoesOn(t *testing.T) {
	t.Parallel()
	want, c := newSources(t), newSources(t)
	members := want.populated(t, 60, 3)
	c.populated(t, 60, 3)
	if _, err := want.RerateAll(t.Context(), want.Programme, benefits.Rerating{Key: "job", Tell: silent}); err != nil {
		t.Fatal(err)
	}
	stops := 0
	for after := range int64(3) { // after each of the phases that has somebody
		ctx, stop := context.WithCancel(t.Context())
		calls := int64(0)
		_, err := c.RerateAll(ctx, c.Programme, benefits.Rerating{Key: "job", Tell: func(int64, int64) {
			if calls++; calls > after {
				stop()
			}
		}})
		if errors.Is(err, context.Canceled) {
			stops++
		}
		stop()
	}
	done, err := c.RerateAll(t.Context(), c.Programme, benefits.Rerating{Key: "job", Tell: silent})
	if err != nil || stops == 0 {
		t.Fatalf("%+v after %d stops, %v", done, stops, err)
	}
	if diff := cmp.Diff(want.standings(t, members), c.standings(t, members)); diff != "" {
		t.Errorf("(-whole +in parts):\n%s", diff)
	}
}

// TestTwoJobsAndLiveRatingsMoveNobodyTwice on two servers, while points come in.
func TestTwoJobsAndLiveRatingsMoveNobodyTwice(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	members := c.populated(t, 60, 11)
	two := benefits.New(c.Another(t), c.Pool, c.vouchers)
	var all sync.WaitGroup
	for i, catalog := range []*benefits.Catalog{c.Catalog, two} {
		all.Go(func() {
			if _, err := catalog.RerateAll(t.Context(), c.Programme, benefits.Rerating{Key: fmt.Sprint("job-", i), Tell: silent}); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			for n, member := range members {
				if n%2 != i {
					continue
				}
				if _, err := catalog.Rate(t.Context(), c.Programme, member); err != nil {
					t.Error(err)
				}
				r := ledger.Request{Client: "live", Key: "live-" + member}
				if _, err := c.Ledger.Post(t.Context(), c.Programme, ledger.Accrual{Member: member, Unit: "growth", Amount: decimal.NewFromInt(1)}.Into(c.Programme, r)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if _, err := c.RerateAll(t.Context(), c.Programme, benefits.Rerating{Key: "last", Tell: silent}); err != nil {
		t.Fatal(err)
	}
	before := c.standings(t, members)
	for _, member := range members {
		c.rate(t, member)
	}
	if diff := cmp.Diff(before, c.standings(t, members)); diff != "" {
		t.Errorf("a rating after the job moved somebody (-before +after):\n%s", diff)
	}
}
