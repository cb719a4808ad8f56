package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/shopspring/decimal"
)

// One statement a table and kind of change; all go out together.
const (
	sqlInsertTransactions = `
INSERT INTO transactions (id, programme_id, client, idempotency_key, kind, request_hash, rejection, detail, member,
    amount, original_id, due_at, reason, reference, actor, channel, rule, rule_version, effective_at, recorded_at, hash)
SELECT u.id, $1, u.client, u.idempotency_key, u.kind, u.request_hash, u.rejection, u.detail, u.member,
    u.amount, u.original_id, u.due_at, u.reason, u.reference, u.actor, u.channel, u.rule, $2, u.effective_at, $3, u.hash
FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::text[], $10::text[], $11::text[],
    $12::decimal[], $13::uuid[], $14::timestamptz[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[],
    $20::timestamptz[], $21::bytea[])
  AS u (id, client, idempotency_key, kind, request_hash, rejection, detail, member, amount, original_id, due_at, reason,
    reference, actor, channel, rule, effective_at, hash)`

	sqlInsertLegs = `
INSERT INTO legs (transaction_id, leg, unit, amount, rule, from_owner, from_place, from_stripe, from_seq,
    to_owner, to_place, to_stripe, to_seq)
SELECT u.transaction_id, u.leg, u.unit, u.amount, u.rule, u.from_owner, u.from_place, u.from_stripe, u.from_seq,
    u.to_owner, u.to_place, u.to_stripe, u.to_seq
FROM unnest($1::uuid[], $2::int2[], $3::text[], $4::decimal[], $5::text[], $6::text[], $7::text[], $8::int2[], $9::int8[],
    $10::text[], $11::text[], $12::int2[], $13::int8[])
  AS u (transaction_id, leg, unit, amount, rule, from_owner, from_place, from_stripe, from_seq, to_owner, to_place,
    to_stripe, to_seq)`

	sqlInsertEntries = `
INSERT INTO entries (account_id, recorded_at, seq, transaction_id, leg, kind, amount, balance, effective_at, lots, hash)
SELECT u.account_id, $1, u.seq, u.transaction_id, u.leg, u.kind, u.amount, u.balance, u.effective_at, u.lots, u.hash
FROM unnest($2::uuid[], $3::int8[], $4::uuid[], $5::int2[], $6::text[], $7::decimal[], $8::decimal[],
    $9::timestamptz[], $10::text[], $11::bytea[])
  AS u (account_id, seq, transaction_id, leg, kind, amount, balance, effective_at, lots, hash)`

	sqlInsertAccounts = `
INSERT INTO accounts (id, programme_id, unit, owner, place, stripe, floor, balance, seq, recorded_at, due_at, head)
SELECT u.id, $1, u.unit, u.owner, u.place, u.stripe, u.floor, u.balance, u.seq, $2, u.due_at, u.head
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::int2[], $8::decimal[], $9::decimal[], $10::int8[],
    $11::timestamptz[], $12::bytea[])
  AS u (id, unit, owner, place, stripe, floor, balance, seq, due_at, head)`

	// The comparison of seq is the last word on L4: an account that moved since it was read is not overwritten.
	sqlUpdateAccounts = `
UPDATE accounts AS a
SET floor = u.floor, balance = u.balance, seq = u.seq, recorded_at = $1, head = u.head
FROM unnest($2::uuid[], $3::int8[], $4::decimal[], $5::decimal[], $6::int8[], $7::bytea[])
  AS u (id, previous_seq, floor, balance, seq, head)
WHERE a.id = u.id AND a.seq = u.previous_seq`

	sqlInsertLots = `
INSERT INTO lots (account_id, expires_at, fund, remaining, programme_id, bucket)
SELECT u.account_id, u.expires_at, u.fund, u.remaining, $1, u.bucket
FROM unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::decimal[], $6::int2[])
  AS u (account_id, expires_at, fund, remaining, bucket)`

	sqlUpdateLots = `
UPDATE lots AS l
SET remaining = u.remaining
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::decimal[]) AS u (account_id, expires_at, fund, remaining)
WHERE l.account_id = u.account_id AND l.expires_at = u.expires_at AND l.fund = u.fund`

	sqlDeleteLots = `
DELETE FROM lots AS l
USING unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS u (account_id, expires_at, fund)
WHERE l.account_id = u.account_id AND l.expires_at = u.expires_at AND l.fund = u.fund`

	sqlInsertOpenPlaces = `
INSERT INTO open_places (programme_id, bucket, due_at, account_id, owner, unit, place, due_kind)
SELECT $1, u.bucket, u.due_at, u.account_id, u.owner, u.unit, u.place, u.due_kind
FROM unnest($2::int2[], $3::timestamptz[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[])
  AS u (bucket, due_at, account_id, owner, unit, place, due_kind)`

	sqlDeleteOpenPlaces = `
DELETE FROM open_places AS o
USING unnest($2::int2[], $3::timestamptz[], $4::uuid[]) AS u (bucket, due_at, account_id)
WHERE o.programme_id = $1 AND o.bucket = u.bucket AND o.due_at = u.due_at AND o.account_id = u.account_id`

	sqlInsertFollowUps = `
INSERT INTO follow_ups (original_id, transaction_id, kind, amount)
SELECT u.original_id, u.transaction_id, u.kind, u.amount
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::decimal[]) AS u (original_id, transaction_id, kind, amount)`

	sqlInsertReferences = `
INSERT INTO business_references (programme_id, client, kind, reference, transaction_id)
SELECT $1, u.client, u.kind, u.reference, u.transaction_id
FROM unnest($2::text[], $3::text[], $4::text[], $5::uuid[]) AS u (client, kind, reference, transaction_id)`

	sqlInsertFreezes = `
INSERT INTO freezes (programme_id, member, transaction_id)
SELECT $1, u.member, u.transaction_id
FROM unnest($2::text[], $3::uuid[]) AS u (member, transaction_id)`

	sqlDeleteFreezes = `
DELETE FROM freezes AS f
WHERE f.programme_id = $1 AND f.member = ANY($2::text[])`

	sqlInsertSeal = `
INSERT INTO seals (programme_id, stripe, n, recorded_at, sealed_at, first_event, events, transaction_ids, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::uuid[], $9)`

	sqlUpdateStripe = `
UPDATE stripes SET seals = $3, events = $4, head = $5, lease_owner = $6, lease_until = now() + INTERVAL '30 seconds'
WHERE programme_id = $1 AND stripe = $2 AND seals = $3 - 1`

	sqlUpdateControl = `
UPDATE programmes SET clock = $2, open_from = $3 WHERE id = $1`
)

