package ledger

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// accountsPerStep is how many accounts are held at a time; their entries stream by. Each step visits most pages of the
// entries, so it should be large.
const accountsPerStep = 10_000

var lastID = uuid.Max

// verifiedAccount is an account's row, and what its entries have made of it so far.
type verifiedAccount struct {
	id, programme    uuid.UUID
	unit             string
	owner, placeText string
	place            Place
	of               uuid.UUID
	period           string
	stripe           int16
	floored          bool
	floor, balance   fixed
	seq              int64
	recordedAt       int64
	due              []byte // as stored; nil is none
	head             []byte
	known            bool // it has a row

	now struct {
		seq, recordedAt int64
		balance         fixed
		head            []byte
		lots            []verifiedLot
		firstExpiry     int64
	}
}

// verifiedLot is a lot as the lot lines leave it. key is its "<expires_at>|<fund>".
type verifiedLot struct {
	key     string
	expires int64
	amount  fixed
}

// lotRow is a row of the lots table.
type lotRow struct {
	account, programme uuid.UUID
	expires            int64
	fund               string
	remaining          fixed
	bucket             int16
}

// readAccounts goes through all accounts in order of id, a step at a time, with their lots and entries.
func (v *verifier) readAccounts(ctx context.Context) error {
	expiries := make(map[string]int64)
	for lower, more := uuid.Nil, true; more; {
		step := &accountStep{verifier: v, lower: lower, upper: lastID, expiries: expiries}
		if err := step.readRows(ctx); err != nil {
			return err
		}
		if more = len(step.accounts) == accountsPerStep; more {
			step.upper = step.accounts[accountsPerStep-1].id
		}
		if err := step.readLots(ctx); err != nil {
			return err
		}
		if err := step.readEntries(ctx); err != nil {
			return err
		}
		lower = nextID(step.upper)
	}
	return nil
}

