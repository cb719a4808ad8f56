package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"

	"tallystick/ledger"
)

// sweepRun is the one sweep with accruals beside it, which two results come from.
type sweepRun struct {
	sweep, accrue Result
}

// expire gives n members one lot each, all of which expire at one instant, and returns after that.
func (b *bench) expire(ctx context.Context, cohort string, n int) error {
	const slowest = 5000 // lots a second: filling is over before they expire
	at := time.Now().Add(time.Duration(n/slowest+2) * time.Second)
	err := b.post(ctx, "lots to expire", n, func(i int) ledger.Request {
		return ledger.Accrual{Member: cohort + member(i), Unit: "stamps", Amount: decimal.NewFromInt(5), ExpiresAt: at}.
			Into(b.programme, ledger.Request{Client: "seed", Key: cohort + member(i), Actor: "seed", Channel: "bench"})
	})
	if err != nil {
		return err
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	b.note("waiting until %s, when the lots expire", at.Format(time.TimeOnly))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(at.Add(time.Second))):
		return nil
	}
}

// sweepAll sweeps and returns how many lots a second expired.
func (b *bench) sweepAll(ctx context.Context, want int) (Result, error) {
	bar := b.bar("sweep", want)
	swept := 0
	r, err := b.once(func() (int, error) {
		err := b.ledger.Sweep(ctx, b.programme, func(ledger.Due) { swept++; bar.set(int64(swept)) })
		return swept, err
	})
	bar.done()
	if err == nil && swept != want {
		err = fmt.Errorf("%d lots expired, not %d", swept, want)
	}
	return r, err
}

// once measures one long piece of work of this process, which returns how many units it was.
func (b *bench) once(work func() (int, error)) (r Result, err error) {
	before, began := b.cpu(), time.Now()
	n, err := work()
	r.PerSecond = float64(n) / time.Since(began).Seconds()
	r.ClientCPU, r.ServerCPU, r.DatabaseCPU = b.cpu().per(before, n)
	return r, err
}

func (b *bench) sweep(ctx context.Context, _ int) (Result, error) {
	if err := b.expire(ctx, "alone-", b.SweepMembers); err != nil {
		return Result{}, err
	}
	return b.sweepAll(ctx, b.SweepMembers)
}

// sweepTogether sweeps a quarter as many lots while clients accrue, once for both of its results.
func (b *bench) sweepTogether(ctx context.Context, n int) (*sweepRun, error) {
	if b.sweeping != nil {
		return b.sweeping, nil
	}
	if err := b.fill(ctx); err != nil {
		return nil, err
	}
	lots := max(b.SweepMembers/4, 1)
	if err := b.expire(ctx, "beside-", lots); err != nil {
		return nil, err
	}
	run := new(sweepRun)
	over := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		defer close(over)
		run.sweep, err = b.sweepAll(ctx, lots)
		return err
	})
	group.Go(func() (err error) {
		run.accrue, err = b.until(ctx, over, n, b.callAccrue)
		return err
	})
	b.sweeping = run
	return run, group.Wait()
}

// until drives n clients until over is closed.
func (b *bench) until(ctx context.Context, over <-chan struct{}, n int, call func(c *caller) error) (Result, error) {
	list, err := clients(n, func(int) (client, error) {
		c, err := dial(ctx, b.server.address, "application/proto", "Bearer "+b.token)
		return func(context.Context) (int, error) {
			select {
			case <-over:
				return 0, nil
			default:
				return 1, call(c)
			}
		}, err
	})
	if err != nil {
		return Result{}, err
	}
	s, err := drive(ctx, 0, time.Hour, list)
	return s.result(), err
}

func (b *bench) sweepBeside(ctx context.Context, n int) (Result, error) {
	run, err := b.sweepTogether(ctx, n)
	if err != nil {
		return Result{}, err
	}
	return run.sweep, nil
}

func (b *bench) accrueBeside(ctx context.Context, n int) (Result, error) {
	run, err := b.sweepTogether(ctx, n)
	if err != nil {
		return Result{}, err
	}
	return run.accrue, nil
}

const sqlCountEntries = `SELECT count(*) FROM entries AS e`

// verify re-derives everything from the journal that the run has written until now.
func (b *bench) verify(ctx context.Context, _ int) (Result, error) {
	if err := b.fill(ctx); err != nil {
		return Result{}, err
	}
	var entries int64
	if err := b.owner.QueryRow(ctx, sqlCountEntries).Scan(&entries); err != nil {
		return Result{}, fmt.Errorf("count entries: %w", err)
	}
	bar := b.bar("verify", int(entries))
	defer bar.done()
	return b.once(func() (int, error) {
		report, err := ledger.Verify(ctx, b.reports, func(done, total int64) { bar.set(done * entries / max(total, 1)) })
		if err == nil && !report.OK() {
			err = errors.New("the books are wrong: run `tallystick verify`")
		}
		return int(entries), err
	})
}