// errMoved says that a row changed since it was read under lock, which only a broken lock explains; the batch runs anew.
var errMoved = errors.New("ledger: a locked row changed")

// saver collects the statements that save a batch, with the number of rows that each must change.
type saver struct {
	batch pgx.Batch
	book  *Book
}

// save writes the journal rows, the changed projections and the companion rows, and seals them. lane is recorded as the
// holder of the stripe's lease.
func (w *work) save(ctx context.Context, tx dbTx, lane uuid.UUID) error {
	b := w.book
	if len(b.out.transactions) == 0 {
		return nil
	}
	seal := b.finish(w.previous, w.clock.UTC().Truncate(time.Microsecond))
	s := saver{book: b}
	// Two batches that add the same row make one of them wait. They add accounts first, then transactions, then
	// references, each in order of their keys: so they never wait for each other.
	s.accounts()
	s.transactions()
	s.legs()
	s.entries()
	s.lots()
	s.openPlaces()
	s.links()
	s.freezes()
	s.companions()
	s.control(w)
	s.must(1, sqlInsertSeal, seal.Programme, seal.Stripe, seal.N, seal.RecordedAt, seal.SealedAt, seal.FirstEvent,
		seal.Events, seal.Transactions, seal.Hash)
	s.must(1, sqlUpdateStripe, seal.Programme, seal.Stripe, seal.N, seal.FirstEvent+seal.Events, seal.Hash, lane)
	if err := tx.SendBatch(ctx, &s.batch).Close(); err != nil {
		return fmt.Errorf("save batch: %w", err)
	}
	return nil
}

