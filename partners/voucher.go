package partners

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/internal/keyring"
	"tallystick/ledger"
)

// Vouchers is what can be done with the vouchers of all programmes of one database. It is safe for concurrent use.
type Vouchers struct {
	ledger     *ledger.Ledger
	pool       *db.Pool
	keys       *keyring.Ring
	agreements sync.Map // *ledger.Programme → Agreements
}

// New returns the vouchers kept in pool, whose books are l's and whose codes are made with keys. Every server of a database
// has the same keys; without any, vouchers can be read and used by their ids, and have no codes.
func New(l *ledger.Ledger, pool *db.Pool, keys *keyring.Ring) *Vouchers {
	return &Vouchers{ledger: l, pool: pool, keys: keys}
}

// Agreements returns the partners of one version of a programme.
func (v *Vouchers) Agreements(p *ledger.Programme) (Agreements, error) {
	if list, parsed := v.agreements.Load(p); parsed {
		return list.(Agreements), nil //nolint:forcetypeassert // nothing else is stored
	}
	list, err := Parse(p)
	if err != nil {
		return nil, err
	}
	v.agreements.Store(p, list)
	return list, nil
}

// State is what became of a voucher. It is derived, and stored nowhere.
type State int

// The states.
const (
	Issued   State = iota + 1 // it can be redeemed
	Redeemed                  // a merchant redeemed it
	Expired                   // its time is over
	Canceled                  // the member gave it back
)

// Voucher is the bearer form of a right to a benefit.
type Voucher struct {
	ID        uuid.UUID // of the transaction that claimed it
	Code      Code
	Member    string
	Benefit   string
	State     State
	IssuedAt  time.Time
	ExpiresAt time.Time // ledger.Never if it does not expire
	// Late says that it was found by a rotating code whose time is over. Nothing may begin by it; what began in time, and is
	// asked for again, is answered as it was.
	Late bool
	// Key is the id of the key that its code follows from.
	Key string
}

// PlaceOf is the place in the books that is a voucher.
func PlaceOf(member, benefit string, id uuid.UUID) ledger.Account {
	return ledger.Account{Unit: benefit, Owner: ledger.Member(member), Place: ledger.Voucher, Of: id}
}

// Issuing adds to a request, and to the other ways of it, the row of the voucher that it opens, with the MAC of its code. There is
// one at most, however many legs fill it.
func (v *Vouchers) Issuing(programme uuid.UUID, r ledger.Request) ledger.Request {
	opens := func(leg ledger.Leg) bool { return leg.To.Place == ledger.Voucher }
	if i := slices.IndexFunc(r.Legs, opens); i >= 0 {
		r.Companions = append(slices.Clone(r.Companions), v.facts(programme, r.Legs[i].To))
	}
	if r.Otherwise != nil {
		other := v.Issuing(programme, *r.Otherwise)
		r.Otherwise = &other
	}
	return r
}

func (v *Vouchers) facts(programme uuid.UUID, place ledger.Account) ledger.Companion {
	member, _ := place.Owner.MemberRef()
	key := v.keys.Current()
	mac := codeMAC(v.keys, key, programme, codeFor(v.keys, key, place.Of))
	return ledger.Companion{Table: facts, Row: []any{programme, place.ID(programme), member, place.Unit, key, mac}}
}

const sqlInsertVouchers = `
INSERT INTO vouchers (id, programme_id, account_id, member, benefit, key_id, code_mac)
SELECT u.id, u.programme_id, u.account_id, u.member, u.benefit, u.key_id, u.code_mac
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[])
  AS u (id, programme_id, account_id, member, benefit, key_id, code_mac)`

var facts = &ledger.CompanionTable{
	Name:   "vouchers",
	Insert: sqlInsertVouchers,
	Columns: func(rows [][]any) []any {
		return []any{
			ledger.Column[uuid.UUID](rows, 0), ledger.Column[uuid.UUID](rows, 1), ledger.Column[uuid.UUID](rows, 2),
			ledger.Column[string](rows, 3), ledger.Column[string](rows, 4), ledger.Column[string](rows, 5),
			ledger.Column[[]byte](rows, 6),
		}
	},
}

