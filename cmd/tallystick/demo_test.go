package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
)

// onFreshDatabase makes the commands of a test work on a database of their own.
func onFreshDatabase(t *testing.T) devdb.Database {
	t.Helper()
	d := devdb.NewDatabase(t)
	t.Setenv("DATABASE_URL", d.OwnerURL)
	return d
}

// slice writes the excerpt's orders of members whose number ends in 3. Computed by awk, not by this program, they are 283
// orders of 103 members for 9,958 points, 6,319 of which were accrued until 1997-06.
func slice(t *testing.T) string {
	t.Helper()
	var rows strings.Builder
	for line := range strings.Lines(string(excerpt)) {
		if member := strings.Split(line, ",")[1]; rows.Len() == 0 || strings.HasSuffix(member, "3") {
			rows.WriteString(line)
		}
	}
	file := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// books parses what demo --json printed. How many rows share a striped account, and how many batches there were, depends
// on time; nothing else may.
func books(t *testing.T, printed string) demoBooks {
	t.Helper()
	var b demoBooks
	if err := json.Unmarshal([]byte(printed), &b); err != nil {
		t.Fatalf("%v in %s", err, printed)
	}
	if !b.Verify.OK {
		t.Errorf("the books do not verify: %s", printed)
	}
	for i := range b.TrialBalance {
		if b.TrialBalance[i].Owner != "member" {
			b.TrialBalance[i].Accounts = ""
		}
	}
	b.Verify.Checks = nil
	return b
}

func wantSameBooks(t *testing.T, want, got demoBooks) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(), cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".wanted" || p.Last().String() == ".report"
	}, cmp.Ignore())); diff != "" {
		t.Errorf("books (-want +got):\n%s", diff)
	}
}

// The excerpt's points by month, computed by other programs: see demo/README.md.
var excerptByMonth = map[string]string{
	"1997-01": "12754", "1997-02": "15392", "1997-03": "16013", "1997-04": "5349", "1997-05": "4239", "1997-06": "4207",
	"1997-07": "4050", "1997-08": "3081", "1997-09": "3616", "1997-10": "3929", "1997-11": "4455", "1997-12": "4131",
	"1998-01": "3045", "1998-02": "2899", "1998-03": "4722", "1998-04": "3964", "1998-05": "2524", "1998-06": "2988",
}

func TestDemoArrivesAtTheKnownTotals(t *testing.T) {
	onFreshDatabase(t)
	b := books(t, run(t, "demo", "--json"))
	if diff := cmp.Diff(excerptByMonth, b.Accrued); diff != "" {
		t.Errorf("accrued by month (-want +got):\n%s", diff)
	}
	if b.Orders != "3007" || b.Members != "1025" || b.NothingToEarn != "4" || b.Points.Accrued != "101358" {
		t.Errorf("%s orders, %s members, %s with nothing to earn, %s points", b.Orders, b.Members, b.NothingToEarn, b.Points.Accrued)
	}
	wantNothing := []string{"cdnow-002825", "cdnow-019695", "cdnow-023707", "cdnow-062103"}
	if diff := cmp.Diff(wantNothing, b.NoAccrual); diff != "" {
		t.Errorf("orders with nothing to earn (-want +got):\n%s", diff)
	}
	for _, line := range b.Payable {
		if strings.HasPrefix(line.Amount, "0") {
			t.Errorf("nothing is owed to %s: the demonstration redeems nothing there", line.Partner)
		}
	}
	if len(b.Payable) != 2 || b.Points.Redeemed == "0" || b.Points.Reversed == "0" || b.Points.Expired == "0" {
		t.Errorf("a part of the main job did not happen: %+v, %+v", b.Points, b.Payable)
	}
	wantReAdds(t, b.RollForward)
	members := decimal.Zero
	for _, line := range b.TrialBalance {
		if line.Unit == "points" && line.Owner == "member" {
			members = members.Add(number(t, line.Balance))
		}
	}
	if members.String() != b.Points.Live {
		t.Errorf("members have %s points by the trial balance, %s by the roll-forward", members, b.Points.Live)
	}
	again := books(t, run(t, "demo", "--json"))
	wantSameBooks(t, b, again)

	onlyAccruals := books(t, run(t, "demo", "--no-redemptions", "--json"))
	want := demoPoints{Accrued: "101358", Redeemed: "0", Expired: "57954", Reversed: "0", Live: "43404"}
	if diff := cmp.Diff(want, onlyAccruals.Points); diff != "" {
		t.Errorf("without redemptions (-want +got):\n%s", diff)
	}
}

