package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func TestAUnitKeepsItsKindAndItsDecimalPlaces(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	for name, document := range map[string]string{
		"removed":        strings.Replace(ledgertest.Document, "  - {code: visits, kind: allotment}\n", "", 1),
		"another kind":   strings.Replace(ledgertest.Document, "{code: visits, kind: allotment}", "{code: visits, kind: points}", 1),
		"fewer decimals": strings.Replace(ledgertest.Document, "scale: 2", "scale: 1", 1),
	} {
		if document == ledgertest.Document {
			t.Fatalf("%s: the document is the same", name)
		}
		if _, err := b.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(document)); err == nil {
			t.Errorf("%s: applied", name)
		}
	}
}

func TestAMisspeltDocumentIsRefusedWithItsLine(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	for was, is := range map[string]string{
		"months: 12": "moths: 12", "debt_limit: \"50\"": "debt_limt: \"50\"", "units:": "unts:",
		"sandbox: true": "sandbox: true\nback_dating: 30dxyz", "zone: Asia/Shanghai": "zone: Asia/Shanghai\nrefund_grce: 30d",
	} {
		document := strings.Replace(ledgertest.Document, was, is, 1)
		_, err := b.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(document))
		if err == nil || !strings.Contains(err.Error(), "line") && !strings.Contains(err.Error(), "30dxyz") {
			t.Errorf("%s: %v", is, err)
		}
	}
}

func TestANewDebtLimitCountsFromNowOn(t *testing.T) {
	b := ledgertest.New(t, ledgertest.Document)
	owing := func(key string, points int64) error {
		accrual := b.Accrue(t, "a"+key, "m", "strict", points)
		if _, err := b.Ledger.Post(t.Context(), b.Programme, ledger.Redeem("m", "strict", amount(points), ledger.Request{Client: "test", Key: "r" + key})); err != nil {
			return err
		}
		_, err := b.Ledger.Post(t.Context(), b.Programme, ledger.Reverse(accrual.ID, amount(points), ledger.Request{Client: "test", Key: "c" + key}))
		return err
	}
	if err := owing("1", 40); err != nil {
		t.Fatal(err)
	}
	b.Accrue(t, "pay", "m", "strict", 40) // pays the debt
	lower := strings.Replace(ledgertest.Document, `debt_limit: "50"`, `debt_limit: "30"`, 1)
	if _, err := b.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(lower)); err != nil {
		t.Fatal(err)
	}

	err := owing("2", 31)

	if !errors.Is(err, &ledger.Refusal{Reason: ledger.DebtLimitReached}) {
		t.Errorf("a debt of 31 with a limit of 30: %v", err)
	}
}
