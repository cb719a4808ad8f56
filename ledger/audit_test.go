package ledger

import (
	"bytes"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// audit re-derives L1 to L8 from the desk's journal: the transactions in the order in which they were recorded.
func (d *desk) audit(t rapid.TB) {
	t.Helper()
	heads := make(map[uuid.UUID]*account)
	ids := make(map[uuid.UUID]bool)
	for _, tx := range d.journal {
		if ids[tx.ID] {
			t.Fatalf("L6: transaction %s %s is recorded twice", tx.Client, tx.Key)
		}
		ids[tx.ID] = true
		if !tx.Posted() && len(tx.Legs) > 0 {
			t.Fatalf("a rejected %s moved something", tx.Kind)
		}
		for i, leg := range tx.Legs {
			d.auditLeg(t, tx, i, leg)
			d.auditEntry(t, heads, leg.From)
			d.auditEntry(t, heads, leg.To)
		}
	}
	for _, acc := range d.book.accounts {
		d.auditAccount(t, acc, heads[acc.id])
	}
	d.auditSeals(t)
}

func (d *desk) auditLeg(t rapid.TB, tx *Transaction, i int, leg PostedLeg) {
	t.Helper()
	from, to := leg.From, leg.To
	if !leg.Amount.IsPositive() || !from.Amount.Equal(leg.Amount.Neg()) || !to.Amount.Equal(leg.Amount) ||
		from.Account.Unit != leg.Unit || to.Account.Unit != leg.Unit {
		t.Fatalf("L1: leg %d of a %s does not balance: %s to %s", i, tx.Kind, from.Amount, to.Amount)
	}
	for _, e := range []Entry{from, to} {
		if e.Transaction != tx.ID || int(e.Leg) != i || e.Kind != tx.Kind || !e.EffectiveAt.Equal(tx.EffectiveAt) || !e.RecordedAt.Equal(tx.RecordedAt) {
			t.Fatalf("an entry of a %s does not say what its transaction says: %+v", tx.Kind, e)
		}
		if e.Account.Place.bearsLots() != (len(e.Draws) > 0) || len(e.Draws) > 0 && !sumDraws(e.Draws).Equal(e.Amount) {
			t.Fatalf("L5: the draws %v of a %s are not %s", e.Draws, tx.Kind, e.Amount)
		}
	}
	if from.Account.Place != Wallet || to.Account.Place == Breakage {
		return
	}
	for _, draw := range from.Draws {
		if !draw.ExpiresAt.After(tx.RecordedAt) {
			t.Fatalf("L7: a %s took from a lot of %s at %s", tx.Kind, draw.ExpiresAt, tx.RecordedAt)
		}
	}
}

// auditEntry follows one account's chain: seq, balance, time, lots and hash.
func (d *desk) auditEntry(t rapid.TB, heads map[uuid.UUID]*account, e Entry) {
	t.Helper()
	if e.AccountID != e.Account.ID(d.book.programme.ID) {
		t.Fatalf("an entry of %s %s has another account's id", e.Account.Owner, e.Account.PlaceText())
	}
	acc := heads[e.AccountID]
	if acc == nil {
		acc = &account{balance: decimal.Zero}
		heads[e.AccountID] = acc
	}
	acc.seq++
	acc.balance = acc.balance.Add(e.Amount)
	floor, floored := e.Account.floor(d.book.programme.Units[e.Account.Unit])
	switch {
	case e.Seq != acc.seq || !e.Balance.Equal(acc.balance) || e.RecordedAt.Before(acc.recordedAt):
		t.Fatalf("L4: entry %d of %s %s does not follow the one before", e.Seq, e.Account.Owner, e.Account.PlaceText())
	case floored && e.Balance.LessThan(floor):
		t.Fatalf("L3: %s %s is at %s", e.Account.Owner, e.Account.PlaceText(), e.Balance)
	case !bytes.Equal(e.Hash, e.chain(acc.head)):
		t.Fatalf("L8: entry %d of %s %s breaks its chain", e.Seq, e.Account.Owner, e.Account.PlaceText())
	}
	for _, draw := range e.Draws {
		if !acc.lots.add(draw) {
			t.Fatalf("L5: entry %d of %s takes what its lot does not hold: %v", e.Seq, e.Account.Owner, draw)
		}
	}
	acc.head, acc.recordedAt = e.Hash, e.RecordedAt
}

// auditAccount compares the book's account with what the journal says of it.
func (d *desk) auditAccount(t rapid.TB, acc, derived *account) {
	t.Helper()
	if derived == nil {
		derived = &account{}
	}
	if acc.seq != derived.seq || !acc.balance.Equal(derived.balance) || !bytes.Equal(acc.head, derived.head) {
		t.Fatalf("L4: %s %s is at %s, its entries at %s", acc.Owner, acc.PlaceText(), acc.balance, derived.balance)
	}
	if !acc.Place.bearsLots() {
		return
	}
	sum := decimal.Zero
	for i, lot := range acc.lots {
		sum = sum.Add(lot.Remaining)
		if i >= len(derived.lots) || compareLots(lot.ExpiresAt, lot.Fund, derived.lots[i].ExpiresAt, derived.lots[i].Fund) != 0 ||
			!lot.Remaining.Equal(derived.lots[i].Remaining) {
			t.Fatalf("L5: lots of %s are %v, its entries say %v", acc.Owner, acc.lots, derived.lots)
		}
	}
	if !sum.Equal(acc.balance) || len(acc.lots) != len(derived.lots) {
		t.Fatalf("L5: lots of %s %s sum to %s, its balance is %s", acc.Owner, acc.PlaceText(), sum, acc.balance)
	}
}

// auditSeals follows the stripe's chain over all transactions, posted and rejected.
func (d *desk) auditSeals(t rapid.TB) {
	t.Helper()
	var previous Seal
	next := 0
	for _, s := range d.seals {
		var digests [][]byte
		events := int64(0)
		for _, id := range s.Transactions {
			tx := d.journal[next]
			next++
			if tx.ID != id {
				t.Fatalf("L8: seal %d names %s where %s was recorded", s.N, id, tx.ID)
			}
			digests = append(digests, tx.digest())
			if tx.Posted() {
				events++
			}
		}
		if s.N != previous.N+1 || s.FirstEvent != previous.FirstEvent+previous.Events || s.Events != events ||
			!bytes.Equal(s.Hash, s.chain(previous.Hash, digests)) {
			t.Fatalf("L8: seal %d does not follow the one before", s.N)
		}
		previous = s
	}
	if next != len(d.journal) {
		t.Fatalf("L8: %d transactions are sealed of %d", next, len(d.journal))
	}
}
