package main

import (
	"context"
	"fmt"
)

type migrateCommand struct {
	onDatabase
}

// Run applies what is missing; it may run on many machines at once.
func (c *migrateCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, true, func(d *database) error {
		fmt.Fprintf(s.out, "schema is up to date on %s\n", d.server.Engine())
		return nil
	})
}
