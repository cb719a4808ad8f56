package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// desk is the pure core without a database: one book that lives as long as the test, filled and emptied between batches
// the way the store does it.
type desk struct {
	rapid.TB

	book    *Book
	journal []*Transaction
	byID    map[uuid.UUID]*Transaction
	seals   []Seal
	keys    int
}

const factsProgramme = `
programme: facts
zone: Asia/Shanghai
expiry:
  year: {kind: rolling, months: 12}
  active: {kind: activity, months: 6}
units:
  - {code: points, kind: points, scale: 2, expiry: year, debt_limit: "500"}
  - {code: miles, kind: points, scale: 0, expiry: active}
  - {code: status, kind: qualifying, scale: 0}
  - {code: visit, kind: allotment, scale: 0}
  - {code: lounge, kind: right, scale: 0}
  - {code: cny, kind: money, scale: 2}
`

// newDesk opens the books of a programme on 15 January 2026. Lines are added to the programme's document.
func newDesk(t rapid.TB, lines ...string) *desk {
	t.Helper()
	p, err := ParseProgramme([]byte(strings.Join(lines, "\n")+factsProgramme), 1)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{TB: t, book: newBook(p, 7), byID: make(map[uuid.UUID]*Transaction)}
	d.book.now = day("2026-01-15")
	return d
}

func day(text string) time.Time {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return at
}