// CodeOf is the code of a voucher that was issued with a key. An error says that the key is not among those of this server,
// which is a fault of its configuration.
func (v *Vouchers) CodeOf(voucher uuid.UUID, key string) (Code, error) {
	code := codeFor(v.keys, key, voucher)
	if code == "" && v.keys != nil {
		return "", fmt.Errorf("partners: the key %s of voucher %s is not in the file of keys", key, voucher)
	}
	return code, nil
}

const sqlReadKey = `
SELECT v.key_id
FROM vouchers AS v
WHERE v.id = $1 AND v.programme_id = $2`

// IssuedBy is the voucher as a claim issued it, the same for every retry. It answers NOT_FOUND for what claimed no voucher.
func (v *Vouchers) IssuedBy(ctx context.Context, answer ledger.Answer) (Voucher, error) {
	claim := answer.Transaction
	for _, leg := range claim.Legs {
		to := leg.To
		if to.Account.Place != ledger.Voucher || len(to.Draws) == 0 {
			continue
		}
		issued := Voucher{
			ID: claim.ID, Member: claim.Member, Benefit: leg.Unit, State: Issued,
			IssuedAt: claim.RecordedAt, ExpiresAt: to.Draws[0].ExpiresAt,
		}
		issued.Key = v.keys.Current()
		if answer.Replayed { // it may have been issued before a rotation
			if err := v.pool.QueryRow(ctx, sqlReadKey, claim.ID, claim.Programme).Scan(&issued.Key); err != nil {
				return Voucher{}, fmt.Errorf("partners: read key of voucher: %w", err)
			}
		}
		var err error
		issued.Code, err = v.CodeOf(issued.ID, issued.Key)
		return issued, err
	}
	return Voucher{}, notFound()
}

const (
	sqlVoucher = `
SELECT v.id, v.key_id, v.member, v.benefit, t.recorded_at, a.due_at, a.balance, l.to_place
FROM vouchers AS v
JOIN transactions AS t ON t.id = v.id
JOIN accounts AS a ON a.id = v.account_id
JOIN entries AS e ON e.account_id = a.id AND e.recorded_at = a.recorded_at AND e.seq = a.seq
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
WHERE v.id = $1 AND v.programme_id = $2`

	sqlVouchers = `
SELECT v.id, v.key_id, v.member, v.benefit, t.recorded_at, a.due_at, a.balance, l.to_place
FROM vouchers AS v
JOIN transactions AS t ON t.id = v.id
JOIN accounts AS a ON a.id = v.account_id
JOIN entries AS e ON e.account_id = a.id AND e.recorded_at = a.recorded_at AND e.seq = a.seq
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
WHERE v.id = ANY($1::uuid[]) AND v.programme_id = $2`

	sqlVoucherByMAC = `
SELECT v.id, v.key_id, v.member, v.benefit, t.recorded_at, a.due_at, a.balance, l.to_place
FROM vouchers AS v
JOIN transactions AS t ON t.id = v.id
JOIN accounts AS a ON a.id = v.account_id
JOIN entries AS e ON e.account_id = a.id AND e.recorded_at = a.recorded_at AND e.seq = a.seq
JOIN legs AS l ON l.transaction_id = e.transaction_id AND l.leg = e.leg
WHERE v.code_mac = ANY($1::bytea[]) AND v.programme_id = $2`
)

// Voucher reads a voucher of the programme, or answers NOT_FOUND.
func (v *Vouchers) Voucher(ctx context.Context, programme, id uuid.UUID) (Voucher, error) {
	state, err := v.ledger.State(ctx, programme)
	if err != nil {
		return Voucher{}, err
	}
	rows, err := v.pool.Query(ctx, sqlVoucher, id, programme)
	return v.one(rows, err, state.Now)
}

