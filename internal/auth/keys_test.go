package auth

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
)

func newGrant() Grant {
	return Grant{Programme: uuid.New(), Role: Merchant, Client: "till", Subject: "lounge-one/gate-4", Life: time.Hour}
}

func issue(t *testing.T, k *Keys, g Grant) string {
	t.Helper()
	token, err := k.Issue(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestVerifyTellsWhoHoldsTheKey(t *testing.T) {
	k := NewKeys(devdb.New(t), "dev")
	g := newGrant()
	token := issue(t, k, g)
	for range 2 { // asked, then remembered
		got, err := k.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		id, _ := parseToken(token, "dev")
		want := &Principal{KeyID: id, Programme: g.Programme, Role: Merchant, Client: "till", Subject: g.Subject}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestOnlyTheDigestOfATokenIsStored(t *testing.T) {
	pool := devdb.New(t)
	token := issue(t, NewKeys(pool, "dev"), newGrant())
	var row string
	if err := pool.QueryRow(t.Context(), `SELECT k::text FROM api_keys AS k`).Scan(&row); err != nil {
		t.Fatal(err)
	}
	if secret := token[len("tsk_dev_")+idLength+1:][:secretLength]; strings.Contains(row, secret) {
		t.Errorf("the secret is in the row %s", row)
	}
}

func TestUnknownAndForeignKeysAreInvalid(t *testing.T) {
	pool := devdb.New(t)
	k := NewKeys(pool, "dev")
	known := issue(t, k, newGrant())
	id, _ := parseToken(known, "dev")
	unknown, _ := newToken("dev")
	body := "tsk_dev_" + id + "_" + randomText(secretLength)
	for name, token := range map[string]string{
		"a key that was never issued":         unknown,
		"the right id with another secret":    body + "_" + check(body),
		"a key of another environment":        issue(t, NewKeys(pool, "live"), newGrant()),
		"the empty token":                     "",
		"a megabyte":                          string(make([]byte, 1<<20)),
		"the known token with a blank at end": known + " ",
	} {
		if _, err := k.Verify(t.Context(), token); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRevokedKeyIsRefusedOnceTheMemoryIsStale(t *testing.T) {
	k := NewKeys(devdb.New(t), "dev")
	now := time.Now()
	k.now = func() time.Time { return now }
	token := issue(t, k, newGrant())
	p, err := k.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Revoke(t.Context(), p.KeyID); err != nil {
		t.Fatal(err)
	}
	now = now.Add(Recheck)
	if _, err := k.Verify(t.Context(), token); !errors.Is(err, ErrInvalid) {
		t.Errorf("revoked key: %v", err)
	}
	if len(k.remembered) != 0 {
		t.Error("a revoked key is still remembered")
	}
	if err := k.Revoke(t.Context(), p.KeyID); !errors.Is(err, ErrNoKey) {
		t.Errorf("revoked again: %v", err)
	}
}

func TestExpiredKeyIsRefusedEvenWhileRemembered(t *testing.T) {
	pool := devdb.New(t)
	k := NewKeys(pool, "dev")
	now := time.Now()
	k.now = func() time.Time { return now }
	token := issue(t, k, newGrant())
	if _, err := k.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE api_keys SET expires_at = now()`); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if _, err := k.Verify(t.Context(), token); !errors.Is(err, ErrInvalid) {
		t.Errorf("expired key: %v", err)
	}
}

func TestThirdKeyRevokesTheOldest(t *testing.T) {
	k := NewKeys(devdb.New(t), "dev")
	g := newGrant()
	first, second, third := issue(t, k, g), issue(t, k, g), issue(t, k, g)
	if _, err := k.Verify(t.Context(), first); !errors.Is(err, ErrInvalid) {
		t.Errorf("first key: %v", err)
	}
	for _, token := range []string{second, third} {
		if _, err := k.Verify(t.Context(), token); err != nil {
			t.Errorf("live key: %v", err)
		}
	}
}

func TestGrantsThatMakeNoSenseAreRefused(t *testing.T) {
	k := NewKeys(nil, "dev") // refused before the database is asked
	for name, change := range map[string]func(*Grant){
		"no programme":               func(g *Grant) { g.Programme = uuid.Nil },
		"unknown role":               func(g *Grant) { g.Role = "root" },
		"merchant without partner":   func(g *Grant) { g.Subject = "" },
		"finance with a subject":     func(g *Grant) { g.Role = Finance },
		"no client":                  func(g *Grant) { g.Client = "" },
		"a client with a slash":      func(g *Grant) { g.Client = "a/b" },
		"expired from the beginning": func(g *Grant) { g.Life = 0 },
		"two years":                  func(g *Grant) { g.Life = 2 * MaxLife },
	} {
		g := newGrant()
		change(&g)
		if _, err := k.Issue(t.Context(), g); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

func TestManyCallersOfOneKeyAllLearnWhoItIs(t *testing.T) {
	k := NewKeys(devdb.New(t), "dev")
	token := issue(t, k, newGrant())
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if _, err := k.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Whoever writes down keys by the thousand keeps nobody out whose key is known.
func TestUnknownKeysHaveFewPlaces(t *testing.T) {
	k := NewKeys(devdb.New(t), "dev")
	now := time.Now()
	k.now = func() time.Time { return now }
	known, fresh := issue(t, k, newGrant()), issue(t, k, newGrant())
	forged, _ := newToken("dev")
	if _, err := k.Verify(t.Context(), known); err != nil {
		t.Fatal(err)
	}
	if !k.strangers.TryAcquire(maxStrangers) {
		t.Fatal("a question that was answered keeps its place")
	}
	for _, token := range []string{fresh, forged} {
		if _, err := k.Verify(t.Context(), token); !errors.Is(err, db.ErrBusy) {
			t.Errorf("one more unknown key: %v", err)
		}
	}
	now = now.Add(Recheck)
	if _, err := k.Verify(t.Context(), known); err != nil {
		t.Errorf("a known key is asked about again: %v", err)
	}
	k.strangers.Release(maxStrangers)
	if _, err := k.Verify(t.Context(), fresh); err != nil {
		t.Errorf("later: %v", err)
	}
	for range 2 * maxStrangers {
		forged, _ := newToken("dev")
		if _, err := k.Verify(t.Context(), forged); !errors.Is(err, ErrInvalid) {
			t.Errorf("a forged key: %v", err)
		}
	}
}
