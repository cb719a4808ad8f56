package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/partners"
)

type rankCommand struct {
	onProgramme
	Group  string `required:"" help:"The tier group that ranks its members."`
	Period string `arg:"" help:"A period that is over, such as 2026 or 2026-H1."`
}

// Run gives every member of a group its place among all in a period, once.
func (c *rankCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database, programme uuid.UUID) error {
		pool, err := d.pool(ctx, db.Options{})
		if err != nil {
			return err
		}
		catalog := benefits.New(d.ledger, pool, partners.New(d.ledger, pool, nil))
		ranked, err := catalog.RankMembers(ctx, programme, c.Group, c.Period, newProgress(s.err, "members").set)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%d members have their place in %s; they are rated by it from now on\n", ranked, c.Period)
		return nil
	})
}
