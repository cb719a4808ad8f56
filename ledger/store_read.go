package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// querier reads: a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

const (
	sqlReadTransactions = `
SELECT t.id, t.programme_id, t.client, t.idempotency_key, t.kind, t.request_hash, t.rejection, t.detail, t.member,
       t.amount, t.original_id, t.due_at, t.reason, t.reference, t.actor, t.channel, t.rule, t.rule_version,
       t.effective_at, t.recorded_at, t.hash
FROM transactions AS t
WHERE t.id = ANY($1::uuid[]) AND t.programme_id = $2`

	sqlReadLegs = `
SELECT l.transaction_id, l.unit, l.amount, l.rule, l.from_owner, l.from_place, l.from_stripe, l.from_seq,
       l.to_owner, l.to_place, l.to_stripe, l.to_seq
FROM legs AS l
WHERE l.transaction_id = ANY($1::uuid[])
ORDER BY l.transaction_id, l.leg`

	sqlReadEntries = `
SELECT e.account_id, e.seq, e.transaction_id, e.leg, e.kind, e.amount, e.balance, e.effective_at, e.recorded_at,
       e.lots, e.hash
FROM unnest($1::uuid[], $2::timestamptz[], $3::int8[]) AS u (account_id, recorded_at, seq)
JOIN entries AS e ON e.account_id = u.account_id AND e.recorded_at = u.recorded_at AND e.seq = u.seq`
)

// readTransactions reads the given transactions of a programme whole: row, legs and both entries of each leg.
func readTransactions(ctx context.Context, q querier, programme uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]*Transaction, error) {
	found, err := readWithLegs(ctx, q, programme, ids)
	if err != nil {
		return nil, err
	}
	return found, readEntries(ctx, q, found)
}

// readWithLegs reads transactions and their legs in one round trip. Of the legs' entries it knows account and seq only.
func readWithLegs(ctx context.Context, q querier, programme uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]*Transaction, error) {
	found := make(map[uuid.UUID]*Transaction, len(ids))
	var b pgx.Batch
	b.Queue(sqlReadTransactions, ids, programme).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scanTransaction)
		for _, t := range list {
			found[t.ID] = t
		}
		return err
	})
	b.Queue(sqlReadLegs, ids).Query(func(rows pgx.Rows) error { return scanLegs(rows, found) })
	if err := q.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("read transactions: %w", err)
	}
	return found, nil
}

func scanTransaction(row pgx.CollectableRow) (*Transaction, error) {
	t := new(Transaction)
	var original *uuid.UUID
	var due *time.Time
	var detail string
	err := row.Scan(&t.ID, &t.Programme, &t.Client, &t.Key, &t.Kind, &t.RequestHash, &t.Rejection, &detail, &t.Member,
		&t.Amount, &original, &due, &t.Reason, &t.Reference, &t.Actor, &t.Channel, &t.Rule, &t.RuleVersion,
		&t.EffectiveAt, &t.RecordedAt, &t.Hash)
	if original != nil {
		t.Original = *original
	}
	if due != nil {
		t.DueAt = due.UTC()
	}
	t.Detail = parseDetail(detail)
	t.EffectiveAt, t.RecordedAt = t.EffectiveAt.UTC(), t.RecordedAt.UTC()
	return t, err
}

// parseDetail is the inverse of formatDetail.
func parseDetail(text string) map[string]string {
	if text == "" {
		return nil
	}
	detail := make(map[string]string)
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		key, value, _ := strings.Cut(line, "=")
		detail[key] = value
	}
	return detail
}

// scanLegs gives the legs to the transactions that were found; those of another programme's are passed over.
func scanLegs(rows pgx.Rows, found map[uuid.UUID]*Transaction) error {
	for rows.Next() {
		var id uuid.UUID
		var leg PostedLeg
		var fromPlace, toPlace string
		from, to := &leg.From, &leg.To
		if err := rows.Scan(&id, &leg.Unit, &leg.Amount, &leg.Rule, &from.Account.Owner, &fromPlace, &from.Account.Stripe, &from.Seq,
			&to.Account.Owner, &toPlace, &to.Account.Stripe, &to.Seq); err != nil {
			return err
		}
		t := found[id]
		if t == nil {
			continue
		}
		if err := leg.name(t.Programme, fromPlace, toPlace); err != nil {
			return err
		}
		t.Legs = append(t.Legs, leg)
	}
	return rows.Err()
}

// name fills in both accounts of a leg from their stored form.
func (leg *PostedLeg) name(programme uuid.UUID, fromPlace, toPlace string) error {
	for _, side := range [...]struct {
		entry *Entry
		place string
	}{{&leg.From, fromPlace}, {&leg.To, toPlace}} {
		at, err := ParsePlace(side.place)
		if err != nil {
			return err
		}
		account := &side.entry.Account
		account.Unit, account.Place, account.Of, account.Period = leg.Unit, at.Place, at.Of, at.Period
		side.entry.AccountID = account.ID(programme)
	}
	return nil
}

// entryKey is what names an entry within one transaction.
type entryKey struct {
	account uuid.UUID
	seq     int64
}

func readEntries(ctx context.Context, q querier, found map[uuid.UUID]*Transaction) error {
	sides := make(map[entryKey]*Entry)
	var accounts []uuid.UUID
	var times []time.Time
	var seqs []int64
	for _, t := range found {
		for i := range t.Legs {
			for _, e := range [...]*Entry{&t.Legs[i].From, &t.Legs[i].To} {
				sides[entryKey{e.AccountID, e.Seq}] = e
				accounts, times, seqs = append(accounts, e.AccountID), append(times, t.RecordedAt), append(seqs, e.Seq)
			}
		}
	}
	if len(sides) == 0 {
		return nil
	}
	rows, err := q.Query(ctx, sqlReadEntries, accounts, times, seqs)
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e Entry
		var lots string
		if err := rows.Scan(&e.AccountID, &e.Seq, &e.Transaction, &e.Leg, &e.Kind, &e.Amount, &e.Balance, &e.EffectiveAt,
			&e.RecordedAt, &lots, &e.Hash); err != nil {
			return fmt.Errorf("read entries: %w", err)
		}
		if e.Draws, err = ParseDraws(lots); err != nil {
			return err
		}
		side := sides[entryKey{e.AccountID, e.Seq}]
		e.Account = side.Account
		e.EffectiveAt, e.RecordedAt = e.EffectiveAt.UTC(), e.RecordedAt.UTC()
		*side = e
	}
	return rows.Err()
}
