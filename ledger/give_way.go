package ledger

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// What other lanes wrote in a programme, of this process or another: callers' batches, as far as a job is concerned.
const sqlCountBatches = `
SELECT coalesce(sum(s.seals), 0)::INT8
FROM stripes AS s
WHERE s.programme_id = $1 AND s.lease_owner <> $2`

const (
	// batchesPerJob is how many batches of others a job lets go before each of its own. A job's batch is long, so beside
	// callers it would take most of the database, and nobody waits for it. With 32 callers on two processors this leaves
	// them more than half of the rate that they have alone.
	batchesPerJob = 16
	// longPage is the least number of requests for which a job gives way: what is shorter holds nobody up.
	longPage = 64
	// giveWayPause is how long a job waits before it looks again. When nothing was written meanwhile, nobody is there.
	giveWayPause = 4 * time.Millisecond
)

// courtesy remembers, by programme, what others had written when a job last looked.
type courtesy struct {
	mu   sync.Mutex
	seen map[uuid.UUID]int64
}

// giveWay lets callers' batches go before a job's next one, whichever server they call. Alone it costs a look.
func (l *Ledger) giveWay(ctx context.Context, programme uuid.UUID) error {
	l.courtesy.mu.Lock()
	defer l.courtesy.mu.Unlock()
	if l.courtesy.seen == nil {
		l.courtesy.seen = make(map[uuid.UUID]int64)
	}
	last := l.courtesy.seen[programme]
	for first := int64(-1); ; {
		var written int64
		if err := l.posting.QueryRow(ctx, sqlCountBatches, programme, l.jobs.id).Scan(&written); err != nil {
			return err
		}
		quiet := written == last
		last = written
		if first < 0 {
			first = written
		}
		if quiet || written-first >= batchesPerJob {
			l.courtesy.seen[programme] = written
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(giveWayPause):
		}
	}
}
