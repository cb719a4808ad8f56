package ledger

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// PostUnder posts what build makes of r under the version of a programme's document that is in force when it is decided. A
// retry whose first answer was given under another version is built from that one, so that a change of price does not turn
// a retry into a new request. What build refuses is answered as it is and not recorded. Otherwise it is as Post.
func (l *Ledger) PostUnder(ctx context.Context, programme uuid.UUID, r Request, build func(*Programme, Request) (Request, error)) (Answer, error) {
	p, err := l.Programme(ctx, programme)
	if err != nil {
		return Answer{}, err
	}
	answer, err := l.postBuilt(ctx, p, r, build)
	for errors.Is(err, ErrTermsChanged) {
		if p, err = l.Programme(ctx, programme); err != nil {
			return Answer{}, err
		}
		answer, err = l.postBuilt(ctx, p, r, build)
	}
	refusal := new(Refusal)
	if err == nil || !errors.As(err, &refusal) || answer.Transaction != nil {
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
	return l.postBuilt(ctx, before, r, build)
}

func (l *Ledger) postBuilt(ctx context.Context, p *Programme, r Request, build func(*Programme, Request) (Request, error)) (Answer, error) {
	r, err := build(p, r)
	if err != nil {
		return Answer{}, err
	}
	return l.Post(ctx, p.ID, r.Under(p))
}
