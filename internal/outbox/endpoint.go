package outbox

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// State says whether an endpoint gets events.
type State string

// The states. A parked endpoint failed too often, or said that it wants no more; it waits for Resume.
const (
	Active State = "active"
	Parked State = "parked"
)

// Position is how many events of each stripe lie behind an endpoint. The first event of a stripe is number 1.
type Position map[int16]int64

// Endpoint is where a programme's events are sent, and how far that has come.
type Endpoint struct {
	ID          uuid.UUID
	Programme   uuid.UUID
	URL         string
	State       State
	Position    Position
	Undelivered int64 // events that wait
	Failures    int   // attempts that failed for the event that failed most often and is still not delivered
	LastFailure string
	CreatedAt   time.Time
	DeliveredAt time.Time // zero before the first delivery
}

// Endpoints manages webhook endpoints. Every method answers a *ledger.Refusal with NOT_FOUND for an endpoint that the
// programme does not have. A change reaches a running dispatcher within a third of its lease, 5 s.
type Endpoints struct {
	pool    *db.Pool
	targets *targets
}

// NewEndpoints returns the endpoints of a database. pool must have been opened with db.Options.ByIndex.
func NewEndpoints(pool *db.Pool, c Config) *Endpoints {
	return &Endpoints{pool: pool, targets: newTargets(c.AllowLoopback)}
}

// overlap is how long the previous secret signs beside the new one.
const overlap = 24 * time.Hour

const (
	sqlInsertEndpoint = `
INSERT INTO webhook_endpoints (programme_id, id, url, state, secret, created_at, started_at)
VALUES ($1, $2, $3, 'active', $4, now(), now())`

	sqlInsertCursors = `
INSERT INTO webhook_cursors (endpoint_id, stripe, event, seal)
SELECT $2, s.stripe, s.events, s.seals + 1
FROM stripes AS s
WHERE s.programme_id = $1`

	sqlReadEndpoints = `
SELECT e.id, e.url, e.state, e.created_at, e.delivered_at
FROM webhook_endpoints AS e
WHERE e.programme_id = $1
ORDER BY e.id`

	sqlReadPositions = `
SELECT c.endpoint_id, c.stripe, c.event, s.events
FROM webhook_cursors AS c
JOIN stripes AS s ON s.programme_id = $1 AND s.stripe = c.stripe
WHERE c.endpoint_id = ANY($2::uuid[])`

	sqlReadLastFailures = `
SELECT f.endpoint_id, f.attempts, f.failure
FROM webhook_failures AS f
WHERE f.endpoint_id = ANY($1::uuid[])
ORDER BY f.endpoint_id, f.attempts, f.failed_at`

	sqlReadURL = `SELECT e.url FROM webhook_endpoints AS e WHERE e.programme_id = $1 AND e.id = $2`

	sqlRotate = `
UPDATE webhook_endpoints SET previous_secret = secret, previous_until = now() + $4::interval, secret = $3, rotated_by = $5
WHERE programme_id = $1 AND id = $2`

	sqlReadRotated = `
SELECT e.secret
FROM webhook_endpoints AS e
WHERE e.programme_id = $1 AND e.id = $2 AND e.rotated_by = $3`

	sqlActivate = `UPDATE webhook_endpoints SET state = 'active', started_at = now() WHERE programme_id = $1 AND id = $2`

	sqlDeleteEndpoint = `DELETE FROM webhook_endpoints WHERE programme_id = $1 AND id = $2`
	sqlDeleteCursors  = `DELETE FROM webhook_cursors WHERE endpoint_id = $1`
	sqlDeleteFailures = `DELETE FROM webhook_failures WHERE endpoint_id = $1`
)

var errNotFound = &ledger.Refusal{Reason: ledger.NotFoundReason}

func invalid(field, problem string) error {
	return &ledger.Refusal{Reason: ledger.InvalidField, Detail: map[string]string{"field": field, "problem": problem}}
}

