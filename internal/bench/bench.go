// Package bench measures the ledger through its API, and beside it what the same database could do at most.
//
// It starts a durable throw-away database and a server on it, fills them, and drives each kind of call with a number of
// clients that each wait for an answer before they ask again. Client, server and database share the machine, and the
// limit (limit.go) is measured in the same run: the ratio of the two is what holds on another machine.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options choose what is measured.
type Options struct {
	// Only are the names to measure; none means all.
	Only []string
	// Seconds is how long each rate is measured for.
	Seconds float64
	// Members is how many members the postings are spread over.
	Members int
	// SweepMembers is how many members' lots the sweep finds.
	SweepMembers int
	// Claimants is how many members want the one offer that there is for a tenth of them.
	Claimants int
	// Rated is how many members are rated.
	Rated int
	// ImportLines is how long the imported file is.
	ImportLines int
	// Prices measures the parts of a posting at the limit instead.
	Prices bool
	// Scale measures how the rates change with members and journal instead.
	Scale bool
	// Compare is the address of another ledger, which is driven instead with the same load.
	Compare string
	// Program is this program's own file, whose serve command is measured.
	Program string
	// Out gets the table row by row, and Progress what is going on meanwhile; nil is silence.
	Out, Progress io.Writer
}

// Result is one rate.
type Result struct {
	Name      string  `json:"name"`
	Clients   int     `json:"clients"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`

	// Processor time of one unit, in microseconds.
	ClientCPU, ServerCPU, DatabaseCPU float64 `json:"-"`
}

// measure is one name: how to prepare for it, and one client's call.
type measure struct {
	name    string
	what    string // what one of PerSecond is
	clients []int
	run     func(b *bench, ctx context.Context, clients int) (Result, error)
}

var standard = []measure{
	{"limit_single", "posting, written by a bare loop of one statement each", []int{1, 8, 16, 32}, (*bench).limitSingle},
	{"limit_batch100", "posting, written by a bare loop in batches of 100", []int{1}, (*bench).limitBatch},
	{"accrue", "accrual", []int{1, 8, 32, 256}, (*bench).accrue},
	{"accrue_hot", "accrual of one single member", []int{32}, (*bench).accrueHot},
	{"accrue_two_servers", "accrual, the clients spread over two servers", []int{32, 256}, (*bench).accrueTwoServers},
	{"redeem", "redemption that draws on three lots", []int{1, 8, 32, 256}, (*bench).redeem},
	{"hold_capture", "hold and its capture", []int{1, 8, 32, 256}, (*bench).holdCapture},
	{"accrue_batch100", "accrual, 100 a call", []int{1, 4, 16}, (*bench).accrueBatch},
	{"balance", "balance read", []int{1, 8, 32, 256}, (*bench).balance},
	{"statement", "page of 50 of a statement of 10,000 entries", []int{1, 8}, (*bench).statement},
	{"redeem_benefit", "benefit claimed: points, stock and a voucher", []int{1, 32}, (*bench).redeemBenefit},
	{"hot_offer", "claim of one offer, nine of ten of which come too late", []int{64}, (*bench).hotOffer},
	{"list_benefits", "first page of 50 of what a member can have of 1,000 benefits", []int{1, 8}, (*bench).listBenefits},
	{"rerate", "member rated anew, of whom one in a hundred moves", []int{1}, (*bench).rerate},
	{"import", "line of a file of bills", []int{1}, (*bench).importActivities},
	{"sweep", "lot expired", []int{1}, (*bench).sweep},
	{"sweep_beside", "lot expired while 32 clients accrue", []int{32}, (*bench).sweepBeside},
	{"accrue_beside_sweep", "accrual while a sweep runs", []int{32}, (*bench).accrueBeside},
	{"verify", "entry verified", []int{1}, (*bench).verify},
}

// leastMembers are enough that no two clients of the limit share a row.
const leastMembers = 1000

