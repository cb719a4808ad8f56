package bench

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// The parts of a batch at the limit, one statement a table, as the ledger writes them.
const (
	sqlLimitInsertTransactions = `
INSERT INTO limit_transactions (id, programme_id, client, idempotency_key, kind, request_hash, rejection, detail, member,
    amount, original_id, due_at, reason, reference, actor, channel, rule, rule_version, effective_at, recorded_at, hash)
SELECT u.id, $1, 'bench', u.idempotency_key, 'accrual', u.request_hash, '', '', u.member,
    u.amount, NULL, NULL, '', '', 'bench', 'bench', '', 1, $2, $2, u.hash
FROM unnest($3::uuid[], $4::text[], $5::bytea[], $6::text[], $7::decimal[], $8::bytea[])
  AS u (id, idempotency_key, request_hash, member, amount, hash)`

	sqlLimitInsertLegs = `
INSERT INTO limit_legs (transaction_id, leg, unit, amount, from_owner, from_place, from_stripe, from_seq,
    to_owner, to_place, to_stripe, to_seq)
SELECT u.transaction_id, 0, 'points', u.amount, 'programme', 'issuance', 0, u.seq, u.owner, 'wallet', 0, u.seq
FROM unnest($1::uuid[], $2::decimal[], $3::int8[], $4::text[]) AS u (transaction_id, amount, seq, owner)`

	sqlLimitInsertEntries = `
INSERT INTO limit_entries (account_id, recorded_at, seq, transaction_id, leg, kind, amount, balance, effective_at, lots, hash)
SELECT u.account_id, $1, u.seq, u.transaction_id, 0, 'accrual', u.amount, u.balance, $1, u.lots, u.hash
FROM unnest($2::uuid[], $3::int8[], $4::uuid[], $5::decimal[], $6::decimal[], $7::text[], $8::bytea[])
  AS u (account_id, seq, transaction_id, amount, balance, lots, hash)`

	sqlLimitUpdateAccounts = `
UPDATE limit_accounts AS a
SET balance = u.balance, seq = u.seq, recorded_at = $1, head = u.head
FROM unnest($2::uuid[], $3::decimal[], $4::int8[], $5::bytea[]) AS u (id, balance, seq, head)
WHERE a.id = u.id`

	sqlLimitUpdateLots = `
UPDATE limit_lots AS l
SET remaining = u.remaining
FROM unnest($1::uuid[], $2::decimal[]) AS u (account_id, remaining)
WHERE l.account_id = u.account_id AND l.expires_at = $3 AND l.fund = 'programme'`

	sqlLimitInsertSeal = `
INSERT INTO limit_seals (programme_id, stripe, n, recorded_at, sealed_at, first_event, events, transaction_ids, hash)
VALUES ($1, 0, $2, $3, $3, $2, $4, $5::uuid[], $6)`

	sqlLimitUpdateStripe = `
UPDATE limit_stripes AS p
SET seals = $2, events = $2, head = $3, lease_owner = $4, lease_until = now() + INTERVAL '30 seconds'
WHERE p.programme_id = $1 AND p.stripe = 0`
)

// limitParts are what a posting consists of, as one batch writes it. The programme's account and
// the stripe are one row a batch, as in the ledger.
var limitParts = []struct {
	name  string
	queue func(q *pgx.Batch, l *limitTables, list []posting)
}{
	{"transactions", func(q *pgx.Batch, l *limitTables, list []posting) {
		q.Queue(sqlLimitInsertTransactions, l.programme, now(),
			column(list, func(p posting) uuid.UUID { return p.id }), column(list, func(p posting) string { return p.key }),
			column(list, func(p posting) []byte { return p.requestHash }), column(list, func(p posting) string { return p.member }),
			column(list, func(p posting) decimal.Decimal { return p.amount }), column(list, func(p posting) []byte { return p.hash }))
	}},
	{"legs", func(q *pgx.Batch, _ *limitTables, list []posting) {
		q.Queue(sqlLimitInsertLegs, column(list, func(p posting) uuid.UUID { return p.id }),
			column(list, func(p posting) decimal.Decimal { return p.amount }), column(list, func(p posting) int64 { return p.seq }),
			column(list, func(p posting) string { return p.owner }))
	}},
	{"entries", func(q *pgx.Batch, l *limitTables, list []posting) {
		wallets := column(list, func(p posting) uuid.UUID { return p.wallet })
		for range list {
			wallets = append(wallets, list[0].issuance)
		}
		q.Queue(sqlLimitInsertEntries, now(), wallets, twice(list, func(p posting) int64 { return p.seq }),
			twice(list, func(p posting) uuid.UUID { return p.id }), twice(list, func(p posting) decimal.Decimal { return p.amount }),
			twice(list, func(p posting) decimal.Decimal { return p.balance }), twice(list, l.draws),
			twice(list, func(p posting) []byte { return p.hash }))
	}},
	{"accounts", func(q *pgx.Batch, _ *limitTables, list []posting) {
		last := list[len(list)-1]
		q.Queue(sqlLimitUpdateAccounts, now(),
			append(column(list, func(p posting) uuid.UUID { return p.wallet }), list[0].issuance),
			append(column(list, func(p posting) decimal.Decimal { return p.balance }), last.balance),
			append(column(list, func(p posting) int64 { return p.seq }), last.seq),
			append(column(list, func(p posting) []byte { return p.hash }), last.hash))
	}},
	{"lots", func(q *pgx.Batch, l *limitTables, list []posting) {
		q.Queue(sqlLimitUpdateLots, column(list, func(p posting) uuid.UUID { return p.wallet }),
			column(list, func(p posting) decimal.Decimal { return p.balance }), l.expires)
	}},
	{"seal", func(q *pgx.Batch, l *limitTables, list []posting) {
		first := list[0].seq
		q.Queue(sqlLimitInsertSeal, list[0].stripe, first, now(), len(list), column(list, func(p posting) uuid.UUID { return p.id }), list[0].hash)
		q.Queue(sqlLimitUpdateStripe, list[0].stripe, first, list[0].hash, l.programme)
	}},
}

func now() time.Time { return time.Now().Truncate(time.Microsecond) }

func column[T any](list []posting, of func(posting) T) []T {
	values := make([]T, len(list), 2*len(list))
	for i, p := range list {
		values[i] = of(p)
	}
	return values
}

// twice is a column for both entries of each posting.
func twice[T any](list []posting, of func(posting) T) []T {
	values := column(list, of)
	return append(values, values...)
}
