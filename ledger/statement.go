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

// StatementQuery asks for a page of a member's statement.
type StatementQuery struct {
	Programme    uuid.UUID
	Member, Unit string
	// Place is Wallet when empty; the other place that a member has once is Debt.
	Place Place
	// Staff asks for the budget of a member of staff instead of a place of a member.
	Staff string
	// From and To bound the recorded time, From <= recorded_at < To; zero leaves that side open.
	From, To time.Time
	// After is where the last page ended; zero is the first page.
	After Cursor
	// Limit is how many movements a page has: 50 when zero, never more than MaxPage.
	Limit int
}

// Cursor is a position in an account's entries. Entries only ever follow the last, so a page never misses one.
type Cursor struct {
	RecordedAt time.Time
	Seq        int64
}

// Pages of lists have DefaultPage rows unless asked otherwise, and never more than MaxPage.
const (
	DefaultPage = 50
	MaxPage     = 200
)

func pageSize(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}

// Movement is what one transaction did to the account, all of its legs together: an accrual that paid a debt is one
// movement of the difference, and a re-dating is one of zero whose lots show what changed.
type Movement struct {
	Transaction uuid.UUID
	Kind        Kind
	Member      string // whom the transaction is about
	Amount      decimal.Decimal
	Balance     decimal.Decimal // right after it
	EffectiveAt time.Time
	RecordedAt  time.Time
	Reason      string
	Reference   string
	Channel     string
	Rule        string
	RuleVersion int64
	Original    uuid.UUID
	// Lots that came in (above zero) and went out (below zero), soonest expiry first.
	Lots []Draw
	last Cursor
}

// Statement is a page of movements, oldest first.
type Statement struct {
	Movements []Movement
	// Next is where the next page begins; nil when this page is the last.
	Next *Cursor
}

// Statement reads a page of a member's statement in order of (recorded_at, seq), oldest first. It costs one range of
// the journal's key and one look-up a movement, whatever the account's length.
// Refusals: INVALID_FIELD for a place that a member has not just once; NOT_FOUND for the programme and UNKNOWN_UNIT, when
// there is nothing to show.
func (l *Ledger) Statement(ctx context.Context, q StatementQuery) (Statement, error) {
	switch {
	case q.Place == "" && q.Staff != "":
		q.Place = Budget
	case q.Place == "":
		q.Place = Wallet
	case (q.Place == Wallet || q.Place == Debt) && q.Staff == "":
	default:
		return Statement{}, refuse(InvalidField, "field", "place")
	}
	limit := pageSize(q.Limit)
	movements, err := l.movements(ctx, q, limit+1)
	if err != nil {
		return Statement{}, fmt.Errorf("read statement: %w", err)
	}
	if len(movements) == 0 { // entries speak for their unit
		_, err := l.admitUnit(ctx, q.Programme, q.Unit)
		return Statement{}, err
	}
	s := Statement{Movements: movements}
	if len(movements) > limit {
		s.Movements = movements[:limit]
		s.Next = &movements[limit-1].last
	}
	return s, l.nameMovements(ctx, q.Programme, s.Movements)
}

// movements reads entries until it has the given number of whole movements, or the range ends.
func (l *Ledger) movements(ctx context.Context, q StatementQuery, count int) ([]Movement, error) {
	owner := Member(q.Member)
	if q.Staff != "" {
		owner = Staff(q.Staff)
	}
	account := Account{Unit: q.Unit, Owner: owner, Place: q.Place}.ID(q.Programme)
	if q.From.After(q.After.RecordedAt) {
		q.After = Cursor{RecordedAt: q.From}
	}
	if q.To.IsZero() {
		q.To = Never
	}
	var list []Movement
	for {
		limit := count + count/4 + 1
		rows, err := l.posting.Query(ctx, sqlReadMovements, account, q.After.RecordedAt, q.After.Seq, q.To, limit)
		if err != nil {
			return nil, err
		}
		entries, err := pgx.CollectRows(rows, scanMovementEntry)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			list = addEntry(list, e)
		}
		if len(entries) < limit {
			return list, nil
		}
		if len(list) > count { // the last may not be whole
			return list[:count], nil
		}
		q.After = list[len(list)-1].last
	}
}

