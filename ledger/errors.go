package ledger

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// Class says what a caller can do about a refusal.
type Class int

// The classes. Precondition and Conflict depend on the state of the books, so they are recorded as rejected transactions;
// Malformed and NotFound are not.
const (
	Malformed    Class = iota // the request can never succeed as it is
	NotFound                  // what it names does not exist, or is not the caller's
	Precondition              // the books forbid it
	Conflict                  // it was done before, under another key
)

// Reason is the stable name of a refusal.
type Reason string

// The reasons. Their class is in Reasons.
const (
	InvalidField         Reason = "INVALID_FIELD"
	UnknownUnit          Reason = "UNKNOWN_UNIT"
	AmountOutOfRange     Reason = "AMOUNT_OUT_OF_RANGE"
	FlowNotAllowed       Reason = "FLOW_NOT_ALLOWED"
	SameAccount          Reason = "SAME_ACCOUNT"
	EffectiveInFuture    Reason = "EFFECTIVE_IN_FUTURE"
	TimeNotInFuture      Reason = "TIME_NOT_IN_FUTURE"
	ReasonRequired       Reason = "REASON_REQUIRED"
	UnknownPolicy        Reason = "UNKNOWN_POLICY"
	IdempotencyKeyReused Reason = "IDEMPOTENCY_KEY_REUSED"
	NotFoundReason       Reason = "NOT_FOUND"
	InsufficientPoints   Reason = "INSUFFICIENT_POINTS"
	OutOfStock           Reason = "OUT_OF_STOCK"
	BudgetExhausted      Reason = "BUDGET_EXHAUSTED"
	PrepaidExhausted     Reason = "PREPAID_EXHAUSTED"
	DebtLimitReached     Reason = "DEBT_LIMIT_REACHED"
	BalanceCapReached    Reason = "BALANCE_CAP_REACHED"
	MemberFrozen         Reason = "MEMBER_FROZEN"
	PeriodClosed         Reason = "PERIOD_CLOSED"
	BackDatingLimit      Reason = "BACK_DATING_LIMIT"
	HoldClosed           Reason = "HOLD_CLOSED"
	HoldExpired          Reason = "HOLD_EXPIRED"
	HoldNotDue           Reason = "HOLD_NOT_DUE"
	CaptureExceedsHold   Reason = "CAPTURE_EXCEEDS_HOLD"
	NotPending           Reason = "NOT_PENDING"
	AlreadyReversed      Reason = "ALREADY_REVERSED"
	ReversalExceedsRest  Reason = "REVERSAL_EXCEEDS_REST"
	NotReversible        Reason = "NOT_REVERSIBLE"
	NotReversibleInParts Reason = "NOT_REVERSIBLE_IN_PARTS"
	VoucherUsed          Reason = "VOUCHER_USED"
	VoucherExpired       Reason = "VOUCHER_EXPIRED"
	ReferenceUsed        Reason = "REFERENCE_USED"
	NotSandbox           Reason = "NOT_A_SANDBOX"
	ClockBackwards       Reason = "CLOCK_BACKWARDS"
	PeriodBackwards      Reason = "PERIOD_BACKWARDS"
	AlreadyFrozen        Reason = "ALREADY_FROZEN"
	NotFrozen            Reason = "NOT_FROZEN"
	NothingToRedate      Reason = "NOTHING_TO_REDATE"
	AtomicBatchRejected  Reason = "ATOMIC_BATCH_REJECTED"
	AsOfTooRecent        Reason = "AS_OF_TOO_RECENT"
	NotEligible          Reason = "NOT_ELIGIBLE"
	CodeMalformed        Reason = "CODE_MALFORMED"
	CodeChecksum         Reason = "CODE_CHECKSUM"
	TokenExpired         Reason = "TOKEN_EXPIRED"
	VoucherCanceled      Reason = "VOUCHER_CANCELED"
	MemberTerminated     Reason = "MEMBER_TERMINATED"
	NothingToMerge       Reason = "NOTHING_TO_MERGE"
	MemberEnrolled       Reason = "MEMBER_ENROLLED"
	MemberChanged        Reason = "MEMBER_CHANGED"
	NumberTaken          Reason = "NUMBER_TAKEN"
	MemberLinked         Reason = "MEMBER_LINKED"
	TierMoved            Reason = "TIER_MOVED"
	NothingEarned        Reason = "NOTHING_EARNED"
	LimitReached         Reason = "LIMIT_REACHED"
	RuleFailed           Reason = "RULE_FAILED"
	NotOpen              Reason = "NOT_OPEN"
	ProgrammeChanged     Reason = "PROGRAMME_CHANGED"
	AlreadyCheckedIn     Reason = "ALREADY_CHECKED_IN"
)