// must queues a statement that has to change exactly n rows; nothing is sent for none.
func (s *saver) must(n int, sql string, args ...any) {
	if n == 0 {
		return
	}
	s.batch.Queue(sql, args...).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != int64(n) {
			return fmt.Errorf("%w: %d of %d rows", errMoved, tag.RowsAffected(), n)
		}
		return nil
	})
}

// orNull is nil for the zero value.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func (s *saver) transactions() {
	list := slices.SortedFunc(slices.Values(s.book.out.transactions), func(x, y *Transaction) int {
		return bytes.Compare(x.ID[:], y.ID[:])
	})
	n := len(list)
	ids, hashes, requestHashes := make([]uuid.UUID, n), make([][]byte, n), make([][]byte, n)
	clients, keys, kinds, rejections := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	details, members, reasons, references := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	actors, channels, rules := make([]string, n), make([]string, n), make([]string, n)
	amounts, originals := make([]decimal.Decimal, n), make([]*uuid.UUID, n)
	dues, effective := make([]*time.Time, n), make([]time.Time, n)
	for i, t := range list {
		ids[i], hashes[i], requestHashes[i] = t.ID, t.Hash, t.RequestHash
		clients[i], keys[i], kinds[i], rejections[i] = t.Client, t.Key, string(t.Kind), string(t.Rejection)
		details[i], members[i], reasons[i], references[i] = formatDetail(t.Detail), t.Member, t.Reason, t.Reference
		actors[i], channels[i], rules[i] = t.Actor, t.Channel, t.Rule
		amounts[i], originals[i] = t.Amount, orNull(t.Original)
		dues[i], effective[i] = orNull(t.DueAt), t.EffectiveAt
	}
	s.must(n, sqlInsertTransactions, s.book.programme.ID, s.book.programme.Version, s.book.now, ids, clients, keys, kinds,
		requestHashes, rejections, details, members, amounts, originals, dues, reasons, references, actors, channels,
		rules, effective, hashes)
}

func (s *saver) legs() {
	var ids []uuid.UUID
	var numbers, fromStripes, toStripes []int16
	var units, rules, fromOwners, fromPlaces, toOwners, toPlaces []string
	var amounts []decimal.Decimal
	var fromSeqs, toSeqs []int64
	for _, t := range s.book.out.transactions {
		for i, leg := range t.Legs {
			from, to := leg.From.Account, leg.To.Account
			ids, numbers, units, amounts = append(ids, t.ID), append(numbers, int16(i)), append(units, leg.Unit), append(amounts, leg.Amount)
			rules = append(rules, leg.Rule)
			fromOwners, fromPlaces = append(fromOwners, string(from.Owner)), append(fromPlaces, from.PlaceText())
			toOwners, toPlaces = append(toOwners, string(to.Owner)), append(toPlaces, to.PlaceText())
			fromStripes, fromSeqs = append(fromStripes, from.Stripe), append(fromSeqs, leg.From.Seq)
			toStripes, toSeqs = append(toStripes, to.Stripe), append(toSeqs, leg.To.Seq)
		}
	}
	s.must(len(ids), sqlInsertLegs, ids, numbers, units, amounts, rules, fromOwners, fromPlaces, fromStripes, fromSeqs,
		toOwners, toPlaces, toStripes, toSeqs)
}

func (s *saver) entries() {
	var accounts, transactions []uuid.UUID
	var seqs []int64
	var legs []int16
	var kinds, lots []string
	var amounts, balances []decimal.Decimal
	var effective []time.Time
	var hashes [][]byte
	for _, t := range s.book.out.transactions {
		for i := range t.Legs {
			for _, e := range [...]*Entry{&t.Legs[i].From, &t.Legs[i].To} {
				accounts, transactions = append(accounts, e.AccountID), append(transactions, e.Transaction)
				seqs, legs, kinds = append(seqs, e.Seq), append(legs, e.Leg), append(kinds, string(e.Kind))
				amounts, balances = append(amounts, e.Amount), append(balances, e.Balance)
				effective, lots, hashes = append(effective, e.EffectiveAt), append(lots, formatDraws(e.Draws)), append(hashes, e.Hash)
			}
		}
	}
	s.must(len(accounts), sqlInsertEntries, s.book.now, accounts, seqs, transactions, legs, kinds, amounts, balances,
		effective, lots, hashes)
}

