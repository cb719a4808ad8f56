package main

import (
	"context"
	"fmt"
	"os"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/partners"
)

type applyCommand struct {
	onDatabase
	File string `short:"f" required:"" type:"existingfile" help:"The programme document (YAML)."`
}

// Run validates every section of the document, makes it current and publishes the stock that it declares; the same
// document again changes nothing.
func (c *applyCommand) Run(ctx context.Context, s *streams) error {
	document, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	return c.with(ctx, func(d *database) error {
		pool, err := d.pool(ctx, db.Options{})
		if err != nil {
			return err
		}
		catalog := benefits.New(d.ledger, pool, partners.New(d.ledger, pool))
		p, err := catalog.ApplyProgramme(ctx, document)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "programme %s is at version %d\n", p.Name, p.Version)
		return nil
	})
}
