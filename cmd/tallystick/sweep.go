package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
	"tallystick/partners"
)

type sweepCommand struct {
	onProgramme
	withKeys
	DryRun bool `help:"Show what a sweep would post, and post nothing."`
	List   bool `help:"With --dry-run, list every single thing that is due."`
	JSON   bool `name:"json" help:"Print one JSON object."`
}

// swept is what a sweep found, by kind and unit.
type swept struct {
	Kind   ledger.Kind     `json:"kind"`
	Unit   string          `json:"unit"`
	Count  int64           `json:"count"`
	Amount decimal.Decimal `json:"amount"`
	Oldest time.Time       `json:"oldest"`
}

// Run posts what is due in the books, then what follows for events and visits, which it does not list.
func (c *sweepCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database, programme uuid.UUID) error {
		total, err := d.ledger.CountDue(ctx, programme)
		if err != nil {
			return err
		}
		bar, done := newProgress(s.err, "sweep"), int64(0)
		var found []*swept
		visit := func(due ledger.Due) {
			done++
			bar.set(done, total)
			found = tally(found, due)
			if c.List && c.DryRun {
				fmt.Fprintf(s.out, "%-10s  %-24s  %-12s  %12s  due %s\n", due.Kind, due.Owner, due.Unit, due.Amount, due.At.Format(time.RFC3339))
			}
		}
		run := d.ledger.Sweep
		if c.DryRun {
			run = d.ledger.DueNow
		}
		if err := run(ctx, programme, visit); err != nil {
			return err
		}
		if !c.DryRun {
			keys, err := c.ring(c.Dir)
			if err != nil {
				return err
			}
			catalog := benefits.New(d.ledger, d.posting, partners.New(d.ledger, d.posting, keys))
			if err := catalog.Sweep(ctx, programme); err != nil {
				return err
			}
		}
		return c.print(s.out, found)
	})
}

func tally(found []*swept, due ledger.Due) []*swept {
	for _, s := range found {
		if s.Kind == due.Kind && s.Unit == due.Unit {
			s.Count++
			s.Amount = s.Amount.Add(due.Amount)
			if due.At.Before(s.Oldest) {
				s.Oldest = due.At
			}
			return found
		}
	}
	return append(found, &swept{Kind: due.Kind, Unit: due.Unit, Count: 1, Amount: due.Amount, Oldest: due.At})
}

func (c *sweepCommand) print(out io.Writer, found []*swept) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(map[string]any{"dry_run": c.DryRun, "swept": found})
	}
	if len(found) == 0 {
		fmt.Fprintln(out, "nothing is due")
		return nil
	}
	verb := "posted"
	if c.DryRun {
		verb = "would post"
	}
	for _, s := range found {
		fmt.Fprintf(out, "%s %d × %s of %s %s, the oldest due %s\n", verb, s.Count, s.Kind, s.Amount, s.Unit, s.Oldest.Format(time.RFC3339))
	}
	return nil
}
