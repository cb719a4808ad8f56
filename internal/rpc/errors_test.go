package rpc

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"tallystick/internal/db"
	"tallystick/internal/outbox"
	"tallystick/ledger"
)

func TestErrorsAreAnsweredByWhatTheCallerCanDo(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   connect.Code
		reason string
	}{
		{&ledger.Refusal{Reason: ledger.InsufficientPoints}, connect.CodeFailedPrecondition, "INSUFFICIENT_POINTS"},
		{&ledger.Refusal{Reason: ledger.ReferenceUsed}, connect.CodeAlreadyExists, "REFERENCE_USED"},
		{&ledger.Refusal{Reason: ledger.NotFoundReason}, connect.CodeNotFound, "NOT_FOUND"},
		{&ledger.Refusal{Reason: ledger.UnknownUnit}, connect.CodeInvalidArgument, "UNKNOWN_UNIT"},
		{db.ErrContention, connect.CodeAborted, "CONTENTION"},
		{&pgconn.PgError{Code: "55P03"}, connect.CodeAborted, "CONTENTION"},
		{&pgconn.PgError{Code: "40001"}, connect.CodeAborted, "CONTENTION"},
		{&pgconn.PgError{Code: "57P01"}, connect.CodeUnavailable, "DATABASE_UNAVAILABLE"},
		{db.ErrBusy, connect.CodeResourceExhausted, "DATABASE_BUSY"},
		{fmt.Errorf("%w: %w", db.ErrOutcomeUnknown, db.ErrBusy), connect.CodeUnavailable, "OUTCOME_UNKNOWN"},
		{db.ErrOutcomeUnknown, connect.CodeUnavailable, "OUTCOME_UNKNOWN"},
		{fmt.Errorf("%w: %w", db.ErrOutcomeUnknown, context.DeadlineExceeded), connect.CodeUnavailable, "OUTCOME_UNKNOWN"},
		{db.ErrUnavailable, connect.CodeUnavailable, "DATABASE_UNAVAILABLE"},
		{fmt.Errorf("%w: connect: %w", db.ErrUnavailable, context.DeadlineExceeded), connect.CodeUnavailable, "DATABASE_UNAVAILABLE"},
		{&pgconn.PgError{Code: "57014"}, connect.CodeUnavailable, "DATABASE_UNAVAILABLE"},
		{fmt.Errorf("%w: %w", outbox.ErrNameServer, context.DeadlineExceeded), connect.CodeUnavailable, "NAME_SERVER_UNAVAILABLE"},
		{context.DeadlineExceeded, connect.CodeDeadlineExceeded, "DEADLINE_EXCEEDED"},
		{context.Canceled, connect.CodeCanceled, "CANCELED"},
		{errors.New("a bug"), connect.CodeInternal, "INTERNAL"},
		{&pgconn.PgError{Code: "42601"}, connect.CodeInternal, "INTERNAL"},
	} {
		for _, err := range []error{c.err, fmt.Errorf("post: %w", c.err)} {
			no := toRefusal(err)
			if no.code != c.code || no.reason != c.reason {
				t.Errorf("%v is answered as %s %s, want %s %s", err, no.code, no.reason, c.code, c.reason)
			}
		}
	}
}

func TestWhatEndedWithTheCallsOwnTimeIsToldAsThat(t *testing.T) {
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	waited := fmt.Errorf("%w: connect: %w", db.ErrUnavailable, context.DeadlineExceeded)
	lost := fmt.Errorf("%w: %w", db.ErrOutcomeUnknown, context.DeadlineExceeded)
	for _, c := range []struct {
		ctx    context.Context
		err    error
		reason string
	}{
		{over, waited, "DEADLINE_EXCEEDED"},
		{t.Context(), waited, "DATABASE_UNAVAILABLE"},
		{over, lost, "OUTCOME_UNKNOWN"},
		{over, &ledger.Refusal{Reason: ledger.NotFoundReason}, "NOT_FOUND"},
	} {
		if no := toRefusal(inTime(c.ctx, c.err)); no.reason != c.reason {
			t.Errorf("%v is answered as %s, want %s", c.err, no.reason, c.reason)
		}
	}
}

func TestUnknownErrorsTellNothing(t *testing.T) {
	err := toRefusal(errors.New("dial 10.0.0.7: secret")).connectError()
	if got := err.Message(); got != "Something went wrong here: quote the request id to the operators." {
		t.Errorf("message %q", got)
	}
	if len(err.Details()) != 3 { // the reason, and the sentence in two languages
		t.Fatalf("%d details", len(err.Details()))
	}
	value, decodeErr := err.Details()[0].Value()
	if decodeErr != nil {
		t.Fatal(decodeErr)
	}
	info, ok := value.(*errdetails.ErrorInfo)
	if !ok || info.Reason != "INTERNAL" || info.Domain != Domain || len(info.Metadata) != 0 {
		t.Errorf("detail %v", value)
	}
}
