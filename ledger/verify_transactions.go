package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"

	"github.com/google/uuid"
)

// sealStep is a run of seals with their transactions.
type sealStep struct {
	*verifier
	ids    []uuid.UUID
	legs   map[uuid.UUID][]legRow
	sealed map[uuid.UUID]sealedTransaction
}

// sealedTransaction is what a seal needs of a transaction: the hash that its row and legs make.
type sealedTransaction struct {
	seal   *Seal
	digest [sha256.Size]byte
	posted bool
	met    bool
}

// legRow is a leg as stored.
type legRow struct {
	number   int16
	unit     []byte
	rule     []byte
	amount   numeric
	from, to legSide
}

type legSide struct {
	owner, place []byte
	stripe       int16
	seq          int64
}

// readLegs reads the legs of the step's transactions, each transaction's in order.
func (s *sealStep) readLegs(ctx context.Context) error {
	var arena []byte
	keep := func(column []byte) []byte {
		if len(arena)+len(column) > cap(arena) {
			arena = make([]byte, 0, 1<<16+len(column))
		}
		arena = append(arena, column...)
		return arena[len(arena)-len(column):]
	}
	rows, err := s.tx.Query(ctx, sqlVerifyLegs, binaryRows, s.ids)
	return each(rows, err, func(c [][]byte) error {
		id := rawID(c[0])
		s.verifier.legs++
		s.legs[id] = append(s.legs[id], legRow{
			number: rawInt2(c[1]), unit: keep(c[2]), amount: keep(c[3]),
			from: legSide{keep(c[4]), keep(c[5]), rawInt2(c[6]), rawInt8(c[7])},
			to:   legSide{keep(c[8]), keep(c[9]), rawInt2(c[10]), rawInt8(c[11])}, rule: keep(c[12]),
		})
		return nil
	})
}

// transactionRow names the columns of a transaction.
type transactionRow struct {
	c           [][]byte
	id          uuid.UUID
	programme   uuid.UUID
	kind        Kind
	posted      bool
	original    uuid.UUID
	effectiveAt int64
	recordedAt  int64
	version     int64
}

func (s *sealStep) readTransactions(ctx context.Context) error {
	rows, err := s.tx.Query(ctx, sqlVerifyTransactions, binaryRows, s.ids)
	var seen int64
	err = each(rows, err, func(c [][]byte) error {
		t := transactionRow{
			c: c, id: rawID(c[0]), programme: rawID(c[1]), kind: Kind(c[4]), posted: len(c[6]) == 0,
			effectiveAt: rawTime(c[18]), recordedAt: rawTime(c[19]), version: rawInt8(c[17]),
		}
		if c[10] != nil {
			t.original = rawID(c[10])
		}
		seen++
		return s.transaction(&t)
	})
	s.txs += seen
	s.tell(seen)
	return err
}

// transaction checks one transaction's row and legs, and states what other tables must say of it.
func (s *sealStep) transaction(t *transactionRow) error {
	legs := s.legs[t.id]
	known := s.sealed[t.id]
	known.met, known.posted, known.digest = true, t.posted, s.digest(t, legs)
	s.sealed[t.id] = known
	if !bytes.Equal(known.digest[:], t.c[20]) {
		s.fail(checkDigest, t.name(), "its row or its legs were changed")
	}
	if TransactionID(t.programme, string(t.c[2]), string(t.c[3])) != t.id {
		s.fail(checkID, t.name(), "client %q and key %q make another id", t.c[2], t.c[3])
	}
	for _, n := range [...]check{checkDigest, checkID, checkTransaction} {
		s.counts[n]++
	}
	s.row(t, known.seal)
	p := s.programmes[t.programme]
	if p == nil {
		s.fail(checkProgramme, t.name(), "programme %s is not there", t.programme)
		return nil
	}
	document := p.versions[t.version]
	if document == nil {
		s.fail(checkProgramme, t.name(), "its programme has no version %d", t.version)
		return nil
	}
	s.checkLegs(t, document, legs)
	if t.posted {
		s.states(t, p)
	}
	return nil
}

