package ledger

import (
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Kind is the reason class of a transaction.
type Kind string

// The kinds of transaction. Freeze, unfreeze, period and clock move nothing; they are journal rows because they decide
// postings, and are numbered and sealed like them.
const (
	KindAccrual     Kind = "accrual"
	KindActivation  Kind = "activation"
	KindRedemption  Kind = "redemption"
	KindHold        Kind = "hold"
	KindCapture     Kind = "capture"
	KindVoid        Kind = "void"
	KindTimeout     Kind = "timeout"
	KindExpiry      Kind = "expiry"
	KindRedating    Kind = "redating"
	KindAdjustment  Kind = "adjustment"
	KindTransfer    Kind = "transfer"
	KindReversal    Kind = "reversal"
	KindClawback    Kind = "clawback"
	KindAllotment   Kind = "allotment"
	KindPublication Kind = "publication" // rights of a benefit put into stock
	KindUse         Kind = "use"         // a merchant redeems a voucher
	KindTier        Kind = "tier"        // a member's tier changes
	KindForfeiture  Kind = "forfeiture"  // all that a member has, to breakage, for good
	KindMerge       Kind = "merge"       // all that one member has, to another
	KindFreeze      Kind = "freeze"
	KindUnfreeze    Kind = "unfreeze"
	KindPeriod      Kind = "period"
	KindClock       Kind = "clock"
	KindNotice      Kind = "notice" // tells that something will expire; moves nothing
)

// closes reports whether the kind decides what a member may do from now on, as control kinds do, and so locks all stripes.
func (k Kind) closes() bool { return k.control() || k == KindForfeiture }

// control reports whether the kind changes what decides other postings, so that the programme row is locked for update.
func (k Kind) control() bool {
	return k == KindFreeze || k == KindUnfreeze || k == KindPeriod || k == KindClock
}

// moves reports whether a posted transaction of the kind has legs.
func (k Kind) moves() bool { return !k.control() && k != KindNotice }

// Leg moves a positive amount of one unit between two accounts.
type Leg struct {
	From, To Account
	Unit     string
	Amount   decimal.Decimal
	// ExpiresAt is set by requests that create a lot with an expiry of its own; zero leaves it to the unit's policy.
	ExpiresAt time.Time
	// Policy overrides the unit's expiry policy; ExpiresAt overrides both.
	Policy string
	// Fund is set by requests that create a lot that somebody other than the programme pays for.
	Fund string
	// Rule is the id of the rule that decided this leg, where a request has several.
	Rule string
	// Uses are the caps of the limits that bound the amount. An accrual is cut to what they have left, to nothing if need
	// be; anything else that does not fit is refused. What moves is used of each of them by a leg of its own.
	Uses []Account
	// Owes is the part of an accrual that a partner pays for.
	Owes Owing
}

// Owing is what a partner pays of an accrual: its share of what is granted becomes lots of its own fund, and the partner
// owes the price of each of them.
type Owing struct {
	Partner string
	Fund    string          // names the partner and the version of its price
	Share   decimal.Decimal // of the amount, above 0 and at most 1; zero is none
	Unit    string          // of the money
	Price   decimal.Decimal // of one unit
}

// Request is one intent of a caller. The constructors (Accrue, Redeem, …) fill in what their kind needs.
type Request struct {
	// Client and Key make the transaction's id: a retry with the same two gets the first answer.
	Client string
	Key    string
	Kind   Kind
	// Member is the reference of the member whose books it is about; empty for programme and partner matters.
	Member string
	Legs   []Leg
	// Original is the earlier transaction that a capture, void, timeout, activation or reversal is about.
	Original uuid.UUID
	// Amount is the part that a capture or reversal settles; zero means all that is left. Of an accrual by rules it is the
	// amount of money that earned, of which a reversal takes parts.
	Amount decimal.Decimal
	// Release returns to the wallet what a capture leaves in the hold.
	Release bool
	// Timeout is how long a hold lasts.
	Timeout time.Duration
	// DueAt is when a pending accrual activates, what a clock or period is set to, and the new expiry of a redating.
	DueAt time.Time
	// RedateFrom and RedateTo choose the lots of a redating: RedateFrom <= expires_at < RedateTo.
	RedateFrom, RedateTo time.Time
	// EffectiveAt is when it counts; zero means when it is recorded.
	EffectiveAt time.Time
	// Reason is the caller's reason code, Reference its business reference, Rule the id of the rule that decided it.
	Reason, Reference, Rule string
	// Actor is who asked, Channel through what.
	Actor, Channel string
	// Asked is what the caller said, in a canonical form, when legs and rule follow from it by terms or a standing that may
	// be others when the caller tries again. A retry is then recognised by it.
	Asked string
	// Needs are what the member must have. They are conditions of the rule that made the request, not part of what is
	// asked: a retry is answered whatever they are by then.
	Needs []Need
	// Otherwise is another way to do the same, with legs, needs and companions of its own, which is tried when this one
	// meets a lack of units or of a tier: the next price, or the next stock. Which of them it becomes is decided under the
	// locks. It may be of another kind; what was asked is the same, and a retry is known by the first of them.
	Otherwise *Request
	// Denied is why the caller's own rules refuse it, by facts that are not in the books. It is recorded like any other
	// refusal, so that a retry is answered with the same.
	Denied *Refusal
	// HoldsUntil is when the terms end that it was built from, such as an opening hour: from then on it is built anew, see
	// [ErrTermsChanged]. Zero is no end.
	HoldsUntil time.Time
	// Companions are rows of other packages' tables, written only when this is posted.
	Companions []Companion

	own   bool  // see Own
	under int64 // see Under
}

// Under marks a request as built from a version of the programme's document. If another is in force when its stripe is
// locked, and its key is new, it is answered with ErrTermsChanged and nothing is recorded: it is to be built anew.
func (r Request) Under(p *Programme) Request {
	r.under = p.Version
	return r
}

// ErrTermsChanged answers a request that was built from terms which are no longer in force.
var ErrTermsChanged = errors.New("ledger: the programme's document changed")

// Own marks a request that the programme's own rules make. Its refusals are not recorded, because the rules may ask again
// under the same key; what is posted is posted once, as always.
func (r Request) Own() Request {
	r.own = true
	return r
}

// Companion is a row of a declared table that is saved with the transaction it belongs to.
type Companion struct {
	Table *CompanionTable
	Row   []any
}

// CompanionTable declares a table that takes companion rows. Insert selects from unnest of one array parameter a column,
// in the order of Row; its statement is given the batch's rows column by column.
type CompanionTable struct {
	Name   string
	Insert string
	// Columns turns rows into one typed slice a column.
	Columns func(rows [][]any) []any
}

// Column is one column of companion rows, for a table's Columns.
func Column[T any](rows [][]any, i int) []T {
	values := make([]T, len(rows))
	for n, row := range rows {
		values[n] = row[i].(T) //nolint:forcetypeassert // whoever declares the table makes the rows
	}
	return values
}

// Transaction is what the journal says of a request, for ever. Rejection is empty when it was posted.
type Transaction struct {
	ID          uuid.UUID
	Programme   uuid.UUID
	Client, Key string
	Kind        Kind
	RequestHash []byte
	Rejection   Reason
	Detail      map[string]string
	Member      string
	// Amount is the principal, of which reversals take parts: the first leg's amount, the money that an accrual by rules
	// was earned with, or the part that a capture or reversal settled.
	Amount      decimal.Decimal
	Original    uuid.UUID
	DueAt       time.Time
	Reason      string
	Reference   string
	Actor       string
	Channel     string
	Rule        string
	RuleVersion int64
	EffectiveAt time.Time
	RecordedAt  time.Time
	Hash        []byte
	Legs        []PostedLeg
}

// Posted reports whether the transaction moved what it says; the alternative is that it was rejected.
func (t *Transaction) Posted() bool { return t.Rejection == "" }

// Err is nil for a posted transaction and its *Refusal for a rejected one.
func (t *Transaction) Err() error {
	if t.Posted() {
		return nil
	}
	return &Refusal{Reason: t.Rejection, Detail: t.Detail}
}

// PostedLeg is a leg with the two entries it made.
type PostedLeg struct {
	Unit   string
	Rule   string
	Amount decimal.Decimal
	From   Entry
	To     Entry
}

// Entry is one account's side of a leg.
type Entry struct {
	Account     Account
	AccountID   uuid.UUID
	Seq         int64
	Transaction uuid.UUID
	Leg         int16
	Kind        Kind
	Amount      decimal.Decimal // negative on the leg's From side
	Balance     decimal.Decimal // after this entry
	EffectiveAt time.Time
	RecordedAt  time.Time
	Draws       []Draw // the lot lines, with the sign of Amount
	Hash        []byte
}

// TransactionID is the UUIDv5 of (programme, client, idempotency key): the primary key is the idempotency guard (L6).
func TransactionID(programme uuid.UUID, client, key string) uuid.UUID {
	name := make([]byte, 0, len(client)+len(key)+1)
	name = append(name, client...)
	name = append(name, 0)
	return uuid.NewSHA1(programme, append(name, key...))
}
