package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
)

const (
	ordersHead = "order_no,member_ref,occurred_on,quantity,amount_usd\n"
	goodOrder  = "o1,m1,1997-01-01,1,1.00\n"
)

// TestOrdersFilesAreReadOrRefusedWhole (E60): a file is checked to its end before anything is played, and what is wrong
// is named by line and column.
func TestOrdersFilesAreReadOrRefusedWhole(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ file, problem string }{
		"plain":                 {ordersHead + goodOrder, ""},
		"no last line end":      {ordersHead + strings.TrimSpace(goodOrder), ""},
		"byte order mark":       {byteOrderMark + ordersHead + goodOrder, ""},
		"windows lines":         {strings.ReplaceAll(ordersHead+goodOrder, "\n", "\r\n"), ""},
		"all of it":             {byteOrderMark + "\"order_no\",member_ref,occurred_on,quantity,amount_usd\r\n\"o1\",\"m1\",\"1997-01-01\",\"1\",\"1.00\"\r\n", ""},
		"empty":                 {"", "the file is empty"},
		"only a mark":           {byteOrderMark, "the file is empty"},
		"no orders":             {ordersHead, "the file has none"},
		"other columns":         {"id,member\n1,2\n", `line 1: the columns are ["id" "member"]`},
		"two marks":             {byteOrderMark + byteOrderMark + ordersHead + goodOrder, "line 1: the columns are [\"\\ufefforder_no\""},
		"missing column":        {ordersHead + "o1,m1,1997-01-01,1\n", "line 2: 4 columns, want 5"},
		"too many columns":      {ordersHead + goodOrder + "o2,m1,1997-01-01,1,1,00\n", "line 3: 6 columns, want 5"},
		"open quote":            {ordersHead + "\"o1,m1,1997-01-01,1,1.00\n", `line 2, column 26: extraneous or missing "`},
		"quote inside":          {ordersHead + "o1,m\"1,1997-01-01,1,1.00\n", `line 2, column 5: bare " in non-quoted-field`},
		"bad order":             {ordersHead + "o 1,m1,1997-01-01,1,1.00\n", `line 2, column 1: order_no "o 1" is not`},
		"long order":            {ordersHead + strings.Repeat("o", 101) + ",m1,1997-01-01,1,1.00\n", "line 2, column 1: order_no"},
		"no order":              {ordersHead + ",m1,1997-01-01,1,1.00\n", `line 2, column 1: order_no "" is not`},
		"bad member":            {ordersHead + goodOrder + "o2,m 1,1997-01-01,1,1.00\n", `line 3, column 4: member_ref "m 1" is not`},
		"formula":               {ordersHead + "o1,=1+1,1997-01-01,1,1.00\n", `line 2, column 4: member_ref "=1+1" is not`},
		"embedded quote":        {ordersHead + "o1,\"m\"\"1\",1997-01-01,1,1.00\n", `line 2, column 4: member_ref "m\"1" is not`},
		"embedded line end":     {ordersHead + "o1,\"m\n1\",1997-01-01,1,1.00\n", `line 2, column 4: member_ref "m\n1" is not`},
		"not UTF-8":             {ordersHead + "o1,m\xff,1997-01-01,1,1.00\n", `line 2, column 4: member_ref "m\xff" is not`},
		"no member":             {ordersHead + "o1,,1997-01-01,1,1.00\n", `line 2, column 4: member_ref "" is not`},
		"bad date":              {ordersHead + "o1,m1,1997-02-30,1,1.00\n", `line 2, column 7: occurred_on "1997-02-30" is not a date`},
		"date before the clock": {ordersHead + "o1,m1,1969-12-31,1,1.00\n", `line 2, column 7: occurred_on "1969-12-31" is not a date`},
		"out of order":          {ordersHead + "o1,m1,1997-01-02,1,1.00\no2,m1,1997-01-01,1,1.00\n", `line 3, column 7: occurred_on "1997-01-01" comes after 1997-01-02`},
		"bad quantity":          {ordersHead + "o1,m1,1997-01-01,x,1.00\n", `line 2, column 18: quantity "x" is not a number`},
		"bad amount":            {ordersHead + "o1,m1,1997-01-01,1,one\n", `line 2, column 20: amount_usd "one" is not an amount`},
		"negative amount":       {ordersHead + "o1,m1,1997-01-01,1,-1.00\n", `line 2, column 20: amount_usd "-1.00" is not an amount`},
		"exponent":              {ordersHead + "o1,m1,1997-01-01,1,1e3\n", `line 2, column 20: amount_usd "1e3" is not an amount`},
		"huge amount":           {ordersHead + "o1,m1,1997-01-01,1,1000000000000.01\n", `line 2, column 20: amount_usd`},
		"same order":            {ordersHead + goodOrder + "o2,m2,1997-01-01,1,1.00\no1,m1,1997-01-02,1,1.00\n", `line 4, column 1: order_no "o1" is also in line 2`},
	} {
		days, err := readOrders(strings.NewReader(row.file))
		switch {
		case row.problem == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case row.problem == "" && (len(days) != 1 || days[0].Orders[0].No != "o1" || days[0].Orders[0].Member != "m1"):
			t.Errorf("%s: read as %+v", name, days)
		case row.problem != "" && (err == nil || !strings.Contains(err.Error(), row.problem)):
			t.Errorf("%s: %v, want %q", name, err, row.problem)
		}
	}
}