// digest re-computes the transaction's hash (Transaction.digest says what it covers).
func (s *sealStep) digest(t *transactionRow, legs []legRow) [sha256.Size]byte {
	c := t.c
	h := s.hash[:0]
	h.text("transaction/1")
	h.id(t.id)
	h.id(t.programme)
	h.raw(c[2])
	h.raw(c[3])
	h.raw(c[4])
	h.raw(c[5])
	h.raw(c[6])
	h.raw(c[7])
	h.raw(c[8])
	h.numeric(c[9])
	h.id(t.original)
	h.int(rawDue(c[11]))
	for _, column := range c[12:17] {
		h.raw(column)
	}
	h.int(t.version)
	h.micro(t.effectiveAt)
	h.micro(t.recordedAt)
	h.int(int64(len(legs)))
	for i := range legs {
		leg := &legs[i]
		h.raw(leg.unit)
		h.raw(leg.rule)
		h.numeric(leg.amount)
		for _, side := range [...]*legSide{&leg.from, &leg.to} {
			h.raw(leg.unit)
			h.raw(side.owner)
			h.raw(side.place)
			h.int(int64(side.stripe))
			h.int(side.seq)
		}
	}
	s.hash = h
	return sha256.Sum256(h)
}

// rawDue is a time that may be null, hashed as canon.time hashes the zero time.
func rawDue(column []byte) int64 {
	if column == nil {
		return -1
	}
	return rawTime(column)
}

// row checks what the columns of one transaction say together.
func (s *sealStep) row(t *transactionRow, seal *Seal) {
	switch {
	case t.c[10] != nil && t.original == uuid.Nil, t.c[11] != nil && rawTime(t.c[11]) == -1:
		s.fail(checkTransaction, t.name(), "a value stands where its hash says none") // the two that hash alike
	case t.posted && len(t.c[7]) > 0:
		s.fail(checkTransaction, t.name(), "it was posted and has the detail of a rejection")
	case t.posted && !t.kind.control() && t.effectiveAt > t.recordedAt:
		s.fail(checkTransaction, t.name(), "it counts after it was recorded")
	case t.programme != seal.Programme, t.recordedAt != seal.RecordedAt.UnixMicro():
		s.fail(checkSealed, t.name(), "programme or time are not those of its seal %s", sealName(seal))
	}
}

// checkLegs checks the legs against the kind and the rules of the programme's version, and states their entries, what
// they move to breakage, and when the places that they open are due.
func (s *sealStep) checkLegs(t *transactionRow, document *Programme, legs []legRow) {
	if moves := t.posted && t.kind.moves(); moves != (len(legs) > 0) && (t.kind != KindForfeiture || !t.posted) {
		s.fail(checkTransaction, t.name(), "kind %s, rejected %t, has %d legs", t.kind, !t.posted, len(legs))
	}
	for i := range legs {
		leg := &legs[i]
		s.counts[checkLegs]++
		amount, ok := leg.amount.fixed()
		unit, declared := document.Units[string(leg.unit)]
		fromPlace, err1 := ParsePlace(string(leg.from.place))
		toPlace, err2 := ParsePlace(string(leg.to.place))
		from, to := fromPlace.Place, toPlace.Place
		switch {
		case int(leg.number) != i:
			s.fail(checkLegs, t.name(), "leg %d stands where leg %d should", leg.number, i)
		case !ok || !amount.positive():
			s.fail(checkLegs, t.name(), "leg %d has an amount out of range", i)
		case !declared:
			s.fail(checkLegs, t.name(), "leg %d is of unit %q, which version %d does not declare", i, leg.unit, t.version)
		case leg.amount.decimals() > int(unit.Scale):
			s.fail(checkLegs, t.name(), "leg %d has more decimal places than %q", i, leg.unit)
		case !t.kind.mayChangeHands(Account{Place: from, Owner: Owner(leg.from.owner)}, Account{Place: to, Owner: Owner(leg.to.owner)}):
			s.fail(checkLegs, t.name(), "leg %d moves units from one member to another, which %s does not allow", i, t.kind)
		case err1 != nil || err2 != nil || !flows[flow{t.kind, from, to, unit.Kind}]:
			s.fail(checkLegs, t.name(), "leg %d moves %s from %s to %s, which %s does not allow", i, unit.Kind, leg.from.place, leg.to.place, t.kind)
		}
		s.side(t, leg, &leg.from, amount.neg())
		account := s.side(t, leg, &leg.to, amount)
		if leg.to.seq == 1 && (to == Hold || to == Pending) {
			f := s.fact.reset()
			f.id(account)
			f.micro(rawDue(t.c[11]))
			s.tally.add(aboutDue, left, account, f.canon)
		}
		if to == Breakage && (from == Wallet || from == Voucher) && t.kind != KindForfeiture {
			f := s.fact.reset()
			f.id(t.id)
			f.int(int64(leg.number))
			s.tally.add(aboutLapse, left, t.id, f.canon)
		}
	}
}

