package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

// demoLife is the life of a member as the books tell it. Every number is a decimal string.
type demoLife struct {
	Programme string        `json:"programme"`
	Member    string        `json:"member"`
	Chapters  []demoChapter `json:"chapters"`
}

// demoChapter is what a chapter did to the member's wallets, and how the member stood after it.
type demoChapter struct {
	At      time.Time         `json:"at"`
	English string            `json:"en"`
	Chinese string            `json:"zh-Hans"`
	Change  map[string]string `json:"change"`  // by unit, where it is not zero
	Balance map[string]string `json:"balance"` // by unit
	Tier    string            `json:"tier,omitempty"`
	Why     []string          `json:"why,omitempty"`
}

// lifeUnits are the wallets that are shown.
var lifeUnits = [...]string{"points", "growth", "lounge-visits", "golf-rounds"}

// read reads the life from the journal: whatever was recorded from one chapter to the next is the chapter's doing.
func (l *life) read(ctx context.Context) (*demoLife, error) {
	told := &demoLife{Programme: l.programme.Name, Member: l.member}
	chapters := l.chapters()
	for _, c := range chapters {
		told.Chapters = append(told.Chapters, demoChapter{
			At: c.At, English: c.Text["en"], Chinese: c.Text["zh-Hans"], Change: make(map[string]string), Balance: make(map[string]string),
		})
	}
	for _, unit := range lifeUnits {
		if err := l.readWallet(ctx, unit, chapters, told.Chapters); err != nil {
			return nil, err
		}
	}
	return told, l.readTiers(ctx, chapters, told.Chapters)
}

// chapterAt is the chapter in which an instant lies.
func chapterAt(chapters []chapter, at time.Time) int {
	i := slices.IndexFunc(chapters, func(c chapter) bool { return c.At.After(at) })
	if i < 0 {
		i = len(chapters)
	}
	return i - 1
}

func (l *life) readWallet(ctx context.Context, unit string, chapters []chapter, told []demoChapter) error {
	statement, err := l.site.ledger.Statement(ctx, ledger.StatementQuery{
		Programme: l.programme.ID, Member: l.member, Unit: unit, Limit: ledger.MaxPage,
	})
	if err != nil {
		return err
	}
	change, balance := make([]decimal.Decimal, len(chapters)), decimal.Zero
	for _, m := range statement.Movements {
		i := chapterAt(chapters, m.RecordedAt)
		change[i] = change[i].Add(m.Amount)
		if err := l.tell(ctx, m, unit, &chapters[i], &told[i]); err != nil {
			return err
		}
	}
	for i := range told {
		balance = balance.Add(change[i])
		told[i].Balance[unit] = balance.String()
		if !change[i].IsZero() {
			told[i].Change[unit] = change[i].String()
		}
	}
	return nil
}

// tell says which rules gave points, for how much of the price, and at what rate.
func (l *life) tell(ctx context.Context, m ledger.Movement, unit string, c *chapter, told *demoChapter) error {
	if unit != "points" || c.bill == "" || m.Kind != ledger.KindAccrual && m.Kind != ledger.KindActivation {
		return nil
	}
	earned := m.Transaction
	if m.Kind == ledger.KindActivation {
		earned = m.Original
	}
	tx, err := l.site.ledger.Transaction(ctx, l.programme.ID, earned)
	if err != nil {
		return err
	}
	for _, leg := range tx.Legs {
		if leg.Unit == unit && leg.Rule != "" {
			told.Why = append(told.Why, leg.Rule+" "+worked(leg.Amount, decimal.RequireFromString(c.bill)))
		}
	}
	return nil
}

// worked writes points as a rate of a price where they are one, such as 2800 × 1.2 = 3360.
func worked(points, price decimal.Decimal) string {
	if rate := points.DivRound(price, 2); rate.Mul(price).Equal(points) {
		return fmt.Sprintf("%s × %s = %s", price, rate, points)
	}
	return points.String()
}

func (l *life) readTiers(ctx context.Context, chapters []chapter, told []demoChapter) error {
	history, err := l.app.ListTierHistory(ctx, &v1.ListTierHistoryRequest{MemberId: l.member, PageSize: ledger.MaxPage})
	if err != nil {
		return err
	}
	for _, change := range slices.Backward(history.Changes) {
		i := chapterAt(chapters, change.DecidedAt.AsTime())
		for later := range told[i:] {
			told[i+later].Tier = change.AfterId
		}
		told[i].Why = append(told[i].Why, change.Text["en"], change.Text["zh-Hans"])
	}
	return nil
}

// print writes two lines a chapter: what happened in English, with the wallets after it, then in Chinese, with the reasons.
func (d *demoLife) print(out io.Writer) {
	fmt.Fprintf(out, "The life of a VIP · 贵宾一生 (member %s of programme %s)\n\n", d.Member, d.Programme)
	shade, normal := faint, normal
	if !isTerminal(out) {
		shade, normal = "", ""
	}
	fmt.Fprintf(out, "  %-52s", "")
	for _, unit := range lifeUnits {
		fmt.Fprintf(out, " %15s", unit)
	}
	fmt.Fprintln(out, "  tier")
	for _, c := range d.Chapters {
		fmt.Fprintf(out, "  %s  %-40s", c.At.Format(time.DateOnly), c.English)
		for _, unit := range lifeUnits {
			fmt.Fprintf(out, " %7s %7s", signed(c.Change[unit]), c.Balance[unit])
		}
		fmt.Fprintf(out, "  %s\n%s%14s%s", c.Tier, shade, "", c.Chinese)
		for _, why := range c.Why {
			fmt.Fprintf(out, " · %s", why)
		}
		fmt.Fprintln(out, normal)
	}
}

// signed writes the sign of what came in, too.
func signed(change string) string {
	if change == "" || strings.HasPrefix(change, "-") {
		return change
	}
	return "+" + change
}
