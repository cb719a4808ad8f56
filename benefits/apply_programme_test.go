package benefits_test

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"tallystick/ledger/ledgertest"
)

func TestApplyingADocumentPublishesItsStockOnce(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.apply(t, document)
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(10))
	c.apply(t, strings.Replace(document, "stock: {opening: 10}", "stock: {opening: 10, spring: 5}", 1))
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(15))
	c.apply(t, document) // a document that names one publication less takes nothing back
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(15))
}

// TestAnApplicationSaysWhatItDid: a preview says the same, and writes nothing.
func TestAnApplicationSaysWhatItDid(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	more := ledgertest.Application(strings.Replace(document, "stock: {opening: 10}", "stock: {opening: 10, spring: 5}", 1))
	more.Of, more.After = c.Programme, 1
	for _, more.Preview = range []bool{true, false} {
		applied, err := c.ApplyProgramme(t.Context(), more)
		if err != nil || applied.Version != 2 || len(applied.Changes) != 1 || applied.Changes[0].String() != "+ benefits[tea].stock.spring: 5" ||
			len(applied.Publishes) != 1 || applied.Publishes[0].Name != "spring" {
			t.Fatalf("preview %t: %+v, %v", more.Preview, applied, err)
		}
	}
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(15))
	again, err := c.ApplyProgramme(t.Context(), more)
	if err != nil || again.Version != 2 || len(again.Changes) > 0 || len(again.Publishes) > 0 {
		t.Errorf("the same document again: %+v, %v", again, err)
	}
}

// TestADocumentThatChangesAPublicationChangesNothing: neither the version nor another benefit's new stock.
func TestADocumentThatChangesAPublicationChangesNothing(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	changed := strings.Replace(document, "stock: {opening: 10}", "stock: {opening: 12}", 1)
	changed = strings.Replace(changed, "stock: {first: 1}", "stock: {first: 1, second: 7}", 1)
	for range 2 {
		_, err := c.ApplyProgramme(t.Context(), ledgertest.Application(changed))
		if err == nil || !strings.Contains(err.Error(), "name a new publication") {
			t.Errorf("a changed publication: %v", err)
		}
	}
	if p, err := c.Ledger.Programme(t.Context(), c.Programme); err != nil || p.Version != 1 {
		t.Errorf("the refused document left version %d, %v", p.Version, err)
	}
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(10))
	c.WantBalance(t, "stock", "dinner", decimal.NewFromInt(1))
}

// TestApplyingAgainPublishesWhatIsMissing: the first time knew of no stock.
func TestApplyingAgainPublishesWhatIsMissing(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	more := strings.Replace(document, "stock: {opening: 10}", "stock: {opening: 10, spring: 5}", 1)
	if _, err := c.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(more)); err != nil {
		t.Fatal(err)
	}
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(10))
	c.apply(t, more)
	c.WantBalance(t, "stock", "tea", decimal.NewFromInt(15))
}

func TestDocumentsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	for name, change := range map[string][2]string{
		"tier without code":     {"code: silver", "code: ''"},
		"same tier twice":       {"code: gold, from", "code: silver, from"},
		"ladder of no steps":    {"    ladder:\n", "    ladder: {}\n    more:\n"},
		"tiers out of order":    {"points: 500}", "points: 200}"},
		"tier from nothing":     {"{points: 200}", "{points: 0}"},
		"tier in one language":  {"{en: Silver, zh-Hans: 银卡}", "{en: Silver}"},
		"tiers of a right":      {"    points: points\n", "    points: tea\n"},
		"allotment of points":   {"unit: visits, per", "unit: points, per"},
		"half a visit":          {"gold: 2,", "gold: 1.5,"},
		"unknown kind":          {"kind: offer", "kind: bribe"},
		"unit is no right":      {"{code: tea, kind: offer", "{code: points, kind: offer"},
		"same benefit twice":    {"{code: tea, kind: offer", "{code: lounge, kind: offer"},
		"benefit without price": {"prices: {points: 100}", "prices: {}"},
		"price in rights":       {"prices: {points: 100}", "prices: {tea: 1}"},
		"no price at all":       {"prices: {points: 100}", "prices: {points: free}"},
		"unknown tier":          {"tier: gold", "tier: lead"},
		"benefit, one language": {"{en: Tea, zh-Hans: 茶}", "{zh-Hans: 茶}"},
		"empty stock":           {"stock: {first: 1}", "stock: {first: 0}"},
		"too large a stock":     {"stock: {first: 1}", "stock: {first: 1000000000001}"},
		"stock without a name":  {"stock: {first: 1}", `stock: {"": 1}`},
		"stock that no key has": {"stock: {first: 1}", `stock: {"a\0": 1}`},
		"too high a price":      {"prices: {points: 100}", "prices: {points: 1000000000001}"},
		"code no caller sends":  {"code: dinner", "code: a dinner"},
		"bad partners":          {"tiers:\n", "partners: [{code: x}]\ntiers:\n"},
	} {
		changed := strings.ReplaceAll(document, change[0], change[1])
		if _, err := c.ApplyProgramme(t.Context(), ledgertest.Application(changed)); err == nil || changed == document {
			t.Errorf("%s: accepted", name)
		}
	}
	if p, err := c.Ledger.Programme(t.Context(), c.Programme); err != nil || p.Version != 1 {
		t.Errorf("a refused document left version %d, %v", p.Version, err)
	}
}
