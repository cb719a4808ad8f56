package benefits_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
)

// importing runs an import of text and returns how far it came and why lines were rejected, "line column: reason".
func (c club) importing(ctx context.Context, t *testing.T, text string, tell func(benefits.Import)) (benefits.Import, []string, error) {
	t.Helper()
	return c.importingBy(ctx, t, c.ImportActivities, text, tell)
}

// imports takes a file.
type imports func(context.Context, uuid.UUID, benefits.SourceFile, ledger.Request) (benefits.Import, error)

func (c club) importingBy(ctx context.Context, t *testing.T, by imports, text string, tell func(benefits.Import)) (benefits.Import, []string, error) {
	t.Helper()
	var rejected []string
	done, err := by(ctx, c.Programme, benefits.SourceFile{
		Lines: strings.NewReader(text), Content: sha256.Sum256([]byte(text)), Tell: tell, Reject: func(v benefits.Verdict) error {
			rejected = append(rejected, fmt.Sprintf("%d %s %s: %s", v.Line, v.Key, v.Column, v.Reason))
			return nil
		},
	}, ledger.Request{Client: "billing", Actor: "operator"})
	return done, rejected, err
}

func quiet(benefits.Import) {}

const someActivities = `key,member,activity,at,amount,plan,channel
b1,ann,bill,2026-02-01,50,p588,billing
b2,ann,bill,2026-02-01T10:00:00+08:00,fifty,,
b3,bob,bill,2026-02-30,50,,
b4,bob,dance,,1,,
b5,bob,bill,2026-02-01 08:00:00,0.5,,
b6,b b,bill,,50,,
b7,bob,purchase,2026-02-28,20,p1,
b8,bob,bill,2027-01-01,20,,
b1,ann,bill,2026-02-01,50,p588,billing
b1,ann,bill,2026-02-01,51,p588,billing
,ann,bill,,1,,
b9,bob,bill,,10.005,,
b10,bob,bill,2026-02-28 23:59:59,60,,BIG
b11,bob,bill,2026-02-28 23:59:59,60,,
`

func TestEachLineOfAFileHasItsVerdict(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	done, rejected, err := c.importing(t.Context(), t, someActivities, quiet)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`3 b2 amount: "fifty" is not a number`,
		"4 b3 at: use a time such as 2026-03-01T10:00:00+08:00, 2026-03-01 10:00:00 or 2026-03-01",
		`5 b4 activity: the programme has no activity "dance"`,
		"7 b6 member: use 1 to 64 letters, digits, _ . and -",
		"8 b7 plan: this kind of activity has no such field",
		"9 b8 at: ledger: effective in future, now 2026-03-01T00:00:00Z",
		"11 b1 key: ledger: idempotency key reused",
		"12  key: give each line a key of its own: 1 to 128 letters, digits, _ . : and -",
		"13 b9 amount: it is not an amount with at most 2 decimal places",
		"14 b10 channel: use up to 32 lower-case letters, digits, _ and -",
	}
	if diff := cmp.Diff(want, rejected); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if want := (benefits.Import{Read: 14, Recorded: 2, Known: 1, Nothing: 1, Rejected: 10}); done != want {
		t.Errorf("%+v, want %+v", done, want)
	}
	c.wantWallet(t, "ann", "points 80")
	c.wantWallet(t, "bob", "points 90")
	var traced int
	err = c.Pool.QueryRow(t.Context(), `SELECT count(*) FROM activities AS a JOIN imports AS i ON i.id = a.import_id`).Scan(&traced)
	if err != nil || traced != 2 {
		t.Errorf("%d activities name their import, %v", traced, err)
	}
}

func TestTheSameFileTwiceHasNoSecondEffect(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	text := manyBills(50)
	first, _, err := c.importing(t.Context(), t, text, quiet)
	if err != nil || first.Recorded != 50 {
		t.Fatalf("%+v, %v", first, err)
	}
	again, _, err := c.importing(t.Context(), t, text, quiet)
	if err != nil || again != first {
		t.Errorf("again %+v, %v", again, err)
	}
	longer, _, err := c.importing(t.Context(), t, manyBills(60), quiet) // another file that repeats all of the first
	if want := (benefits.Import{Read: 60, Recorded: 10, Known: 50}); err != nil || longer != want {
		t.Errorf("longer %+v, %v", longer, err)
	}
	c.WantBalance(t, "issuance", "points", decimal.NewFromInt(-60))
}

func manyBills(n int) string {
	var text strings.Builder
	text.WriteString("key,member,activity,amount\n")
	for i := range n {
		fmt.Fprintf(&text, "k%d,m%d,bill,1\n", i, i%40)
	}
	return text.String()
}

// TestAnImportGoesOnWhereItStopped ends the import after each chunk: the last run does only what is left.
func TestAnImportGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	text := manyBills(2500)
	for _, stopAt := range []int64{1000, 2000} {
		ctx, stop := context.WithCancel(t.Context())
		done, _, err := c.importing(ctx, t, text, func(benefits.Import) { stop() })
		if !errors.Is(err, context.Canceled) || done.Read < stopAt {
			t.Fatalf("stopped at %+v, %v", done, err)
		}
	}
	var told []int64
	done, _, err := c.importing(t.Context(), t, text, func(i benefits.Import) { told = append(told, i.Read) })
	if err != nil || done.Read != 2500 || done.Recorded+done.Known != 2500 {
		t.Errorf("%+v, %v", done, err)
	}
	if len(told) == 0 || told[0] <= 1000 {
		t.Errorf("the last run told %v", told)
	}
	c.WantBalance(t, "issuance", "points", decimal.NewFromInt(-2500))
}

func TestAFileWithoutItsColumnsIsRefusedWhole(t *testing.T) {
	t.Parallel()
	c := newEarningClub(t)
	for text, want := range map[string]string{
		"":                             "empty",
		"key,member\n":                 `"activity" is missing`,
		"key,member,activity,colour\n": `"colour" is not known`,
	} {
		if _, _, err := c.importing(t.Context(), t, text, quiet); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
