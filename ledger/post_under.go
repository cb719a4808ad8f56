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
	answers, err := l.postUnder(ctx, programme, r, func(terms Terms) ([]Answer, error) {
		built, err := build(terms, r)
		if err != nil {
			return nil, err
		}
		answer, err := l.Post(ctx, terms.ID, built.Under(terms.Programme))
		return []Answer{answer}, err
	})
	if len(answers) == 0 {
		return Answer{}, err
	}
	return answers[0], err
}

// PostAllUnder is PostUnder for what is posted all or none: build makes several requests of r, the first of them under r's own
// key. The error is what was refused itself, not what was beside it; the answers are those of the requests, in their order.
func (l *Ledger) PostAllUnder(ctx context.Context, programme uuid.UUID, r Request, build func(Terms, Request) ([]Request, error)) ([]Answer, error) {
	return l.postUnder(ctx, programme, r, func(terms Terms) ([]Answer, error) {
		built, err := build(terms, r)
		if err != nil {
			return nil, err
		}
		for i := range built {
			built[i] = built[i].Under(terms.Programme)
		}
		answers, err := l.PostBatch(ctx, terms.ID, built, true)
		if err == nil {
			err = Decisive(answers)
		}
		return answers, err
	})
}

// Decisive is why requests that are posted all or none were not: what was refused itself, not what was beside it.
func Decisive(answers []Answer) error {
	var first error
	for _, answer := range answers {
		beside := errors.Is(answer.Err, &Refusal{Reason: AtomicBatchRejected})
		if answer.Err != nil && (first == nil || !beside) {
			first = answer.Err
		}
	}
	return first
}

// postUnder posts under the terms that are in force when it is decided, or under those of the first answer of r's key.
func (l *Ledger) postUnder(ctx context.Context, programme uuid.UUID, r Request, post func(Terms) ([]Answer, error)) ([]Answer, error) {
	terms, err := l.Terms(ctx, programme)
	if err != nil {
		return nil, err
	}
	answers, err := post(terms)
	for errors.Is(err, ErrTermsChanged) {
		if terms, err = l.Terms(ctx, programme); err != nil {
			return nil, err
		}
		answers, err = post(terms)
	}
	refusal := new(Refusal)
	if err == nil || !errors.As(err, &refusal) || len(answers) > 0 && answers[0].Transaction != nil {
		return answers, err
	}
	first, readErr := l.Transaction(ctx, programme, TransactionID(programme, r.Client, r.Key))
	if readErr != nil || first.RuleVersion == terms.Version {
		return answers, err
	}
	if terms.Programme, readErr = l.programmeAt(ctx, l.posting, programme, first.RuleVersion); readErr != nil {
		return answers, readErr
	}
	return post(terms)
}
