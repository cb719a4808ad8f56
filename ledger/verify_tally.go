package ledger

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/google/uuid"
)

// Two tables that must say the same thing are compared as multisets of facts without keeping either: each fact's hash
// is added to a sum of its side. The hashes are seeded at random, so rows cannot be made to cancel out. Sums are kept
// for many buckets of a key, and when a bucket differs the tables are read again and its facts are kept: those that only
// one side states are the rows that are wrong.

// subject is what a pair of multisets is about.
type subject int

const (
	aboutSides      subject = iota // left: legs, right: entries
	aboutLapse                     // left: legs to breakage, right: entries that take lapsed lots
	aboutSealed                    // left: ids in seals, right: transactions
	aboutDue                       // left: opening transactions, right: accounts
	aboutOpenPlaces                // left: accounts that hold something, right: open_places
	aboutFollowUps                 // left: transactions, right: follow_ups
	aboutReferences                // left: transactions, right: business_references
	subjects
)

type side int

const (
	left side = iota
	right
)

const tallyBuckets = 256

type tallySum [2]uint64

type tally struct {
	seeds [2]maphash.Seed
	sums  [subjects][tallyBuckets][2]tallySum
	count [subjects][2]int64
	// hunted and bucket choose the facts that are kept, in a second reading.
	hunting bool
	hunted  subject
	bucket  byte
	kept    map[string]int // fact → times stated by the left side, less times by the right
}

func newTally() *tally {
	return &tally{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// add counts a fact of one side. key chooses the bucket and must be part of the fact.
func (t *tally) add(about subject, s side, key uuid.UUID, fact []byte) {
	if t.hunting {
		if about == t.hunted && key[3] == t.bucket {
			t.kept[string(fact)] += 1 - 2*int(s)
		}
		return
	}
	sum := &t.sums[about][key[3]][s]
	sum[0] += maphash.Bytes(t.seeds[0], fact)
	sum[1] += maphash.Bytes(t.seeds[1], fact)
	t.count[about][s]++
}

// differs returns a bucket in which the sides differ.
func (t *tally) differs(about subject) (byte, bool) {
	for b := range t.sums[about] {
		if sides := &t.sums[about][b]; sides[left] != sides[right] {
			return byte(b), true
		}
	}
	return 0, false
}

// hunt prepares a second reading that keeps the facts of a bucket.
func hunt(about subject, bucket byte) *tally {
	return &tally{hunting: true, hunted: about, bucket: bucket, kept: make(map[string]int)}
}

// oneSided lists the facts that only one side states, in order.
func (t *tally) oneSided() (facts []string, sides []side) {
	for fact, n := range t.kept {
		if n != 0 {
			facts = append(facts, fact)
		}
	}
	slices.Sort(facts)
	for _, fact := range facts {
		if t.kept[fact] > 0 {
			sides = append(sides, left)
		} else {
			sides = append(sides, right)
		}
	}
	return facts, sides
}

// fact builds what tally compares: ids and numbers of fixed size first, then texts.
type fact struct{ canon }

func (f *fact) reset() *fact {
	f.canon = f.canon[:0]
	return f
}

func (f *fact) fixed(v fixed) {
	f.int(int64(v.hi))
	f.int(int64(v.lo))
}

// describeFact names the rows that a fact is about.
func describeFact(about subject, text string) string {
	b := []byte(text)
	id := func(i int) string { return uuid.UUID(b[16*i : 16*i+16]).String() }
	switch about {
	case aboutSides:
		return fmt.Sprintf("account %s, transaction %s, leg %d, seq %d", id(0), id(1), rawInt8(b[32:]), rawInt8(b[40:]))
	case aboutLapse:
		return fmt.Sprintf("transaction %s, leg %d", id(0), rawInt8(b[16:]))
	case aboutFollowUps:
		return fmt.Sprintf("original %s, transaction %s", id(0), id(1))
	case aboutDue, aboutOpenPlaces:
		return "account " + id(0)
	default:
		return "transaction " + id(0)
	}
}
