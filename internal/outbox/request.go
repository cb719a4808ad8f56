package outbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/ledger"
)

// Asked says who asks for a change of an endpoint, and under which idempotency key. The same two with the same content
// change nothing a second time, for ever; with other content they are refused with IDEMPOTENCY_KEY_REUSED. A change that was
// refused leaves its key free.
type Asked struct {
	Client, Key string
}

// id names the request, as a transaction's id names a posting.
func (a Asked) id(programme uuid.UUID) uuid.UUID {
	return uuid.NewSHA1(programme, []byte("webhook request\x00"+a.Client+"\x00"+a.Key))
}

const (
	sqlInsertRequest = `
INSERT INTO webhook_requests (programme_id, id, request_hash, requested_at)
VALUES ($1, $2, $3, now())
ON CONFLICT (programme_id, id) DO NOTHING`

	sqlReadRequest = `SELECT r.request_hash FROM webhook_requests AS r WHERE r.programme_id = $1 AND r.id = $2`
)

// begin notes in tx that content is asked for, and reports whether it was done before. Of two that ask at once, the second
// waits here for the first.
func (a Asked) begin(ctx context.Context, tx pgx.Tx, programme uuid.UUID, content ...string) (done bool, err error) {
	tag, err := tx.Exec(ctx, sqlInsertRequest, programme, a.id(programme), digest(content))
	if err != nil {
		return false, fmt.Errorf("note webhook request: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return false, nil
	}
	return a.before(ctx, tx, programme, content...)
}

// before reports whether content was asked for before.
func (a Asked) before(ctx context.Context, q querier, programme uuid.UUID, content ...string) (done bool, err error) {
	var earlier []byte
	err = q.QueryRow(ctx, sqlReadRequest, programme, a.id(programme)).Scan(&earlier)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read webhook request: %w", err)
	case !bytes.Equal(earlier, digest(content)):
		return false, &ledger.Refusal{Reason: ledger.IdempotencyKeyReused}
	}
	return true, nil
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func digest(content []string) []byte {
	hash := sha256.Sum256([]byte(strings.Join(content, "\x00")))
	return hash[:]
}
