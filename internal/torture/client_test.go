package torture_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

const (
	clients = 64
	members = 40
)

// client works until the test is over: each request is sent again with the same key, to the other server, until its
// outcome is known. It keeps its vouchers from one phase to the next.
type client struct {
	t        *testing.T
	rig      *rig
	heard    *heard
	n        int // keys begin with it; also the server that it prefers
	sent     int
	random   *rand.Rand
	vouchers [3]*voucher
}

func newClients(t *testing.T, r *rig, h *heard) []*client {
	t.Helper()
	all := make([]*client, clients)
	for n := range all {
		all[n] = &client{t: t, rig: r, heard: h, n: n, random: rand.New(rand.NewPCG(uint64(n), 17))}
	}
	return all
}

// deed is one intent of a client.
type deed struct {
	name    string
	call    func(ctx context.Context, server, key string) (answer, error)
	note    func(id string) // what a yes changes, while heard is locked
	refusal []ledger.Reason // what it may be refused for
}

// answer is a yes: what was posted, and when.
type answer struct {
	id         string
	recordedAt time.Time
}

// posted is the answer that a call names its transaction with.
func posted(tx *v1.Transaction, err error) (answer, error) {
	return answer{tx.GetId(), tx.GetRecordedAt().AsTime()}, err
}

func (c *client) work() {
	for !c.heard.progress.ended() {
		member, n := memberNamed(c.random.IntN(members)), 1+c.random.Int64N(20)
		switch c.random.IntN(8) {
		case 0:
			c.redeem(member, n)
		case 1:
			c.hold(member, n)
		case 2, 3:
			c.accrue(member, n)
		default:
			c.visit(member)
		}
	}
}

func memberNamed(n int) string { return fmt.Sprint("m", n) }

// points is how requests say an amount of them.
func points(n int64) string { return strconv.FormatInt(n, 10) }

// ledgerOf is a server's ledger as billing calls it.
func (c *client) ledgerOf(server string) api.LedgerServiceClient {
	return api.NewLedgerServiceClient(c.rig.as[system], server)
}

func (c *client) accrue(member string, n int64) {
	c.insist(c.key(), deed{name: "accrue", call: func(ctx context.Context, server, key string) (answer, error) {
		res, err := c.ledgerOf(server).Accrue(ctx, &v1.AccrueRequest{IdempotencyKey: key, MemberId: member, Unit: "points", Amount: points(n)})
		return posted(res.GetTransaction(), err)
	}, note: c.moves(member, n)})
}

func (c *client) redeem(member string, n int64) {
	c.insist(c.key(), deed{name: "redeem", call: func(ctx context.Context, server, key string) (answer, error) {
		res, err := c.ledgerOf(server).Redeem(ctx, &v1.RedeemRequest{IdempotencyKey: key, MemberId: member, Unit: "points", Amount: points(n)})
		return posted(res.GetTransaction(), err)
	}, note: c.moves(member, -n), refusal: []ledger.Reason{ledger.InsufficientPoints}})
}

// hold takes a hold and captures or voids it.
func (c *client) hold(member string, n int64) {
	held := c.insist(c.key(), deed{name: "hold", call: func(ctx context.Context, server, key string) (answer, error) {
		res, err := c.ledgerOf(server).Hold(ctx, &v1.HoldRequest{
			IdempotencyKey: key, MemberId: member, Unit: "points", Amount: points(n), Timeout: durationpb.New(24 * time.Hour),
		})
		return posted(res.GetTransaction(), err)
	}, note: c.moves(member, -n), refusal: []ledger.Reason{ledger.InsufficientPoints}})
	switch {
	case held == "":
	case c.random.IntN(2) == 0:
		c.insist(c.key(), deed{name: "capture", call: func(ctx context.Context, server, key string) (answer, error) {
			res, err := c.ledgerOf(server).Capture(ctx, &v1.CaptureRequest{IdempotencyKey: key, HoldId: held})
			return posted(res.GetTransaction(), err)
		}, note: c.moves(member, 0)})
	default:
		c.insist(c.key(), deed{name: "void", call: func(ctx context.Context, server, key string) (answer, error) {
			res, err := c.ledgerOf(server).Void(ctx, &v1.VoidRequest{IdempotencyKey: key, HoldId: held})
			return posted(res.GetTransaction(), err)
		}, note: c.moves(member, n)})
	}
}

// moves notes that a member's points change.
func (c *client) moves(member string, change int64) func(string) {
	return func(string) { c.heard.wallets[wallet{member, "points"}] += change }
}

// key is the client's own name of its next intent.
func (c *client) key() string {
	c.sent++
	return fmt.Sprintf("client%d.%d", c.n, c.sent)
}

// insist calls until the outcome is known and notes it. It returns the id of what was posted, or nothing for a refusal.
func (c *client) insist(key string, d deed) string {
	began := time.Now()
	for try := 0; ; try++ {
		s := c.rig.servers[(c.n+try)%len(c.rig.servers)]
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		attempt := time.Now()
		a, err := d.call(ctx, *s.url.Load(), key)
		cancel()
		if err == nil {
			c.heard.yes(d, a, try, a.recordedAt.Before(attempt), time.Since(began))
			return a.id
		}
		switch reason := reasonOf(err); {
		case slices.Contains(d.refusal, reason):
			c.heard.no(d, reason, try, time.Since(began))
			return ""
		case connect.IsWireError(err) && !mayTryAgain(err):
			c.t.Errorf("%s %s: the server says neither yes nor no nor try again: %v", d.name, key, err)
			return ""
		case time.Since(began) > 2*time.Minute:
			c.t.Errorf("%s %s: still no answer after %d tries: %v", d.name, key, try, err)
			return ""
		}
		<-time.After(rand.N(5 * time.Millisecond)) // a client's back-off
	}
}

// mayTryAgain reports whether an answer of a server asks for a retry.
func mayTryAgain(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeAborted, connect.CodeDeadlineExceeded, connect.CodeResourceExhausted:
		return true
	default:
		return false
	}
}

// reasonOf is what a refused call was refused for; empty for other errors.
func reasonOf(err error) ledger.Reason {
	var refused *connect.Error
	if !errors.As(err, &refused) {
		return ""
	}
	for _, detail := range refused.Details() {
		if value, err := detail.Value(); err == nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				return ledger.Reason(info.Reason)
			}
		}
	}
	return ""
}