// Reasons gives the class of every reason that this package and those above it refuse with.
var Reasons = map[Reason]Class{
	InvalidField: Malformed, UnknownUnit: Malformed, AmountOutOfRange: Malformed, FlowNotAllowed: Malformed,
	SameAccount: Malformed, EffectiveInFuture: Malformed, TimeNotInFuture: Malformed, ReasonRequired: Malformed,
	UnknownPolicy: Malformed, CodeMalformed: Malformed, CodeChecksum: Malformed, NotFoundReason: NotFound,
	InsufficientPoints: Precondition, OutOfStock: Precondition, BudgetExhausted: Precondition,
	PrepaidExhausted: Precondition, DebtLimitReached: Precondition, BalanceCapReached: Precondition,
	MemberFrozen: Precondition, PeriodClosed: Precondition, BackDatingLimit: Precondition, HoldClosed: Precondition,
	HoldExpired: Precondition, HoldNotDue: Precondition, CaptureExceedsHold: Precondition, NotPending: Precondition,
	AlreadyReversed: Precondition, ReversalExceedsRest: Precondition, NotReversible: Precondition,
	NotReversibleInParts: Precondition, VoucherUsed: Precondition, VoucherExpired: Precondition,
	NotSandbox: Precondition, ClockBackwards: Precondition, PeriodBackwards: Precondition,
	AlreadyFrozen: Precondition, NotFrozen: Precondition, NothingToRedate: Precondition,
	AtomicBatchRejected: Precondition, NotEligible: Precondition, IdempotencyKeyReused: Precondition,
	MemberTerminated: Precondition, NothingToMerge: Precondition,
	MemberEnrolled: Conflict, MemberChanged: Precondition, NumberTaken: Conflict, MemberLinked: Conflict,
	TierMoved:     Precondition,
	AsOfTooRecent: Precondition, VoucherCanceled: Precondition, NothingEarned: Precondition,
	LimitReached: Precondition, RuleFailed: Precondition, NotOpen: Precondition, ReferenceUsed: Conflict,
	ProgrammeChanged: Precondition, AlreadyCheckedIn: Precondition, TokenExpired: Precondition,
}

// Refusal is a "no" with its reason. Its text may be shown to a caller: it names no SQL, host or other member.
type Refusal struct {
	Reason Reason
	// Detail holds facts that help: available and required amounts, the transaction that came first.
	Detail map[string]string
}

func (r *Refusal) Error() string {
	text := "ledger: " + strings.ToLower(strings.ReplaceAll(string(r.Reason), "_", " "))
	for _, key := range slices.Sorted(maps.Keys(r.Detail)) {
		text += ", " + key + " " + r.Detail[key]
	}
	return text
}

// Is makes errors.Is(err, &Refusal{Reason: x}) true for any refusal with that reason.
func (r *Refusal) Is(target error) bool {
	other := new(Refusal)
	return errors.As(target, &other) && other.Reason == r.Reason
}

// recorded reports whether the refusal becomes a rejected transaction. EFFECTIVE_IN_FUTURE is the one malformed request
// that time alone would turn into a good one, so it is recorded too: a "no" stays a "no".
func (r *Refusal) recorded() bool {
	class := Reasons[r.Reason]
	return class == Precondition || class == Conflict || r.Reason == EffectiveInFuture
}

func refuse(reason Reason, detail ...string) *Refusal {
	r := &Refusal{Reason: reason}
	for i := 0; i+1 < len(detail); i += 2 {
		if r.Detail == nil {
			r.Detail = make(map[string]string, len(detail)/2)
		}
		r.Detail[detail[i]] = detail[i+1]
	}
	return r
}