// Run measures and returns the rates in the order of their names.
func Run(ctx context.Context, o Options) (results []Result, err error) {
	if o.Members < leastMembers || o.Seconds <= 0 || o.SweepMembers < 1 || o.Claimants < 1 || o.ImportLines < 1 || o.Rated < 100 {
		return nil, fmt.Errorf("bench: it takes some time, at least %d members, lots for the sweep, claimants, lines, and at least 100 to rate", leastMembers)
	}
	measures := o.measures()
	if err := check(o.Only, measures); err != nil {
		return nil, err
	}
	b, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = b.stop(err) }()
	b.head()
	for _, m := range measures {
		if len(o.Only) > 0 && !slices.Contains(o.Only, m.name) {
			continue
		}
		for _, clients := range m.clients {
			r, err := m.run(b, ctx, clients)
			if err != nil {
				return results, fmt.Errorf("bench: %s at %d clients: %w", m.name, clients, err)
			}
			r.Name, r.Clients = m.name, clients
			results = append(results, r)
			b.row(r)
		}
	}
	b.printMemory()
	return results, nil
}

func (o Options) measures() []measure {
	switch {
	case o.Compare != "":
		return comparison
	case o.Prices:
		return prices()
	case o.Scale:
		return scale()
	default:
		return standard
	}
}

func check(only []string, measures []measure) error {
	for _, name := range only {
		if slices.ContainsFunc(measures, func(m measure) bool { return m.name == name }) {
			continue
		}
		text := fmt.Sprintf("bench: there is no %q to measure; there are", name)
		for _, m := range measures {
			text += fmt.Sprintf("\n  %-20s a second: %s", m.name, m.what)
		}
		return errors.New(text)
	}
	return nil
}

// sample is what all clients of one measurement did.
type sample struct {
	units   int // that were counted
	all     int
	elapsed time.Duration
	took    []time.Duration
}

// client makes one call and returns how many units it was, which is none when there is nothing left to do.
type client func(ctx context.Context) (units int, err error)

// drive lets every client call, one call after the other, for the given time; what begins it is not counted.
func drive(ctx context.Context, uncounted, length time.Duration, clients []client) (sample, error) {
	counted := time.Now().Add(uncounted)
	end := counted.Add(length)
	parts := make([]sample, len(clients))
	group, ctx := errgroup.WithContext(ctx)
	for i, call := range clients {
		group.Go(func() error {
			return parts[i].repeat(ctx, call, counted, end)
		})
	}
	err := group.Wait()
	total := sample{elapsed: time.Since(counted)}
	for _, p := range parts {
		total.units += p.units
		total.all += p.all
		total.took = append(total.took, p.took...)
	}
	slices.Sort(total.took)
	return total, err
}

func (s *sample) repeat(ctx context.Context, call client, counted, end time.Time) error {
	for {
		before := time.Now()
		if before.After(end) || ctx.Err() != nil {
			return ctx.Err()
		}
		units, err := call(ctx)
		if err != nil {
			return err
		}
		if units == 0 {
			return nil // nothing is left to do
		}
		s.all += units
		if after := time.Now(); after.After(counted) {
			s.units += units
			s.took = append(s.took, after.Sub(before))
		}
	}
}

func (s sample) result() Result {
	if len(s.took) == 0 {
		return Result{}
	}
	at := func(q float64) float64 {
		return float64(s.took[int(q*float64(len(s.took)-1))].Microseconds()) / 1000
	}
	return Result{PerSecond: float64(s.units) / s.elapsed.Seconds(), P50: at(0.5), P99: at(0.99)}
}

// driveFor drives clients for as long as the options say.
func (b *bench) driveFor(ctx context.Context, list []client) (Result, error) {
	length := time.Duration(b.Seconds * float64(time.Second))
	before := b.cpu()
	s, err := drive(ctx, length/10, length, list)
	r := s.result()
	r.ClientCPU, r.ServerCPU, r.DatabaseCPU = b.cpu().per(before, s.all)
	return r, err
}

// clients makes n clients.
func clients(n int, one func(i int) (client, error)) ([]client, error) {
	list := make([]client, n)
	for i := range list {
		c, err := one(i)
		if err != nil {
			return nil, err
		}
		list[i] = c
	}
	return list, nil
}
