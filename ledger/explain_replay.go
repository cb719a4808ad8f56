package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// replay follows accruals through the places of members, by replaying the entries of each place that matters.
type replay struct {
	tx        querier
	programme uuid.UUID
	trails    map[Account]*trail
}

func newReplay(tx querier, programme uuid.UUID) *replay {
	return &replay{tx: tx, programme: programme, trails: make(map[Account]*trail)}
}

// parcel is a part of one accrual.
type parcel struct {
	source uuid.UUID
	amount decimal.Decimal
}

// composition is what a lot is made of, in the order in which they are used up.
type composition struct {
	expiresAt time.Time
	fund      string
	parcels   []parcel
}

// trail is one account's entries and the lots that they lead to, as far as it has been followed.
type trail struct {
	replay  *replay
	account Account
	loaded  bool
	entries []trailEntry
	next    int // the first entry that is not yet followed
	balance decimal.Decimal
	lots    []composition // in spending order
	// takes is what each debit took, by the transaction and leg that it belongs to; taken names the same by seq.
	takes map[take][]composition
	taken map[int64][]composition
}

type take struct {
	transaction uuid.UUID
	leg         int16
}

type trailEntry struct {
	take
	seq      int64
	kind     Kind
	amount   decimal.Decimal
	balance  decimal.Decimal
	draws    []Draw
	original uuid.UUID
}

func (r *replay) trail(a Account) *trail {
	t := r.trails[a]
	if t == nil {
		t = &trail{replay: r, account: a, takes: make(map[take][]composition), taken: make(map[int64][]composition)}
		r.trails[a] = t
	}
	return t
}

// advance follows the entries up to and including seq until, or all of them when it is nil.
func (t *trail) advance(ctx context.Context, until *int64) error {
	return t.follow(ctx, func(e trailEntry) bool { return until == nil || e.seq <= *until })
}