func (s *saver) accounts() {
	var insert, update []*account
	for _, acc := range s.book.out.touched {
		if acc.stored {
			update = append(update, acc)
		} else {
			insert = append(insert, acc)
		}
	}
	s.insertAccounts(insert)
	n := len(update)
	ids, previous, seqs := make([]uuid.UUID, n), make([]int64, n), make([]int64, n)
	floors, balances, heads := make([]decimal.NullDecimal, n), make([]decimal.Decimal, n), make([][]byte, n)
	for i, acc := range update {
		ids[i], previous[i], seqs[i], balances[i], heads[i] = acc.id, acc.before.seq, acc.seq, acc.balance, acc.head
		floors[i] = decimal.NullDecimal{Decimal: acc.floor, Valid: acc.floored}
	}
	s.must(n, sqlUpdateAccounts, s.book.now, ids, previous, floors, balances, seqs, heads)
}

func (s *saver) insertAccounts(list []*account) {
	slices.SortFunc(list, func(x, y *account) int { return bytes.Compare(x.id[:], y.id[:]) })
	n := len(list)
	ids, heads, stripes, seqs := make([]uuid.UUID, n), make([][]byte, n), make([]int16, n), make([]int64, n)
	units, owners, places := make([]string, n), make([]string, n), make([]string, n)
	floors, balances, dues := make([]decimal.NullDecimal, n), make([]decimal.Decimal, n), make([]*time.Time, n)
	for i, acc := range list {
		ids[i], heads[i], stripes[i], seqs[i] = acc.id, acc.head, acc.Stripe, acc.seq
		units[i], owners[i], places[i] = acc.Unit, string(acc.Owner), acc.PlaceText()
		floors[i] = decimal.NullDecimal{Decimal: acc.floor, Valid: acc.floored}
		balances[i], dues[i] = acc.balance, orNull(acc.dueAt)
	}
	s.must(n, sqlInsertAccounts, s.book.programme.ID, s.book.now, ids, units, owners, places, stripes, floors, balances,
		seqs, dues, heads)
}

// buckets spreads the work tables' indexes by the account's first byte.
const buckets = 16

func (acc *account) bucket() int16 { return int16(acc.id[0] % buckets) }

// lotBucket is -1 for lots outside wallets, which the sweep reaches by their open place.
func (acc *account) lotBucket() int16 {
	if acc.Place != Wallet {
		return -1
	}
	return acc.bucket()
}

// lots writes the difference between the lots as loaded and as they are now.
func (s *saver) lots() {
	var gone, changed, fresh lotColumns
	for _, acc := range s.book.out.touched {
		for _, was := range acc.before.lots {
			i, still := acc.lots.find(was.ExpiresAt, was.Fund)
			switch {
			case !still:
				gone.add(acc, was)
			case !acc.lots[i].Remaining.Equal(was.Remaining):
				changed.add(acc, acc.lots[i])
			}
		}
		for _, lot := range acc.lots {
			if _, was := acc.before.lots.find(lot.ExpiresAt, lot.Fund); !was {
				fresh.add(acc, lot)
			}
		}
	}
	s.must(len(fresh.accounts), sqlInsertLots, s.book.programme.ID, fresh.accounts, fresh.expires, fresh.funds, fresh.remaining, fresh.buckets)
	s.must(len(changed.accounts), sqlUpdateLots, changed.accounts, changed.expires, changed.funds, changed.remaining)
	s.must(len(gone.accounts), sqlDeleteLots, gone.accounts, gone.expires, gone.funds)
}

type lotColumns struct {
	accounts  []uuid.UUID
	expires   []time.Time
	funds     []string
	remaining []decimal.Decimal
	buckets   []int16
}

func (c *lotColumns) add(acc *account, l Lot) {
	c.accounts, c.expires = append(c.accounts, acc.id), append(c.expires, l.ExpiresAt)
	c.funds, c.remaining = append(c.funds, l.Fund), append(c.remaining, l.Remaining)
	c.buckets = append(c.buckets, acc.lotBucket())
}

// dueKinds says what happens to a place that still holds something when it is due.
var dueKinds = map[Place]Kind{Pending: KindActivation, Hold: KindTimeout, Voucher: KindExpiry}