func number(t *testing.T, text string) decimal.Decimal {
	t.Helper()
	n, err := decimal.NewFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wantReAdds adds a roll-forward up as its heading says: every row, from one month to the next, and the months to the total.
func wantReAdds(t *testing.T, rows []demoRoll) {
	t.Helper()
	sum := demoRoll{Period: "total", Opening: "0", Accrued: "0", Redeemed: "0", Expired: "0", Reversed: "0", Closing: "0"}
	plus := func(to *string, n string) { *to = number(t, *to).Add(number(t, n)).String() }
	for i, r := range rows {
		closing := number(t, r.Opening).Add(number(t, r.Accrued)).Sub(number(t, r.Redeemed)).Sub(number(t, r.Expired)).Add(number(t, r.Reversed))
		if closing.String() != r.Closing {
			t.Errorf("a row that adds up to %s: %+v", closing, r)
		}
		if i == len(rows)-1 {
			break
		}
		if r.Opening != sum.Closing {
			t.Errorf("%s opens with %s, the month before it closed with %s", r.Period, r.Opening, sum.Closing)
		}
		plus(&sum.Accrued, r.Accrued)
		plus(&sum.Redeemed, r.Redeemed)
		plus(&sum.Expired, r.Expired)
		plus(&sum.Reversed, r.Reversed)
		sum.Closing = r.Closing
	}
	if diff := cmp.Diff(sum, rows[len(rows)-1]); diff != "" {
		t.Errorf("total (-sum of the months +got):\n%s", diff)
	}
}

func TestDemoPrintsTablesThatReAdd(t *testing.T) {
	onFreshDatabase(t)
	file := slice(t)
	out := run(t, "demo", "--orders", file, "--no-redemptions")
	for _, want := range []string{"283 orders of 103 members", "1998-07-01 00:00", "the books verify"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	rows := printedRolls(out)
	wantReAdds(t, rows)
	if diff := cmp.Diff(demoRoll{"total", "0", "9958", "0", "6319", "0", "3639"}, rows[len(rows)-1]); diff != "" {
		t.Errorf("roll-forward (-want +got):\n%s", diff)
	}
	wantReAdds(t, printedRolls(run(t, "demo", "--orders", file)))
}

// printedRolls reads the roll-forward out of what demo printed.
func printedRolls(out string) (rows []demoRoll) {
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) == 7 && (f[0] == "total" || strings.HasPrefix(f[0], "199")) {
			rows = append(rows, demoRoll{f[0], f[1], f[2], f[3], f[4], f[5], f[6]})
		}
	}
	return rows
}

// when closes the channel as soon as the programme has that many transactions.
func when(ctx context.Context, pool *db.Pool, programme string, transactions int) <-chan struct{} {
	reached := make(chan struct{})
	go func() {
		defer close(reached)
		for ctx.Err() == nil {
			var n int
			err := pool.QueryRow(ctx, `SELECT count(*) FROM transactions WHERE programme_id = $1`, ledger.ProgrammeID(programme)).Scan(&n)
			if err == nil && n >= transactions {
				return
			}
		}
	}()
	return reached
}

func TestDemoStoppedAnywhereEndsWithTheSameBooks(t *testing.T) {
	file := slice(t)
	onFreshDatabase(t)
	want := books(t, run(t, "demo", "--orders", file, "--json"))

	pool := devdb.Open(t, onFreshDatabase(t).URL, db.Options{})
	for _, transactions := range []int{1, 60, 61, 200, 350, 500} {
		ctx, cancel := context.WithCancel(t.Context())
		reached := when(ctx, pool, want.Programme, transactions)
		go func() {
			<-reached
			cancel()
		}()
		var out, err bytes.Buffer
		if code := execute(ctx, []string{"demo", "--orders", file, "--json"}, &streams{out: &out, err: &err}); code == 0 {
			t.Errorf("the demonstration was over before %d transactions", transactions)
		}
		cancel()
	}
	wantSameBooks(t, want, books(t, run(t, "demo", "--orders", file, "--json")))
}

func TestDemoKilledAnywhereEndsWithTheSameBooks(t *testing.T) {
	file := slice(t)
	onFreshDatabase(t)
	want := books(t, run(t, "demo", "--orders", file, "--json"))

	pool := devdb.Open(t, onFreshDatabase(t).URL, db.Options{})
	for _, transactions := range []int{40, 100, 101, 102, 180, 300, 420, 540} {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := command(ctx, t, "demo", "--orders", file, "--json")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-when(ctx, pool, want.Programme, transactions)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Errorf("the demonstration was over before %d transactions", transactions)
		}
		cancel()
	}
	wantSameBooks(t, want, books(t, run(t, "demo", "--orders", file, "--json")))
}

// TestDemoKilledWithItsDatabase kills the command that owns the database's server, which ends with it.
func TestDemoKilledWithItsDatabase(t *testing.T) {
	file := slice(t)
	onFreshDatabase(t)
	want := books(t, run(t, "demo", "--orders", file, "--json"))
	t.Setenv("DATABASE_URL", "")
	dir, err := os.MkdirTemp("", "tallystick-demo-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL's user has to get in
		t.Fatal(err)
	}
	args := []string{"demo", "--orders", file, "--json", "--dir", filepath.Join(dir, "db")}
	for _, tenth := range []int{1, 5} {
		cmd := command(t.Context(), t, args...)
		progress, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if !readUntil(progress, fmt.Sprintf("orders %d0%%", tenth)) {
			t.Errorf("never came to %d0%%", tenth)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
	}
	out, err := command(t.Context(), t, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	wantSameBooks(t, want, books(t, string(out)))
}

func TestWholeDollarsEarnPoints(t *testing.T) {
	t.Parallel()
	days, err := readOrders(strings.NewReader(strings.Join(orderColumns, ",") + "\n" +
		"o1,m1,1997-01-01,1,0.00\no2,m1,1997-01-01,1,0.99\no3,m1,1997-01-01,1,19.99\no4,m1,1997-01-02,1,20.00\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, day := range days {
		for _, o := range day.Orders {
			got = append(got, fmt.Sprint(day.Date, " ", o.No, " ", o.Points, " ", o.nothingToEarn()))
		}
	}
	want := []string{"1997-01-01 o1 0 true", "1997-01-01 o2 0 true", "1997-01-01 o3 19 false", "1997-01-02 o4 20 false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}
