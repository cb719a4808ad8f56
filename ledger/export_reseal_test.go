package ledger

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reseal makes every hash of the books right again, as somebody could who has altered rows, owns the database, and knows
// the code: what Verify still finds then, it finds by what the rows say.
func Reseal(ctx context.Context, tx pgx.Tx) error {
	if err := rechain(ctx, tx); err != nil {
		return err
	}
	digests, err := redigest(ctx, tx)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT programme_id, stripe, n, recorded_at, sealed_at, first_event, events, transaction_ids
		FROM seals ORDER BY programme_id, stripe, n`)
	if err != nil {
		return err
	}
	seals, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Seal, err error) {
		err = row.Scan(&s.Programme, &s.Stripe, &s.N, &s.RecordedAt, &s.SealedAt, &s.FirstEvent, &s.Events, &s.Transactions)
		return s, err
	})
	if err != nil {
		return err
	}
	var q pgx.Batch
	var last Seal
	for _, s := range seals {
		if s.Programme != last.Programme || s.Stripe != last.Stripe {
			last = Seal{}
		}
		list := make([][]byte, len(s.Transactions))
		for i, id := range s.Transactions {
			list[i] = digests[id]
		}
		s.Hash = s.chain(last.Hash, list)
		q.Queue(`UPDATE seals SET hash = $4 WHERE programme_id = $1 AND stripe = $2 AND n = $3`, s.Programme, s.Stripe, s.N, s.Hash)
		q.Queue(`UPDATE stripes SET head = $3 WHERE programme_id = $1 AND stripe = $2`, s.Programme, s.Stripe, s.Hash)
		last = s
	}
	return tx.SendBatch(ctx, &q).Close()
}

// rechain hashes the entries of every account anew.
func rechain(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT account_id, recorded_at, seq, transaction_id, leg, kind, amount, balance, effective_at, lots
		FROM entries ORDER BY account_id, recorded_at, seq`)
	if err != nil {
		return err
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Entry, err error) {
		var lots string
		err = row.Scan(&e.AccountID, &e.RecordedAt, &e.Seq, &e.Transaction, &e.Leg, &e.Kind, &e.Amount, &e.Balance, &e.EffectiveAt, &lots)
		if err == nil {
			e.Draws, err = ParseDraws(lots)
		}
		return e, err
	})
	if err != nil {
		return err
	}
	var q pgx.Batch
	heads := make(map[uuid.UUID][]byte)
	for _, e := range entries {
		heads[e.AccountID] = e.chain(heads[e.AccountID])
		q.Queue(`UPDATE entries SET hash = $4 WHERE account_id = $1 AND recorded_at = $2 AND seq = $3`,
			e.AccountID, e.RecordedAt, e.Seq, heads[e.AccountID])
	}
	for id, head := range heads {
		q.Queue(`UPDATE accounts SET head = $2 WHERE id = $1`, id, head)
	}
	return tx.SendBatch(ctx, &q).Close()
}

// redigest hashes every transaction anew.
func redigest(ctx context.Context, tx pgx.Tx) (map[uuid.UUID][]byte, error) {
	rows, err := tx.Query(ctx, `SELECT id, programme_id FROM transactions`)
	if err != nil {
		return nil, err
	}
	programmes := make(map[uuid.UUID][]uuid.UUID)
	var id, programme uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id, &programme}, func() error {
		programmes[programme] = append(programmes[programme], id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	digests := make(map[uuid.UUID][]byte)
	var q pgx.Batch
	for programme, ids := range programmes {
		found, err := readWithLegs(ctx, tx, programme, ids)
		if err != nil {
			return nil, err
		}
		for _, t := range found {
			digests[t.ID] = t.digest()
			q.Queue(`UPDATE transactions SET hash = $2 WHERE id = $1`, t.ID, digests[t.ID])
		}
	}
	return digests, tx.SendBatch(ctx, &q).Close()
}
