package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"tallystick/internal/db"
)

const (
	// Recheck is how long a verified key is believed before the database is asked again.
	Recheck = 5 * time.Second
	// MaxLife is the longest life of a key.
	MaxLife = 366 * 24 * time.Hour
	// liveKeys is how many keys one client may have at a time: the one in use and the one that replaces it.
	liveKeys = 2
	// askTimeout ends a question that the database does not answer. It is longer than the wait for a connection.
	askTimeout = 3 * time.Second
	// maxRemembered bounds the memory of verified keys; stale ones are dropped when it is reached.
	maxRemembered = 20_000
	// maxStrangers is how many keys that were never seen here are asked about at a time. Anybody can write such keys down;
	// those in use are asked about again beside them.
	maxStrangers = 32
)

// Keys issues, verifies and revokes API keys. It is safe for concurrent use.
type Keys struct {
	pool        *db.Pool
	environment string
	now         func() time.Time
	asking      singleflight.Group
	strangers   *semaphore.Weighted

	mu         sync.RWMutex
	remembered map[[sha256.Size]byte]*verified
}

// verified is a key that the database confirmed at some time.
type verified struct {
	principal *Principal
	expiresAt time.Time
	checkedAt time.Time
}

func (v *verified) believed(now time.Time) bool {
	return now.Sub(v.checkedAt) < Recheck && now.Before(v.expiresAt)
}

// NewKeys returns the keys kept in pool. The environment, such as "live" or "dev", is part of every token.
func NewKeys(pool *db.Pool, environment string) *Keys {
	return &Keys{
		pool: pool, environment: environment, now: time.Now, remembered: make(map[[sha256.Size]byte]*verified),
		strangers: semaphore.NewWeighted(maxStrangers),
	}
}

// Grant is what a new key is for.
type Grant struct {
	Programme uuid.UUID
	Role      Role
	Client    string
	Subject   string
	Life      time.Duration
}

var clientName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func (g Grant) validate() error {
	switch g.Role {
	case Member, Merchant:
		if g.Subject == "" {
			return fmt.Errorf("a key of role %s needs a subject", g.Role)
		}
	case System, Finance, Operator:
		if g.Subject != "" {
			return fmt.Errorf("a key of role %s has no subject", g.Role)
		}
	default:
		return fmt.Errorf("unknown role %q", g.Role)
	}
	switch {
	case g.Programme == uuid.Nil:
		return errors.New("a key belongs to a programme")
	case !clientName.MatchString(g.Client):
		return errors.New("a client's name has 1 to 64 of A-Z, a-z, 0-9, \"_\", \".\" and \"-\"")
	case strings.HasPrefix(strings.ToLower(g.Client), "tallystick"):
		return errors.New("names that begin with \"tallystick\" are the service's own")
	case g.Life <= 0 || g.Life > MaxLife:
		return fmt.Errorf("a key lives for at most %d days", int(MaxLife.Hours()/24))
	}
	return nil
}

const (
	sqlLiveKeys = `
SELECT k.id
FROM api_keys AS k
WHERE k.programme_id = $1 AND k.client = $2 AND k.role = $3 AND k.subject = $4
  AND k.revoked_at IS NULL AND k.expires_at > now()
ORDER BY k.created_at, k.id`

	sqlInsertKey = `
INSERT INTO api_keys (id, programme_id, secret_hash, role, client, subject, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, now(), now() + $7::interval)`

	sqlRevokeKey = `
UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL`

	sqlKey = `
SELECT k.programme_id, k.secret_hash, k.role, k.client, k.subject, k.expires_at
FROM api_keys AS k
WHERE k.id = $1 AND k.revoked_at IS NULL AND k.expires_at > now()`
)

// Issue makes a key and returns its token, which is shown this once and stored nowhere. A client has two live keys of
// one kind at most, so that it can move from one to the next: issuing a third revokes the oldest.
func (k *Keys) Issue(ctx context.Context, g Grant) (string, error) {
	if err := g.validate(); err != nil {
		return "", err
	}
	token, id := newToken(k.environment)
	sum := digest(token)
	err := db.InTx(ctx, k.pool, db.Serializable, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlLiveKeys, g.Programme, g.Client, string(g.Role), g.Subject)
		if err != nil {
			return err
		}
		live, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for ; len(live) >= liveKeys; live = live[1:] {
			if _, err := tx.Exec(ctx, sqlRevokeKey, live[0]); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, sqlInsertKey, id, g.Programme, sum[:], string(g.Role), g.Client, g.Subject, g.Life)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("issue key for %s: %w", g.Client, err)
	}
	return token, nil
}

// ErrNoKey says that no live key has the id: there never was one, or it has been revoked.
var ErrNoKey = errors.New("auth: no live key has this id")

// Revoke ends a key by its id, or answers [ErrNoKey]. Servers believe it for [Recheck] at most.
func (k *Keys) Revoke(ctx context.Context, id string) error {
	tag, err := k.pool.Exec(ctx, sqlRevokeKey, id)
	switch {
	case err != nil:
		return fmt.Errorf("revoke key %s: %w", id, err)
	case tag.RowsAffected() == 0:
		return fmt.Errorf("revoke key %s: %w", id, ErrNoKey)
	default:
		return nil
	}
}

// Verify returns the holder of a token, or [ErrInvalid]. Any other error means that the database could not be asked:
// db.ErrBusy also that too many keys are new at once.
func (k *Keys) Verify(ctx context.Context, token string) (*Principal, error) {
	id, ok := parseToken(token, k.environment)
	if !ok {
		return nil, ErrInvalid
	}
	sum := digest(token)
	k.mu.RLock()
	v := k.remembered[sum]
	k.mu.RUnlock()
	if v != nil && v.believed(k.now()) {
		return v.principal, nil
	}
	// Callers that arrive together share one question, which none of them can cancel for the others.
	answer := k.asking.DoChan(string(sum[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		if v == nil {
			if !k.strangers.TryAcquire(1) {
				return nil, fmt.Errorf("%w: too many unknown keys", db.ErrBusy)
			}
			defer k.strangers.Release(1)
		}
		v, err := k.ask(ctx, id, sum)
		k.remember(sum, v, err)
		return v, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		return a.Val.(*verified).principal, nil //nolint:forcetypeassert // the function above returns nothing else
	}
}

// remember keeps what the database said of a key. Only valid keys are kept, so inventing tokens fills no memory.
func (k *Keys) remember(sum [sha256.Size]byte, v *verified, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case errors.Is(err, ErrInvalid):
		delete(k.remembered, sum)
	case err == nil:
		if len(k.remembered) >= maxRemembered {
			maps.DeleteFunc(k.remembered, func(_ [sha256.Size]byte, old *verified) bool { return !old.believed(v.checkedAt) })
		}
		k.remembered[sum] = v
	}
}

// ask reads the key from the database. The time of the check is taken before the answer, so that it is never believed
// for too long.
func (k *Keys) ask(ctx context.Context, id string, sum [sha256.Size]byte) (*verified, error) {
	v := &verified{principal: &Principal{KeyID: id}, checkedAt: k.now()}
	var hash []byte
	err := k.pool.QueryRow(ctx, sqlKey, id).Scan(
		&v.principal.Programme, &hash, &v.principal.Role, &v.principal.Client, &v.principal.Subject, &v.expiresAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrInvalid
	}
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%w: ask about key %s: %w", db.ErrUnavailable, id, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask about key %s: %w", id, err)
	}
	if subtle.ConstantTimeCompare(hash, sum[:]) != 1 {
		return nil, ErrInvalid
	}
	return v, nil
}
