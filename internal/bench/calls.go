package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/durationpb"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// rate drives n clients, each with a connection of its own to the server.
func (b *bench) rate(ctx context.Context, n int, call func(c *caller) (units int, err error)) (Result, error) {
	return b.rateAt(ctx, n, []*server{b.server}, call)
}

// rateAt is rate with the clients spread over several servers.
func (b *bench) rateAt(ctx context.Context, n int, servers []*server, call func(c *caller) (units int, err error)) (Result, error) {
	list, err := clients(n, func(i int) (client, error) {
		c, err := dial(ctx, servers[i%len(servers)].address, "application/proto", "Bearer "+b.token)
		return func(context.Context) (int, error) { return call(c) }, err
	})
	if err != nil {
		return Result{}, err
	}
	return b.driveFor(ctx, list)
}

// rateOf is rate for calls that each are one unit, on members who have points.
func (b *bench) rateOf(ctx context.Context, n int, call func(c *caller) error) (Result, error) {
	if err := b.fill(ctx); err != nil {
		return Result{}, err
	}
	return b.rate(ctx, n, func(c *caller) (int, error) { return 1, call(c) })
}

func (b *bench) someMember() string { return member(rand.N(b.Members)) }

func (b *bench) accrual() *v1.AccrueRequest {
	return &v1.AccrueRequest{
		IdempotencyKey: uuid.NewString(), MemberId: b.someMember(), Unit: "points",
		Amount: strconv.Itoa(1 + rand.N(500)), Channel: "bench",
	}
}

// anyAccrual is the same as accrual, for the ledger itself.
func (b *bench) anyAccrual(int) ledger.Request {
	return ledger.Accrual{Member: b.someMember(), Unit: "points", Amount: decimal.NewFromInt(1 + rand.Int64N(500))}.
		Into(b.programme, ledger.Request{Client: "seed", Key: uuid.NewString(), Actor: "seed", Channel: "bench"})
}

func (b *bench) callAccrue(c *caller) error {
	return c.call(api.LedgerServiceAccrueProcedure, b.accrual(), new(v1.AccrueResponse))
}

func (b *bench) accrue(ctx context.Context, n int) (Result, error) {
	return b.rateOf(ctx, n, b.callAccrue)
}

// accrueTwoServers spreads the clients over two servers on the one database.
func (b *bench) accrueTwoServers(ctx context.Context, n int) (r Result, err error) {
	if err := b.fill(ctx); err != nil {
		return Result{}, err
	}
	second, err := b.serve()
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, second.stop()) }()
	return b.rateAt(ctx, n, []*server{b.server, second}, func(c *caller) (int, error) { return 1, b.callAccrue(c) })
}

// accrueHot gives everything to one member, whose account every posting locks.
func (b *bench) accrueHot(ctx context.Context, n int) (Result, error) {
	return b.rateOf(ctx, n, func(c *caller) error {
		m := b.accrual()
		m.MemberId = member(0)
		return c.call(api.LedgerServiceAccrueProcedure, m, new(v1.AccrueResponse))
	})
}

// redeem spends, for each member in turn, what three lots hold. Between two rates the members get new lots.
func (b *bench) redeem(ctx context.Context, n int) (Result, error) {
	if err := b.grantLots(ctx); err != nil {
		return Result{}, err
	}
	var next atomic.Int64
	r, err := b.rate(ctx, n, func(c *caller) (int, error) {
		i := int(next.Add(1)) - 1
		if i >= b.Members {
			return 0, nil
		}
		response := new(v1.RedeemResponse)
		err := c.call(api.LedgerServiceRedeemProcedure, &v1.RedeemRequest{
			IdempotencyKey: uuid.NewString(), MemberId: member(i), Unit: "miles", Amount: "30", Channel: "bench",
		}, response)
		if err != nil {
			return 0, err
		}
		if draws := len(response.Transaction.Legs[0].Draws); draws != 3 {
			return 0, fmt.Errorf("a redemption drew on %d lots, not on 3", draws)
		}
		return 1, nil
	})
	b.spent = min(int(next.Load()), b.Members)
	return r, err
}

