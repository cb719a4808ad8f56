package ledger

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// PostUnder posts what build makes of r under the terms that are in force when it is decided. A retry whose first answer
// was given under another version of the programme's document is built from that one, so that a change of price does not
// turn a retry into a new request. What build refuses is answered as it is and not recorded. Otherwise it is as Post.
func (l *Ledger) PostUnder(ctx context.Context, programme uuid.UUID, r Request, build func(Terms, Request) (Request, error)) (Answer, error) {
	terms, err := l.Terms(ctx, programme)
	if err != nil {
		return Answer{}, err
	}
	answer, err := l.postBuilt(ctx, terms, r, build)
	for errors.Is(err, ErrTermsChanged) {
		if terms, err = l.Terms(ctx, programme); err != nil {
			return Answer{}, err
		}
		answer, err = l.postBuilt(ctx, terms, r, build)
	}
	refusal := new(Refusal)
	if err == nil || !errors.As(err, &refusal) || answer.Transaction != nil {
		return answer, err
	}
	first, readErr := l.Transaction(ctx, programme, TransactionID(programme, r.Client, r.Key))
	if readErr != nil || first.RuleVersion == terms.Version {
		return answer, err
	}
	if terms.Programme, readErr = l.programmeAt(ctx, l.posting, programme, first.RuleVersion); readErr != nil {
		return answer, readErr
	}
	return l.postBuilt(ctx, terms, r, build)
}

func (l *Ledger) postBuilt(ctx context.Context, terms Terms, r Request, build func(Terms, Request) (Request, error)) (Answer, error) {
	r, err := build(terms, r)
	if err != nil {
		return Answer{}, err
	}
	return l.Post(ctx, terms.ID, r.Under(terms.Programme))
}