// Create registers an endpoint for the events from now on ([Endpoints.Replay] sends earlier ones too) and returns the
// secret that signs its deliveries, which is shown this once: a retry returns the same endpoint and no secret.
// INVALID_FIELD refuses an address that is not public https, NOT_FOUND a retry when the endpoint was deleted since.
// [ErrNameServer] says that the host's name could not be asked about; nothing was written. A retry asks about no name.
func (e *Endpoints) Create(ctx context.Context, programme uuid.UUID, asked Asked, address string) (Endpoint, string, error) {
	host, err := e.targets.check(address)
	if err != nil {
		return Endpoint{}, "", invalid("url", err.Error())
	}
	done, err := asked.before(ctx, e.pool, programme, "create", address)
	if err != nil {
		return Endpoint{}, "", err
	}
	if !done { // and no transaction is open while we wait for a name server
		if _, err = e.targets.resolve(ctx, host); err != nil && !errors.Is(err, ErrNameServer) {
			err = invalid("url", err.Error())
		}
		if err != nil {
			return Endpoint{}, "", err
		}
	}
	id := uuid.NewSHA1(programme, []byte("webhook\x00"+asked.Client+"\x00"+asked.Key))
	secret := newSecret()
	shown := ""
	err = db.InTx(ctx, e.pool, db.Locked, func(tx pgx.Tx) error {
		shown = ""
		done, err := asked.begin(ctx, tx, programme, "create", address)
		if err != nil || done {
			return err
		}
		if _, err := tx.Exec(ctx, sqlInsertEndpoint, programme, id, address, secret); err != nil {
			return fmt.Errorf("insert webhook: %w", err)
		}
		tag, err := tx.Exec(ctx, sqlInsertCursors, programme, id)
		if err != nil {
			return fmt.Errorf("insert cursors: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errNotFound
		}
		if _, err = tx.Exec(ctx, sqlInsertLease, leaseName(id), uuid.Nil); err != nil {
			return fmt.Errorf("insert lease: %w", err)
		}
		shown = showSecret(secret)
		return nil
	})
	if err != nil {
		return Endpoint{}, "", err
	}
	endpoint, err := e.Get(ctx, programme, id)
	return endpoint, shown, err
}

// newSecret has the 256 bits of the signature's hash.
func newSecret() []byte {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// showSecret is the form in which Standard Webhooks libraries take a secret.
func showSecret(secret []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(secret) }

// List returns a programme's endpoints by id.
func (e *Endpoints) List(ctx context.Context, programme uuid.UUID) ([]Endpoint, error) {
	var list []Endpoint
	err := db.InTx(ctx, e.pool, db.Snapshot, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlReadEndpoints, programme)
		if err != nil {
			return fmt.Errorf("read webhooks: %w", err)
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Endpoint, error) {
			p := Endpoint{Programme: programme, Position: make(Position)}
			var delivered *time.Time
			err := row.Scan(&p.ID, &p.URL, &p.State, &p.CreatedAt, &delivered)
			if delivered != nil {
				p.DeliveredAt = delivered.UTC()
			}
			p.CreatedAt = p.CreatedAt.UTC()
			return p, err
		})
		if err != nil {
			return fmt.Errorf("read webhooks: %w", err)
		}
		return fillProgress(ctx, tx, programme, list)
	})
	return list, err
}

