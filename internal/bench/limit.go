package bench

import (
	"context"
	"crypto/md5" //nolint:gosec // it only names rows, as the SQL below does
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
)

// The limit is what this database can do for this job with nothing around it: the rows and index entries of one accrual,
// written by a loop that neither reads, nor locks, nor hashes, nor decides anything, and in which no two postings share
// a row. Its tables are copies of the ledger's.
const (
	sqlLimitTransactions = `CREATE TABLE limit_transactions (LIKE transactions INCLUDING ALL)`
	sqlLimitLegs         = `CREATE TABLE limit_legs (LIKE legs INCLUDING ALL)`
	sqlLimitEntries      = `CREATE TABLE limit_entries (LIKE entries INCLUDING ALL)`
	sqlLimitSeals        = `CREATE TABLE limit_seals (LIKE seals INCLUDING ALL)`
	sqlLimitAccounts     = `CREATE TABLE limit_accounts (LIKE accounts INCLUDING ALL) WITH (fillfactor = 50)`
	sqlLimitLots         = `CREATE TABLE limit_lots (LIKE lots INCLUDING ALL) WITH (fillfactor = 70)`
	sqlLimitStripes      = `CREATE TABLE limit_stripes (LIKE stripes INCLUDING ALL) WITH (fillfactor = 50)`

	// A wallet and a programme account for each member; their ids are hashes, so that they lie anywhere in the index.
	sqlLimitFillAccounts = `
INSERT INTO limit_accounts (id, programme_id, unit, owner, place, stripe, floor, balance, seq, recorded_at, due_at, head)
SELECT md5(s.side || n.i::text)::uuid, $2, 'points', s.owner || lpad(n.i::text, 7, '0'), s.place, 0, s.floor, 1000000, 1,
    now(), NULL, sha256('head')
FROM generate_series(0, $1::int8 - 1) AS n (i)
CROSS JOIN (VALUES ('wallet', 'member/', 'wallet', 0), ('issuance', 'programme', 'issuance', NULL)) AS s (side, owner, place, floor)`

	sqlLimitFillLots = `
INSERT INTO limit_lots (account_id, expires_at, fund, remaining, programme_id, bucket)
SELECT md5('wallet' || n.i::text)::uuid, $3, 'programme', 1000000, $2, n.i % 16
FROM generate_series(0, $1::int8 - 1) AS n (i)`

	sqlLimitFillStripes = `
INSERT INTO limit_stripes (programme_id, stripe, seals, events, head, lease_owner, lease_until)
SELECT md5('stripe' || n.i::text)::uuid, 0, 0, 0, sha256('head'), $2, now()
FROM generate_series(0, $1::int8 - 1) AS n (i)`

	// One posting in one statement, which is also one transaction.
	sqlLimitPosting = `
WITH t AS (
  INSERT INTO limit_transactions (id, programme_id, client, idempotency_key, kind, request_hash, rejection, detail, member,
    amount, original_id, due_at, reason, reference, actor, channel, rule, rule_version, effective_at, recorded_at, hash)
  VALUES ($1, $2, 'bench', $3, 'accrual', $4, '', '', $5, $6, NULL, NULL, '', '', 'bench', 'bench', '', 1, $7, $7, $8)
), l AS (
  INSERT INTO limit_legs (transaction_id, leg, unit, amount, from_owner, from_place, from_stripe, from_seq,
    to_owner, to_place, to_stripe, to_seq)
  VALUES ($1, 0, 'points', $6, 'programme', 'issuance', 0, $9, $10, 'wallet', 0, $9)
), e AS (
  INSERT INTO limit_entries (account_id, recorded_at, seq, transaction_id, leg, kind, amount, balance, effective_at, lots, hash)
  VALUES ($11, $7, $9, $1, 0, 'accrual', $6, $12, $7, $13, $4), ($14, $7, $9, $1, 0, 'accrual', $6, $12, $7, '', $8)
), a AS (
  UPDATE limit_accounts AS a
  SET balance = $12, seq = $9, recorded_at = $7, head = $4
  WHERE a.id = ANY($15::uuid[])
), o AS (
  UPDATE limit_lots AS o SET remaining = $12
  WHERE o.account_id = $11 AND o.expires_at = $16 AND o.fund = 'programme'
), s AS (
  INSERT INTO limit_seals (programme_id, stripe, n, recorded_at, sealed_at, first_event, events, transaction_ids, hash)
  VALUES ($17, 0, $9, $7, $7, $9, 1, $18::uuid[], $8)
)
UPDATE limit_stripes AS p
SET seals = $9, events = $9, head = $8, lease_owner = $2, lease_until = now() + INTERVAL '30 seconds'
WHERE p.programme_id = $17 AND p.stripe = 0`
)