func TestManyOrdersAreReadToTheLastLine(t *testing.T) { // E60
	t.Parallel()
	var file bytes.Buffer
	file.WriteString(ordersHead)
	for i := range 100_001 {
		fmt.Fprintf(&file, "o%d,m%d,1997-01-01,1,9.99\n", i, i%1000)
	}
	days, err := readOrders(bytes.NewReader(file.Bytes()))
	if err != nil || len(days) != 1 || len(days[0].Orders) != 100_001 {
		t.Errorf("%d days, %v", len(days), err)
	}
	file.WriteString("o7,m1,1997-01-01,1,9.99\n")
	if _, err = readOrders(&file); err == nil || !strings.Contains(err.Error(), `line 100003, column 1: order_no "o7" is also in line 9`) {
		t.Errorf("the last line: %v", err)
	}
}

// TestTheSameFileTwiceHasNoSecondEffect plays a file as a spreadsheet writes it (E60).
func TestTheSameFileTwiceHasNoSecondEffect(t *testing.T) {
	d := onFreshDatabase(t)
	file := filepath.Join(t.TempDir(), "orders.csv")
	text := byteOrderMark + strings.ReplaceAll(ordersHead, "\n", "\r\n") +
		"\"o1\",\"m1\",1997-01-01,1,350.40\r\n\"o2\",\"m1\",1997-01-01,1,0.99\r\n\"o3\",\"m2\",1997-02-01,1,12.00\r\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pool := devdb.Open(t, d.URL, db.Options{})
	transactions := func() (n int) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM transactions`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := books(t, run(t, "demo", "--orders", file, "--json"))
	if first.Orders != "3" || first.Points.Accrued != "362" || !cmp.Equal(first.NoAccrual, []string{"o2"}) {
		t.Errorf("%s orders, %s points, nothing to earn %v", first.Orders, first.Points.Accrued, first.NoAccrual)
	}
	before := transactions()
	wantSameBooks(t, first, books(t, run(t, "demo", "--orders", file, "--json")))
	if after := transactions(); after != before {
		t.Errorf("playing the file again made %d transactions", after-before)
	}
}

// TestAFileThatIsWrongAnywherePlaysNothing: not even the programme is applied.
func TestAFileThatIsWrongAnywherePlaysNothing(t *testing.T) {
	d := onFreshDatabase(t)
	file := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(file, []byte(ordersHead+goodOrder+"o2,m 1,1997-01-02,1,1.00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := execute(t.Context(), []string{"demo", "--orders", file}, &streams{out: &out, err: &errs}); code == 0 {
		t.Errorf("played: %s", out.String())
	}
	var n int
	err := devdb.Open(t, d.URL, db.Options{}).QueryRow(t.Context(), `SELECT count(*) FROM programmes`).Scan(&n)
	if err != nil || n != 0 || !strings.Contains(errs.String(), "line 3, column 4: member_ref") {
		t.Errorf("%d programmes, %v, said %q", n, err, errs.String())
	}
}

// FuzzReadOrders: whatever is accepted can be played: every order once, in order of date, in the form that the API takes.
func FuzzReadOrders(f *testing.F) {
	for _, file := range []string{
		"", ordersHead, ordersHead + goodOrder, byteOrderMark + ordersHead + goodOrder, strings.ReplaceAll(ordersHead+goodOrder, "\n", "\r\n"),
		ordersHead + "\"o1\",\"m\"\"1\",1997-01-01,1,1.00\n", ordersHead + goodOrder + "o2,m1,1996-12-31,1,1.00\n", ordersHead + goodOrder + goodOrder,
		ordersHead + "o1,m1,1997-01-01,1,999999999999.999999999\no2,m1,2199-12-31,0.5,0\n", ordersHead + "o1,m1,1997-01-01,1\n", "\"", byteOrderMark,
		ordersHead + "o1,m1,1997-01-01,1,00000000000001\n", ordersHead + "=1,@m,0000-00-00,,\n",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		days, err := readOrders(bytes.NewReader(file))
		if err != nil {
			return
		}
		before, seen := "", make(map[string]bool)
		for _, day := range days {
			if at, err := time.Parse(time.DateOnly, day.Date); err != nil || at.Year() < 1971 || at.Year() > 2199 || day.Date <= before || len(day.Orders) == 0 {
				t.Errorf("day %q after %q, %d orders", day.Date, before, len(day.Orders))
			}
			before = day.Date
			for _, o := range day.Orders {
				if seen[o.No] || !orderNo.MatchString(o.No) || !memberRef.MatchString(o.Member) {
					t.Errorf("order %+v", o)
				}
				if o.Points.IsNegative() || !o.Points.IsInteger() || o.Points.GreaterThan(mostUSD) {
					t.Errorf("order %s earns %s", o.No, o.Points)
				}
				seen[o.No] = true
			}
		}
	})
}
