package benefits_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
	"tallystick/partners"
)

const goodwillSection = `
limits:
  - {code: goodwill-a-month, of: points, per: member, interval: month, most: 700}
goodwill:
  unit: points
  reasons:
    - {code: outage, names: {en: Outage, zh-Hans: 网络故障}, most: 100, tiers: {gold: 500}, limits: [goodwill-a-month]}
    - {code: birthday, names: {en: Birthday, zh-Hans: 生日}, most: 50}
`

func newDesks(t *testing.T) club {
	t.Helper()
	c := newClub(t)
	c.apply(t, document+goodwillSection)
	return c
}

func (c club) fund(t *testing.T, key, staff string, amount int64) error {
	t.Helper()
	_, err := c.FundBudget(t.Context(), c.Programme, staff, decimal.NewFromInt(amount), by(key), false)
	return err
}

func (c club) grant(t *testing.T, key, staff, member string, amount int64, reason string) (ledger.Answer, error) {
	t.Helper()
	r := by(key)
	r.Reason = reason
	return c.GrantGoodwill(t.Context(), c.Programme, benefits.Goodwill{Staff: staff, Member: member, Amount: decimal.NewFromInt(amount)}, r)
}

func (c club) wantBudget(t *testing.T, staff string, want int64) {
	t.Helper()
	b, err := c.BudgetOf(t.Context(), c.Programme, staff)
	if err != nil || b.Unit != "points" || !b.Available.Equal(decimal.NewFromInt(want)) {
		t.Errorf("budget of %s: %+v, %v, want %d", staff, b, err, want)
	}
}

func TestGoodwillComesOutOfABudgetWithinWhatItsReasonIsGoodFor(t *testing.T) {
	t.Parallel()
	c := newDesks(t)
	c.wantBudget(t, "li", 0)
	_, err := c.grant(t, "g0", "li", "ann", 10, "outage")
	wantRefusal(t, err, ledger.BudgetExhausted)
	if err := c.fund(t, "f1", "li", 1000); err != nil {
		t.Fatal(err)
	}
	first, err := c.grant(t, "g1", "li", "ann", 100, "outage")
	if err != nil {
		t.Fatal(err)
	}
	c.wantWallet(t, "ann", "points 100")
	_, err = c.grant(t, "g2", "li", "ann", 10, "charm")
	wantRefusal(t, err, ledger.InvalidField)
	_, err = c.grant(t, "g2", "li", "ann", 501, "outage")
	wantRefusal(t, err, ledger.AmountOutOfRange)
	_, err = c.grant(t, "g2", "li", "ann", 51, "birthday")
	wantRefusal(t, err, ledger.AmountOutOfRange)
	_, err = c.grant(t, "g2", "li", "ann", 101, "outage")
	wantRefusal(t, err, ledger.NotEligible)
	c.Accrue(t, "a1", "ann", "points", 500) // gold
	if _, err = c.grant(t, "g3", "li", "ann", 500, "outage"); err != nil {
		t.Fatal(err)
	}
	_, err = c.grant(t, "g4", "li", "ann", 101, "outage")
	wantRefusal(t, err, ledger.LimitReached)
	if _, err = c.grant(t, "g5", "li", "ann", 50, "birthday"); err != nil {
		t.Fatal(err)
	}
	c.wantBudget(t, "li", 350)

	again, err := c.grant(t, "g1", "li", "ann", 100, "outage")
	if err != nil || !again.Replayed || again.Transaction.ID != first.Transaction.ID {
		t.Errorf("retry: %+v, %v", again, err)
	}
	c.apply(t, document+strings.Replace(goodwillSection, "{code: outage", "{code: downtime", 1))
	if again, err = c.grant(t, "g1", "li", "ann", 100, "outage"); err != nil || !again.Replayed {
		t.Errorf("retry under another document: %+v, %v", again, err)
	}
	c.apply(t, document+goodwillSection)
	if _, err := c.Ledger.Post(t.Context(), c.Programme, ledger.Reverse(first.Transaction.ID, decimal.Zero, by("r1"))); err != nil {
		t.Fatal(err)
	}
	c.wantBudget(t, "li", 450) // and the limit has room again
	if _, err = c.grant(t, "g6", "li", "ann", 200, "outage"); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, c.fund(t, "f2", "li", -251), ledger.BudgetExhausted)
	if err := c.fund(t, "f3", "li", -250); err != nil {
		t.Fatal(err)
	}
	c.wantBudget(t, "li", 0)
	page, err := c.Goodwills(t.Context(), c.Programme, "li", ledger.Cursor{}, 3)
	if err != nil || len(page.Movements) != 3 || page.Next == nil || page.Movements[1].Member != "ann" || page.Movements[1].Reason != "outage" {
		t.Fatalf("movements: %+v, %v", page, err)
	}
	rest, err := c.Goodwills(t.Context(), c.Programme, "li", *page.Next, 10)
	if err != nil || len(rest.Movements) != 4 || rest.Next != nil {
		t.Errorf("movements: %+v, %v", rest, err)
	}
}