// ByID reads those vouchers of a programme that there are.
func (v *Vouchers) ByID(ctx context.Context, programme uuid.UUID, ids []uuid.UUID) ([]Voucher, error) {
	state, err := v.ledger.State(ctx, programme)
	if err != nil {
		return nil, err
	}
	rows, err := v.pool.Query(ctx, sqlVouchers, ids, programme)
	if err != nil {
		return nil, fmt.Errorf("partners: read vouchers: %w", err)
	}
	list, err := pgx.CollectRows(rows, v.scan(state.Now))
	if err != nil {
		return nil, fmt.Errorf("partners: read vouchers: %w", err)
	}
	return list, nil
}

// Shown reads the voucher that was typed or scanned, by its code or a rotating code. Refusals: CODE_MALFORMED, CODE_CHECKSUM,
// NOT_FOUND. Whether a partner may know of it, and whether it is too late, is for who asks.
func (v *Vouchers) Shown(ctx context.Context, programme uuid.UUID, shown string) (Voucher, error) {
	if isRotating(shown) {
		id, late, err := parseRotating(v.keys, shown, now())
		if err != nil {
			return Voucher{}, err
		}
		voucher, err := v.Voucher(ctx, programme, id)
		voucher.Late = late
		return voucher, err
	}
	code, err := ParseCode(shown)
	if err != nil {
		return Voucher{}, err
	}
	state, err := v.ledger.State(ctx, programme)
	if err != nil {
		return Voucher{}, err
	}
	rows, err := v.pool.Query(ctx, sqlVoucherByMAC, codeMACs(v.keys, programme, code), programme)
	return v.one(rows, err, state.Now)
}

func (v *Vouchers) one(rows pgx.Rows, err error, now time.Time) (Voucher, error) {
	if err != nil {
		return Voucher{}, fmt.Errorf("partners: read voucher: %w", err)
	}
	voucher, err := pgx.CollectOneRow(rows, v.scan(now))
	if errors.Is(err, pgx.ErrNoRows) {
		return Voucher{}, notFound()
	}
	if err != nil {
		return Voucher{}, fmt.Errorf("partners: read voucher: %w", err)
	}
	return voucher, nil
}

func notFound() *ledger.Refusal { return &ledger.Refusal{Reason: ledger.NotFoundReason} }

func (v *Vouchers) scan(now time.Time) pgx.RowToFunc[Voucher] {
	return func(row pgx.CollectableRow) (Voucher, error) {
		var one Voucher
		var balance decimal.Decimal
		var wentTo ledger.Place
		err := row.Scan(&one.ID, &one.Key, &one.Member, &one.Benefit, &one.IssuedAt, &one.ExpiresAt, &balance, &wentTo)
		if err != nil {
			return one, err
		}
		one.IssuedAt, one.ExpiresAt = one.IssuedAt.UTC(), one.ExpiresAt.UTC()
		one.State = stateOf(balance, wentTo, one.ExpiresAt, now)
		one.Code, err = v.CodeOf(one.ID, one.Key)
		return one, err
	}
}

// shownAhead is how many rotating codes are given out at a time: the screen stays good for that long without a network.
const shownAhead = 8

// Rotating are the codes to be shown from now on, one after the other, for two minutes. There are none for a voucher that
// cannot be used any more.
func (v *Vouchers) Rotating(voucher Voucher) []Rotating {
	if voucher.State != Issued {
		return nil
	}
	first := now()
	list := make([]Rotating, shownAhead)
	for i := range list {
		list[i] = rotatingFor(v.keys, voucher.Key, voucher.ID, first.Add(time.Duration(i)*RotatingStep))
	}
	return list
}

// stateOf derives a voucher's state from what its place holds, or where the last of it went.
func stateOf(balance decimal.Decimal, wentTo ledger.Place, expiresAt, now time.Time) State {
	switch {
	case balance.IsPositive() && expiresAt.After(now):
		return Issued
	case balance.IsPositive(), wentTo == ledger.Breakage:
		return Expired
	case wentTo == ledger.Redeemed:
		return Redeemed
	default:
		return Canceled
	}
}
