package torture_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

const (
	clients = 64
	members = 40
)

// heard is everything that the clients were told.
type heard struct {
	mu       sync.Mutex
	wallets  map[string]int64
	posted   map[string]bool // ids
	refused  int
	retries  int
	late     int // answers to a retry of what had been recorded before: the first answer was lost
	slowest  time.Duration
	progress *progress
}

// client works until the test is over: each request is sent again with the same key, to the other server, until its
// outcome is known.
type client struct {
	t      *testing.T
	rig    *rig
	heard  *heard
	name   string // keys begin with it
	first  int    // the server that it prefers
	sent   int
	random *rand.Rand
}

func (c *client) work() {
	for !c.heard.progress.ended() {
		member, n := fmt.Sprint("m", c.random.IntN(members)), 1+c.random.Int64N(20)
		switch c.random.IntN(4) {
		case 0:
			c.redeem(member, n)
		case 1:
			c.hold(member, n)
		default:
			c.accrue(member, n)
		}
	}
}

func (c *client) accrue(member string, n int64) {
	c.insist(member, n, func(ctx context.Context, to api.LedgerServiceClient, key string) (*v1.Transaction, error) {
		res, err := to.Accrue(ctx, &v1.AccrueRequest{IdempotencyKey: key, MemberId: member, Unit: "points", Amount: strconv.FormatInt(n, 10)})
		return res.GetTransaction(), err
	})
}

func (c *client) redeem(member string, n int64) {
	c.insist(member, -n, func(ctx context.Context, to api.LedgerServiceClient, key string) (*v1.Transaction, error) {
		res, err := to.Redeem(ctx, &v1.RedeemRequest{IdempotencyKey: key, MemberId: member, Unit: "points", Amount: strconv.FormatInt(n, 10)})
		return res.GetTransaction(), err
	})
}

// hold takes a hold and captures or voids it.
func (c *client) hold(member string, n int64) {
	held := c.insist(member, -n, func(ctx context.Context, to api.LedgerServiceClient, key string) (*v1.Transaction, error) {
		res, err := to.Hold(ctx, &v1.HoldRequest{
			IdempotencyKey: key, MemberId: member, Unit: "points", Amount: strconv.FormatInt(n, 10), Timeout: durationpb.New(24 * time.Hour),
		})
		return res.GetTransaction(), err
	})
	switch {
	case held == nil:
	case c.random.IntN(2) == 0:
		c.insist(member, 0, func(ctx context.Context, to api.LedgerServiceClient, key string) (*v1.Transaction, error) {
			res, err := to.Capture(ctx, &v1.CaptureRequest{IdempotencyKey: key, HoldId: held.Id})
			return res.GetTransaction(), err
		})
	default:
		c.insist(member, n, func(ctx context.Context, to api.LedgerServiceClient, key string) (*v1.Transaction, error) {
			res, err := to.Void(ctx, &v1.VoidRequest{IdempotencyKey: key, HoldId: held.Id})
			return res.GetTransaction(), err
		})
	}
}

// insist calls until the outcome is known and notes it. It returns nil for a refusal.
func (c *client) insist(member string, change int64, call func(context.Context, api.LedgerServiceClient, string) (*v1.Transaction, error)) *v1.Transaction {
	c.sent++
	key, began := fmt.Sprintf("%s.%d", c.name, c.sent), time.Now()
	for try := 0; ; try++ {
		s := c.rig.servers[(c.first+try)%len(c.rig.servers)]
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		attempt := time.Now()
		tx, err := call(ctx, api.NewLedgerServiceClient(c.rig.http, *s.url.Load()), key)
		cancel()
		if err == nil {
			c.heard.note(member, change, tx, try, tx.RecordedAt.AsTime().Before(attempt), time.Since(began))
			return tx
		}
		switch code := connect.CodeOf(err); {
		case code == connect.CodeFailedPrecondition:
			c.heard.note(member, 0, nil, try, false, time.Since(began))
			return nil
		case connect.IsWireError(err) && !c.mayTryAgain(err):
			c.t.Errorf("%s: the server says neither yes nor no nor try again: %v", key, err)
			return nil
		case time.Since(began) > 2*time.Minute:
			c.t.Errorf("%s: still no answer after %d tries: %v", key, try, err)
			return nil
		}
		<-time.After(rand.N(5 * time.Millisecond)) // a client's back-off
	}
}

// mayTryAgain reports whether an answer of a server asks for a retry.
func (c *client) mayTryAgain(err error) bool {
	var answer *connect.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Code() {
	case connect.CodeUnavailable, connect.CodeAborted, connect.CodeDeadlineExceeded, connect.CodeResourceExhausted:
		return true
	default:
		return false
	}
}

// begin starts another phase, with counts of its own; what was posted stays.
func (h *heard) begin() {
	h.refused, h.retries, h.late, h.slowest, h.progress = 0, 0, 0, 0, newProgress()
}

// lost is how many answers were lost whose postings had been committed.
func (h *heard) lost() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.late
}

func (h *heard) note(member string, change int64, tx *v1.Transaction, retries int, before bool, took time.Duration) {
	h.mu.Lock()
	h.retries += retries
	h.slowest = max(h.slowest, took)
	if tx == nil {
		h.refused++
	} else {
		h.wallets[member] += change
		h.posted[tx.Id] = true
		if retries > 0 && before {
			h.late++
		}
	}
	h.mu.Unlock()
	h.progress.ack()
}
