package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// demoBooks is what the demonstration prints. Every number is a decimal string, so that no reader loses a digit. Each
// order was accrued, once, or is listed as one with nothing to earn.
type demoBooks struct {
	Programme     string            `json:"programme"`
	File          string            `json:"orders_file"`
	Orders        string            `json:"orders"`
	Members       string            `json:"members"`
	NothingToEarn string            `json:"nothing_to_earn"`
	NoAccrual     []string          `json:"nothing_to_earn_orders"`
	Clock         time.Time         `json:"clock"`
	Points        demoPoints        `json:"points"`
	Accrued       map[string]string `json:"accrued_by_month"`
	RollForward   []demoRoll        `json:"roll_forward"`
	TrialBalance  []demoTrial       `json:"trial_balance"`
	Totals        map[string]string `json:"trial_balance_totals"`
	Payable       []demoPayable     `json:"payable"`
	Life          *demoLife         `json:"life,omitempty"`
	Verify        demoVerify        `json:"verify"`

	wanted decimal.Decimal // what the orders earn
	report ledger.Report
}

// demoPoints are the totals of the roll-forward, with its signs; live is what members have at the end.
type demoPoints struct {
	Accrued  string `json:"accrued"`
	Redeemed string `json:"redeemed"`
	Expired  string `json:"expired"`
	Reversed string `json:"reversed"`
	Live     string `json:"live"`
}

// demoRoll is a row of the roll-forward: opening + accrued - redeemed - expired + reversed = closing. Reversed is signed:
// above zero, members got back more than was taken from them.
type demoRoll struct {
	Period   string `json:"period"`
	Opening  string `json:"opening"`
	Accrued  string `json:"accrued"`
	Redeemed string `json:"redeemed"`
	Expired  string `json:"expired"`
	Reversed string `json:"reversed"`
	Closing  string `json:"closing"`
}

type demoTrial struct {
	Unit     string `json:"unit"`
	Owner    string `json:"owner"`
	Place    string `json:"place"`
	Balance  string `json:"balance"`
	Accounts string `json:"accounts"`
}

type demoPayable struct {
	Partner string `json:"partner"`
	Unit    string `json:"unit"`
	Amount  string `json:"amount"`
}

type demoVerify struct {
	OK     bool        `json:"ok"`
	Checks []demoCheck `json:"checks"`
}

type demoCheck struct {
	Invariant string `json:"invariant"`
	Name      string `json:"name"`
	Count     string `json:"count"`
}

// readBooks reads everything that is printed from the books; only what is about the file is counted from it.
func readBooks(ctx context.Context, progressTo io.Writer, s *site, p *ledger.Programme, days []orderDay) (*demoBooks, error) {
	b := &demoBooks{Programme: p.Name, NoAccrual: []string{}, Accrued: make(map[string]string), Totals: make(map[string]string)}
	b.count(days)
	state, err := s.ledger.State(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	b.Clock = state.Now.In(p.Zone)
	if err := b.readRolls(ctx, s.ledger, p, days[0].Date); err != nil {
		return nil, err
	}
	trial, err := s.ledger.TrialBalance(ctx, p.ID, time.Time{})
	if err != nil {
		return nil, err
	}
	for _, l := range trial.Lines {
		b.TrialBalance = append(b.TrialBalance, demoTrial{l.Unit, l.Owner, string(l.Place), l.Balance.String(), strconv.FormatInt(l.Accounts, 10)})
	}
	for unit, total := range trial.Totals {
		b.Totals[unit] = total.String()
	}
	if err := b.readPayable(ctx, s, p); err != nil {
		return nil, err
	}
	b.report, err = verifyBooks(ctx, progressTo, s.reports)
	b.Verify.OK = err == nil && b.report.OK()
	for _, c := range b.report.Checks {
		b.Verify.Checks = append(b.Verify.Checks, demoCheck{c.Invariant, c.Name, strconv.FormatInt(c.Count, 10)})
	}
	return b, err
}

func (b *demoBooks) count(days []orderDay) {
	orders, members := 0, make(map[string]bool)
	for _, day := range days {
		for _, o := range day.Orders {
			orders++
			members[o.Member] = true
			b.wanted = b.wanted.Add(o.Points)
			if o.nothingToEarn() {
				b.NoAccrual = append(b.NoAccrual, o.No)
			}
		}
	}
	b.Orders, b.Members, b.NothingToEarn = strconv.Itoa(orders), strconv.Itoa(len(members)), strconv.Itoa(len(b.NoAccrual))
}

// readRolls reads the points' roll-forward of every month and of the whole time. The last row begins at the instant at
// which the clock stands, when the lots of the month a year ago have just expired.
func (b *demoBooks) readRolls(ctx context.Context, l *ledger.Ledger, p *ledger.Programme, first string) error {
	begin, err := time.ParseInLocation("2006-01", first[:len("2006-01")], p.Zone)
	if err != nil {
		return err
	}
	roll := func(period string, from, to time.Time) (demoRoll, error) {
		f, err := l.RollForward(ctx, ledger.RollQuery{Programme: p.ID, Unit: "points", From: from, To: to})
		row := demoRoll{
			period, f.Opening.String(), f.Accrued.String(), f.Redeemed.Neg().String(), f.Expired.Neg().String(), f.Reversed.String(),
			f.Closing.String(),
		}
		b.RollForward = append(b.RollForward, row)
		return row, err
	}
	for month := begin; !month.After(b.Clock); month = month.AddDate(0, 1, 0) {
		row, err := roll(month.Format("2006-01"), month, month.AddDate(0, 1, 0))
		if err != nil {
			return err
		}
		if month.Before(b.Clock) {
			b.Accrued[row.Period] = row.Accrued
		}
	}
	total, err := roll("total", begin, b.Clock.AddDate(0, 1, 0))
	b.Points = demoPoints{total.Accrued, total.Redeemed, total.Expired, total.Reversed, total.Closing}
	return err
}

func (b *demoBooks) readPayable(ctx context.Context, s *site, p *ledger.Programme) error {
	agreements, err := s.vouchers.Agreements(p)
	if err != nil {
		return err
	}
	for _, partner := range slices.Sorted(maps.Keys(agreements)) {
		owed, err := s.vouchers.Payable(ctx, p.ID, partner)
		if err != nil {
			return err
		}
		for _, price := range owed {
			b.Payable = append(b.Payable, demoPayable{partner, price.Unit, price.Amount.StringFixed(p.Units[price.Unit].Scale)})
		}
	}
	return nil
}

// check returns an error unless the books agree with the orders, with themselves and with the journal.
func (b *demoBooks) check() error {
	if b.Points.Accrued != b.wanted.String() {
		return fmt.Errorf("the orders earn %s points, the books say %s", b.wanted, b.Points.Accrued)
	}
	for unit, total := range b.Totals {
		if total != "0" {
			return fmt.Errorf("the trial balance of %s is %s", unit, total)
		}
	}
	if !b.Verify.OK {
		return errBooksWrong
	}
	return nil
}

func (b *demoBooks) printJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(b)
}