// limitTables are the copies and what the postings into them have in common.
type limitTables struct {
	pool      *db.Pool
	members   int
	programme uuid.UUID
	expires   time.Time
	seq       atomic.Int64 // of the last posting
	hashes    [64][]byte
}

// limitsOf makes the copies, once.
func (b *bench) limitsOf(ctx context.Context) (*limitTables, error) {
	if b.limits != nil {
		return b.limits, nil
	}
	l := &limitTables{pool: b.owner, members: b.Members, programme: uuid.New(), expires: time.Now().AddDate(1, 0, 0).Truncate(time.Microsecond)}
	for i := range l.hashes {
		l.hashes[i] = make([]byte, 32)
		_, _ = rand.Read(l.hashes[i]) // never fails
	}
	for _, sql := range []string{
		sqlLimitTransactions, sqlLimitLegs, sqlLimitEntries, sqlLimitSeals, sqlLimitAccounts, sqlLimitLots, sqlLimitStripes,
	} {
		if _, err := b.owner.Exec(ctx, sql); err != nil {
			return nil, fmt.Errorf("copy a table: %w", err)
		}
	}
	_, err1 := b.owner.Exec(ctx, sqlLimitFillAccounts, l.members, l.programme)
	_, err2 := b.owner.Exec(ctx, sqlLimitFillLots, l.members, l.programme, l.expires)
	_, err3 := b.owner.Exec(ctx, sqlLimitFillStripes, l.members, l.programme)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("fill the copies: %w", err)
	}
	b.limits = l
	return l, b.settle(ctx)
}

// posting is the values of one posting into the copies.
type posting struct {
	id, wallet, issuance, stripe uuid.UUID
	key, member, owner           string
	amount, balance              decimal.Decimal
	seq                          int64
	requestHash, hash            []byte
}

// named is the id that the copies give to the i-th row of a kind.
func named(kind string, i int) uuid.UUID {
	return md5.Sum(fmt.Append(nil, kind, i)) //nolint:gosec // see the import
}

// posting makes the n-th posting of a loop. The loops share the members out, so that no two postings meet.
func (l *limitTables) posting(loop, loops, n int) posting {
	i := (loop + n*loops) % (l.members / loops * loops)
	p := posting{
		id: uuid.New(), wallet: named("wallet", i), issuance: named("issuance", i), stripe: named("stripe", i),
		key: uuid.NewString(), member: member(i), amount: decimal.NewFromInt(int64(1 + i%500)),
		balance: decimal.NewFromInt(int64(1_000_000 + n)), seq: l.seq.Add(1) + 1,
		requestHash: l.hashes[n%len(l.hashes)], hash: l.hashes[(n+1)%len(l.hashes)],
	}
	p.owner = "member/" + p.member
	return p
}

func (l *limitTables) draws(p posting) string {
	return l.expires.Format(time.RFC3339) + "|programme|" + p.amount.String()
}

// limitSingle posts one by one. Loops that each have a connection of their own share the work.
func (b *bench) limitSingle(ctx context.Context, n int) (Result, error) {
	l, err := b.limitsOf(ctx)
	if err != nil {
		return Result{}, err
	}
	list, err := clients(n, func(loop int) (client, error) {
		at := 0
		return func(ctx context.Context) (int, error) {
			p := l.posting(loop, n, at)
			at++
			_, err := l.pool.Exec(ctx, sqlLimitPosting, p.id, l.programme, p.key, p.requestHash, p.member, p.amount,
				time.Now().Truncate(time.Microsecond), p.hash, p.seq, p.owner, p.wallet, p.balance, l.draws(p), p.issuance,
				[]uuid.UUID{p.wallet, p.issuance}, l.expires, p.stripe, []uuid.UUID{p.id})
			return 1, err
		}, nil
	})
	if err != nil {
		return Result{}, err
	}
	return b.driveFor(ctx, list)
}

// limitBatch posts batches of 100 on one connection, every table in one statement and all of them in one round trip.
func (b *bench) limitBatch(ctx context.Context, _ int) (Result, error) {
	return b.limitBatchWithout(ctx, "")
}

// limitBatchWithout leaves one part of a posting out, which shows what that part costs.
func (b *bench) limitBatchWithout(ctx context.Context, part string) (Result, error) {
	l, err := b.limitsOf(ctx)
	if err != nil {
		return Result{}, err
	}
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return Result{}, err
	}
	defer conn.Release()
	at := 0
	return b.driveFor(ctx, []client{func(ctx context.Context) (int, error) {
		const size = 100
		list := make([]posting, size)
		for i := range list {
			list[i] = l.posting(0, 1, at)
			at++
		}
		var q pgx.Batch
		for _, p := range limitParts {
			if p.name != part {
				p.queue(&q, l, list)
			}
		}
		return size, conn.SendBatch(ctx, &q).Close()
	}})
}
