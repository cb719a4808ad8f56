package ledger

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// PostUnder posts what build makes of the current version of a programme's document. A retry whose first answer was
// given under another version is built from that one, so that a change of price does not turn a retry into a new
// request. Whatever build refuses is answered as it is and not recorded. Otherwise it is as Post.
func (l *Ledger) PostUnder(ctx context.Context, programme uuid.UUID, build func(*Programme) (Request, error)) (Answer, error) {
	p, err := l.Programme(ctx, programme)
	if err != nil {
		return Answer{}, err
	}
	r, err := build(p)
	if err != nil {
		return Answer{}, err
	}
	answer, err := l.Post(ctx, programme, r)
	if !errors.Is(err, &Refusal{Reason: IdempotencyKeyReused}) {
		return answer, err
	}
	first, readErr := l.Transaction(ctx, programme, TransactionID(programme, r.Client, r.Key))
	if readErr != nil || first.RuleVersion == p.Version {
		return answer, err
	}
	before, readErr := l.programmeAt(ctx, l.posting, programme, first.RuleVersion)
	if readErr != nil {
		return answer, readErr
	}
	if r, readErr = build(before); readErr != nil {
		return answer, err
	}
	return l.Post(ctx, programme, r)
}