func (t *trail) follow(ctx context.Context, wanted func(trailEntry) bool) error {
	if err := t.load(ctx); err != nil {
		return err
	}
	for t.next < len(t.entries) && wanted(t.entries[t.next]) {
		e := t.entries[t.next]
		t.next++
		t.balance = e.balance
		if e.amount.IsNegative() {
			t.debit(e)
			continue
		}
		if err := t.credit(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// debit takes the entry's draws from their lots: oldest parcel first, but the accrual itself when it is clawed back.
func (t *trail) debit(e trailEntry) {
	var taken []composition
	for _, d := range e.draws {
		i, found := t.find(d.ExpiresAt, d.Fund)
		if !found {
			continue
		}
		p, prefer := &t.lots[i], uuid.Nil
		if e.kind == KindClawback {
			prefer = e.original
		}
		taken = append(taken, composition{d.ExpiresAt, d.Fund, p.take(d.Amount.Abs(), prefer)})
		if len(p.parcels) == 0 {
			t.lots = slices.Delete(t.lots, i, i+1)
		}
	}
	t.takes[e.take], t.taken[e.seq] = taken, taken
}

// credit adds the entry's draws to their lots, as parcels of the accruals that they come from.
func (t *trail) credit(ctx context.Context, e trailEntry) error {
	origin, err := t.origin(ctx, e)
	if err != nil {
		return err
	}
	for _, d := range e.draws {
		parcels := popLike(origin, d)
		known := decimal.Zero
		for _, p := range parcels {
			known = known.Add(p.amount)
		}
		if rest := d.Amount.Sub(known); rest.IsPositive() { // from outside the members' places: the entry is the source
			parcels = append(parcels, parcel{e.transaction, rest})
		}
		i, found := t.find(d.ExpiresAt, d.Fund)
		if !found {
			t.lots = slices.Insert(t.lots, i, composition{expiresAt: d.ExpiresAt, fund: d.Fund})
		}
		t.lots[i].parcels = append(t.lots[i].parcels, parcels...)
	}
	return nil
}

// origin finds what an earlier debit took, if that is what a credit brings: the same leg's other side on this account
// (a re-dating) or on a place of its own, or the debit that is reversed. It is nil for what comes from outside.
func (t *trail) origin(ctx context.Context, e trailEntry) ([]composition, error) {
	if own, redated := t.takes[e.take]; redated {
		return own, nil
	}
	other := t.account
	switch e.kind {
	case KindHold:
		other.Place, other.Of = Wallet, uuid.Nil
	case KindActivation:
		other.Place, other.Of = Pending, e.original
	case KindVoid, KindTimeout, KindCapture:
		other.Place, other.Of = Hold, e.original
	case KindReversal:
		return t.reversed(ctx, e.original)
	default:
		return nil, nil
	}
	from := t.replay.trail(other)
	err := from.follow(ctx, func(trailEntry) bool { return from.takes[e.take] == nil })
	return from.takes[e.take], err
}

// reversed is what the original took from this wallet, or what a capture took from a hold of it.
func (t *trail) reversed(ctx context.Context, original uuid.UUID) ([]composition, error) {
	if lots := t.takes[take{original, 0}]; lots != nil {
		return lots, nil
	}
	for key, lots := range t.takes { // a redemption whose payment is not its first leg
		if key.transaction == original {
			return lots, nil
		}
	}
	found, err := readFacts(ctx, t.replay.tx, t.replay.programme, []uuid.UUID{original})
	if err != nil || found[original] == nil || found[original].Kind != KindCapture {
		return nil, err
	}
	hold := t.account
	hold.Place, hold.Of = Hold, found[original].Original
	from := t.replay.trail(hold)
	if err := from.advance(ctx, nil); err != nil {
		return nil, err
	}
	return from.takes[take{original, 0}], nil
}

func (t *trail) find(expiresAt time.Time, fund string) (int, bool) {
	return slices.BinarySearchFunc(t.lots, composition{expiresAt: expiresAt, fund: fund}, func(a, b composition) int {
		return compareLots(a.expiresAt, a.fund, b.expiresAt, b.fund)
	})
}

// take removes amount from the composition, from the preferred accrual first and then from the oldest.
func (p *composition) take(amount decimal.Decimal, prefer uuid.UUID) []parcel {
	var taken []parcel
	draw := func(i int) {
		part := decimal.Min(p.parcels[i].amount, amount)
		if !part.IsPositive() {
			return
		}
		taken = append(taken, parcel{p.parcels[i].source, part})
		p.parcels[i].amount = p.parcels[i].amount.Sub(part)
		amount = amount.Sub(part)
	}
	for i := range p.parcels {
		if prefer != uuid.Nil && p.parcels[i].source == prefer {
			draw(i)
		}
	}
	for i := range p.parcels {
		draw(i)
	}
	p.parcels = slices.DeleteFunc(p.parcels, func(rest parcel) bool { return rest.amount.IsZero() })
	return taken
}

// popLike removes up to the draw's amount from the lots, what was taken last first, and returns it in the order in which it
// was taken: from the draw's own lot, then, since it may have been re-dated, from its fund's, then from any.
func popLike(lots []composition, d Draw) []parcel {
	var popped []parcel
	for _, like := range []func(composition) bool{
		func(p composition) bool { return p.fund == d.Fund && p.expiresAt.Equal(d.ExpiresAt) },
		func(p composition) bool { return p.fund == d.Fund },
		func(composition) bool { return true },
	} {
		for i := range slices.Backward(lots) {
			if like(lots[i]) {
				popped = append(popped, lots[i].popLast(&d.Amount)...)
			}
		}
	}
	slices.Reverse(popped)
	return popped
}

// popLast removes parcels from the end and takes what they hold off amount.
func (p *composition) popLast(amount *decimal.Decimal) []parcel {
	var popped []parcel
	for len(p.parcels) > 0 && amount.IsPositive() {
		last := &p.parcels[len(p.parcels)-1]
		part := decimal.Min(last.amount, *amount)
		popped = append(popped, parcel{last.source, part})
		*amount = amount.Sub(part)
		if last.amount = last.amount.Sub(part); last.amount.IsZero() {
			p.parcels = p.parcels[:len(p.parcels)-1]
		}
	}
	return popped
}

// open describes the lots that are left.
func (t *trail) open() []ExplainedLot {
	lots := make([]ExplainedLot, len(t.lots))
	for i, p := range t.lots {
		lots[i] = p.explained(t.account.Unit)
	}
	return lots
}

// explained adds up the parcels of one accrual; name fills in the rest of the shares.
func (p composition) explained(unit string) ExplainedLot {
	lot := ExplainedLot{Unit: unit, ExpiresAt: p.expiresAt, Fund: p.fund}
	shares := make(map[uuid.UUID]int)
	for _, part := range p.parcels {
		lot.Amount = lot.Amount.Add(part.amount)
		i, seen := shares[part.source]
		if !seen {
			i = len(lot.Shares)
			shares[part.source] = i
			lot.Shares = append(lot.Shares, Share{Transaction: part.source})
		}
		lot.Shares[i].Amount = lot.Shares[i].Amount.Add(part.amount)
	}
	return lot
}

// name adds to the shares what their transactions say.
func (r *replay) name(ctx context.Context, lots []ExplainedLot) error {
	var ids []uuid.UUID
	for _, lot := range lots {
		for _, s := range lot.Shares {
			ids = append(ids, s.Transaction)
		}
	}
	facts, err := readFacts(ctx, r.tx, r.programme, ids)
	if err != nil {
		return err
	}
	for _, lot := range lots {
		for i := range lot.Shares {
			s := &lot.Shares[i]
			t := facts[s.Transaction]
			if t == nil {
				return fmt.Errorf("ledger: entry of transaction %s, which is not in the journal", s.Transaction)
			}
			s.Kind, s.RecordedAt, s.EffectiveAt = t.Kind, t.RecordedAt, t.EffectiveAt
			s.Reason, s.Reference, s.Rule, s.RuleVersion = t.Reason, t.Reference, t.Rule, t.RuleVersion
		}
	}
	return nil
}

// load reads the account's entries, and what the transactions of some of them refer to.
func (t *trail) load(ctx context.Context) error {
	if t.loaded {
		return nil
	}
	t.loaded = true
	rows, err := t.replay.tx.Query(ctx, sqlReadTrail, t.account.ID(t.replay.programme))
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	t.entries, err = pgx.CollectRows(rows, scanTrailEntry)
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	var ids []uuid.UUID
	for _, e := range t.entries {
		if e.refers() {
			ids = append(ids, e.transaction)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	facts, err := readFacts(ctx, t.replay.tx, t.replay.programme, ids)
	if err != nil {
		return err
	}
	for i := range t.entries {
		if fact := facts[t.entries[i].transaction]; fact != nil {
			t.entries[i].original = fact.Original
		}
	}
	return nil
}

// refers reports whether following the entry needs to know what its transaction refers to.
func (e *trailEntry) refers() bool {
	switch e.kind {
	case KindActivation, KindVoid, KindTimeout, KindCapture, KindReversal, KindClawback:
		return true
	default:
		return false
	}
}

func scanTrailEntry(row pgx.CollectableRow) (trailEntry, error) {
	var e trailEntry
	var lots string
	err := row.Scan(&e.seq, &e.transaction, &e.leg, &e.kind, &e.amount, &e.balance, &lots)
	if err != nil {
		return e, err
	}
	e.draws, err = ParseDraws(lots)
	return e, err
}

const sqlReadTrail = `
SELECT e.seq, e.transaction_id, e.leg, e.kind, e.amount, e.balance, e.lots
FROM entries AS e
WHERE e.account_id = $1
ORDER BY e.recorded_at, e.seq`