func TestAPreviewOfGoodwillLeavesTheBudget(t *testing.T) {
	t.Parallel()
	c := newDesks(t)
	if err := c.fund(t, "f1", "li", 60); err != nil {
		t.Fatal(err)
	}
	r := by("g1")
	r.Reason = "outage"
	for _, row := range []struct {
		amount int64
		want   ledger.Reason
	}{{60, ""}, {61, ledger.BudgetExhausted}} {
		g := benefits.Goodwill{Staff: "li", Member: "ann", Amount: decimal.NewFromInt(row.amount)}
		tx, err := c.PreviewGoodwill(t.Context(), c.Programme, g, r)
		if row.want != "" {
			wantRefusal(t, err, row.want)
		} else if err != nil || !tx.Posted() {
			t.Errorf("%+v, %v", tx, err)
		}
	}
	c.wantBudget(t, "li", 60)
}

func TestExactlyTheBudgetIsGrantedHoweverManyGrantAtOnce(t *testing.T) {
	t.Parallel()
	c := newDesks(t)
	other := benefits.New(c.Another(t), c.Pool, partners.New(c.Ledger, c.Pool, c.Keys))
	if err := c.fund(t, "f1", "li", 100); err != nil {
		t.Fatal(err)
	}
	var granted atomic.Int64
	var calls []func()
	for i := range 30 {
		catalog := c.Catalog
		if i%2 == 1 {
			catalog = other
		}
		calls = append(calls, func() {
			r := by(fmt.Sprint("g", i))
			r.Reason = "birthday"
			g := benefits.Goodwill{Staff: "li", Member: fmt.Sprint("m", i%7), Amount: decimal.NewFromInt(7)}
			_, err := catalog.GrantGoodwill(t.Context(), c.Programme, g, r)
			switch {
			case err == nil:
				granted.Add(7)
			case !errors.Is(err, &ledger.Refusal{Reason: ledger.BudgetExhausted}):
				t.Error(err)
			}
		})
	}
	race(calls...)
	if granted.Load() != 98 {
		t.Errorf("%d of 100 were granted in sevens, want 98", granted.Load())
	}
	c.wantBudget(t, "li", 2)
}

func TestExactlyTheMonthsGoodwillIsGrantedHoweverManyGrantAtOnce(t *testing.T) {
	t.Parallel()
	c := newDesks(t)
	other := benefits.New(c.Another(t), c.Pool, partners.New(c.Ledger, c.Pool, c.Keys))
	var calls []func()
	var granted atomic.Int64
	for i := range 20 {
		staff, catalog := fmt.Sprint("s", i%4), c.Catalog
		if i < 4 {
			if err := c.fund(t, "f"+staff, staff, 10_000); err != nil {
				t.Fatal(err)
			}
		}
		if i%2 == 1 {
			catalog = other
		}
		calls = append(calls, func() {
			r := by(fmt.Sprint("g", i))
			r.Reason = "outage"
			_, err := catalog.GrantGoodwill(t.Context(), c.Programme, benefits.Goodwill{Staff: staff, Member: "ann", Amount: decimal.NewFromInt(90)}, r)
			switch {
			case err == nil:
				granted.Add(90)
			case !errors.Is(err, &ledger.Refusal{Reason: ledger.LimitReached}):
				t.Error(err)
			}
		})
	}
	race(calls...)
	if granted.Load() != 630 {
		t.Errorf("%d of 700 were granted in nineties, want 630", granted.Load())
	}
}

func TestAGoodwillSectionThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	c := newDesks(t)
	for name, change := range map[string][2]string{
		"a unit":  {"unit: points\n  reasons", "unit: visits\n  reasons"},
		"most":    {"most: 50}", "most: a lot}"},
		"a tier":  {"gold: 500", "lead: 500"},
		"a limit": {"limits: [goodwill-a-month]", "limits: [none]"},
		"twice":   {"code: birthday", "code: outage"},
		"a name":  {"zh-Hans: 生日", "fr: anniversaire"},
	} {
		text := document + strings.Replace(goodwillSection, change[0], change[1], 1)
		if _, err := c.ApplyProgramme(t.Context(), ledgertest.Application(text)); err == nil {
			t.Errorf("%s was applied", name)
		}
	}
}