// grantLots gives the members who spent theirs three lots of ten miles.
func (b *bench) grantLots(ctx context.Context) error {
	first := time.Now().AddDate(0, 1, 0)
	round := uuid.NewString()
	err := b.post(ctx, "lots to redeem", b.spent, func(i int) ledger.Request {
		r := ledger.Accrual{Member: member(i), Unit: "miles", Amount: decimal.NewFromInt(10), ExpiresAt: first}.
			Into(b.programme, ledger.Request{Client: "seed", Key: round + member(i), Actor: "seed", Channel: "bench"})
		for months := 1; months < 3; months++ {
			leg := r.Legs[0]
			leg.ExpiresAt = first.AddDate(0, months, 0)
			r.Legs = append(r.Legs, leg)
		}
		return r
	})
	b.spent = 0
	return err
}

func (b *bench) holdCapture(ctx context.Context, n int) (Result, error) {
	return b.rateOf(ctx, n, func(c *caller) error {
		held := new(v1.HoldResponse)
		err := c.call(api.LedgerServiceHoldProcedure, &v1.HoldRequest{
			IdempotencyKey: uuid.NewString(), MemberId: b.someMember(), Unit: "points", Amount: "10",
			Timeout: durationpb.New(time.Hour), Channel: "bench",
		}, held)
		if err != nil {
			return err
		}
		return c.call(api.LedgerServiceCaptureProcedure, &v1.CaptureRequest{
			IdempotencyKey: uuid.NewString(), HoldId: held.Transaction.Id, Channel: "bench",
		}, new(v1.CaptureResponse))
	})
}

func (b *bench) accrueBatch(ctx context.Context, n int) (Result, error) {
	if err := b.fill(ctx); err != nil {
		return Result{}, err
	}
	return b.rate(ctx, n, func(c *caller) (int, error) {
		m := &v1.PostBatchRequest{Items: make([]*v1.BatchItem, 100)}
		for i := range m.Items {
			m.Items[i] = &v1.BatchItem{Write: &v1.BatchItem_Accrue{Accrue: b.accrual()}}
		}
		response := new(v1.PostBatchResponse)
		if err := c.call(api.LedgerServicePostBatchProcedure, m, response); err != nil {
			return 0, err
		}
		for _, r := range response.Results {
			if f := r.GetFailure(); f != nil {
				return 0, fmt.Errorf("an item of a batch failed: %s %s", f.Reason, f.Message)
			}
		}
		return len(m.Items), nil
	})
}

func (b *bench) balance(ctx context.Context, n int) (Result, error) {
	return b.rateOf(ctx, n, func(c *caller) error {
		m := &v1.GetBalanceRequest{MemberId: b.someMember(), Unit: "points"}
		return c.call(api.LedgerServiceGetBalanceProcedure, m, new(v1.GetBalanceResponse))
	})
}

const (
	collector       = "collector" // the member whose statement is read
	statementLength = 10_000
	statementPage   = 50
)

// statement reads a page anywhere in a long statement.
func (b *bench) statement(ctx context.Context, n int) (Result, error) {
	if b.pages == nil {
		if err := b.writeStatement(ctx); err != nil {
			return Result{}, err
		}
	}
	return b.rateOf(ctx, n, func(c *caller) error {
		response := new(v1.ListEntriesResponse)
		err := c.call(api.LedgerServiceListEntriesProcedure, entriesFrom(b.pages[rand.N(len(b.pages))]), response)
		if err == nil && len(response.Entries) != statementPage {
			return fmt.Errorf("a page has %d entries", len(response.Entries))
		}
		return err
	})
}

func entriesFrom(page string) *v1.ListEntriesRequest {
	return &v1.ListEntriesRequest{MemberId: collector, Unit: "points", PageSize: statementPage, PageToken: page}
}

// writeStatement makes the account and walks through its statement once, to know the token of each page.
func (b *bench) writeStatement(ctx context.Context) error {
	err := b.post(ctx, "statement", statementLength, func(i int) ledger.Request {
		return ledger.Accrual{Member: collector, Unit: "points", Amount: decimal.NewFromInt(1)}.
			Into(b.programme, ledger.Request{Client: "seed", Key: "statement-" + strconv.Itoa(i), Actor: "seed", Channel: "bench"})
	})
	if err != nil {
		return err
	}
	c, err := dial(ctx, b.server.address, "application/proto", "Bearer "+b.token)
	if err != nil {
		return err
	}
	page := ""
	for range statementLength / statementPage {
		b.pages = append(b.pages, page)
		response := new(v1.ListEntriesResponse)
		if err := c.call(api.LedgerServiceListEntriesProcedure, entriesFrom(page), response); err != nil {
			return err
		}
		page = response.NextPageToken
	}
	return nil
}
