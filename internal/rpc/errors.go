package rpc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"tallystick/internal/db"
	"tallystick/internal/document"
	"tallystick/internal/outbox"
	"tallystick/ledger"
)

// Domain is the domain of every ErrorInfo.
const Domain = "tallystick"

// Reasons of this package: what stops a call before, or instead of, the books' answer.
const (
	reasonCredentialMissing   = "CREDENTIAL_MISSING"
	reasonCredentialInvalid   = "CREDENTIAL_INVALID"
	reasonNotPermitted        = "NOT_PERMITTED"
	reasonRateLimited         = "RATE_LIMITED"
	reasonTooManyInFlight     = "TOO_MANY_IN_FLIGHT"
	reasonRequestTooLarge     = "REQUEST_TOO_LARGE"
	reasonRequestMalformed    = "REQUEST_MALFORMED"
	reasonInvalidField        = string(ledger.InvalidField)
	reasonPageTokenInvalid    = "PAGE_TOKEN_INVALID"
	reasonInvalidDocument     = "INVALID_DOCUMENT"
	reasonContention          = "CONTENTION"
	reasonOutcomeUnknown      = "OUTCOME_UNKNOWN"
	reasonDatabaseUnavailable = "DATABASE_UNAVAILABLE"
	reasonDatabaseBusy        = "DATABASE_BUSY"
	reasonNameServer          = "NAME_SERVER_UNAVAILABLE"
	reasonDeadlineExceeded    = "DEADLINE_EXCEEDED"
	reasonCanceled            = "CANCELED"
	reasonInternal            = "INTERNAL"
)

// codes gives the Connect code of each class of refusal.
var codes = map[ledger.Class]connect.Code{
	ledger.Malformed:    connect.CodeInvalidArgument,
	ledger.NotFound:     connect.CodeNotFound,
	ledger.Precondition: connect.CodeFailedPrecondition,
	ledger.Conflict:     connect.CodeAlreadyExists,
}

// refusal is an answer other than success. It becomes a Connect error, or a Failure in a batch.
type refusal struct {
	code     connect.Code
	reason   string
	metadata map[string]string
	detail   proto.Message // besides the ErrorInfo; nil for most
	cause    error         // for the log only
}

// Error is the sentence for the reason, and never what caused it: callers see it.
func (r *refusal) Error() string { return sentences[r.reason].en }

func refuse(code connect.Code, reason string) *refusal { return &refusal{code: code, reason: reason} }

// toRefusal decides what a caller is told of an error. It is the only place that does; what it does not know is our own
// bug, and the caller learns nothing of it but the request id.
func toRefusal(err error) *refusal {
	if own, ok := errors.AsType[*refusal](err); ok {
		return own
	}
	if no, ok := errors.AsType[*ledger.Refusal](err); ok {
		if code, known := codes[ledger.Reasons[no.Reason]]; known {
			return &refusal{code: code, reason: string(no.Reason), metadata: no.Detail}
		}
	}
	if wrong, ok := errors.AsType[*document.InvalidError](err); ok {
		return invalidDocument(wrong)
	}
	switch state := db.State(err); {
	case errors.Is(err, db.ErrOutcomeUnknown):
		return because(err, connect.CodeUnavailable, reasonOutcomeUnknown)
	case errors.Is(err, db.ErrBusy):
		return because(err, connect.CodeResourceExhausted, reasonDatabaseBusy)
	case errors.Is(err, db.ErrContention), state == "40001", state == "40P01", state == "55P03": // the last is lock_timeout
		return because(err, connect.CodeAborted, reasonContention)
	case errors.Is(err, db.ErrUnavailable): // before the deadline: whoever waits for a silent database meets one too
		return because(err, connect.CodeUnavailable, reasonDatabaseUnavailable)
	case errors.Is(err, outbox.ErrNameServer):
		return because(err, connect.CodeUnavailable, reasonNameServer)
	case errors.Is(err, context.DeadlineExceeded):
		return because(err, connect.CodeDeadlineExceeded, reasonDeadlineExceeded)
	case errors.Is(err, context.Canceled):
		return because(err, connect.CodeCanceled, reasonCanceled)
	case db.IsRetryable(err), state == "57014": // statement_timeout
		return because(err, connect.CodeUnavailable, reasonDatabaseUnavailable)
	}
	return because(err, connect.CodeInternal, reasonInternal)
}

// inTime returns err, or that the call's own time is up when that is why. It may have ended a wait for the database, of
// which it says nothing.
func inTime(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, db.ErrOutcomeUnknown) {
		return fmt.Errorf("%w: %v", context.DeadlineExceeded, err) //nolint:errorlint // what it was waiting for must not count
	}
	return err
}

func because(cause error, code connect.Code, reason string) *refusal {
	return &refusal{code: code, reason: reason, cause: cause}
}

// connectError is the refusal as every protocol sends it.
func (r *refusal) connectError() *connect.Error {
	err := connect.NewError(r.code, r)
	info := &errdetails.ErrorInfo{Reason: r.reason, Domain: Domain, Metadata: r.metadata}
	for _, message := range []proto.Message{info, r.detail} {
		if message != nil {
			addDetail(err, message)
		}
	}
	for _, message := range sentences[r.reason].localized() {
		addDetail(err, message)
	}
	return err
}

// addDetail packs a detail with its map in order, so that a refusal that is answered again has the same bytes.
func addDetail(err *connect.Error, message proto.Message) {
	packed := new(anypb.Any)
	if anypb.MarshalFrom(packed, message, proto.MarshalOptions{Deterministic: true}) != nil {
		return // it would hold invalid UTF-8, which nothing of ours does
	}
	if detail, packErr := connect.NewErrorDetail(packed); packErr == nil {
		err.AddDetail(detail)
	}
}

// with adds facts to the metadata, as pairs of name and value.
func (r *refusal) with(pairs ...string) *refusal {
	metadata := maps.Clone(r.metadata)
	if metadata == nil {
		metadata = make(map[string]string, len(pairs)/2)
	}
	for pair := range slices.Chunk(pairs, 2) {
		metadata[pair[0]] = pair[1]
	}
	r.metadata = metadata
	return r
}

// invalidField is the refusal of one field for what a rule on it cannot say.
func invalidField(field, problem string) *refusal {
	return refuse(connect.CodeInvalidArgument, reasonInvalidField).with("field", field, "problem", problem)
}