func (b *demoBooks) print(out io.Writer) {
	fmt.Fprintf(out, "Programme %s: %s orders of %s members from %s; %s orders with nothing to earn.\nIts clock stands at %s.\n",
		b.Programme, b.Orders, b.Members, b.File, b.NothingToEarn, b.Clock.Format("2006-01-02 15:04 MST"))
	fmt.Fprintln(out, "\nPoints, opening + accrued - redeemed - expired + reversed = closing")
	rows := [][]string{{"", "opening", "accrued", "redeemed", "expired", "reversed", "closing"}}
	for _, r := range b.RollForward {
		rows = append(rows, []string{r.Period, r.Opening, r.Accrued, r.Redeemed, r.Expired, r.Reversed, r.Closing})
	}
	printTable(out, rows, 1)
	fmt.Fprintln(out, "\nTrial balance")
	rows = [][]string{{"unit", "owner", "place", "balance", "accounts"}}
	for i, l := range b.TrialBalance {
		rows = append(rows, []string{l.Unit, l.Owner, l.Place, l.Balance, l.Accounts})
		if i+1 == len(b.TrialBalance) || b.TrialBalance[i+1].Unit != l.Unit {
			rows = append(rows, []string{l.Unit, "", "total", b.Totals[l.Unit], ""})
		}
	}
	printTable(out, rows, 3)
	fmt.Fprintln(out, "\nPayable to merchants")
	rows = [][]string{{"partner", "unit", "amount"}}
	for _, p := range b.Payable {
		rows = append(rows, []string{p.Partner, p.Unit, p.Amount})
	}
	printTable(out, rows, 2)
	fmt.Fprintln(out, "\nVerify")
	printChecks(out, b.report)
	if b.Life != nil {
		fmt.Fprintln(out)
		b.Life.print(out)
		verdict := "the books verify · 账目核对无误"
		if !b.Verify.OK {
			verdict = "THEY DO NOT VERIFY, what failed is above · 账目核对有误"
		}
		fmt.Fprintf(out, "\n  verify: %d checks on %d entries of %d transactions: %s\n",
			len(b.report.Checks), b.report.Entries, b.report.Transactions, verdict)
	}
}

// printTable aligns the first columns to the left and the others, which are numbers, to the right.
func printTable(out io.Writer, rows [][]string, left int) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := slices.Clone(row)
		for i := left; i < len(cells); i++ {
			cells[i] = fmt.Sprintf("%*s", widths[i], cells[i])
		}
		fmt.Fprintln(w, "  "+strings.Join(cells, "\t"))
	}
	_ = w.Flush() // what cannot be written to a terminal cannot be reported there either
}
