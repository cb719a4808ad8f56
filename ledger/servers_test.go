package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// servers is one database with two ledgers, as two servers would be, whose connections all run through one wire.
type servers struct {
	*ledgertest.Books
	all  [2]*ledger.Ledger
	wire *wire
}

// twoServers fails the test in the end if the database ever had to break a deadlock by itself.
func twoServers(t *testing.T, document string) *servers {
	t.Helper()
	s := &servers{Books: ledgertest.New(t, document), wire: newWire()}
	for i := range s.all {
		posting := s.open(t)
		reports := devdb.Open(t, s.plainURL(t), db.Options{Dial: s.wire.dial})
		s.all[i] = ledger.New(posting, reports)
		t.Cleanup(s.all[i].Close)
	}
	t.Cleanup(func() {
		if n := s.wire.seen(string(deadlock)); n > 0 {
			t.Errorf("%d deadlocks", n)
		}
	})
	return s
}

// open opens a pool for posting through the wire.
func (s *servers) open(t *testing.T) *db.Pool {
	t.Helper()
	return devdb.Open(t, s.plainURL(t), db.Options{ByIndex: true, Dial: s.wire.dial})
}

// plainURL is the database's without encryption, through which no wire can read.
func (s *servers) plainURL(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(s.Database.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String()
}

// of spreads callers over the servers.
func (s *servers) of(caller int) *ledger.Ledger { return s.all[caller%len(s.all)] }

// insist posts a request until its outcome is known, as a client does that sends the same key again, each time to the
// other server. It returns how many answers it needed.
func (s *servers) insist(t *testing.T, caller int, r ledger.Request) (answer ledger.Answer, tries int, err error) {
	t.Helper()
	for tries = 1; tries <= 1000; tries++ {
		answer, err = s.of(caller+tries).Post(context.Background(), s.Programme, r)
		refusal := new(ledger.Refusal)
		switch {
		case err == nil || errors.As(err, &refusal):
			return answer, tries, err
		case !db.IsRetryable(err):
			t.Errorf("%s %s: the error does not say that it may be tried again: %v", r.Kind, r.Key, err)
			return answer, tries, err
		}
	}
	t.Errorf("%s %s: %v after %d tries", r.Kind, r.Key, err, tries)
	return answer, tries, err
}

// together calls f for 0 to n-1 at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			f(i)
		})
	}
	close(gate)
	wg.Wait()
}

// tally counts what happened, by name.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	c.counts[name] += n
}

// wantAll fails the test unless each of the names happened at least so many times: a race that always ends the same way
// has not been run.
func (c *tally) wantAll(t *testing.T, least int, names ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if c.counts[name] < least {
			t.Errorf("%q happened %d times, want %d at least; of %v", name, c.counts[name], least, c.counts)
		}
	}
	t.Logf("%v", c.counts)
}

// text is an answer's whole message, to compare answers byte by byte.
func textOf(t *testing.T, tx *ledger.Transaction) string {
	t.Helper()
	b, err := json.Marshal(tx)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// refused reports whether err is a refusal for one of the reasons.
func refused(err error, reasons ...ledger.Reason) bool {
	refusal := new(ledger.Refusal)
	if !errors.As(err, &refusal) {
		return false
	}
	for _, reason := range reasons {
		if refusal.Reason == reason {
			return true
		}
	}
	return false
}

func accrue(b *ledgertest.Books, member string, n int64, name string) ledger.Request {
	return ledger.Accrual{Member: member, Unit: "points", Amount: amount(n)}.Into(b.Programme, key(name))
}

// one reads one value from the database.
func one[T any](t *testing.T, b *ledgertest.Books, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := b.Pool.QueryRow(context.Background(), sql, args...).Scan(&value); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
	return value
}

// wallets is what all members have in their wallets.
func wallets(t *testing.T, b *ledgertest.Books) decimal.Decimal {
	t.Helper()
	return one[decimal.Decimal](t, b, sqlWallets, b.Programme)
}

const sqlWallets = `
SELECT coalesce(sum(a.balance), 0) FROM accounts AS a WHERE a.programme_id = $1 AND a.place = 'wallet'`

// wantPosted fails the test unless the journal holds exactly n posted transactions of the test's own.
func wantPosted(t *testing.T, b *ledgertest.Books, n int) {
	t.Helper()
	if got := one[int](t, b, sqlPosted, b.Programme); got != n {
		t.Errorf("%d transactions are posted, %d were acknowledged", got, n)
	}
}

const sqlPosted = `
SELECT count(*) FROM transactions AS t WHERE t.programme_id = $1 AND t.client = 'test' AND t.rejection = ''`

func timeoutOf(programme, hold uuid.UUID) uuid.UUID {
	return ledger.TransactionID(programme, "tallystick", "timeout/"+hold.String())
}

func named(format string, args ...any) string { return fmt.Sprintf(format, args...) }