// side states the entry that one side of a leg makes, and returns its account.
func (s *sealStep) side(t *transactionRow, leg *legRow, side *legSide, amount fixed) uuid.UUID {
	account := s.accountID(t.programme, leg.unit, side)
	f := s.fact.reset()
	f.id(account)
	f.id(t.id)
	f.int(int64(leg.number))
	f.int(side.seq)
	f.micro(t.recordedAt)
	f.micro(t.effectiveAt)
	f.fixed(amount)
	f.raw(t.c[4])
	s.tally.add(aboutSides, left, t.id, f.canon)
	return account
}

// accountID is Account.ID of stored columns.
func (s *sealStep) accountID(programme uuid.UUID, unit []byte, side *legSide) uuid.UUID {
	h := s.hash[:0]
	for _, part := range [...][]byte{unit, side.owner, side.place} {
		h = append(h, part...)
		h = append(h, 0)
	}
	s.hash = append(h, byte(side.stripe))
	return uuid.NewSHA1(programme, s.hash)
}

// states notes what the projections must say of a posted transaction.
func (s *sealStep) states(t *transactionRow, p *programmeFacts) {
	if t.original != uuid.Nil {
		f := s.fact.reset()
		f.id(t.original)
		f.id(t.id)
		f.numeric(t.c[9])
		f.raw(t.c[4])
		s.tally.add(aboutFollowUps, left, t.id, f.canon)
	}
	if len(t.c[13]) > 0 {
		kind := t.c[4]
		if t.kind == KindClawback { // asked for as a reversal
			kind = []byte(KindReversal)
		}
		s.tally.add(aboutReferences, left, t.id, s.reference(t.id, t.programme, t.c[2], kind, t.c[13]))
	}
	switch t.kind {
	case KindFreeze, KindUnfreeze, KindForfeiture:
		p.freeze(string(t.c[8]), t.id, t.kind, t.recordedAt)
	case KindClock:
		p.clock = max(p.clock, rawDue(t.c[11]))
	case KindPeriod:
		p.openFrom = max(p.openFrom, rawDue(t.c[11]))
	default:
	}
}

func (v *verifier) reference(id, programme uuid.UUID, texts ...[]byte) []byte {
	f := v.fact.reset()
	f.id(id)
	f.id(programme)
	for _, text := range texts {
		f.raw(text)
	}
	return f.canon
}

func (t *transactionRow) name() string { return "transaction " + t.id.String() }

// readTransactionIDs states that every transaction is there, sealed or not.
func (v *verifier) readTransactionIDs(ctx context.Context) error {
	rows, err := v.tx.Query(ctx, sqlVerifyTransactionIDs, binaryRows)
	return each(rows, err, func(c [][]byte) error {
		v.tally.add(aboutSealed, right, rawID(c[0]), c[0])
		return nil
	})
}

// One look-up a transaction: compared with an array of thousands, tables of a middling size would be read whole, again
// and again. The limits keep the look-ups apart; no transaction has as many legs.
const (
	sqlVerifyLegs = `
SELECT l.transaction_id, l.leg, l.unit, l.amount, l.from_owner, l.from_place, l.from_stripe, l.from_seq,
       l.to_owner, l.to_place, l.to_stripe, l.to_seq, l.rule
FROM unnest($1::uuid[]) AS u (id)
CROSS JOIN LATERAL (
  SELECT i.transaction_id, i.leg, i.unit, i.amount, i.from_owner, i.from_place, i.from_stripe, i.from_seq,
         i.to_owner, i.to_place, i.to_stripe, i.to_seq, i.rule
  FROM legs AS i
  WHERE i.transaction_id = u.id
  ORDER BY i.leg
  LIMIT 40000
) AS l`

	sqlVerifyTransactions = `
SELECT t.id, t.programme_id, t.client, t.idempotency_key, t.kind, t.request_hash, t.rejection, t.detail, t.member,
       t.amount, t.original_id, t.due_at, t.reason, t.reference, t.actor, t.channel, t.rule, t.rule_version,
       t.effective_at, t.recorded_at, t.hash
FROM unnest($1::uuid[]) AS u (id)
CROSS JOIN LATERAL (
  SELECT i.id, i.programme_id, i.client, i.idempotency_key, i.kind, i.request_hash, i.rejection, i.detail, i.member,
         i.amount, i.original_id, i.due_at, i.reason, i.reference, i.actor, i.channel, i.rule, i.rule_version,
         i.effective_at, i.recorded_at, i.hash
  FROM transactions AS i
  WHERE i.id = u.id
  LIMIT 1
) AS t`

	sqlVerifyTransactionIDs = `SELECT t.id FROM transactions AS t`
)