// fillProgress adds what changes with deliveries.
func fillProgress(ctx context.Context, tx pgx.Tx, programme uuid.UUID, list []Endpoint) error {
	byID := make(map[uuid.UUID]*Endpoint, len(list))
	ids := make([]uuid.UUID, len(list))
	for i := range list {
		ids[i] = list[i].ID
		byID[ids[i]] = &list[i]
	}
	rows, err := tx.Query(ctx, sqlReadPositions, programme, ids)
	if err != nil {
		return fmt.Errorf("read positions: %w", err)
	}
	var id uuid.UUID
	var stripe int16
	var event, events int64
	_, err = pgx.ForEachRow(rows, []any{&id, &stripe, &event, &events}, func() error {
		byID[id].Position[stripe] = event
		byID[id].Undelivered += events - event
		return nil
	})
	if err != nil {
		return fmt.Errorf("read positions: %w", err)
	}
	if rows, err = tx.Query(ctx, sqlReadLastFailures, ids); err != nil {
		return fmt.Errorf("read failures: %w", err)
	}
	var attempts int
	var text string
	_, err = pgx.ForEachRow(rows, []any{&id, &attempts, &text}, func() error {
		byID[id].Failures, byID[id].LastFailure = attempts, text
		return nil
	})
	if err != nil {
		return fmt.Errorf("read failures: %w", err)
	}
	return nil
}

// Get returns one endpoint.
func (e *Endpoints) Get(ctx context.Context, programme, id uuid.UUID) (Endpoint, error) {
	list, err := e.List(ctx, programme)
	if err != nil {
		return Endpoint{}, err
	}
	for _, endpoint := range list {
		if endpoint.ID == id {
			return endpoint, nil
		}
	}
	return Endpoint{}, errNotFound
}

// Rotate gives an endpoint a new secret and returns it. The one before signs beside it for another day. A retry returns
// the same secret as long as it is the one that signs, and "" once another rotation has followed.
func (e *Endpoints) Rotate(ctx context.Context, programme, id uuid.UUID, asked Asked) (string, error) {
	secret := newSecret()
	done, err := e.change(ctx, programme, id, asked, []string{"rotate"}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sqlRotate, programme, id, secret, overlap, asked.id(programme))
		return err
	})
	if err == nil && done {
		err = e.pool.QueryRow(ctx, sqlReadRotated, programme, id, asked.id(programme)).Scan(&secret)
		if errors.Is(err, pgx.ErrNoRows) {
			return "", nil
		}
	}
	if err != nil {
		return "", err
	}
	return showSecret(secret), nil
}

// Resume lets an endpoint go on where it stopped, at once and with all of its attempts. One that never failed notices
// nothing. A retry changes nothing and returns the endpoint as it stands, which may be parked again.
func (e *Endpoints) Resume(ctx context.Context, programme, id uuid.UUID, asked Asked) (Endpoint, error) {
	_, err := e.change(ctx, programme, id, asked, []string{"resume"}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlDeleteFailures, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlActivate, programme, id)
		return err
	})
	if err != nil {
		return Endpoint{}, err
	}
	return e.Get(ctx, programme, id)
}

// Delete ends an endpoint. A retry succeeds; deleting it again under another key is NOT_FOUND.
func (e *Endpoints) Delete(ctx context.Context, programme, id uuid.UUID, asked Asked) error {
	_, err := e.change(ctx, programme, id, asked, []string{"delete"}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlDeleteEndpoint, programme, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlDeleteCursors, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlDeleteFailures, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlDeleteLease, leaseName(id))
		return err
	})
	return err
}

// change runs fn in a transaction that raises the endpoint's fencing: whoever serves it can save nothing more, and
// starts again with what fn wrote. What was asked before is done, and fn does not run.
func (e *Endpoints) change(
	ctx context.Context, programme, id uuid.UUID, asked Asked, content []string, fn func(tx pgx.Tx) error,
) (done bool, err error) {
	err = db.InTx(ctx, e.pool, db.Locked, func(tx pgx.Tx) error {
		var err error
		done, err = asked.begin(ctx, tx, programme, append([]string{id.String()}, content...)...)
		if err != nil || done {
			return err
		}
		if _, err := tx.Exec(ctx, sqlFenceLease, leaseName(id)); err != nil {
			return fmt.Errorf("fence webhook: %w", err)
		}
		var address string
		err = tx.QueryRow(ctx, sqlReadURL, programme, id).Scan(&address)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNotFound
		}
		if err == nil {
			err = fn(tx)
		}
		if err != nil {
			return fmt.Errorf("change webhook: %w", err)
		}
		return nil
	})
	return done, err
}