// openPlaces writes a row for each place that came to hold something and deletes it for each that was emptied.
func (s *saver) openPlaces() {
	var opened, emptied []*account
	for _, acc := range s.book.out.touched {
		switch was, is := acc.before.balance.IsZero(), acc.balance.IsZero(); {
		case !acc.Place.opens() || was == is:
		case is:
			emptied = append(emptied, acc)
		default:
			opened = append(opened, acc)
		}
	}
	bucketsOf, dues, ids := placeKeys(opened)
	n := len(opened)
	owners, units, places, kinds := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, acc := range opened {
		owners[i], units[i], places[i], kinds[i] = string(acc.Owner), acc.Unit, acc.PlaceText(), string(dueKinds[acc.Place])
	}
	s.must(n, sqlInsertOpenPlaces, s.book.programme.ID, bucketsOf, dues, ids, owners, units, places, kinds)
	bucketsOf, dues, ids = placeKeys(emptied)
	s.must(len(emptied), sqlDeleteOpenPlaces, s.book.programme.ID, bucketsOf, dues, ids)
}

func placeKeys(list []*account) (bucketsOf []int16, dues []time.Time, ids []uuid.UUID) {
	for _, acc := range list {
		bucketsOf, dues, ids = append(bucketsOf, acc.bucket()), append(dues, acc.dueAt), append(ids, acc.id)
	}
	return bucketsOf, dues, ids
}

// links writes which transactions follow up on which, and the business references that are now taken.
func (s *saver) links() {
	out := &s.book.out
	n := len(out.followUps)
	originals, ids, kinds, amounts := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]string, n), make([]decimal.Decimal, n)
	for i, f := range out.followUps {
		originals[i], ids[i], kinds[i], amounts[i] = f.original, f.transaction, string(f.kind), f.amount
	}
	s.must(n, sqlInsertFollowUps, originals, ids, kinds, amounts)
	slices.SortFunc(out.references, func(x, y usedReference) int {
		return cmp.Or(strings.Compare(x.client, y.client), strings.Compare(string(x.kind), string(y.kind)),
			strings.Compare(x.reference.reference, y.reference.reference))
	})
	n = len(out.references)
	clients, kindsOf, references, firsts := make([]string, n), make([]string, n), make([]string, n), make([]uuid.UUID, n)
	for i, r := range out.references {
		clients[i], kindsOf[i], references[i], firsts[i] = r.client, string(r.kind), r.reference.reference, r.transaction
	}
	s.must(n, sqlInsertReferences, s.book.programme.ID, clients, kindsOf, references, firsts)
}

// freezes writes, for each member, the state after the batch.
func (s *saver) freezes() {
	last := make(map[string]freeze)
	for _, f := range s.book.out.freezes {
		last[f.member] = f
	}
	var members, thawed []string
	var ids []uuid.UUID
	for member, f := range last {
		if f.by != "" {
			members, ids = append(members, member), append(ids, f.transaction)
		}
		thawed = append(thawed, member)
	}
	if len(last) == 0 {
		return
	}
	s.batch.Queue(sqlDeleteFreezes, s.book.programme.ID, thawed)
	s.must(len(ids), sqlInsertFreezes, s.book.programme.ID, members, ids)
}

// companions writes the rows of other packages' tables, each table's in one statement.
func (s *saver) companions() {
	rows := make(map[*CompanionTable][][]any)
	var order []*CompanionTable
	for _, c := range s.book.out.companions {
		if rows[c.Table] == nil {
			order = append(order, c.Table)
		}
		rows[c.Table] = append(rows[c.Table], append([]any{c.transaction}, c.Row...))
	}
	for _, table := range order {
		s.must(len(rows[table]), table.Insert, table.Columns(rows[table])...)
	}
}

// control writes what control transactions set; the stripes are all locked then.
func (s *saver) control(w *work) {
	clock, out := w.sandbox.clock, s.book.out
	if !out.clock.IsZero() {
		clock = out.clock
	}
	if !out.clock.IsZero() || !out.openFrom.IsZero() {
		s.must(1, sqlUpdateControl, s.book.programme.ID, clock, s.book.openFrom)
	}
}
