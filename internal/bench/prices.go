package bench

import (
	"context"
	"fmt"
)

// prices leaves out of the limit's batches one part after the other: the difference to the whole is what the part costs.
func prices() []measure {
	list := []measure{{"limit_batch100", "posting, whole", []int{1}, (*bench).limitBatch}}
	for _, part := range limitParts {
		list = append(list, measure{
			"without_" + part.name, "posting without its " + part.name,
			[]int{1},
			func(b *bench, ctx context.Context, _ int) (Result, error) { return b.limitBatchWithout(ctx, part.name) },
		})
	}
	return list
}

// scale measures the same postings on more and more members, and then on a longer and longer journal.
func scale() []measure {
	var list []measure
	add := func(size string, grow func(b *bench, ctx context.Context) error) {
		for _, kind := range []struct {
			name    string
			clients int
			run     func(b *bench, ctx context.Context, clients int) (Result, error)
		}{{"accrue", 32, (*bench).accrue}, {"accrue_batch100", 4, (*bench).accrueBatch}} {
			list = append(list, measure{
				kind.name + "_" + size, "accrual with " + size,
				[]int{kind.clients},
				func(b *bench, ctx context.Context, clients int) (Result, error) {
					if err := grow(b, ctx); err != nil {
						return Result{}, err
					}
					return kind.run(b, ctx, clients)
				},
			})
		}
	}
	for _, members := range []int{10_000, 100_000, 1_000_000} {
		add(fmt.Sprintf("%d_members", members), func(b *bench, ctx context.Context) error {
			b.Members = members
			return b.fill(ctx)
		})
	}
	add("5000000_entries", func(b *bench, ctx context.Context) error { return b.lengthen(ctx, 5_000_000) })
	return list
}

// lengthen adds accruals until the journal has so many entries.
func (b *bench) lengthen(ctx context.Context, want int) error {
	var have int
	if err := b.owner.QueryRow(ctx, sqlCountEntries).Scan(&have); err != nil {
		return fmt.Errorf("count entries: %w", err)
	}
	if have >= want {
		return nil
	}
	err := b.post(ctx, "journal", (want-have)/2, b.anyAccrual)
	if err != nil {
		return err
	}
	return b.settle(ctx)
}
