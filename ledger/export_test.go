package ledger

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// VerifyTx is Verify in a transaction of the caller's: a test can tamper, verify and roll back.
var VerifyTx = verify

// Digest is the hash that a transaction's row and legs make now, which a forger would store.
func Digest(ctx context.Context, tx pgx.Tx, programme, id uuid.UUID) ([]byte, error) {
	found, err := readTransactions(ctx, tx, programme, []uuid.UUID{id})
	if err != nil || found[id] == nil {
		return nil, err
	}
	return found[id].digest(), nil
}