func scanMovementEntry(row pgx.CollectableRow) (Entry, error) {
	var e Entry
	var lots string
	err := row.Scan(&e.RecordedAt, &e.Seq, &e.Transaction, &e.Kind, &e.Amount, &e.Balance, &e.EffectiveAt, &lots)
	if err != nil {
		return e, err
	}
	e.RecordedAt, e.EffectiveAt = e.RecordedAt.UTC(), e.EffectiveAt.UTC()
	e.Draws, err = ParseDraws(lots)
	return e, err
}

// addEntry adds an entry to the movement of its transaction. A transaction's entries on one account are neighbours.
func addEntry(list []Movement, e Entry) []Movement {
	if n := len(list); n == 0 || list[n-1].Transaction != e.Transaction {
		list = append(list, Movement{
			Transaction: e.Transaction, Kind: e.Kind, EffectiveAt: e.EffectiveAt, RecordedAt: e.RecordedAt,
		})
	}
	m := &list[len(list)-1]
	m.Amount, m.Balance = m.Amount.Add(e.Amount), e.Balance
	m.last = Cursor{RecordedAt: e.RecordedAt, Seq: e.Seq}
	for _, d := range e.Draws {
		m.addLot(d)
	}
	return list
}

// addLot keeps a movement's lots net and in spending order.
func (m *Movement) addLot(d Draw) {
	i, found := slices.BinarySearchFunc(m.Lots, d, func(a, b Draw) int {
		return compareLots(a.ExpiresAt, a.Fund, b.ExpiresAt, b.Fund)
	})
	if !found {
		m.Lots = slices.Insert(m.Lots, i, d)
		return
	}
	if m.Lots[i].Amount = m.Lots[i].Amount.Add(d.Amount); m.Lots[i].Amount.IsZero() {
		m.Lots = slices.Delete(m.Lots, i, i+1)
	}
}

// nameMovements adds what the transactions themselves say.
func (l *Ledger) nameMovements(ctx context.Context, programme uuid.UUID, list []Movement) error {
	ids := make([]uuid.UUID, len(list))
	for i, m := range list {
		ids[i] = m.Transaction
	}
	facts, err := readFacts(ctx, l.posting, programme, ids)
	if err != nil {
		return err
	}
	for i := range list {
		m, t := &list[i], facts[list[i].Transaction]
		if t == nil {
			return fmt.Errorf("ledger: entry of transaction %s, which is not in the journal", m.Transaction)
		}
		m.Reason, m.Reference, m.Channel, m.Original = t.Reason, t.Reference, t.Channel, t.Original
		m.Rule, m.RuleVersion, m.Member = t.Rule, t.RuleVersion, t.Member
	}
	return nil
}

// readFacts reads transactions without their legs and entries.
func readFacts(ctx context.Context, q querier, programme uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]*Transaction, error) {
	rows, err := q.Query(ctx, sqlReadTransactions, ids, programme)
	if err != nil {
		return nil, fmt.Errorf("read transactions: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanTransaction)
	if err != nil {
		return nil, fmt.Errorf("read transactions: %w", err)
	}
	found := make(map[uuid.UUID]*Transaction, len(list))
	for _, t := range list {
		found[t.ID] = t
	}
	return found, nil
}

// Both conditions together are one range of the key.
const sqlReadMovements = `
SELECT e.recorded_at, e.seq, e.transaction_id, e.kind, e.amount, e.balance, e.effective_at, e.lots
FROM entries AS e
WHERE e.account_id = $1 AND (e.recorded_at, e.seq) > ($2, $3) AND e.recorded_at < $4
ORDER BY e.recorded_at, e.seq
LIMIT $5`