func amount(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// apply decides an item as a batch of its own.
func (d *desk) apply(item Item) []outcome {
	d.Helper()
	outcomes := d.applyOnly(item)
	d.flush()
	return outcomes
}

// applyOnly decides an item and leaves the batch open. What the answer names by id is read from the journal.
func (d *desk) applyOnly(item Item) []outcome {
	for i := range item.Requests {
		r := &item.Requests[i]
		if tx := d.byID[r.Original]; tx != nil && d.book.originals[r.Original] == nil {
			d.book.originals[r.Original] = &original{tx: tx}
		}
		d.book.require(r)
	}
	outcomes := d.book.apply(&item)
	for i := range outcomes {
		if id := outcomes[i].recorded; id != uuid.Nil {
			outcomes[i].tx = d.byID[id]
		}
	}
	return outcomes
}

// flush ends a batch: what it recorded is journal from now on, and the next batch sees accounts as freshly loaded.
func (d *desk) flush() {
	d.Helper()
	b := d.book
	previous := Seal{}
	if len(d.seals) > 0 {
		previous = d.seals[len(d.seals)-1]
	}
	if len(b.out.transactions) > 0 {
		d.seals = append(d.seals, b.finish(previous, b.now))
	}
	for _, tx := range b.out.transactions {
		if d.byID[tx.ID] != nil {
			d.Fatalf("L6: %s %s was recorded twice", tx.Client, tx.Key)
		}
		d.byID[tx.ID] = tx
		b.known[tx.ID].tx = nil
	}
	d.journal = append(d.journal, b.out.transactions...)
	if !b.out.clock.IsZero() {
		b.now = b.out.clock
	}
	touched := make(map[*account]bool)
	for _, acc := range b.out.touched {
		if touched[acc] {
			d.Fatalf("%s %s is saved twice", acc.Owner, acc.PlaceText())
		}
		touched[acc] = true
	}
	for _, acc := range b.accounts {
		if touched[acc] != (acc.seq != acc.before.seq) {
			d.Fatalf("%s %s: touched %v, seq %d to %d", acc.Owner, acc.PlaceText(), touched[acc], acc.before.seq, acc.seq)
		}
		acc.before = saved{seq: acc.seq, balance: acc.balance, lots: slices.Clone(acc.lots)}
		acc.stored = acc.seq > 0
	}
	b.out, b.undo = batch{}, nil
}

// next is a request of a caller with a key that was not used before.
func (d *desk) next() Request {
	d.keys++
	return Request{Client: "test", Key: strconv.Itoa(d.keys), Actor: "till", Channel: "shop"}
}

// must posts a request that has to be accepted.
func (d *desk) must(r Request) *Transaction {
	d.Helper()
	o := d.apply(Item{Requests: []Request{r}})[0]
	if o.err != nil {
		d.Fatalf("%s was refused: %v", r.Kind, o.err)
	}
	if !o.tx.Posted() {
		d.Fatalf("%s was rejected: %v", r.Kind, o.tx.Err())
	}
	return o.tx
}

// refuse posts a request that has to be refused for the given reason, recorded or not as its class says.
func (d *desk) refuse(reason Reason, r Request) {
	d.Helper()
	o := d.apply(Item{Requests: []Request{r}})[0]
	if got := reasonOf(o); got != reason {
		d.Fatalf("%s: refused with %q, want %q", r.Kind, got, reason)
	}
	if recorded := o.tx != nil; recorded != (Reasons[reason] == Precondition || Reasons[reason] == Conflict || reason == EffectiveInFuture) {
		d.Fatalf("%s: refusal %s recorded: %v", r.Kind, reason, recorded)
	}
}

// reasonOf is empty when the outcome is a posted transaction.
func reasonOf(o outcome) Reason {
	if o.tx != nil {
		return o.tx.Rejection
	}
	for reason := range Reasons {
		if (&Refusal{Reason: reason}).Is(o.err) {
			return reason
		}
	}
	return Reason(fmt.Sprint(o.err))
}

func (d *desk) accrue(member, points, expires string) *Transaction {
	d.Helper()
	return d.accrueFund(member, points, expires, "")
}

func (d *desk) accrueFund(member, points, expires, fund string) *Transaction {
	d.Helper()
	a := Accrual{Member: member, Unit: "points", Amount: amount(points), ExpiresAt: day(expires), Fund: fund}
	return d.must(a.Into(d.book.programme.ID, d.next()))
}

func (d *desk) redeem(member, points string) *Transaction {
	d.Helper()
	return d.must(Redeem(member, "points", amount(points), d.next()))
}

func (d *desk) reserve(member, points string, timeout time.Duration) *Transaction {
	d.Helper()
	return d.must(Reserve(d.book.programme.ID, member, "points", amount(points), timeout, d.next()))
}

func (d *desk) reverse(original *Transaction, part string) *Transaction {
	d.Helper()
	return d.must(Reverse(original.ID, amount(part), d.next()))
}

// until moves the clock to the given day.
func (d *desk) until(text string) { d.book.now = day(text) }

// wantLots compares a member's wallet with lines such as "2026-02-01 50" or "2026-02-01 50 bank".
func (d *desk) wantLots(member, unit string, want ...string) {
	d.Helper()
	var got []string
	if acc := d.book.accounts[walletOf(member, unit)]; acc != nil {
		got = lotLines(acc.lots)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		d.Fatalf("lots of %s in %s (-want +got):\n%s", member, unit, diff)
	}
}

func lotLines(lots lotSet) []string {
	var lines []string
	for _, lot := range lots {
		line := lot.ExpiresAt.Format(time.DateOnly) + " " + lot.Remaining.String()
		if lot.Fund != ProgrammeFund {
			line += " " + lot.Fund
		}
		lines = append(lines, line)
	}
	return lines
}

// wantBalance compares an account's balance.
func (d *desk) wantBalance(a Account, want string) {
	d.Helper()
	got := decimal.Zero
	if acc := d.book.accounts[d.book.onStripe(a)]; acc != nil {
		got = acc.balance
	}
	if !got.Equal(amount(want)) {
		d.Fatalf("%s %s %s holds %s, want %s", a.Unit, a.Owner, a.PlaceText(), got, want)
	}
}

func (d *desk) wantDebt(member, unit, want string) {
	d.Helper()
	d.wantBalance(debtOf(walletOf(member, unit)), amount(want).Neg().String())
}

func programmeAccount(unit string, place Place) Account {
	return Account{Unit: unit, Owner: ProgrammeOwner, Place: place}
}

// TestDeskNoticesWhatItIsFor keeps the desk honest: an account that changed behind the batch's back fails a flush.
func TestDeskNoticesWhatItIsFor(t *testing.T) {
	d := newDesk(t)
	d.accrue("ann", "10", "2026-02-01")
	d.wantBalance(walletOf("ann", "points"), "10")
	d.wantLots("ann", "points", "2026-02-01 10")
	if len(d.seals) != 1 || d.seals[0].Events != 1 {
		t.Fatalf("one batch with one event makes one seal, not %+v", d.seals)
	}
}