func nextID(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

// accountStep is a range of accounts by id.
type accountStep struct {
	*verifier
	lower, upper uuid.UUID
	accounts     []verifiedAccount
	next         int // the first account that no entry was met of
	lots         []lotRow
	nextLot      int
	expiries     map[string]int64 // parsed expiry texts
}

func (s *accountStep) readRows(ctx context.Context) error {
	s.accounts = make([]verifiedAccount, 0, accountsPerStep)
	rows, err := s.tx.Query(ctx, sqlVerifyAccounts, binaryRows, s.lower, accountsPerStep)
	return each(rows, err, func(c [][]byte) error {
		a := verifiedAccount{
			id: rawID(c[0]), programme: rawID(c[1]), unit: string(c[2]), owner: string(c[3]), placeText: string(c[4]),
			stripe: rawInt2(c[5]), seq: rawInt8(c[8]), recordedAt: rawTime(c[9]), due: slices.Clone(c[10]),
			head: slices.Clone(c[11]), known: true,
		}
		ok := true
		if a.floored = c[6] != nil; a.floored {
			a.floor, ok = numeric(c[6]).fixed()
		}
		var within bool
		a.balance, within = numeric(c[7]).fixed()
		at, err := ParsePlace(a.placeText)
		if a.place, a.of, a.period = at.Place, at.Of, at.Period; err != nil || !ok || !within {
			s.fail(checkAccount, a.name(), "its place or a number is not readable")
		}
		s.accounts = append(s.accounts, a)
		return nil
	})
}

func (s *accountStep) readLots(ctx context.Context) error {
	rows, err := s.tx.Query(ctx, sqlVerifyLots, binaryRows, s.lower, s.upper)
	return each(rows, err, func(c [][]byte) error {
		lot := lotRow{
			account: rawID(c[0]), expires: rawTime(c[1]), fund: string(c[2]), programme: rawID(c[4]), bucket: rawInt2(c[5]),
		}
		lot.remaining, _ = numeric(c[3]).fixed()
		s.lots = append(s.lots, lot)
		return nil
	})
}

// readEntries streams the entries of the range and finishes each account after its last.
func (s *accountStep) readEntries(ctx context.Context) error {
	var account *verifiedAccount
	var seen int64
	rows, err := s.tx.Query(ctx, sqlVerifyEntries, binaryRows, s.lower, s.upper)
	err = each(rows, err, func(c [][]byte) error {
		if account == nil || !bytes.Equal(account.id[:], c[0]) {
			if account != nil {
				s.finish(account)
			}
			account = s.advance(rawID(c[0]))
		}
		s.entry(account, c)
		if seen++; seen%1024 == 0 {
			s.tell(1024)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if account != nil {
		s.finish(account)
	}
	for _, a := range s.accounts[s.next:] {
		s.finish(&a)
	}
	for _, lot := range s.lots[s.nextLot:] {
		s.fail(checkLotRows, lot.name(), "its account is not there")
	}
	s.entries += seen
	s.tell(seen % 1024)
	return nil
}

// advance finds the account that entries are of, and finishes those in between, which have none.
func (s *accountStep) advance(id uuid.UUID) *verifiedAccount {
	for ; s.next < len(s.accounts); s.next++ {
		a := &s.accounts[s.next]
		switch bytes.Compare(a.id[:], id[:]) {
		case 0:
			s.next++
			return a
		case 1:
			return &verifiedAccount{id: id}
		}
		s.finish(a)
	}
	return &verifiedAccount{id: id}
}

// finish compares an account's row, its lots and its open place with what its entries make of them.
func (s *accountStep) finish(a *verifiedAccount) {
	if !a.known {
		s.fail(checkAccount, a.name(), "it has entries and no row")
		return
	}
	s.counts[checkAccount]++
	if a.now.seq == 0 {
		s.fail(checkAccount, a.name(), "it has no entry")
		return
	}
	if named := (Account{a.unit, Owner(a.owner), a.place, a.of, a.period, a.stripe}); named.ID(a.programme) != a.id {
		s.fail(checkAccount, a.name(), "its id does not follow from %s %s %s %d", a.unit, a.owner, a.placeText, a.stripe)
	}
	if a.seq != a.now.seq || a.balance != a.now.balance || a.recordedAt != a.now.recordedAt || !bytes.Equal(a.head, a.now.head) {
		s.fail(checkAccount, a.name(), "seq %d balance %s, but its last entry has seq %d balance %s, or time or hash differ",
			a.seq, a.balance, a.now.seq, a.now.balance)
	}
	_, floored := (Account{Place: a.place}).floor(Unit{})
	if floored != a.floored || a.floor.positive() || (a.place != Debt && a.place != Cap && !a.floor.isZero()) {
		s.fail(checkAccount, a.name(), "floor %s in place %s", a.floor, a.placeText)
	}
	s.due(a)
	s.compareLots(a)
	key := programmeUnit{a.programme, a.unit}
	s.totals[key] = s.totals[key].add(a.now.balance)
}

// due checks when a place is due, and states its open place if it holds something.
func (s *accountStep) due(a *verifiedAccount) {
	if !a.place.opens() {
		if a.due != nil {
			s.fail(checkDue, a.name(), "place %s is never due", a.placeText)
		}
		return
	}
	if a.due == nil {
		s.fail(checkDue, a.name(), "place %s is never due", a.placeText)
		return
	}
	due := rawTime(a.due)
	if a.place == Voucher {
		if s.counts[checkDue]++; due != a.now.firstExpiry {
			s.fail(checkDue, a.name(), "due %s, but its lot expires at %s", microTime(due), microTime(a.now.firstExpiry))
		}
	} else {
		f := s.fact.reset()
		f.id(a.id)
		f.micro(due)
		s.tally.add(aboutDue, right, a.id, f.canon)
	}
	if a.now.balance.isZero() {
		return
	}
	s.tally.add(aboutOpenPlaces, left, a.id, s.openPlace(
		a.id, a.programme, int16(a.id[0]%buckets), due, []byte(a.owner), []byte(a.unit), []byte(a.placeText),
		[]byte(dueKinds[a.place])))
}

func (v *verifier) openPlace(id, programme uuid.UUID, bucket int16, due int64, texts ...[]byte) []byte {
	f := v.fact.reset()
	f.id(id)
	f.id(programme)
	f.int(int64(bucket))
	f.micro(due)
	for _, text := range texts {
		f.raw(text)
	}
	return f.canon
}

// compareLots compares the account's rows of lots with the lots that its lot lines leave.
func (s *accountStep) compareLots(a *verifiedAccount) {
	for ; s.nextLot < len(s.lots) && bytes.Compare(s.lots[s.nextLot].account[:], a.id[:]) < 0; s.nextLot++ {
		s.fail(checkLotRows, s.lots[s.nextLot].name(), "its account is not there")
	}
	bucket := int16(-1)
	if a.place == Wallet {
		bucket = int16(a.id[0] % buckets)
	}
	met := 0
	for ; s.nextLot < len(s.lots) && s.lots[s.nextLot].account == a.id; s.nextLot++ {
		row := &s.lots[s.nextLot]
		s.counts[checkLotRows]++
		met++
		i := slices.IndexFunc(a.now.lots, func(l verifiedLot) bool {
			return l.expires == row.expires && strings.HasSuffix(l.key, "|"+row.fund) && len(l.key) == strings.IndexByte(l.key, '|')+1+len(row.fund)
		})
		switch {
		case i < 0:
			s.fail(checkLotRows, row.name(), "no lot line leaves it")
		case a.now.lots[i].amount != row.remaining:
			s.fail(checkLotRows, row.name(), "remaining %s, but its lot lines leave %s", row.remaining, a.now.lots[i].amount)
		case row.programme != a.programme || row.bucket != bucket:
			s.fail(checkLotRows, row.name(), "programme or bucket are not its account's")
		}
	}
	if met != len(a.now.lots) {
		s.fail(checkLotRows, "lots of account "+a.id.String(), "%d rows, but the lot lines leave %d lots", met, len(a.now.lots))
	}
}

func (a *verifiedAccount) name() string { return "account " + a.id.String() }

func (a *verifiedAccount) entryName(seq int64) string {
	return "entry " + decimal.NewFromInt(seq).String() + " of account " + a.id.String()
}

func (l *lotRow) name() string {
	return "lot " + microTime(l.expires).Format(drawTime) + " " + l.fund + " of account " + l.account.String()
}

const (
	sqlVerifyAccounts = `
SELECT a.id, a.programme_id, a.unit, a.owner, a.place, a.stripe, a.floor, a.balance, a.seq, a.recorded_at, a.due_at, a.head
FROM accounts AS a
WHERE a.id >= $1
ORDER BY a.id
LIMIT $2`

	sqlVerifyLots = `
SELECT l.account_id, l.expires_at, l.fund, l.remaining, l.programme_id, l.bucket
FROM lots AS l
WHERE l.account_id >= $1 AND l.account_id <= $2
ORDER BY l.account_id, l.expires_at, l.fund`

	sqlVerifyEntries = `
SELECT e.account_id, e.recorded_at, e.seq, e.transaction_id, e.leg, e.kind, e.amount, e.balance, e.effective_at, e.lots,
       e.hash
FROM entries AS e
WHERE e.account_id >= $1 AND e.account_id <= $2
ORDER BY e.account_id, e.recorded_at, e.seq`
)
