package ledger

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	sealsPerStep        = 256
	transactionsPerStep = 4096 // more when one batch has more
)

// stripeState is where a stripe's seals have led so far.
type stripeState struct {
	programme uuid.UUID
	stripe    int16
	n, events int64
	head      []byte
}

// readSeals goes through the seals of every stripe in order, with their transactions and legs, and then compares the
// stripes' rows.
func (v *verifier) readSeals(ctx context.Context) error {
	state := stripeState{stripe: math.MinInt16, n: math.MinInt64} // before whatever a row can say
	heads := make(map[programmeStripe]stripeState)
	for {
		var seals []Seal
		rows, err := v.tx.Query(ctx, sqlVerifySeals, binaryRows, state.programme, state.stripe, state.n, sealsPerStep)
		err = each(rows, err, func(c [][]byte) error {
			seals = append(seals, v.rawSeal(c))
			return nil
		})
		if err != nil {
			return err
		}
		more := len(seals) == sealsPerStep
		for len(seals) > 0 {
			step := takeSeals(seals)
			if err := v.verifySeals(ctx, seals[:step], &state, heads); err != nil {
				return err
			}
			seals = seals[step:]
		}
		if !more {
			break
		}
	}
	var all int64
	if err := v.tx.QueryRow(ctx, sqlCountSeals).Scan(&all); err != nil {
		return err
	}
	if read := v.counts[checkSeal]; read != all {
		v.fail(checkSeal, "seals", "%d of %d were met in the order of their keys", read, all)
	}
	return v.readStripes(ctx, heads)
}

type programmeStripe struct {
	programme uuid.UUID
	stripe    int16
}

func (v *verifier) rawSeal(c [][]byte) Seal {
	s := Seal{
		Programme: rawID(c[0]), Stripe: rawInt2(c[1]), N: rawInt8(c[2]), RecordedAt: microTime(rawTime(c[3])),
		SealedAt: microTime(rawTime(c[4])), FirstEvent: rawInt8(c[5]), Events: rawInt8(c[6]), Hash: slices.Clone(c[8]),
	}
	ids, ok := rawIDs(c[7])
	if s.Transactions = ids; !ok || len(ids) == 0 {
		v.fail(checkSeal, sealName(&s), "its list of transactions is empty or not readable")
	}
	return s
}

// takeSeals is how many seals are verified together: at least one, and no more than their transactions allow.
func takeSeals(seals []Seal) int {
	size := 0
	for i, s := range seals {
		if size += len(s.Transactions); i > 0 && size > transactionsPerStep {
			return i
		}
	}
	return len(seals)
}

// verifySeals reads the transactions of some seals and follows the seals' chain.
func (v *verifier) verifySeals(ctx context.Context, seals []Seal, state *stripeState, heads map[programmeStripe]stripeState) error {
	step := sealStep{verifier: v, legs: make(map[uuid.UUID][]legRow), sealed: make(map[uuid.UUID]sealedTransaction)}
	for i := range seals {
		for _, id := range seals[i].Transactions {
			step.ids = append(step.ids, id)
			step.sealed[id] = sealedTransaction{seal: &seals[i]}
		}
	}
	if err := step.readLegs(ctx); err != nil {
		return err
	}
	if err := step.readTransactions(ctx); err != nil {
		return err
	}
	for i := range seals {
		s := &seals[i]
		if state.programme != s.Programme || state.stripe != s.Stripe {
			*state = stripeState{programme: s.Programme, stripe: s.Stripe}
		}
		step.seal(s, state)
		heads[programmeStripe{s.Programme, s.Stripe}] = *state
	}
	return nil
}

// seal checks one seal: it follows the last of its stripe, and its hash covers the hashes of its transactions as their
// rows make them.
func (s *sealStep) seal(seal *Seal, state *stripeState) {
	s.counts[checkSeal]++
	if seal.N != state.n+1 || seal.FirstEvent != state.events {
		s.fail(checkSeal, sealName(seal), "it follows seal %d and %d events, but begins with event %d", state.n, state.events, seal.FirstEvent)
	}
	var posted int64
	digests := make([][]byte, len(seal.Transactions))
	for i, id := range seal.Transactions {
		t := s.sealed[id]
		if !t.met {
			s.fail(checkSealed, sealName(seal), "transaction %s is not in the journal", id)
		}
		digests[i] = t.digest[:]
		if t.posted {
			posted++
		}
		f := s.fact.reset()
		f.id(id)
		s.tally.add(aboutSealed, left, id, f.canon)
	}
	if posted != seal.Events {
		s.fail(checkSeal, sealName(seal), "%d events, but %d of its transactions were posted", seal.Events, posted)
	}
	if !bytes.Equal(seal.chain(state.head, digests), seal.Hash) {
		s.fail(checkSeal, sealName(seal), "its hash does not follow from its row, its transactions and the seal before it")
	}
	state.n, state.events, state.head = seal.N, seal.FirstEvent+seal.Events, seal.Hash
}

func sealName(s *Seal) string { return describeSeal(s.Programme, s.Stripe, s.N) }

func describeSeal(programme uuid.UUID, stripe int16, n int64) string {
	return fmt.Sprintf("seal %d of stripe %d of programme %s", n, stripe, programme)
}

// readStripes compares the stripes' rows with their last seals.
func (v *verifier) readStripes(ctx context.Context, heads map[programmeStripe]stripeState) error {
	rows, err := v.tx.Query(ctx, sqlVerifyStripes)
	if err != nil {
		return err
	}
	var row stripeState
	stripes := make(map[uuid.UUID]int)
	_, err = pgx.ForEachRow(rows, []any{&row.programme, &row.stripe, &row.n, &row.events, &row.head}, func() error {
		v.counts[checkStripe]++
		key := programmeStripe{row.programme, row.stripe}
		if want := heads[key]; row.n != want.n || row.events != want.events || !bytes.Equal(row.head, want.head) {
			v.fail(checkStripe, describeSeal(row.programme, row.stripe, row.n), "the stripe has %d seals and %d events, the journal %d and %d, or the hash differs",
				row.n, row.events, want.n, want.events)
		}
		if v.programmes[row.programme] == nil || row.stripe < 0 || row.stripe >= Stripes {
			v.fail(checkStripe, describeSeal(row.programme, row.stripe, row.n), "no programme has this stripe")
		}
		delete(heads, key)
		stripes[row.programme]++
		return nil
	})
	for key, state := range heads {
		v.fail(checkStripe, describeSeal(key.programme, key.stripe, state.n), "it has seals and no row")
	}
	for id := range v.programmes {
		if stripes[id] != Stripes {
			v.fail(checkStripe, "programme "+id.String(), "it has %d stripes of %d", stripes[id], Stripes)
		}
	}
	return err
}

const (
	sqlVerifySeals = `
SELECT s.programme_id, s.stripe, s.n, s.recorded_at, s.sealed_at, s.first_event, s.events, s.transaction_ids, s.hash
FROM seals AS s
WHERE (s.programme_id, s.stripe, s.n) > ($1, $2, $3)
ORDER BY s.programme_id, s.stripe, s.n
LIMIT $4`

	sqlCountSeals = `SELECT count(*) FROM seals AS s`

	sqlVerifyStripes = `
SELECT s.programme_id, s.stripe, s.seals, s.events, s.head
FROM stripes AS s`
)
