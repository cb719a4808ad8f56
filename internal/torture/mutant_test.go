package torture_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is the ledger with a guard taken away, and the tests that must notice, each of them. A test that nothing can fail
// proves nothing.
type mutant struct {
	name    string
	changes []change
	tests   []string
}

// change replaces the first occurrence of some text in a file of package ledger.
type change struct {
	file, old, replacement string
}

var mutants = []mutant{
	{
		name: "a change of rules locks its own stripe only",
		changes: []change{
			{
				"store_load.go",
				"if r.Kind.closes() && len(stripes) == 1 {",
				"if false && r.Kind.closes() && len(stripes) == 1 {",
			},
		},
		tests: []string{
			"TestNothingIsPostedIntoAPeriodAfterItClosed",
			"TestNothingIsRecordedInThePastOfAMovedClock",
			"TestNothingLeavesAMemberAfterAFreeze",
		},
	},
	{
		name: "freezes are read before the locks",
		changes: []change{
			{
				"store_load.go",
				"\tw.queueStripes(&q, items, stripe)\n\tw.queueAccounts(&q)\n\tw.queueKnown(&q, items)",
				"\tw.queueKnown(&q, items)\n\tw.queueStripes(&q, items, stripe)\n\tw.queueAccounts(&q)",
			},
		},
		tests: []string{
			"TestNothingLeavesAMemberAfterAFreeze",
		},
	},
	{
		name: "recorded time is when the transaction began",
		changes: []change{
			{
				"store_load.go",
				"p.open_from, clock_timestamp()",
				"p.open_from, now()",
			},
		},
		tests: []string{
			"TestNothingIsPostedIntoAPeriodAfterItClosed",
			"TestNothingIsRecordedInThePastOfAMovedClock",
		},
	},
	{
		name: "accounts are neither locked nor compared",
		changes: []change{
			{
				"store_load.go",
				"ORDER BY a.id\nFOR UPDATE",
				"ORDER BY a.id",
			},
			{
				"store_save.go",
				"WHERE a.id = u.id AND a.seq = u.previous_seq",
				"WHERE a.id = u.id",
			},
		},
		tests: []string{
			"TestSpendersOfOneBalanceNeverOverdraw",
			"TestPartialReversalsOfTwoServersNeverExceedTheOriginal",
			"TestAWalletIsLinearizable",
		},
	},
	{
		name: "what was reversed is not read",
		changes: []change{
			{
				"store_load.go",
				"b.originals[id].reversed = sum; return nil",
				"return nil",
			},
		},
		tests: []string{
			"TestPartialReversalsOfTwoServersNeverExceedTheOriginal",
		},
	},
	{
		name: "keys are not looked up",
		changes: []change{
			{
				"store_load.go",
				"b.known[id] = k",
				"_ = k",
			},
		},
		tests: []string{
			"TestEachKeyIsExecutedOnceForAllCallers",
			"TestAFaultAtAnyStatementNeitherLosesNorDoublesAPosting",
		},
	},
	{
		name: "a replay compares no content",
		changes: []change{
			{
				"apply.go",
				"case !bytes.Equal(k.requestHash, r.hash()):",
				"case false && !bytes.Equal(k.requestHash, r.hash()):",
			},
		},
		tests: []string{
			"TestOneOfManyContentsTakesAKey",
		},
	},
	{
		name: "expired lots do not leave on touch",
		changes: []change{
			{
				"apply.go",
				"b.expireOnTouch(&item.Requests[i])",
				"_ = i",
			},
		},
		tests: []string{
			"TestWhatExpiresIsSpentBeforeOrNotAtAll",
		},
	},
	{
		name: "new rows are added in any order",
		changes: []change{
			{
				"store_save.go",
				"return bytes.Compare(x.ID[:], y.ID[:])",
				"return 0 * bytes.Compare(x.ID[:], y.ID[:])",
			},
			{
				"store_save.go",
				"return bytes.Compare(x.id[:], y.id[:])",
				"return 0 * bytes.Compare(x.id[:], y.id[:])",
			},
		},
		tests: []string{
			"TestBatchesOfTwoServersNeverDeadlock",
		},
	},
	{
		name: "a lost COMMIT counts as success",
		changes: []change{
			{
				"poster.go",
				"if err != nil {\n\t\treturn err\n\t}\n\tn.ledger.observer",
				"if err != nil && !errors.Is(err, db.ErrOutcomeUnknown) {\n\t\treturn err\n\t}\n\tn.ledger.observer",
			},
		},
		tests: []string{
			"TestAFaultAtAnyStatementNeitherLosesNorDoublesAPosting",
			"TestAStormOfFaultsNeitherLosesNorDoublesAPosting",
		},
	},
	{
		name: "an unknown outcome is forgotten",
		changes: []change{
			{
				"poster.go",
				"return cmp.Or(unknown, err)",
				"return cmp.Or(err, unknown)",
			},
		},
		tests: []string{
			"TestAnUnknownOutcomeStaysUnknownWhileTheDatabaseIsAway",
		},
	},
	{
		name: "a failed batch is not halved",
		changes: []change{
			{
				"poster.go",
				"case len(batch) == 1 || db.IsRetryable(err):",
				"case true:",
			},
		},
		tests: []string{
			"TestAnItemThatCannotBeSavedHurtsNoOther",
		},
	},
}

// ledgerFolder is where package ledger lives.
const ledgerFolder = "../../ledger"

// overlay writes the changed files, and what tells the go command to take them instead of the true ones.
func (m mutant) overlay(t *testing.T) string {
	t.Helper()
	dir, texts, replace := t.TempDir(), make(map[string]string), make(map[string]string)
	for _, c := range m.changes {
		path, err := filepath.Abs(filepath.Join(ledgerFolder, c.file))
		if err != nil {
			t.Fatal(err)
		}
		if texts[path] == "" {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[path] = string(b)
		}
		if !strings.Contains(texts[path], c.old) {
			t.Errorf("%s: %s no longer has %q: bring the mutant up to date", m.name, c.file, c.old)
		}
		texts[path] = strings.Replace(texts[path], c.old, c.replacement, 1)
	}
	for path, text := range texts {
		replace[path] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The long form kills the mutants; the short one makes sure that they still fit the code.
func TestMutantsFitTheCode(t *testing.T) {
	for _, m := range mutants {
		m.overlay(t)
	}
}
