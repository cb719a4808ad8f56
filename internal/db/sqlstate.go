package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What can become of a transaction besides success and the error of its own function.
var (
	// ErrContention says that every attempt met another transaction. Nothing was written; the same request may be sent again.
	ErrContention = errors.New("database contention")
	// ErrOutcomeUnknown says that COMMIT was sent and its answer was lost. The transaction is either written whole or not at
	// all. Running it again is right only when its writes carry a key that shows whether they are there already.
	ErrOutcomeUnknown = errors.New("outcome of the commit is unknown")
	// ErrUnavailable says that there is no connection to be had, or that it broke before COMMIT was sent. Nothing was written.
	ErrUnavailable = errors.New("database unavailable")
)

// SQLSTATEs that we tell apart.
const (
	stateSerialization   = "40001"
	stateDeadlock        = "40P01"
	stateCompletion      = "40003" // statement completion unknown: CockroachDB's word for an ambiguous commit
	stateUniqueViolation = "23505"
	stateTooManyConns    = "53300"
)

// IsRetryable reports whether the same transaction or read may well succeed when it is run again: it met another one
// ([ErrContention] included), the database was or went away, or the answer to its COMMIT was lost. After the last of
// these it must carry its own key: see [ErrOutcomeUnknown].
func IsRetryable(err error) bool {
	return isConflict(err) || isGone(err) || errors.Is(err, ErrContention) || errors.Is(err, ErrUnavailable) ||
		errors.Is(err, ErrOutcomeUnknown)
}

// Violates reports whether err is the refusal of the named constraint (a check, a key or a unique index).
func Violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.HasPrefix(pg.Code, "23") && pg.ConstraintName == constraint
}

// IsUniqueViolation reports whether err says that a row with the same key is there already.
func IsUniqueViolation(err error) bool { return State(err) == stateUniqueViolation }

// State is the SQLSTATE that the server gave, or "" when err did not come from a server.
func State(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// isConflict reports that the transaction met another one and was rolled back whole.
func isConflict(err error) bool {
	state := State(err)
	return state == stateSerialization || state == stateDeadlock
}

// isGone reports that the server, or the way to it, went away: connection exceptions, shut-downs and the network.
func isGone(err error) bool {
	switch state := State(err); {
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57P0"), state == stateTooManyConns:
		return true
	case state != "":
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed)
}

// unanswered reports that a COMMIT which failed with err may have taken effect all the same, as everything may that is
// not the server's clear "no". pgconn.SafeToRetry is no help: when the answer to COMMIT is lost, pgx reports "conn
// closed", and calls that safe.
func unanswered(err error) bool {
	switch state := State(err); {
	case state == stateCompletion:
		return true
	case state != "":
		return isGone(err)
	}
	return !errors.Is(err, pgx.ErrTxCommitRollback)
}

// unavailable wraps the error of reaching the database, unless the caller gave up himself.
func unavailable(what string, err error) error {
	if (isGone(err) || errors.Is(err, context.DeadlineExceeded)) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
