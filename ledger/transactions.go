package ledger

import (
	"context"

	"github.com/google/uuid"
)

// Transactions reads many transactions of a programme's journal, posted or rejected, with their legs and entries. Ids
// that the programme does not have are absent from the answer.
func (l *Ledger) Transactions(ctx context.Context, programme uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]*Transaction, error) {
	return readTransactions(ctx, l.posting, programme, ids)
}
